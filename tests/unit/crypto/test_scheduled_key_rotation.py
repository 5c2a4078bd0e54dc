"""Scheduled rotation: a key is published first and signs from its moment on, without an operator."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from machtiging.crypto import rotation
from machtiging.crypto.keyring import KeyRing, run_watch
from machtiging.crypto.manifest import Kind, State, as_of, from_json, scheduled, to_json
from machtiging.crypto.own_tokens import RETIRED_KEY_VERIFIES
from machtiging.crypto.rotation import LONGEST_AHEAD, PUBLISHED_BEFORE_SIGNING, generate, overview, rotate, signs_from
from machtiging.kernel.clock import SettableClock
from machtiging.kernel.errors import Conflict, Fault, InvalidInput
from tests.builders.crypto import MADE_AT, a_key_directory
from tests.builders.in_no_time import in_no_time

NOW = MADE_AT + timedelta(days=1)
THEN = NOW + timedelta(days=30)
SECOND = timedelta(seconds=1)
ISSUER = "https://machtigen.test"


@pytest.fixture
def keys(tmp_path):
    return a_key_directory(tmp_path / "keys")


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
    return [(one.version, one.state.value) for one in as_of(overview(keys), at) if one.kind is Kind.ES256]


def private(keys, name) -> bool:
    return b"PRIVATE" in (keys / f"{name}.key").read_bytes()


def test_scheduled_key_is_published_now_and_signs_from_its_moment(keys, clock):
    chosen = rotate(keys, Kind.ES256, NOW, begins=THEN)
    assert (chosen.name, scheduled(chosen), chosen.activated_at) == ("es256-2", True, THEN)
    ring = KeyRing.load(keys, clock=clock)
    assert any(key["kid"].startswith("es256-2.") for key in ring.public_jwks(NOW)["keys"])
    clock.advance(THEN - NOW - SECOND)
    assert not ring.refresh()
    assert signer(ring, clock.now()) == "es256-1"
    clock.advance(SECOND)
    assert ring.refresh()
    assert signer(ring, clock.now()) == "es256-2"
    assert not ring.refresh(), "once is enough"


def test_worker_started_after_the_moment_signs_with_scheduled_key(keys, clock):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    clock.advance(THEN - NOW)
    assert signer(KeyRing.load(keys, clock=clock), THEN) == "es256-2"


def test_tokens_signed_around_the_moment_verify_in_every_worker(keys, clock):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    quick, slow = KeyRing.load(keys, clock=clock), KeyRing.load(keys, clock=clock)
    clock.advance(THEN - NOW)
    quick.refresh()
    for one, other in ((quick, slow), (slow, quick)):
        other.verify_own_jwt(token(one, THEN), typ="at+jwt", issuer=ISSUER, audience=ISSUER, at=THEN)


def test_previous_key_verifies_for_a_day_after_the_moment(keys, clock):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    clock.advance(THEN - NOW)
    ring = KeyRing.load(keys, clock=clock)
    for later, there in ((RETIRED_KEY_VERIFIES - SECOND, True), (RETIRED_KEY_VERIFIES, False)):
        kids = {key["kid"].split(".")[0] for key in ring.public_jwks(THEN + later)["keys"]}
        assert ("es256-1" in kids) is there


def test_running_worker_switches_to_scheduled_key(keys, clock):
    rotate(keys, Kind.ES256, NOW, begins=THEN)

    async def watched():
        ring, stop = KeyRing.load(keys, clock=clock), asyncio.Event()
        watching = asyncio.create_task(run_watch(ring, every=2, stop=stop))
        await asyncio.sleep(9)
        assert signer(ring, NOW) == "es256-1"
        clock.advance(THEN - NOW)
        await asyncio.sleep(2)
        assert signer(ring, THEN) == "es256-2"
        stop.set()
        await watching

    in_no_time(watched())


def test_key_ring_from_environment_switches_to_scheduled_key(keys, clock):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    ring = KeyRing.load(keys, {"MACHTIGING_KEY_MANIFEST": (keys / "keys.json").read_text()}, clock=clock)
    clock.advance(THEN - NOW)
    assert ring.refresh()
    assert signer(ring, THEN) == "es256-2"


@pytest.mark.parametrize(
    ("begins", "code"),
    [
        (NOW, "moment_voorbij"),
        (NOW - SECOND, "moment_voorbij"),
        (datetime(1, 1, 1, tzinfo=UTC), "moment_voorbij"),
        (NOW + LONGEST_AHEAD + SECOND, "moment_te_ver"),
        (datetime(9999, 12, 31, tzinfo=UTC), "moment_te_ver"),
    ],
)
def test_moment_in_the_past_or_too_far_ahead_is_rejected(keys, begins, code):
    before = (keys / "keys.json").read_bytes()
    with pytest.raises(InvalidInput, match=code):
        rotate(keys, Kind.ES256, NOW, begins=begins)
    assert (keys / "keys.json").read_bytes() == before


def test_scheduled_kek_rotation_is_rejected(keys):
    with pytest.raises(InvalidInput, match="sleutel_zonder_moment"):
        rotate(keys, Kind.KEK, NOW, begins=THEN)


def test_moment_before_publication_delay_is_rejected(keys):
    rotate(keys, Kind.ES256, NOW)
    with pytest.raises(Conflict, match="sleutel_te_nieuw"):
        rotate(keys, Kind.ES256, NOW + SECOND, begins=NOW + PUBLISHED_BEFORE_SIGNING - SECOND)
    assert scheduled(rotate(keys, Kind.ES256, NOW + SECOND, begins=NOW + PUBLISHED_BEFORE_SIGNING))


def test_scheduled_rotation_without_next_key_publishes_one(keys):
    entries = [e for e in overview(keys) if not (e.kind is Kind.ES256 and e.state is State.PUBLISHED)]
    (keys / "keys.json").write_text(to_json(entries))
    with pytest.raises(Conflict, match="sleutel_te_nieuw"):
        rotate(keys, Kind.ES256, NOW, begins=NOW + PUBLISHED_BEFORE_SIGNING - SECOND)
    chosen = rotate(keys, Kind.ES256, NOW, begins=NOW + PUBLISHED_BEFORE_SIGNING)
    assert (chosen.name, scheduled(chosen)) == ("es256-3", True)


def test_scheduled_rotation_publishes_a_spare_key(keys):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    assert states(keys, NOW) == [(1, "active"), (2, "published"), (3, "published")]
    assert states(keys, THEN) == [(1, "retired"), (2, "active"), (3, "published")]


def test_rescheduled_moment_replaces_the_first_without_new_keys(keys):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    sooner = THEN - timedelta(days=7)
    assert rotate(keys, Kind.ES256, NOW, begins=sooner).activated_at == sooner
    assert states(keys, NOW) == [(1, "active"), (2, "published"), (3, "published")]
    assert states(keys, sooner)[1] == (2, "active")


@pytest.mark.parametrize("at_once", [True, False])
def test_scheduled_key_can_be_activated_now(keys, at_once):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    chosen = rotate(keys, Kind.ES256, NOW, at_once=at_once)
    assert (chosen.name, chosen.activated_at) == ("es256-2", NOW)
    assert states(keys, THEN) == [(1, "retired"), (2, "active"), (3, "published")]
    assert not private(keys, "es256-1")


def test_rotation_after_the_moment_activates_the_next_key(keys):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    later = THEN + PUBLISHED_BEFORE_SIGNING
    assert rotate(keys, Kind.ES256, later).name == "es256-3"
    assert states(keys, later) == [(1, "retired"), (2, "retired"), (3, "active"), (4, "published")]
    retired = {e.name: e.retired_at for e in overview(keys)}
    assert (retired["es256-1"], retired["es256-2"]) == (THEN, later)


def test_replaced_key_loses_its_private_part_at_next_command(keys):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    assert generate(keys, THEN - SECOND) == ()
    assert private(keys, "es256-1")
    assert generate(keys, THEN) == ()
    assert not private(keys, "es256-1")
    assert private(keys, "es256-2")
    KeyRing.load(keys, clock=SettableClock(THEN))


def test_listing_shows_moment_of_first_signature(keys):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    entries = {e.name: e for e in overview(keys)}
    assert signs_from(tuple(entries.values()), entries["es256-2"]) == THEN
    assert signs_from(tuple(entries.values()), entries["es256-3"]) == NOW + PUBLISHED_BEFORE_SIGNING


def test_moment_in_another_time_zone_is_accepted(keys, clock):
    amsterdam = timezone(timedelta(hours=1))
    rotate(keys, Kind.ES256, NOW, begins=THEN.astimezone(amsterdam))
    clock.advance(THEN - NOW)
    assert signer(KeyRing.load(keys, clock=clock), THEN) == "es256-2"


def test_manifest_with_two_moments_for_one_kind_is_rejected(keys):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    document = json.loads((keys / "keys.json").read_text())
    document["keys"][-1]["activated_at"] = THEN.isoformat()
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        from_json(json.dumps(document))


def test_rotation_of_another_kind_keeps_the_moment(keys):
    rotate(keys, Kind.ES256, NOW, begins=THEN)
    rotate(keys, Kind.KEK, NOW)
    rotation.rotate(keys, Kind.PS256, NOW)
    assert states(keys, THEN)[1] == (2, "active")
