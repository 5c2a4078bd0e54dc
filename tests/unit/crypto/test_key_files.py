"""The ring on disk and in the environment: who may read it, what is missing, how it turns."""

import base64
import json
import os
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from machtiging.crypto import key_material, rotation
from machtiging.crypto.key_manifest import KeyEntry, KeyKind, KeyState, parse_manifest, serialise_manifest
from machtiging.crypto.keyring import KeyRing, generate_key_ring
from machtiging.crypto.keystore import environment_name
from machtiging.crypto.rotation import read_key_entries, rotate_key
from machtiging.kernel.errors import Conflict, Fault, InvalidInput
from tests.builders.crypto import MADE_AT, a_key_directory, a_keyring, a_new_ring
from tests.builders.proof import an_rsa_key

LATER = MADE_AT + timedelta(days=30)
A_MINUTE = timedelta(minutes=1)
STRANGER = 4242  # the number of a user that is not us


@pytest.fixture
def keys(tmp_path):
    return a_key_directory(tmp_path / "keys")


def states(directory, kind):
    return [(entry.version, entry.state.value) for entry in read_key_entries(directory) if entry.kind is kind]


def test_a_new_ring_is_closed_to_everybody_else():
    directory = a_new_ring()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert len(KeyRing.load(directory).public_jwks()["keys"]) == 6


def test_generating_again_changes_nothing(keys):
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    generate_key_ring(keys, LATER)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before


def test_generating_after_a_stop_half_way_keeps_the_keys_that_were_made(keys):
    made = (keys / "kek-1.key").read_bytes()
    (keys / "keys.json").unlink()
    (keys / "es256-2.key").unlink()
    generate_key_ring(keys, MADE_AT)
    assert (keys / "kek-1.key").read_bytes() == made
    KeyRing.load(keys)


def test_generating_closes_a_directory_that_stood_open(tmp_path):
    directory = a_key_directory(tmp_path / "keys")
    directory.chmod(0o755)
    generate_key_ring(directory, MADE_AT)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_lost_key_is_never_replaced_by_a_new_one_of_the_same_name(keys):
    (keys / "kek-1.key").unlink()
    with pytest.raises(Fault, match="sleutel_ontbreekt"):
        generate_key_ring(keys, LATER)
    assert not (keys / "kek-1.key").exists()


def test_a_lost_manifest_beside_keys_of_a_later_version_is_not_guessed(keys):
    rotate_key(keys, KeyKind.KEK, LATER)
    (keys / "keys.json").unlink()
    with pytest.raises(Fault, match="sleutelbos_onvolledig"):
        generate_key_ring(keys, LATER)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
@pytest.mark.parametrize("name", ["kek-1.key", "keys.json", "ps256-1.key"])
def test_a_file_that_others_can_reach_is_refused_with_how_to_mend_it(keys, name, mode):
    (keys / name).chmod(mode)
    with pytest.raises(Fault, match="sleutelbos_leesbaar_voor_anderen") as refusal:
        KeyRing.load(keys)
    assert f"chmod 600 {keys / name}" in refusal.value.private


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711])
def test_a_directory_that_others_can_enter_is_refused_with_how_to_mend_it(keys, mode):
    keys.chmod(mode)
    with pytest.raises(Fault, match="sleutelbos_leesbaar_voor_anderen") as refusal:
        KeyRing.load(keys)
    assert f"chmod 700 {keys}" in refusal.value.private


def give_away(path, monkeypatch):
    """Make a file or directory somebody else's: really where we may, else by being somebody else ourselves."""
    if os.geteuid() == 0:
        os.chown(path, STRANGER, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)


@pytest.mark.parametrize("name", ["kek-1.key", "keys.json", "ps256-1.key"])
def test_a_file_of_somebody_else_is_refused_with_how_to_mend_it(keys, name, monkeypatch):
    give_away(keys / name, monkeypatch)
    with pytest.raises(Fault, match="sleutelbos_van_een_ander") as refusal:
        KeyRing.load(keys)
    assert "chown" in refusal.value.private


