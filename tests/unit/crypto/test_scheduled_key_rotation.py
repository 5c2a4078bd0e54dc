"""Scheduled rotation: a key is published first and signs from its moment on. No operator is needed."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from machtiging.crypto import rotation
from machtiging.crypto.key_manifest import (
    KeyKind,
    KeyState,
    entries_at,
    is_scheduled,
    parse_manifest,
    serialise_manifest,
)
from machtiging.crypto.keyring import KeyRing, watch_key_ring
from machtiging.crypto.own_tokens import RETIRED_KEY_LIFETIME
from machtiging.crypto.rotation import (
    MAX_ACTIVATION_DELAY,
    MIN_PUBLICATION_TIME,
    activation_time,
    generate_key_ring,
    read_key_entries,
    rotate_key,
)
from machtiging.kernel.clock import SettableClock
from machtiging.kernel.errors import Conflict, Fault, InvalidInput
from tests.builders.keys import MADE_AT, make_key_directory
from tests.unit.virtual_time import run_in_virtual_time

NOW = MADE_AT + timedelta(days=1)
THEN = NOW + timedelta(days=30)
SECOND = timedelta(seconds=1)
ISSUER = "https://machtigen.test"


@pytest.fixture
def keys(tmp_path):
    return make_key_directory(tmp_path / "keys")


@pytest.fixture
def clock():
    return SettableClock(NOW)


def token(ring, at):
    seconds = int(at.timestamp())
    return ring.sign_jwt(
        {"iss": ISSUER, "aud": ISSUER, "iat": seconds, "exp": seconds + 600}, typ="at+jwt", alg="ES256"
    )


def signer(ring, at) -> str:
    """The name of the key that signs."""
    head = token(ring, at).split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=="))["kid"].split(".")[0]


def states(keys, at):
    return [
        (one.version, one.state.value) for one in entries_at(read_key_entries(keys), at) if one.kind is KeyKind.ES256
    ]


def private(keys, name) -> bool:
    return b"PRIVATE" in (keys / f"{name}.key").read_bytes()


def test_scheduled_key_is_published_now_and_signs_from_its_moment(keys, clock):
    chosen = rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    assert (chosen.name, is_scheduled(chosen), chosen.activated_at) == ("es256-2", True, THEN)
    ring = KeyRing.load(keys, clock=clock)
    assert any(key["kid"].startswith("es256-2.") for key in ring.public_jwks(NOW)["keys"])
    clock.advance(THEN - NOW - SECOND)
    assert not ring.reload_if_changed()
    assert signer(ring, clock.now()) == "es256-1"
    clock.advance(SECOND)
    assert ring.reload_if_changed()
    assert signer(ring, clock.now()) == "es256-2"
    assert not ring.reload_if_changed(), "once is enough"


def test_worker_started_after_the_moment_signs_with_scheduled_key(keys, clock):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    clock.advance(THEN - NOW)
    assert signer(KeyRing.load(keys, clock=clock), THEN) == "es256-2"


def test_tokens_signed_around_the_moment_verify_in_every_worker(keys, clock):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    quick, slow = KeyRing.load(keys, clock=clock), KeyRing.load(keys, clock=clock)
    clock.advance(THEN - NOW)
    quick.reload_if_changed()
    for one, other in ((quick, slow), (slow, quick)):
        claims = other.verify_own_jwt(token(one, THEN), typ="at+jwt", issuer=ISSUER, audience=ISSUER, at=THEN)
        assert claims["iat"] == int(THEN.timestamp())


def test_previous_key_verifies_for_a_day_after_the_moment(keys, clock):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    clock.advance(THEN - NOW)
    ring = KeyRing.load(keys, clock=clock)
    for later, there in ((RETIRED_KEY_LIFETIME - SECOND, True), (RETIRED_KEY_LIFETIME, False)):
        kids = {key["kid"].split(".")[0] for key in ring.public_jwks(THEN + later)["keys"]}
        assert ("es256-1" in kids) is there


def test_running_worker_switches_to_scheduled_key(keys, clock):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)

    async def watched():
        ring, stop = KeyRing.load(keys, clock=clock), asyncio.Event()
        watching = asyncio.create_task(watch_key_ring(ring, every=2, stop=stop))
        await asyncio.sleep(9)
        assert signer(ring, NOW) == "es256-1"
        clock.advance(THEN - NOW)
        await asyncio.sleep(2)
        assert signer(ring, THEN) == "es256-2"
        stop.set()
        await watching

    run_in_virtual_time(watched())


def test_key_ring_from_environment_switches_to_scheduled_key(keys, clock):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    ring = KeyRing.load(keys, {"MACHTIGING_KEY_MANIFEST": (keys / "keys.json").read_text()}, clock=clock)
    clock.advance(THEN - NOW)
    assert ring.reload_if_changed()
    assert signer(ring, THEN) == "es256-2"


@pytest.mark.parametrize(
    ("begins", "code"),
    [
        (NOW, "moment_voorbij"),
        (NOW - SECOND, "moment_voorbij"),
        (datetime(1, 1, 1, tzinfo=UTC), "moment_voorbij"),
        (NOW + MAX_ACTIVATION_DELAY + SECOND, "moment_te_ver"),
        (datetime(9999, 12, 31, tzinfo=UTC), "moment_te_ver"),
    ],
)
def test_moment_in_the_past_or_too_far_ahead_is_rejected(keys, begins, code):
    before = (keys / "keys.json").read_bytes()
    with pytest.raises(InvalidInput, match=code):
        rotate_key(keys, KeyKind.ES256, NOW, activate_at=begins)
    assert (keys / "keys.json").read_bytes() == before


def test_scheduled_kek_rotation_is_rejected(keys):
    with pytest.raises(InvalidInput, match="sleutel_zonder_moment"):
        rotate_key(keys, KeyKind.KEK, NOW, activate_at=THEN)


def test_moment_before_publication_delay_is_rejected(keys):
    rotate_key(keys, KeyKind.ES256, NOW)
    with pytest.raises(Conflict, match="sleutel_te_nieuw"):
        rotate_key(keys, KeyKind.ES256, NOW + SECOND, activate_at=NOW + MIN_PUBLICATION_TIME - SECOND)
    assert is_scheduled(rotate_key(keys, KeyKind.ES256, NOW + SECOND, activate_at=NOW + MIN_PUBLICATION_TIME))


def test_scheduled_rotation_without_next_key_publishes_one(keys):
    entries = [e for e in read_key_entries(keys) if not (e.kind is KeyKind.ES256 and e.state is KeyState.PUBLISHED)]
    (keys / "keys.json").write_text(serialise_manifest(entries))
    with pytest.raises(Conflict, match="sleutel_te_nieuw"):
        rotate_key(keys, KeyKind.ES256, NOW, activate_at=NOW + MIN_PUBLICATION_TIME - SECOND)
    chosen = rotate_key(keys, KeyKind.ES256, NOW, activate_at=NOW + MIN_PUBLICATION_TIME)
    assert (chosen.name, is_scheduled(chosen)) == ("es256-3", True)


def test_scheduled_rotation_publishes_a_spare_key(keys):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    assert states(keys, NOW) == [(1, "active"), (2, "published"), (3, "published")]
    assert states(keys, THEN) == [(1, "retired"), (2, "active"), (3, "published")]


def test_rescheduled_moment_replaces_the_first_without_new_keys(keys):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    sooner = THEN - timedelta(days=7)
    assert rotate_key(keys, KeyKind.ES256, NOW, activate_at=sooner).activated_at == sooner
    assert states(keys, NOW) == [(1, "active"), (2, "published"), (3, "published")]
    assert states(keys, sooner)[1] == (2, "active")


@pytest.mark.parametrize("at_once", [True, False])
def test_scheduled_key_can_be_activated_now(keys, at_once):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    chosen = rotate_key(keys, KeyKind.ES256, NOW, immediately=at_once)
    assert (chosen.name, chosen.activated_at) == ("es256-2", NOW)
    assert states(keys, THEN) == [(1, "retired"), (2, "active"), (3, "published")]
    assert not private(keys, "es256-1")


def test_rotation_after_the_moment_activates_the_next_key(keys):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    later = THEN + MIN_PUBLICATION_TIME
    assert rotate_key(keys, KeyKind.ES256, later).name == "es256-3"
    assert states(keys, later) == [(1, "retired"), (2, "retired"), (3, "active"), (4, "published")]
    retired = {e.name: e.retired_at for e in read_key_entries(keys)}
    assert (retired["es256-1"], retired["es256-2"]) == (THEN, later)


def test_replaced_key_loses_its_private_part_at_next_command(keys):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    assert generate_key_ring(keys, THEN - SECOND) == ()
    assert private(keys, "es256-1")
    assert generate_key_ring(keys, THEN) == ()
    assert not private(keys, "es256-1")
    assert private(keys, "es256-2")
    KeyRing.load(keys, clock=SettableClock(THEN))


def test_listing_shows_moment_of_first_signature(keys):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    entries = {e.name: e for e in read_key_entries(keys)}
    assert activation_time(tuple(entries.values()), entries["es256-2"]) == THEN
    assert activation_time(tuple(entries.values()), entries["es256-3"]) == NOW + MIN_PUBLICATION_TIME


def test_moment_in_another_time_zone_is_accepted(keys, clock):
    amsterdam = timezone(timedelta(hours=1))
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN.astimezone(amsterdam))
    clock.advance(THEN - NOW)
    assert signer(KeyRing.load(keys, clock=clock), THEN) == "es256-2"


def test_manifest_with_two_moments_for_one_kind_is_rejected(keys):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    document = json.loads((keys / "keys.json").read_text())
    document["keys"][-1]["activated_at"] = THEN.isoformat()
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        parse_manifest(json.dumps(document))


def test_rotation_of_another_kind_keeps_the_moment(keys):
    rotate_key(keys, KeyKind.ES256, NOW, activate_at=THEN)
    rotate_key(keys, KeyKind.KEK, NOW)
    rotation.rotate_key(keys, KeyKind.PS256, NOW)
    assert states(keys, THEN)[1] == (2, "active")
