"""Renewal of the code of an open offer. By the giver only, once, and the old code is rejected."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.delegation.acceptance import accept_offer, preview_offer
from machtiging.delegation.code_renewal import CodeToReplace, renew_code
from machtiging.delegation.queries import load_machtiging, load_open_code
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.termination import refuse_offer, revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refusal
from machtiging.kernel.period import Period
from machtiging.message_catalogue import describe_refusal
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import MACHTIGING_LIMITS, Committed, add_offer
from tests.builders.people import BORN, add_mother_and_son
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGSCODES, NOTIFICATIONS

LATER = NOON + timedelta(hours=1)


async def code_to_replace(session, offered):
    """The current code of this offer, as the form identifies it."""
    return CodeToReplace(offered.machtiging_id, (await load_open_code(session, offered.machtiging_id)).id)


async def renew(session, people, replaced, at=LATER, **changes):
    giver = replace(people.giver, **changes)
    return await renew_code(session, load_keyring(), MACHTIGING_LIMITS, giver, replaced, at=at)


async def last_line(session):
    return tuple(
        (await JOURNAL_INTAKE.read(session, "act", "outcome", "reason", "actor_id", "for_person_id", "machtiging_id"))[
            -1
        ]
    )


async def codes(session):
    return await MACHTIGINGSCODES.count(session)


async def test_renewed_code_is_accepted_and_old_code_rejected(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    renewed = await renew(session, people, await code_to_replace(session, offered))
    assert renewed.machtiging_id == offered.machtiging_id
    assert renewed.code != offered.code
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await accept_offer(session, load_keyring(), people.helper, offered.code, BORN, at=LATER)
    assert (await last_line(session))[:3] == ("code:geprobeerd", "refused", "code_vervangen")
    taken = await accept_offer(session, load_keyring(), people.helper, renewed.code, BORN, at=LATER)
    assert (taken.id, taken.state) == (offered.machtiging_id, MachtigingState.ACTIVE)


async def test_code_renewal_keeps_the_offer(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    before = await load_machtiging(session, offered.machtiging_id)
    await renew(session, people, await code_to_replace(session, offered))
    assert await load_machtiging(session, offered.machtiging_id) == before


async def test_code_renewal_is_journalled_and_notified(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    await renew(session, people, await code_to_replace(session, offered))
    expected = ("code:vernieuwd", "done", "vernieuwd", people.mother, people.mother, offered.machtiging_id)
    assert await last_line(session) == expected
    assert await NOTIFICATIONS.read_column(session, "person_id", kind="nieuwe_code_door_u") == [people.mother]


async def test_renewed_code_expiry_is_bounded_by_the_machtiging(session):
    people = await add_mother_and_son(session)
    long, short = [await add_offer(session, people, period=Period(NOON, NOON + timedelta(days=d))) for d in (90, 2)]
    for offered, until in ((long, LATER + MACHTIGING_LIMITS.code_lifetime), (short, NOON + timedelta(days=2))):
        await renew(session, people, await code_to_replace(session, offered))
        assert (await load_open_code(session, offered.machtiging_id)).works_until == until


async def test_blocked_or_expired_code_can_be_renewed(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    await session.execute(text("UPDATE machtigingscode SET tries_left = 0"))
    late = NOON + MACHTIGING_LIMITS.code_lifetime + timedelta(days=1)
    renewed = await renew(session, people, await code_to_replace(session, offered), at=late)
    assert (
        await preview_offer(session, load_keyring(), people.helper, renewed.code, BORN, at=late)
    ).id == offered.machtiging_id


async def assert_refused(session, people, replaced, code, kind=Conflict, at=LATER, **changes):
    before = await codes(session)
    with pytest.raises(kind, match=code) as refusal:
        await renew(session, people, replaced, at=at, **changes)
    assert await codes(session) == before
    line = await last_line(session)
    assert line[:2] == ("code:vernieuwd", "refused")
    return refusal.value, line


async def test_idor_on_code_renewal_is_reported_as_not_found(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    hers = await code_to_replace(session, offered)
    theirs, line = await assert_refused(session, people, hers, "machtiging_onbekend", NotFound, person_id=people.son)
    assert line[2:5] == ("niet_van_u", people.son, people.mother)
    nothing, line = await assert_refused(
        session, people, CodeToReplace(uuid4(), hers.code_id), "machtiging_onbekend", NotFound
    )
    assert line[2:] == ("bestaat_niet", people.mother, None, None)
    assert (theirs.code, describe_refusal(theirs)) == (nothing.code, describe_refusal(nothing))
    assert (await preview_offer(session, load_keyring(), people.helper, offered.code, BORN, at=LATER)).id


async def test_code_renewal_by_gemachtigde_is_reported_as_not_found(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    hers = await code_to_replace(session, offered)
    await accept_offer(session, load_keyring(), people.helper, offered.code, BORN, at=NOON)
    await assert_refused(session, people, hers, "machtiging_onbekend", NotFound, person_id=people.son)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("accepted", "machtiging_al_aangenomen"),
        ("withdrawn", "machtiging_beeindigd"),
        ("refused", "machtiging_beeindigd"),
        ("over", "machtiging_verlopen"),
    ],
)
async def test_code_renewal_without_open_offer_is_rejected(session, end, code):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    hers, at = await code_to_replace(session, offered), LATER
    if end == "accepted":
        await accept_offer(session, load_keyring(), people.helper, offered.code, BORN, at=NOON)
    if end == "withdrawn":
        await revoke_machtiging(session, offered.machtiging_id, people.mother, at=NOON)
    if end == "refused":
        await refuse_offer(session, load_keyring(), people.helper, offered.code, BORN, at=NOON)
    if end == "over":
        at = NOON + timedelta(days=90)
    _, line = await assert_refused(session, people, hers, code, at=at)
    assert line[2] == code


async def test_code_renewal_with_low_assurance_is_rejected(session):
    people = await add_mother_and_son(session)
    hers = await code_to_replace(session, await add_offer(session, people))
    await assert_refused(session, people, hers, "niveau_te_laag", NotAllowed, assurance=Assurance.LOW)


async def test_code_renewal_of_replaced_code_is_rejected(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    hers = await code_to_replace(session, offered)
    renewed = await renew(session, people, hers)
    await assert_refused(session, people, hers, "code_al_vernieuwd")
    assert (await preview_offer(session, load_keyring(), people.helper, renewed.code, BORN, at=LATER)).id


async def test_code_renewal_with_code_of_another_offer_is_rejected(session):
    people = await add_mother_and_son(session)
    first, second = await add_offer(session, people), await add_offer(session, people)
    other = (await code_to_replace(session, second)).code_id
    await assert_refused(session, people, CodeToReplace(first.machtiging_id, other), "code_al_vernieuwd")


async def attempt(world, act):
    try:
        async with unit_of_work(world.sessions) as session:
            return await act(session)
    except Refusal as refusal:
        return refusal.code


async def test_concurrent_code_renewals_succeed_once(database):
    world = await Committed.begin(database)
    offered = await world.offer()
    async with unit_of_work(world.sessions) as session:
        hers = await code_to_replace(session, offered)

    outcomes = await asyncio.gather(*(attempt(world, lambda s: renew(s, world.people, hers)) for _ in range(4)))
    [made] = [one for one in outcomes if one != "code_al_vernieuwd"]
    assert (await world.accept(made.code, at=LATER)).state is MachtigingState.ACTIVE


@pytest.mark.parametrize("run", range(6))
async def test_concurrent_code_renewal_and_acceptance_do_not_deadlock(database, run):
    """Either the code is accepted and not renewed, or it is renewed and rejected."""
    world = await Committed.begin(database)
    offered = await world.offer()
    async with unit_of_work(world.sessions) as session:
        hers = await code_to_replace(session, offered)
    ring, helper = load_keyring(), world.people.helper
    works = [
        attempt(world, lambda s: accept_offer(s, ring, helper, offered.code, BORN, at=LATER)),
        attempt(world, lambda s: renew(s, world.people, hers)),
    ]
    first, second = await asyncio.gather(*(works if run % 2 else works[::-1]))
    accepted, renewed = (first, second) if run % 2 else (second, first)
    assert (accepted == "code_klopt_niet") is (renewed != "machtiging_al_aangenomen")


async def test_wrong_birth_date_on_replaced_code_costs_no_try_of_the_new_code(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    await renew(session, people, await code_to_replace(session, offered))
    with pytest.raises(InvalidInput):
        await accept_offer(session, load_keyring(), people.helper, offered.code, date(1951, 4, 8), at=LATER)
    assert (await load_open_code(session, offered.machtiging_id)).tries_left == 5
