"""Rotation without downtime: every worker verifies the tokens of every other worker."""

import asyncio
import base64
import json
import os
from datetime import timedelta

import pytest
import structlog
import structlog.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machtiging.crypto import rotation
from machtiging.crypto.key_manifest import KeyKind, KeyState, parse_manifest, serialise_manifest
from machtiging.crypto.keyring import KeyRing, watch_key_ring
from machtiging.crypto.own_tokens import RETIRED_KEY_LIFETIME
from machtiging.crypto.rotation import earliest_signing_time, read_key_entries, rotate_key
from machtiging.kernel.errors import Conflict, Fault, NotAuthenticated
from machtiging.message_catalogue import describe_refusal
from tests.builders.keys import MADE_AT, load_keyring, make_key_directory
from tests.unit.virtual_time import run_in_virtual_time

LATER = MADE_AT + timedelta(days=1)
ISSUER = "https://machtigen.test"
PUBLISHED = rotation.MIN_PUBLICATION_TIME


@pytest.fixture
def keys(tmp_path):
    return make_key_directory(tmp_path / "keys")


def token(ring, at, alg="ES256"):
    seconds = int(at.timestamp())
    claims = {"iss": ISSUER, "aud": ISSUER, "iat": seconds, "exp": seconds + 3600}
    return ring.sign_jwt(claims, typ="at+jwt", alg=alg)


def verifies(ring, text, at):
    return ring.verify_own_jwt(text, typ="at+jwt", issuer=ISSUER, audience=ISSUER, at=at)


def kids(ring, at=None):
    return {key["kid"].split(".")[0] for key in ring.public_jwks(at)["keys"]}


def without_next(keys, kind):
    """Remove the published key of this kind from the manifest."""
    entries = [e for e in read_key_entries(keys) if not (e.kind is kind and e.state is KeyState.PUBLISHED)]
    (keys / "keys.json").write_text(serialise_manifest(entries))


def test_refreshed_worker_signs_with_new_key_and_verifies_old_tokens(keys):
    worker = KeyRing.load(keys)
    before = token(worker, LATER)
    rotate_key(keys, KeyKind.ES256, LATER)
    assert worker.reload_if_changed()
    after = token(worker, LATER)
    assert before.split(".")[0] != after.split(".")[0]
    for text in (before, after):
        assert verifies(worker, text, LATER)
    assert not worker.reload_if_changed(), "nothing new"


def test_stale_worker_verifies_tokens_of_the_new_key(keys):
    quick, slow = KeyRing.load(keys), KeyRing.load(keys)
    rotate_key(keys, KeyKind.ES256, LATER)
    quick.reload_if_changed()
    assert verifies(slow, token(quick, LATER), LATER)
    assert verifies(quick, token(slow, LATER), LATER)


@pytest.mark.parametrize("kind", [KeyKind.ES256, pytest.param(KeyKind.PS256, marks=pytest.mark.whole)])
def test_every_signing_key_was_published_before(keys, kind):
    seen = kids(KeyRing.load(keys))
    at = LATER
    for _ in range(2):
        active = rotate_key(keys, kind, at)
        assert active.name in seen
        seen = kids(KeyRing.load(keys), at)
        at += PUBLISHED


def test_retired_key_stays_published_until_its_last_token_expires(keys):
    worker = KeyRing.load(keys)
    rotate_key(keys, KeyKind.ES256, LATER)
    last = token(worker, LATER)  # by a worker that had not looked yet
    worker.reload_if_changed()
    for later in (timedelta(0), timedelta(minutes=59)):
        assert verifies(worker, last, LATER + later)
    for later in (timedelta(0), timedelta(hours=1), RETIRED_KEY_LIFETIME - timedelta(seconds=1)):
        assert "es256-1" in kids(worker, LATER + later)
    assert "es256-1" not in kids(worker, LATER + RETIRED_KEY_LIFETIME)


def test_rotation_before_publication_delay_is_rejected_with_the_time(keys):
    rotate_key(keys, KeyKind.ES256, LATER)
    begins = earliest_signing_time(read_key_entries(keys), KeyKind.ES256)
    assert begins == LATER + PUBLISHED
    with pytest.raises(Conflict, match="sleutel_te_nieuw") as refused:
        rotate_key(keys, KeyKind.ES256, begins - timedelta(seconds=1))
    assert f"{begins:%H:%M}" in describe_refusal(refused.value)
    assert rotate_key(keys, KeyKind.ES256, begins).name == "es256-3"


def test_rotation_without_published_key_takes_two_steps(keys):
    without_next(keys, KeyKind.ES256)
    first = rotate_key(keys, KeyKind.ES256, LATER)
    assert (first.name, first.state) == ("es256-3", KeyState.PUBLISHED)
    active = next(e for e in read_key_entries(keys) if e.kind is KeyKind.ES256 and e.state is KeyState.ACTIVE)
    assert active.name == "es256-1"
    with pytest.raises(Conflict, match="sleutel_te_nieuw"):
        rotate_key(keys, KeyKind.ES256, LATER + timedelta(minutes=1))
    second = rotate_key(keys, KeyKind.ES256, LATER + PUBLISHED)
    assert (second.name, second.state) == ("es256-3", KeyState.ACTIVE)


def test_leaked_key_is_replaced_immediately_by_unpublished_key(keys):
    without_next(keys, KeyKind.ES256)
    assert rotate_key(keys, KeyKind.ES256, LATER, immediately=True).state is KeyState.ACTIVE
    states = [(e.version, e.state) for e in read_key_entries(keys) if e.kind is KeyKind.ES256]
    assert states == [(1, KeyState.RETIRED), (3, KeyState.ACTIVE)]


