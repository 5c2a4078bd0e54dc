"""Four eyes over time: lapsed proposals, races, stand-ins and forged confirmations."""

import asyncio
from datetime import timedelta

import pytest
from asyncpg.exceptions import CheckViolationError
from sqlalchemy import text

from machtiging.delegation.assignments.confirmation import decide_proposals
from machtiging.delegation.assignments.proposals import (
    end_lapsed_proposals,
    list_proposals,
)
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.rules import MachtigingAction
from machtiging.delegation.stand_ins.creation import create_stand_in
from machtiging.delegation.stand_ins.rules import StandInRequest
from machtiging.delegation.transition import transition_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import is_usable_by
from tests.builders.rows import MACHTIGINGEN
from tests.storage.assignments.four_eyes_acts import HOURS_72, decide, hire_second, reads


async def test_confirmation_after_72_hours_is_refused(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    assert await decide(office, assignment, person=second, at=NOON + HOURS_72) == "voorstel_verlopen"
    assert not await reads(office, assignment, NOON + HOURS_72)
    async with office.database.sessions() as session:
        assert await list_proposals(session, office.organisation, at=NOON + HOURS_72) == []


async def test_confirmation_just_before_72_hours_counts(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    at = NOON + HOURS_72 - timedelta(seconds=1)
    assert await decide(office, assignment, person=second, at=at) == assignment
    assert await reads(office, assignment, at)


async def test_lapsed_proposal_is_ended_by_the_worker_and_can_be_made_again(four_eyes, clock):
    office, root = four_eyes, await four_eyes.grant()
    assignment = await office.assign(root)
    assert await office.assign(root) == "al_voorgesteld"
    clock.advance(HOURS_72 - timedelta(seconds=1))
    assert await end_lapsed_proposals(office.database.sessions, clock) == 0
    clock.advance(timedelta(seconds=1))
    assert await end_lapsed_proposals(office.database.sessions, clock) == 1
    assert await end_lapsed_proposals(office.database.sessions, clock) == 0
    assert (await office.authority(assignment)).has_ended
    [line] = await office.lines("vervallen")
    assert (line.outcome, line.reason, line.on_behalf_of) == ("done", "termijn_voorbij", office.organisation)
    assert await office.load_recipients("toewijzing_gestopt") == []
    assert await office.assign(root) != "al_voorgesteld"


async def test_confirmed_assignment_does_not_lapse(four_eyes, clock):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    await decide(office, assignment, person=second)
    clock.advance(HOURS_72)
    assert await end_lapsed_proposals(office.database.sessions, clock) == 0
    assert await reads(office, assignment)


async def test_paused_machtiging_cannot_get_a_reader(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    root = await office.grant()
    assignment = await office.assign(root)
    async with unit_of_work(office.database.sessions) as session:
        await pause_machtiging(session, root, office.client, at=NOON)
    assert await decide(office, assignment, person=second) == "machtiging_gepauzeerd"


async def withdraw(office, root):
    async with unit_of_work(office.database.sessions) as session:
        await transition_machtiging(session, MachtigingAction.WITHDRAW, root, office.client, at=NOON)


async def test_confirmation_after_the_client_withdrew_is_refused(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    root = await office.grant()
    assignment = await office.assign(root)
    await withdraw(office, root)
    assert await decide(office, assignment, person=second) in {"machtiging_beeindigd", "voorstel_afgehandeld"}
    assert not await reads(office, assignment)


async def test_confirmation_while_the_client_withdraws_gives_no_access(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    root = await office.grant()
    assignment = await office.assign(root)
    async with unit_of_work(office.database.sessions) as session:
        await transition_machtiging(session, MachtigingAction.WITHDRAW, root, office.client, at=NOON)
        confirming = asyncio.create_task(decide(office, assignment, person=second))
        await asyncio.sleep(0.2)
    await confirming
    assert not await reads(office, assignment)


async def test_confirmation_waits_for_a_refusal_and_is_then_refused(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        await decide_proposals(
            session, load_keyring(), office.login(), [assignment], is_confirmed=False, practice=True, at=NOON
        )
        confirming = asyncio.create_task(decide(office, assignment, person=second))
        await wait_until_blocked(office.database.sessions, confirming)
    assert await confirming == "voorstel_afgehandeld"


async def test_bulk_decision_has_a_result_for_each(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    proposed = await office.assign(await office.grant())
    own = await office.assign(await office.grant(), login=office.login(second))
    assert await decide(office, own, proposed, person=second) == ["eigen_voorstel", proposed]


async def test_stand_in_reads_after_both_links_are_confirmed(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    replacement, replacement_id = await office.hire("Vera")
    request = StandInRequest(office.worker_id, replacement_id, NOON.date(), NOON.date() + timedelta(days=7))
    async with unit_of_work(office.database.sessions) as session:
        await create_stand_in(session, load_keyring(), office.login(), request, at=NOON)
    [row] = [one for one in await MACHTIGINGEN.read(office.database) if one.stand_in_id is not None]
    assert await decide(office, row.id, person=second) == "toewijzing_niet_bevestigd"
    assert await office.load_recipients("vervanging") == []
    assert await decide(office, row.id, assignment, person=second) == [row.id, assignment]
    held = await office.authority(row.id)
    assert is_usable_by(held, replacement, office.kvk, NOON)
    assert await office.load_recipients("vervanging") == [office.client]


async def test_confirmation_in_the_database_changes_nothing_else_and_only_once(four_eyes, superuser_connection):
    assignment = await four_eyes.assign(await four_eyes.grant())
    confirm = f"UPDATE agreement SET confirmed_by = '{four_eyes.client}'"
    mine = f" WHERE machtiging_id = '{assignment}'"
    for change in ("needs_confirmation = false", "ends_at = ends_at + interval '1 day'", "agreed_by = NULL"):
        with pytest.raises(CheckViolationError, match="what is agreed"):
            await superuser_connection.execute(f"{confirm}, {change}{mine}")
    with pytest.raises(CheckViolationError, match="confirmed_by_another"):
        await superuser_connection.execute(f"UPDATE agreement SET confirmed_by = agreed_by{mine}")
    await superuser_connection.execute(confirm + mine)
    for again in (f"'{four_eyes.worker}'", "NULL"):
        with pytest.raises(CheckViolationError, match="what is agreed"):
            await superuser_connection.execute(f"UPDATE agreement SET confirmed_by = {again}{mine}")


async def test_forged_confirmation_opens_nothing(four_eyes):
    assignment = await four_eyes.assign(await four_eyes.grant())
    async with unit_of_work(four_eyes.database.sessions) as session:
        forged = "UPDATE agreement SET confirmed_by = :person WHERE machtiging_id = :id"
        await session.execute(text(forged), {"person": four_eyes.client, "id": assignment})
    assert not await reads(four_eyes, assignment)
    assert (await four_eyes.authority(assignment)).stop_reason(NOON).code == "rij_ongeldig"
