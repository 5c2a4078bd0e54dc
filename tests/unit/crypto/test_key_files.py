"""The key ring on disk and in the environment: permissions, missing or damaged keys, rotation."""

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
from tests.builders.keys import MADE_AT, generate_ring_directory, load_keyring, make_key_directory, make_rsa_key

LATER = MADE_AT + timedelta(days=30)
A_MINUTE = timedelta(minutes=1)
STRANGER = 4242  # the number of a user that is not us


@pytest.fixture
def keys(tmp_path):
    return make_key_directory(tmp_path / "keys")


def states(directory, kind):
    return [(entry.version, entry.state.value) for entry in read_key_entries(directory) if entry.kind is kind]


def test_generated_key_files_are_readable_by_owner_only():
    directory = generate_ring_directory()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert len(KeyRing.load(directory).public_jwks()["keys"]) == 6


def test_generate_again_changes_nothing(keys):
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    generate_key_ring(keys, LATER)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before


def test_generate_after_interruption_keeps_existing_keys(keys):
    made = (keys / "kek-1.key").read_bytes()
    (keys / "keys.json").unlink()
    (keys / "es256-2.key").unlink()
    generate_key_ring(keys, MADE_AT)
    assert (keys / "kek-1.key").read_bytes() == made
    KeyRing.load(keys)


def test_generate_restricts_directory_permissions(tmp_path):
    directory = make_key_directory(tmp_path / "keys")
    directory.chmod(0o755)
    generate_key_ring(directory, MADE_AT)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_generate_does_not_replace_a_lost_key(keys):
    (keys / "kek-1.key").unlink()
    with pytest.raises(Fault, match="sleutel_ontbreekt"):
        generate_key_ring(keys, LATER)
    assert not (keys / "kek-1.key").exists()


def test_generate_with_lost_manifest_and_rotated_keys_is_a_fault(keys):
    rotate_key(keys, KeyKind.KEK, LATER)
    (keys / "keys.json").unlink()
    with pytest.raises(Fault, match="sleutelbos_onvolledig"):
        generate_key_ring(keys, LATER)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
@pytest.mark.parametrize("name", ["kek-1.key", "keys.json", "ps256-1.key"])
def test_key_file_readable_by_others_is_rejected_with_remedy(keys, name, mode):
    (keys / name).chmod(mode)
    with pytest.raises(Fault, match="sleutelbos_leesbaar_voor_anderen") as refusal:
        KeyRing.load(keys)
    assert f"chmod 600 {keys / name}" in refusal.value.private


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711])
def test_key_directory_accessible_to_others_is_rejected_with_remedy(keys, mode):
    keys.chmod(mode)
    with pytest.raises(Fault, match="sleutelbos_leesbaar_voor_anderen") as refusal:
        KeyRing.load(keys)
    assert f"chmod 700 {keys}" in refusal.value.private


def give_away(path, monkeypatch):
    """Give a file or directory to another owner. By chown as root, otherwise by another effective user id."""
    if os.geteuid() == 0:
        os.chown(path, STRANGER, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)


@pytest.mark.parametrize("name", ["kek-1.key", "keys.json", "ps256-1.key"])
def test_key_file_of_another_owner_is_rejected_with_remedy(keys, name, monkeypatch):
    give_away(keys / name, monkeypatch)
    with pytest.raises(Fault, match="sleutelbos_van_een_ander") as refusal:
        KeyRing.load(keys)
    assert "chown" in refusal.value.private


def test_key_directory_of_another_owner_is_rejected_with_remedy(keys, monkeypatch):
    give_away(keys, monkeypatch)
    with pytest.raises(Fault, match="sleutelbos_van_een_ander") as refusal:
        KeyRing.load(keys)
    assert f"chown {os.geteuid()} {keys}" in refusal.value.private


@pytest.mark.parametrize("act", [generate_key_ring, lambda directory, at: rotate_key(directory, KeyKind.KEK, at)])
def test_key_directory_of_another_owner_is_not_changed(tmp_path, monkeypatch, act):
    directory = tmp_path / "keys"
    directory.mkdir()
    directory.chmod(0o755)
    give_away(directory, monkeypatch)
    with pytest.raises(Fault, match="sleutelbos_van_een_ander"):
        act(directory, MADE_AT)
    assert directory.stat().st_mode & 0o777 == 0o755
    assert list(directory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a directory of root")
def test_key_directory_of_root_is_read_but_not_changed(tmp_path, monkeypatch):
    closed, open_to_all = make_key_directory(tmp_path / "closed"), make_key_directory(tmp_path / "open")
    open_to_all.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    KeyRing.load(closed)
    with pytest.raises(Fault, match="sleutelbos_leesbaar_voor_anderen"):
        generate_key_ring(open_to_all, LATER)
    assert open_to_all.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["kek-1.key", "keys.json"])