def test_a_directory_of_somebody_else_is_refused_with_how_to_mend_it(keys, monkeypatch):
    give_away(keys, monkeypatch)
    with pytest.raises(Fault, match="sleutelbos_van_een_ander") as refusal:
        KeyRing.load(keys)
    assert f"chown {os.geteuid()} {keys}" in refusal.value.private


@pytest.mark.parametrize("act", [generate_key_ring, lambda directory, at: rotate_key(directory, KeyKind.KEK, at)])
def test_a_directory_of_somebody_else_is_left_as_it_is(tmp_path, monkeypatch, act):
    directory = tmp_path / "keys"
    directory.mkdir()
    directory.chmod(0o755)
    give_away(directory, monkeypatch)
    with pytest.raises(Fault, match="sleutelbos_van_een_ander"):
        act(directory, MADE_AT)
    assert directory.stat().st_mode & 0o777 == 0o755
    assert list(directory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a directory of root")
def test_a_directory_of_root_is_trusted_but_not_changed(tmp_path, monkeypatch):
    closed, open_to_all = a_key_directory(tmp_path / "closed"), a_key_directory(tmp_path / "open")
    open_to_all.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    KeyRing.load(closed)
    with pytest.raises(Fault, match="sleutelbos_leesbaar_voor_anderen"):
        generate_key_ring(open_to_all, LATER)
    assert open_to_all.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["kek-1.key", "keys.json"])
def test_a_key_that_is_a_symbolic_link_is_refused(keys, tmp_path, name):
    (keys / name).rename(tmp_path / name)
    (keys / name).symlink_to(tmp_path / name)
    for act in (lambda: KeyRing.load(keys), lambda: generate_key_ring(keys, LATER)):
        with pytest.raises(Fault, match="sleutelbos_verwijst") as refusal:
            act()
        assert str(keys / name) in refusal.value.private


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_making_a_ring_follows_no_link_that_lies_in_wait(keys, tmp_path, target):
    (keys / "keys.json").unlink()
    (keys / "kek-1.key").rename(tmp_path / "there")
    (keys / "kek-1.key").symlink_to(tmp_path / target)
    with pytest.raises(Fault, match="sleutelbos_verwijst"):
        generate_key_ring(keys, MADE_AT)
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_directory_says_what_to_do(tmp_path):
    with pytest.raises(Fault, match="sleutelbos_ontbreekt") as refusal:
        KeyRing.load(tmp_path / "nowhere")
    assert "machtiging keys" in refusal.value.private


@pytest.mark.parametrize("name", ["kek-1", "blind-index", "ps256-1", "es256-2"])
def test_a_missing_key_is_refused_by_name(keys, name):
    (keys / f"{name}.key").unlink()
    with pytest.raises(Fault, match="sleutel_ontbreekt") as refusal:
        KeyRing.load(keys)
    assert name in refusal.value.private


@pytest.mark.parametrize("content", [b"", b"short", b"!" * 44, base64.b64encode(bytes(31)), b"\xff" * 32])
@pytest.mark.parametrize("name", ["kek-1", "ps256-1", "es256-1"])
def test_a_damaged_key_is_refused_and_its_content_is_not_told(keys, name, content):
    (keys / f"{name}.key").write_bytes(content)
    with pytest.raises(Fault, match="sleutel_onleesbaar") as refusal:
        KeyRing.load(keys)
    assert name in refusal.value.private
    assert refusal.value.__cause__ is None


