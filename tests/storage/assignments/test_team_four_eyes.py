"""A team under four eyes: a second person confirms it, and each later member."""

from datetime import timedelta

from machtiging.delegation.assignments.proposals import end_lapsed_proposals, list_proposals
from machtiging.kernel.clock import SettableClock
from tests.builders.keys import NOON
from tests.builders.rows import AGREEMENTS
from tests.storage.assignments.four_eyes_acts import HOURS_72, decide, hire_second
from tests.storage.assignments.team_acts import TEAM_TOLD, TOLD, count_messages


async def test_proposal_for_a_team_gives_nothing_until_a_second_person_confirms(four_eyes_teams):
    teams, office = four_eyes_teams, four_eyes_teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    assignment = await teams.assign(root, team)
    assert not await teams.reads(office.worker_id, root)
    assert await count_messages(office) == {}
    assert await teams.assign(root, team) == "al_voorgesteld"
    async with office.database.sessions() as session:
        [one] = await list_proposals(session, office.organisation, at=NOON)
    assert (one.authority.machtiging_id, one.authority.team_id) == (assignment, team)
    assert await decide(office, assignment) != assignment  # who proposed it
    assert not await teams.reads(office.worker_id, root)
    second = await hire_second(office)
    assert await decide(office, assignment, person=second) == assignment
    assert await teams.reads(office.worker_id, root)
    assert await count_messages(office) == {TEAM_TOLD: 1}
    found = await AGREEMENTS.read_column(office.database, "confirmed_by", needs_confirmation=True)
    assert set(found) == {second}


async def test_new_member_under_four_eyes_waits_for_a_second_person(four_eyes_teams):
    teams, office = four_eyes_teams, four_eyes_teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    second = await hire_second(office)
    await decide(office, await teams.assign(root, team), person=second)
    _, late = await office.hire("Late Collega")
    await teams.join(team, late)
    assert not await teams.reads(late, root)
    assert await count_messages(office) == {TEAM_TOLD: 1}
    async with office.database.sessions() as session:
        [one] = await list_proposals(session, office.organisation, at=NOON)
    assert (
        await decide(office, one.authority.machtiging_id, person=teams.actor.person_id) != one.authority.machtiging_id
    )
    assert not await teams.reads(late, root)
    assert await decide(office, one.authority.machtiging_id, person=second) == one.authority.machtiging_id
    assert await teams.reads(late, root)
    assert await count_messages(office) == {TEAM_TOLD: 1, TOLD: 1}


async def test_new_member_after_the_proposal_is_not_confirmed_with_it(four_eyes_teams):
    teams, office = four_eyes_teams, four_eyes_teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    second, assignment = await hire_second(office), await teams.assign(root, team)
    _, late = await office.hire("Late Collega")
    later = NOON + timedelta(minutes=5)
    await teams.join(team, late, at=later)
    assert await decide(office, assignment, person=second, at=later) == assignment
    async with office.database.sessions() as session:
        [one] = await list_proposals(session, office.organisation, at=later)
    assert one.authority.leaf.employee_id == late
    assert await teams.reads(office.worker_id, root)


async def test_proposal_for_a_team_lapses(four_eyes_teams):
    teams, office = four_eyes_teams, four_eyes_teams.office
    team = await teams.make("Schulden", office.worker_id)
    assignment = await teams.assign(await office.grant(), team)
    late = SettableClock(NOON + HOURS_72)
    assert await end_lapsed_proposals(office.database.sessions, late) == 1
    assert (await office.authority(assignment)).has_ended