def test_key_file_that_is_a_symlink_is_rejected(keys, tmp_path, name):
    (keys / name).rename(tmp_path / name)
    (keys / name).symlink_to(tmp_path / name)
    for act in (lambda: KeyRing.load(keys), lambda: generate_key_ring(keys, LATER)):
        with pytest.raises(Fault, match="sleutelbos_verwijst") as refusal:
            act()
        assert str(keys / name) in refusal.value.private


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_generate_does_not_follow_a_symlink(keys, tmp_path, target):
    (keys / "keys.json").unlink()
    (keys / "kek-1.key").rename(tmp_path / "there")
    (keys / "kek-1.key").symlink_to(tmp_path / target)
    with pytest.raises(Fault, match="sleutelbos_verwijst"):
        generate_key_ring(keys, MADE_AT)
    assert not (tmp_path / "nowhere").exists()


def test_missing_key_directory_is_a_fault_with_remedy(tmp_path):
    with pytest.raises(Fault, match="sleutelbos_ontbreekt") as refusal:
        KeyRing.load(tmp_path / "nowhere")
    assert "machtiging keys" in refusal.value.private


@pytest.mark.parametrize("name", ["kek-1", "blind-index", "ps256-1", "es256-2"])
def test_missing_key_file_is_a_fault_that_names_it(keys, name):
    (keys / f"{name}.key").unlink()
    with pytest.raises(Fault, match="sleutel_ontbreekt") as refusal:
        KeyRing.load(keys)
    assert name in refusal.value.private


@pytest.mark.parametrize("content", [b"", b"short", b"!" * 44, base64.b64encode(bytes(31)), b"\xff" * 32])
@pytest.mark.parametrize("name", ["kek-1", "ps256-1", "es256-1"])
def test_damaged_key_file_is_rejected_without_showing_its_content(keys, name, content):
    (keys / f"{name}.key").write_bytes(content)
    with pytest.raises(Fault, match="sleutel_onleesbaar") as refusal:
        KeyRing.load(keys)
    assert name in refusal.value.private
    assert refusal.value.__cause__ is None


def test_inconsistent_rsa_private_key_is_rejected(keys):
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


def test_short_rsa_key_is_rejected(keys, monkeypatch):
    monkeypatch.setattr(key_material, "RSA_BITS", key_material.RSA_BITS + 1)
    with pytest.raises(Fault, match="sleutel_onleesbaar"):
        KeyRing.load(keys)


def test_rsa_signing_key_under_3072_bits_is_rejected():
    entry = KeyEntry("ps256-1", KeyKind.PS256, KeyState.ACTIVE, MADE_AT)
    assert (
        key_material.parse_signing_key(key_material.generate_key_material(KeyKind.PS256), entry).public_key.key_size
        == 3072
    )
    with pytest.raises(Fault, match="sleutel_onleesbaar") as refused:
        key_material.parse_signing_key(make_rsa_key(2048).as_pem(private=True), entry)
    assert "want RSA of 3072 bits or more" in refused.value.private


def test_key_file_of_another_kind_is_rejected(keys):
    for name, other in (("ps256-1", "es256-1"), ("es256-2", "rs256-1")):
        kept = (keys / f"{name}.key").read_bytes()
        (keys / f"{name}.key").write_bytes((keys / f"{other}.key").read_bytes())
        with pytest.raises(Fault, match="sleutel_onleesbaar"):
            KeyRing.load(keys)
        (keys / f"{name}.key").write_bytes(kept)


def test_key_ring_is_read_from_environment(keys, tmp_path):
    environ = {"MACHTIGING_KEY_MANIFEST": (keys / "keys.json").read_text()}
    for entry in read_key_entries(keys):
        environ[environment_name(entry.name)] = (keys / f"{entry.name}.key").read_text()
    there = KeyRing.load(tmp_path / "nowhere", environ)
    assert there.public_jwks() == load_keyring().public_jwks()
    assert there.blind_index("bsn", "x") == load_keyring().blind_index("bsn", "x")