def test_a_private_key_whose_halves_do_not_belong_together_is_refused(keys):
    ours, other = (
        load_pem_private_key(
            (keys / f"{name}.key").read_bytes(), None, unsafe_skip_rsa_key_validation=True
        ).private_numbers()
        for name in ("ps256-1", "rs256-1")
    )
    mixed = RSAPrivateNumbers(
        ours.p, ours.q, other.d, other.dmp1, other.dmq1, ours.iqmp, ours.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)
    (keys / "ps256-1.key").write_bytes(mixed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(Fault, match="sleutel_onleesbaar"):
        KeyRing.load(keys)


def test_a_short_rsa_key_is_refused(keys, monkeypatch):
    monkeypatch.setattr(key_material, "RSA_BITS", key_material.RSA_BITS + 1)
    with pytest.raises(Fault, match="sleutel_onleesbaar"):
        KeyRing.load(keys)


def test_an_rsa_key_of_the_service_has_3072_bits_and_one_of_2048_is_refused():
    entry = KeyEntry("ps256-1", KeyKind.PS256, KeyState.ACTIVE, MADE_AT)
    assert (
        key_material.parse_signing_key(key_material.generate_key_material(KeyKind.PS256), entry).public_key.key_size
        == 3072
    )
    with pytest.raises(Fault, match="sleutel_onleesbaar") as refused:
        key_material.parse_signing_key(an_rsa_key(2048).as_pem(private=True), entry)
    assert "want RSA of 3072 bits or more" in refused.value.private


def test_a_key_of_another_kind_is_refused(keys):
    for name, other in (("ps256-1", "es256-1"), ("es256-2", "rs256-1")):
        kept = (keys / f"{name}.key").read_bytes()
        (keys / f"{name}.key").write_bytes((keys / f"{other}.key").read_bytes())
        with pytest.raises(Fault, match="sleutel_onleesbaar"):
            KeyRing.load(keys)
        (keys / f"{name}.key").write_bytes(kept)


def test_the_environment_can_hold_the_whole_ring(keys, tmp_path):
    environ = {"MACHTIGING_KEY_MANIFEST": (keys / "keys.json").read_text()}
    for entry in read_key_entries(keys):
        environ[environment_name(entry.name)] = (keys / f"{entry.name}.key").read_text()
    there = KeyRing.load(tmp_path / "nowhere", environ)
    assert there.public_jwks() == a_keyring().public_jwks()
    assert there.blind_index("bsn", "x") == a_keyring().blind_index("bsn", "x")


def test_a_pem_in_the_environment_may_be_in_base64_on_one_line(keys):
    pem = (keys / "es256-1.key").read_bytes()
    environ = {"MACHTIGING_KEY_ES256_1": base64.b64encode(pem).decode()}
    assert KeyRing.load(keys, environ).public_jwks() == a_keyring().public_jwks()


def test_the_environment_wins_over_a_file(keys):
    environ = {"MACHTIGING_KEY_BLIND_INDEX": base64.b64encode(bytes(32)).decode()}
    assert KeyRing.load(keys, environ).blind_index("bsn", "x") != a_keyring().blind_index("bsn", "x")


def test_the_manifest_holds_no_secret(keys):
    manifest = (keys / "keys.json").read_text()
    for path in keys.glob("*.key"):
        assert path.read_text().strip() not in manifest
    assert set(json.loads(manifest)["keys"][0]) <= {
        "name",
        "kind",
        "state",
        "created_at",
        "activated_at",
        "retired_at",
    }


def test_a_manifest_survives_being_written_and_read(keys):
    assert parse_manifest(serialise_manifest(read_key_entries(keys))) == read_key_entries(keys)


def damaged(**changes):
    entry = {"name": "kek-1", "kind": "kek", "state": "active", "created_at": "2026-01-01T00:00:00+00:00"}
    return {**entry, **changes}


@pytest.mark.parametrize(
    "row",
    [
        damaged(name="../kek-1"),
        damaged(name="kek-x"),
        damaged(name="kek"),
        damaged(name="ps256-1"),
        damaged(kind="aes"),
        damaged(state="gone"),
        damaged(state="retired"),
        damaged(retired_at="2026-01-01T00:00:00+00:00"),
        damaged(created_at="2026-01-01T00:00:00"),
        damaged(created_at=1),
        damaged(secret="x"),
        {"name": "kek-1"},
        damaged(name="kek-0", state="published"),
        "kek-1",
        None,
    ],
)
def test_a_manifest_that_does_not_add_up_is_refused(keys, row):
    document = json.loads((keys / "keys.json").read_text())
    document["keys"] = [other for other in document["keys"] if other["name"] != "kek-1"] + [row]
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        parse_manifest(json.dumps(document))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"version": 2, "keys": []}', '{"version": 1, "keys": []}', "[" * 9999]
)
def test_a_text_that_is_no_manifest_is_refused(text):
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        parse_manifest(text)


