"""Access by a team: forged rows, races, and lists that equal what may be read."""

import asyncio

import pytest
from hypothesis import strategies as st
from sqlalchemy import text

from machtiging.delegation.amendments.readers import choose_only_reader
from machtiging.delegation.offer import Giver
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.team_members.membership import join_team, leave_team
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.employees import resume_employee, suspend_employee
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers, wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN
from tests.storage.assignments.team_acts import choose_teams
from tests.storage.delegation.authority_history import draw_examples


@pytest.mark.parametrize("change", ["starts_at = '2001-01-01'", "mac = ''"])
async def test_forged_membership_of_the_team_opens_nothing(teams, database, change):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    async with bypass_triggers(database) as connection:
        await connection.execute(text(f"UPDATE team_membership SET {change}"))
    assert await teams.find_links(office.worker_id) == []
    assert set(await JOURNAL_INTAKE.read_column(database, "object_kind", act="rij:geweigerd")) <= {"team_membership"}


@pytest.mark.parametrize("change", ["ends_at = now()", "starts_at = '2001-01-01'", "team_id = team_id, mac = ''"])
async def test_forged_membership_of_a_refused_team_opens_nothing(teams, database, change):
    office = teams.office
    root = await office.grant()
    await office.assign(root)
    await choose_teams(office, root, await teams.make("Noord", office.worker_id))
    async with bypass_triggers(database) as connection:
        await connection.execute(text(f"UPDATE team_membership SET {change}"))
    assert await teams.find_links(office.worker_id) == []
    held = await office.authority(await MACHTIGINGEN.read_value(database, "id", employee_id=office.worker_id))
    assert held.stop_reason(NOON).code == "rij_ongeldig"


async def test_forged_membership_is_no_matter_where_no_team_decides(teams, database):
    office = teams.office
    await office.assign(await office.grant())
    await teams.make("Noord", office.worker_id)
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE team_membership SET mac = ''"))
    assert len(await teams.find_links(office.worker_id)) == 1


async def test_assignment_beside_a_leave_waits_and_is_refused(teams):
    """The assignment sees the team as it is after the leave."""
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    async with unit_of_work(office.database.sessions) as session:
        await leave_team(session, teams.actor, team, office.worker_id, at=NOON)
        assigning = asyncio.create_task(teams.assign(root, team))
        await wait_until_blocked(office.database.sessions, assigning)
    assert await assigning == "team_zonder_lezer"


async def test_end_of_an_assignment_beside_a_join_waits_and_ends_the_new_link_too(teams):
    office = teams.office
    _, late = await office.hire("Late Collega")
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    assignment = await teams.assign(root, team)
    async with unit_of_work(office.database.sessions) as session:
        await join_team(session, load_keyring(), teams.actor, team, late, Assurance.HIGH, at=NOON)
        ending = asyncio.create_task(office.end(assignment))
        await wait_until_blocked(office.database.sessions, ending)
    assert await ending == [assignment]
    ended = await MACHTIGINGEN.read(office.database, parent_id=assignment)
    assert {one.state for one in ended} == {"ended"}
    assert len(ended) == 2


STEPS = (
    "join a",
    "join b",
    "leave a",
    "leave b",
    "assign",
    "end",
    "refuse",
    "accept",
    "only a",
    "all",
    "own a",
    "stop",
)


@pytest.mark.parametrize("steps", draw_examples(st.lists(st.sampled_from(STEPS), min_size=8, max_size=14), 12))
async def test_lists_equal_the_authority_and_the_model_after_any_acts(teams, steps):
    office = teams.office
    _, second = await office.hire()
    people = {"a": office.worker_id, "b": second}
    team, root = await teams.make("Schulden"), await office.grant()
    members, assigned, refused, only, own, is_open = set(), None, False, None, False, True
    for step in steps:
        act, _, who = step.partition(" ")
        if act == "join" and await teams.join(team, people[who]) is None:
            members.add(who)
        elif act == "leave" and await teams.leave(team, people[who]) is None:
            members.discard(who)
        elif act == "assign":
            result = await teams.assign(root, team)
            assigned = assigned if isinstance(result, str) else result
        elif act == "end" and assigned is not None:
            await office.end(assigned)
            assigned = None
        elif act == "refuse" and is_open:
            await choose_teams(office, root, team)
            refused = True
        elif act == "accept":
            await choose_teams(office, root)
            refused = False
        elif act in ("only", "all"):
            giver, chosen = Giver(office.client, Assurance.HIGH), people[who] if who else None
            result = await teams.act(choose_only_reader, root, giver, chosen)
            only = only if isinstance(result, str) else who or None
        elif act == "own":
            own = own or not isinstance(await office.assign(root), str)
        elif act == "stop" and await teams.stop(team) is None:
            members, assigned, is_open = set(), None, False
        for name, employee in people.items():
            by_team = assigned is not None and name in members
            wanted = (by_team or (own and name == "a")) and only in (None, name)
            assert await teams.reads(employee, root) == (wanted and not (refused and name in members)), (steps, step)


@pytest.mark.parametrize("act", [pause_machtiging, revoke_machtiging])
async def test_pause_and_revocation_end_it_for_the_team(teams, act):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    await teams.act(act, root, office.client)
    assert not await teams.reads(office.worker_id, root)
    _, late = await office.hire("Late Collega")
    await teams.join(team, late)
    assert not await teams.reads(late, root)
    if act is pause_machtiging:
        await teams.act(resume_machtiging, root, office.client)
        assert await teams.reads(late, root)


async def test_suspended_member_reads_nothing_until_resumed(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    await teams.act(suspend_employee, load_keyring(), teams.actor, office.worker_id)
    assert not await teams.reads(office.worker_id, root)
    await teams.act(resume_employee, load_keyring(), teams.actor, office.worker_id)
    assert await teams.reads(office.worker_id, root)