def test_base64_pem_in_environment_is_accepted(keys):
    pem = (keys / "es256-1.key").read_bytes()
    environ = {"MACHTIGING_KEY_ES256_1": base64.b64encode(pem).decode()}
    assert KeyRing.load(keys, environ).public_jwks() == load_keyring().public_jwks()


def test_environment_overrides_key_file(keys):
    environ = {"MACHTIGING_KEY_BLIND_INDEX": base64.b64encode(bytes(32)).decode()}
    assert KeyRing.load(keys, environ).blind_index("bsn", "x") != load_keyring().blind_index("bsn", "x")


def test_manifest_holds_no_secret(keys):
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


def test_manifest_round_trip_is_identity(keys):
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
def test_inconsistent_manifest_is_rejected(keys, row):
    document = json.loads((keys / "keys.json").read_text())
    document["keys"] = [other for other in document["keys"] if other["name"] != "kek-1"] + [row]
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        parse_manifest(json.dumps(document))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"version": 2, "keys": []}', '{"version": 1, "keys": []}', "[" * 9999]
)
def test_malformed_manifest_is_rejected(text):
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        parse_manifest(text)


def test_manifest_with_two_active_keys_of_one_kind_is_rejected(keys):
    text = (keys / "keys.json").read_text().replace('"published"', '"active"')
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        parse_manifest(text)


def test_rotation_activates_next_key_and_publishes_another(keys):
    active = rotate_key(keys, KeyKind.ES256, LATER)
    assert (active.name, active.activated_at) == ("es256-2", LATER)
    assert states(keys, KeyKind.ES256) == [(1, "retired"), (2, "active"), (3, "published")]
    assert states(keys, KeyKind.PS256) == [(1, "active"), (2, "published")]


def test_kek_rotation_activates_new_key_immediately(keys):
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-2"
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-3"
    assert states(keys, KeyKind.KEK) == [(1, "retired"), (2, "retired"), (3, "active")]


def test_rotation_to_newly_published_key_is_rejected(keys):
    rotate_key(keys, KeyKind.ES256, LATER)
    with pytest.raises(Conflict, match="sleutel_te_nieuw"):
        rotate_key(keys, KeyKind.ES256, LATER + A_MINUTE)
    assert states(keys, KeyKind.ES256) == [(1, "retired"), (2, "active"), (3, "published")]
    assert rotate_key(keys, KeyKind.ES256, LATER + A_MINUTE, immediately=True).version == 3
    assert rotate_key(keys, KeyKind.ES256, LATER + rotation.MIN_PUBLICATION_TIME + A_MINUTE).version == 4


@pytest.mark.parametrize("kind", [KeyKind.BLIND_INDEX, KeyKind.PSEUDONYM])
def test_blind_index_and_pseudonym_key_rotation_is_rejected(keys, kind):
    with pytest.raises(InvalidInput, match="sleutel_heeft_een_versie"):
        rotate_key(keys, kind, LATER)


def test_retired_signing_key_loses_its_private_part(keys):
    rotate_key(keys, KeyKind.ES256, LATER)
    assert b"PRIVATE" not in (keys / "es256-1.key").read_bytes()
    assert (keys / "es256-1.key").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" in (keys / "es256-2.key").read_bytes()
    KeyRing.load(keys)


def test_active_key_without_private_part_is_rejected(keys):
    rotate_key(keys, KeyKind.ES256, LATER)
    (keys / "es256-2.key").write_bytes((keys / "es256-1.key").read_bytes())
    with pytest.raises(Fault, match="sleutel_onleesbaar"):
        KeyRing.load(keys)


def test_rotation_never_overwrites_an_unknown_key_file(keys):
    (keys / "kek-7.key").write_bytes(b"an older ring's")
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-8"
    assert (keys / "kek-7.key").read_bytes() == b"an older ring's"


def test_rotation_interrupted_before_manifest_changes_nothing(keys):
    manifest = (keys / "keys.json").read_bytes()
    rotate_key(keys, KeyKind.KEK, LATER)
    (keys / "keys.json").write_bytes(manifest)
    KeyRing.load(keys)
    assert rotate_key(keys, KeyKind.KEK, LATER).name == "kek-3"


def test_key_states_are_published_active_and_retired():
    assert [state.value for state in KeyState] == ["published", "active", "retired"]


def test_leftover_temporary_manifest_is_ignored(keys):
    (keys / f".keys.json.{os.getpid()}.new").write_bytes(b"half")
    rotate_key(keys, KeyKind.KEK, LATER)
    assert not list(keys.glob(".*"))
    KeyRing.load(keys)