def test_two_active_keys_of_one_kind_are_one_too_many(keys):
    text = (keys / "keys.json").read_text().replace('"published"', '"active"')
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        parse_manifest(text)


def test_a_rotation_lets_the_next_key_sign_and_publishes_another(keys):
    active = rotate_key(keys, KeyKind.ES256, LATER)
    assert (active.name, active.activated_at) == ("es256-2", LATER)
    assert states(keys, KeyKind.ES256) == [(1, "retired"), (2, "active"), (3, "published")]
    assert states(keys, KeyKind.PS256) == [(1, "active"), (2, "published")]


def test_a_rotation_of_the_key_encryption_key_wraps_with_the_new_one_at_once(keys):
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-2"
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-3"
    assert states(keys, KeyKind.KEK) == [(1, "retired"), (2, "retired"), (3, "active")]


def test_a_key_that_has_just_been_published_does_not_sign_yet(keys):
    rotate_key(keys, KeyKind.ES256, LATER)
    with pytest.raises(Conflict, match="sleutel_te_nieuw"):
        rotate_key(keys, KeyKind.ES256, LATER + A_MINUTE)
    assert states(keys, KeyKind.ES256) == [(1, "retired"), (2, "active"), (3, "published")]
    assert rotate_key(keys, KeyKind.ES256, LATER + A_MINUTE, immediately=True).version == 3
    assert rotate_key(keys, KeyKind.ES256, LATER + rotation.MIN_PUBLICATION_TIME + A_MINUTE).version == 4


@pytest.mark.parametrize("kind", [KeyKind.BLIND_INDEX, KeyKind.PSEUDONYM])
def test_the_keys_of_the_index_and_of_pseudonyms_do_not_rotate(keys, kind):
    with pytest.raises(InvalidInput, match="sleutel_heeft_een_versie"):
        rotate_key(keys, kind, LATER)


def test_a_retired_signing_key_keeps_only_its_public_half(keys):
    rotate_key(keys, KeyKind.ES256, LATER)
    assert b"PRIVATE" not in (keys / "es256-1.key").read_bytes()
    assert (keys / "es256-1.key").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" in (keys / "es256-2.key").read_bytes()
    KeyRing.load(keys)


def test_an_active_key_without_its_private_half_is_refused(keys):
    rotate_key(keys, KeyKind.ES256, LATER)
    (keys / "es256-2.key").write_bytes((keys / "es256-1.key").read_bytes())
    with pytest.raises(Fault, match="sleutel_onleesbaar"):
        KeyRing.load(keys)


def test_a_rotation_never_writes_over_a_file_that_the_manifest_does_not_know(keys):
    (keys / "kek-7.key").write_bytes(b"an older ring's")
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-8"
    assert (keys / "kek-7.key").read_bytes() == b"an older ring's"


def test_a_rotation_that_stops_before_the_manifest_is_written_has_changed_nothing(keys):
    manifest = (keys / "keys.json").read_bytes()
    rotate_key(keys, KeyKind.KEK, LATER)
    (keys / "keys.json").write_bytes(manifest)
    KeyRing.load(keys)
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-3"


def test_the_signing_states_are_the_three_of_the_manual():
    assert [state.value for state in KeyState] == ["published", "active", "retired"]


def test_what_a_stopped_write_left_behind_is_no_hindrance(keys):
    (keys / f".keys.json.{os.getpid()}.new").write_bytes(b"half")
    rotate_key(keys, KeyKind.KEK, LATER)
    assert not list(keys.glob(".*"))
    KeyRing.load(keys)
