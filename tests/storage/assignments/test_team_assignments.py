"""A client of a team: its members read, and never more than agreed."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from sqlalchemy import text

from machtiging.audit.row_states.journalled_table import load_journalled_rows
from machtiging.delegation.amendments.readers import choose_excluded_teams, choose_only_reader
from machtiging.delegation.assignments.clients import list_organisation_clients
from machtiging.delegation.assignments.proposals import end_lapsed_proposals, list_proposals
from machtiging.delegation.assignments.queries import list_assignments
from machtiging.delegation.caseload.assigned_clients import load_assigned_clients
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.offer import Giver
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.tables import (
    SEALED_AGREEMENT,
    SEALED_ASSIGNMENT,
    SEALED_MACHTIGING,
    Handover,
    HandoverItem,
)
from machtiging.delegation.team_members.membership import join_team, leave_team
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import SettableClock
from machtiging.organisations.employees import resume_employee, suspend_employee
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers, wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import OTHER_KVK, change_employee
from tests.builders.people import BORN
from tests.builders.rows import AGREEMENTS, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS, TableReader
from tests.storage.assignments.assignment_world import Assignments
from tests.storage.assignments.four_eyes_acts import HOURS_72, decide, hire_second
from tests.storage.assignments.team_acts import TeamActs
from tests.storage.delegation.authority_history import draw_examples

HANDOVERS, HANDOVER_ITEMS = TableReader(Handover), TableReader(HandoverItem)
TOLD, STOPPED = "toewijzing_gemaakt", "toewijzing_gestopt"
TEAM_TOLD, TEAM_STOPPED = "team_toegewezen", "team_gestopt"


@pytest.fixture
async def teams(office):
    """The acts of an organisatiebeheerder on teams."""
    return await TeamActs.begin(office)


@pytest.fixture
async def two_eyes_more(four_eyes):
    """The same, where the organisation demands four eyes."""
    return await TeamActs.begin(four_eyes)


async def choose_teams(office, root, *refused):
    giver = Giver(office.client, Assurance.HIGH)
    async with unit_of_work(office.database.sessions) as session:
        await choose_excluded_teams(session, root, giver, frozenset(refused), at=NOON)


async def count_messages(office):
    """The number of messages to the client about readers, by kind."""
    kinds = (TOLD, STOPPED, TEAM_TOLD, TEAM_STOPPED)
    return {kind: found for kind in kinds if (found := (await office.load_recipients(kind)).count(office.client))}


async def test_client_of_a_team_is_readable_by_its_members(teams):
    office = teams.office
    _, other = await office.hire()
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    assignment = await teams.assign(root, team, case_reference="Z-1")
    assert await teams.reads(office.worker_id, root)
    assert not await teams.reads(other, root)
    held = await office.authority(assignment)
    assert (held.stop_reason(NOON).code, held.team_stop_code(NOON)) == ("niet_toegewezen", None)
    assert await count_messages(office) == {TEAM_TOLD: 1}
    [facts] = await NOTIFICATIONS.read_column(office.database, "facts", kind=TEAM_TOLD)
    assert (facts["team"], facts["machtiging_id"]) == ("Schulden", str(assignment))


async def test_journal_line_has_the_state_of_every_link(teams):
    office = teams.office
    _, other = await office.hire()
    team = await teams.make("Schulden", office.worker_id, other)
    assignment = await teams.assign(await office.grant(), team)
    [line] = await office.lines("gemaakt")
    assert (line.outcome, line.reason, line.machtiging_id) == ("done", "gemaakt", assignment)
    tables = [entry["tabel"] for entry in line.facts["toestand"]]
    assert tables == ["machtiging", "agreement", "assignment"] * 3


async def test_rows_of_members_agree_with_their_journal_lines(teams):
    office = teams.office
    team = await teams.make("Schulden", office.worker_id)
    await teams.assign(await office.grant(), team)
    _, late = await office.hire("Late Collega")
    await teams.join(team, late)
    await teams.leave(team, office.worker_id)
    links = {*await MACHTIGINGEN.read_column(office.database, "id", MACHTIGINGEN.c.parent_id.is_not(None))}
    async with office.database.sessions() as session:
        for sealed in (SEALED_MACHTIGING, SEALED_AGREEMENT, SEALED_ASSIGNMENT):
            rows = await load_journalled_rows(session, sealed, limit=100, after=None)
            mine = [one for one in rows if one.row[sealed.key[0]] in links]
            assert [one.find_problem(load_keyring()) for one in mine] == [None] * 3


async def test_member_sees_the_case_reference_of_the_team(teams):
    office = teams.office
    team = await teams.make("Schulden", office.worker_id)
    await teams.assign(await office.grant(), team, case_reference="Z-1")
    _, late = await office.hire("Late Collega")
    await teams.join(team, late)
    for employee in (office.worker_id, late):
        person = await teams.find_person(employee)
        async with office.database.sessions() as session:
            [one] = await load_assigned_clients(session, person, office.kvk, at=NOON)
        assert one.open_case_reference(load_keyring()) == "Z-1"


async def test_joining_gives_and_leaving_ends_with_one_message_each(teams):
    office = teams.office
    _, late = await office.hire("Late Collega")
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    assert not await teams.reads(late, root)
    assert await teams.join(team, late) is None
    assert await teams.reads(late, root)
    assert await count_messages(office) == {TEAM_TOLD: 1, TOLD: 1}
    assert await teams.leave(team, late) is None
    assert not await teams.reads(late, root)
    assert await teams.reads(office.worker_id, root)
    assert await count_messages(office) == {TEAM_TOLD: 1, TOLD: 1, STOPPED: 1}
    lines = [(line.outcome, line.reason, line.capacity) for line in await office.lines("beeindigd")]
    assert lines == [("done", "team", "organisatiebeheerder")]
    await teams.join(team, late)
    assert await teams.reads(late, root)


async def test_client_of_a_new_member_gets_no_second_message(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    _, both = await office.hire("Allebei")
    await office.assign(root, both)
    before = await count_messages(office)
    await teams.join(team, both)
    await teams.leave(team, both)
    assert await count_messages(office) == before
    assert await teams.reads(both, root)


async def test_end_of_an_own_assignment_leaves_that_of_the_team(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    own = await office.assign(root)
    await office.end(own)
    assert await teams.reads(office.worker_id, root)


async def test_client_of_a_team_that_emptied_has_no_reader(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    await teams.leave(team, office.worker_id)
    async with office.database.sessions() as session:
        page = await list_organisation_clients(session, load_keyring(), office.organisation, at=NOON)
    assert [(one.authority.machtiging_id, one.reader_ids) for one in page.clients] == [(root, ())]
    assert (page.without_reader, page.total) == (1, 1)


@pytest.mark.parametrize("change", [{"state": "op_non_actief"}, {"roles": ["teamleider"]}])
async def test_team_without_a_reader_is_refused(teams, change):
    office = teams.office
    team = await teams.make("Schulden", office.worker_id)
    async with unit_of_work(office.database.sessions) as session:
        await change_employee(session, office.worker_id, **change)
    assert await teams.assign(await office.grant(), team) == "team_zonder_lezer"


async def test_empty_team_is_refused_with_one_line(teams):
    office = teams.office
    assert await teams.assign(await office.grant(), await teams.make()) == "team_zonder_lezer"
    assert [(line.outcome, line.reason) for line in await office.lines("gemaakt")] == [("refused", "team_zonder_lezer")]
    assert await MACHTIGINGEN.count(office.database, MACHTIGINGEN.c.parent_id.is_not(None)) == 0


async def test_ended_unknown_and_foreign_teams_are_refused(teams):
    office = teams.office
    ended = await teams.make("Schulden", office.worker_id)
    await teams.stop(ended)
    root = await office.grant()
    assert await teams.assign(root, ended) == "team_beeindigd"
    assert await teams.assign(root, office.worker_id) == "team_onbekend"
    stranger = await TeamActs.begin(await Assignments.begin(office.database, OTHER_KVK))
    foreign = await stranger.make("Elders", stranger.office.worker_id)
    assert await teams.assign(root, foreign) == "team_onbekend"


async def test_refused_team_and_machtiging_for_one_employee_are_refused(teams):
    office = teams.office
    team = await teams.make("Schulden", office.worker_id)
    assert await teams.assign(await office.grant(excluded_team_ids=[team]), team) == "medewerker_niet_afgesproken"
    only = await office.grant(only_employee_id=office.worker_id)
    assert await teams.assign(only, team) == "medewerker_niet_afgesproken"


async def test_team_gets_a_client_once(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    first = await teams.assign(root, team, idempotency_key="een")
    assert await teams.assign(root, team, idempotency_key="een") == first
    assert await teams.assign(root, team) == "al_toegewezen"
    assert await count_messages(office) == {TEAM_TOLD: 1}


async def test_client_in_the_team_gets_no_access_as_an_employee(teams):
    office = teams.office
    async with unit_of_work(office.database.sessions) as session:
        await change_employee(session, office.leader_id, roles=["hulpverlener"])
    _, twin = await office.hire("Ans Voorbeeld", born=BORN)
    team, root = await teams.make("Schulden", office.worker_id, twin), await office.grant()
    office.leader, office.leader_id = await office.hire("Tess", roles=["teamleider"])
    await teams.assign(root, team)
    assert not await teams.reads(twin, root)
    await teams.leave(team, twin)
    await teams.join(team, twin)
    assert not await teams.reads(twin, root)


async def test_end_of_the_assignment_ends_it_for_every_member_with_one_message(teams):
    office = teams.office
    _, other = await office.hire()
    team, root = await teams.make("Schulden", office.worker_id, other), await office.grant()
    assignment = await teams.assign(root, team)
    assert await office.end(assignment) == [assignment]
    assert not await teams.reads(office.worker_id, root)
    assert not await teams.reads(other, root)
    assert await count_messages(office) == {TEAM_TOLD: 1, TEAM_STOPPED: 1}
    _, late = await office.hire("Late Collega")
    await teams.join(team, late)
    assert not await teams.reads(late, root)
    assert await teams.find_links(office.worker_id) == []


async def test_end_of_the_team_ends_its_assignments_with_one_message(teams):
    office = teams.office
    _, other = await office.hire()
    team, root = await teams.make("Schulden", office.worker_id, other), await office.grant()
    await teams.assign(root, team)
    assert await teams.stop(team) is None
    assert not await teams.reads(office.worker_id, root)
    assert await count_messages(office) == {TEAM_TOLD: 1, TEAM_STOPPED: 1}
    async with office.database.sessions() as session:
        assert await list_assignments(session, load_keyring(), office.organisation, at=NOON) == []


async def test_end_of_a_refused_team_gives_access_back_and_the_client_is_told(teams):
    office = teams.office
    root = await office.grant()
    await office.assign(root)
    team = await teams.make("Noord", office.worker_id)
    await choose_teams(office, root, team)
    before = await count_messages(office)
    await teams.stop(team)
    assert await teams.reads(office.worker_id, root)
    assert await count_messages(office) == before | {TOLD: before[TOLD] + 1}


async def list_handovers(office):
    """The hand-overs that are open: who read, why, and the clients who wait."""
    return [
        (
            one.employee_id,
            one.occasion,
            await HANDOVER_ITEMS.read_column(office.database, "machtiging_id", handover_id=one.id),
        )
        for one in await HANDOVERS.read(office.database)
    ]


async def test_leave_of_last_member_opens_one_handover_for_each_client(teams):
    office = teams.office
    _, other = await office.hire()
    team, root = await teams.make("Schulden", office.worker_id, other), await office.grant()
    await teams.assign(root, team)
    await teams.leave(team, other)
    assert await list_handovers(office) == []
    await teams.leave(team, office.worker_id)
    assert await list_handovers(office) == [(office.worker_id, "wissel", [root])]
    await teams.act(record_departure, load_keyring(), teams.actor, office.worker_id)
    assert await list_handovers(office) == [(office.worker_id, "wissel", [root])]


async def test_end_of_the_team_opens_a_handover_for_clients_without_another_reader(teams):
    office = teams.office
    _, other = await office.hire()
    team, root, kept = await teams.make("Schulden", office.worker_id, other), await office.grant(), await office.grant()
    for one in (root, kept):
        await teams.assign(one, team)
    await office.assign(kept, other)
    await teams.stop(team)
    [(employee, occasion, clients)] = await list_handovers(office)
    assert (employee in {office.worker_id, other}, occasion, clients) == (True, "wissel", [root])


async def test_join_of_a_refused_team_opens_a_handover(teams):
    office = teams.office
    root, team = await office.grant(), await teams.make("Noord")
    await office.assign(root)
    await choose_teams(office, root, team)
    assert await list_handovers(office) == []
    await teams.join(team, office.worker_id)
    assert await list_handovers(office) == [(office.worker_id, "wissel", [root])]


async def test_end_of_an_empty_team_opens_no_handover(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    await teams.leave(team, office.worker_id)
    await teams.stop(team)
    assert len(await list_handovers(office)) == 1


async def test_member_has_no_higher_level_than_the_login_that_let_him_in(teams):
    office = teams.office
    _, late = await office.hire("Late Collega")
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    await teams.join(team, late, level=Assurance.SUBSTANTIAL)
    levels = {}
    for employee in (office.worker_id, late):
        [link] = await teams.find_links(employee)
        levels[employee] = (await AGREEMENTS.read_one(office.database, machtiging_id=link)).assurance
    assert levels == {
        office.worker_id: (await AGREEMENTS.read(office.database, machtiging_id=root))[-1].assurance,
        late: "substantieel",
    }


async def test_departure_ends_reading_for_one_member_with_one_message(teams):
    office = teams.office
    _, other = await office.hire()
    team, root = await teams.make("Schulden", office.worker_id, other), await office.grant()
    await teams.assign(root, team)
    await office.assign(root)  # the same employee, also without the team
    before = await count_messages(office)
    await teams.act(record_departure, load_keyring(), teams.actor, office.worker_id)
    assert not await teams.reads(office.worker_id, root)
    assert await teams.reads(other, root)
    assert await count_messages(office) == before | {STOPPED: 1}


async def test_leaving_a_refused_team_gives_access_back_and_the_client_is_told(teams):
    office = teams.office
    root = await office.grant()
    await office.assign(root)
    team = await teams.make("Noord", office.worker_id)
    await choose_teams(office, root, team)
    assert not await teams.reads(office.worker_id, root)
    before = await count_messages(office)
    await teams.leave(team, office.worker_id)
    assert await teams.reads(office.worker_id, root)
    assert await count_messages(office) == before | {TOLD: before[TOLD] + 1}
    await teams.join(team, office.worker_id)
    assert not await teams.reads(office.worker_id, root)
    assert (await count_messages(office))[STOPPED] == 1


async def test_member_of_another_team_that_the_client_refused_does_not_read(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    refused = await teams.make("Noord", office.worker_id)
    await teams.assign(root, team)
    await choose_teams(office, root, refused)
    assert not await teams.reads(office.worker_id, root)
    await choose_teams(office, root)
    assert await teams.reads(office.worker_id, root)


async def test_only_this_employee_stops_the_other_members(teams):
    office = teams.office
    _, other = await office.hire()
    team, root = await teams.make("Schulden", office.worker_id, other), await office.grant()
    await teams.assign(root, team)
    giver = Giver(office.client, Assurance.HIGH)
    async with unit_of_work(office.database.sessions) as session:
        await choose_only_reader(session, root, giver, other, at=NOON)
    assert not await teams.reads(office.worker_id, root)
    assert await teams.reads(other, root)


async def test_team_never_reads_more_than_the_client_gave(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant(acts=["lijst", "lezen"])
    await teams.assign(root, team)
    [link] = await teams.find_links(office.worker_id)
    held, above = await office.authority(link), await office.authority(root)
    assert held.scope == above.scope
    assert held.ends_at == above.ends_at


async def test_proposal_for_a_team_gives_nothing_until_a_second_person_confirms(two_eyes_more):
    teams, office = two_eyes_more, two_eyes_more.office
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


async def test_new_member_under_four_eyes_waits_for_a_second_person(two_eyes_more):
    teams, office = two_eyes_more, two_eyes_more.office
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


async def test_new_member_after_the_proposal_is_not_confirmed_with_it(two_eyes_more):
    teams, office = two_eyes_more, two_eyes_more.office
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


async def test_proposal_for_a_team_lapses(two_eyes_more):
    teams, office = two_eyes_more, two_eyes_more.office
    team = await teams.make("Schulden", office.worker_id)
    assignment = await teams.assign(await office.grant(), team)
    late = SettableClock(NOON + HOURS_72)
    assert await end_lapsed_proposals(office.database.sessions, late) == 1
    assert (await office.authority(assignment)).has_ended


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