def test_refreshed_worker_loads_new_kek(keys):
    worker = KeyRing.load(keys)
    rotate_key(keys, KeyKind.KEK, LATER)
    worker.reload_if_changed()
    assert worker.kek_versions == (1, 2)


BREAKS = {
    "a manifest that is cut off": lambda keys: (keys / "keys.json").write_text("{"),
    "no manifest": lambda keys: (keys / "keys.json").unlink(),
    "a key file that is gone": lambda keys: (keys / "ps256-2.key").unlink(),
    "a key file that others can read": lambda keys: (keys / "ps256-2.key").chmod(0o644),
    "a key of another kind": lambda keys: (keys / "ps256-2.key").write_bytes((keys / "es256-1.key").read_bytes()),
    "another index key": lambda keys: (keys / "blind-index.key").write_bytes((keys / "pseudonym.key").read_bytes()),
    "another pseudonym key": lambda keys: (keys / "pseudonym.key").write_bytes((keys / "kek-1.key").read_bytes()),
    "another key-encryption key": lambda keys: (keys / "kek-1.key").write_bytes((keys / "pseudonym.key").read_bytes()),
    "another signing key under an old name": lambda keys: (keys / "es256-1.key").write_bytes(
        (keys / "es256-2.key").read_bytes()
    ),
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS.keys())
def test_broken_key_ring_keeps_the_old_keys_and_is_reported(keys, broken):
    worker = KeyRing.load(keys)
    before, index = token(worker, LATER), worker.blind_index("bsn", "x")
    whole = {path: path.read_bytes() for path in keys.iterdir()}
    rotate_key(keys, KeyKind.ES256, LATER)  # the manifest is another from here on
    broken(keys)
    for _ in range(2):
        with pytest.raises(Fault):
            worker.reload_if_changed()
    assert worker.load_error
    assert verifies(worker, before, LATER)
    assert verifies(worker, token(worker, LATER), LATER)
    assert worker.blind_index("bsn", "x") == index
    for path, content in whole.items():
        path.touch(0o600)
        path.chmod(0o600)
        path.write_bytes(content)
    worker.reload_if_changed()
    assert worker.load_error == ""


@pytest.mark.parametrize("name", [name for name in BREAKS if name.startswith("another ")])
def test_replaced_key_material_under_same_name_is_a_fault(keys, name):
    worker = KeyRing.load(keys)
    rotate_key(keys, KeyKind.ES256, LATER)
    BREAKS[name](keys)
    with pytest.raises(Fault) as fault:
        worker.reload_if_changed()
    assert fault.value.code == "sleutelbos_wijkt_af"


def test_restored_manifest_clears_the_reported_fault(keys):
    worker = KeyRing.load(keys)
    away = keys / "elders.json"
    (keys / "keys.json").rename(away)
    with pytest.raises(Fault):
        worker.reload_if_changed()
    away.rename(keys / "keys.json")
    assert not worker.reload_if_changed()
    assert worker.load_error == ""


def test_key_ring_from_environment_does_not_reload(keys):
    text = (keys / "keys.json").read_text()
    worker = KeyRing.load(keys, {"MACHTIGING_KEY_MANIFEST": text})
    rotate_key(keys, KeyKind.ES256, LATER)
    assert not worker.reload_if_changed()


def test_running_worker_reloads_and_logs_a_fault_once(keys):
    async def watched():
        worker, stop = KeyRing.load(keys), asyncio.Event()
        watching = asyncio.create_task(watch_key_ring(worker, every=2, stop=stop))
        await asyncio.sleep(1)
        rotate_key(keys, KeyKind.ES256, LATER)
        await asyncio.sleep(2)
        assert "es256-3" in worker.key_names
        (keys / "keys.json").write_text("{")
        await asyncio.sleep(20)
        assert worker.load_error
        stop.set()
        await watching

    with structlog.testing.capture_logs() as said:
        run_in_virtual_time(watched())
    assert [line["event"] for line in said].count("key_ring_not_read") == 1


@given(steps=st.lists(st.sampled_from(["rotate", "leak", "look a", "look b", "wait"]), max_size=8))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tokens_verify_across_workers_in_any_order_of_rotations(tmp_path_factory, steps):
    """Only without `at_once`: urgent replacement may make some tokens fail."""
    keys = make_key_directory(tmp_path_factory.mktemp("ring") / "keys")
    a, b = KeyRing.load(keys), KeyRing.load(keys)
    at = LATER
    for step in steps:
        if step == "wait":
            at += PUBLISHED
            a.reload_if_changed()  # every worker refreshes within the publication delay
            b.reload_if_changed()
        elif step.startswith("look"):
            (a if step.endswith("a") else b).reload_if_changed()
        else:
            try:
                rotate_key(keys, KeyKind.ES256, at)
            except Conflict:
                continue
        for signer in (a, b):
            for reader in (a, b):
                assert verifies(reader, token(signer, at), at)


@pytest.mark.parametrize("alg", ["RS256", "ES256", "HS256", "none"])
def test_jwt_with_changed_alg_is_rejected(alg):
    ring = load_keyring()
    header, payload, signature = token(ring, LATER, "PS256").split(".")
    opened = json.loads(base64.urlsafe_b64decode(header + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(opened | {"alg": alg}).encode()).rstrip(b"=").decode()
    with pytest.raises(NotAuthenticated):
        verifies(ring, f"{changed}.{payload}.{signature}", LATER)


def test_manifest_of_older_release_is_read(keys):
    text = (keys / "keys.json").read_text()
    assert parse_manifest(text) == read_key_entries(keys)
    assert os.stat(keys / "keys.json").st_mode & 0o777 == 0o600
