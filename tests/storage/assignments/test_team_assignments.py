"""A client of a team: its members read, and never more than agreed."""

import pytest

from machtiging.audit.row_states.journalled_table import load_journalled_rows
from machtiging.delegation.amendments.readers import choose_only_reader
from machtiging.delegation.assignments.clients import list_organisation_clients
from machtiging.delegation.assignments.queries import list_assignments
from machtiging.delegation.caseload.assigned_clients import load_assigned_clients
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.offer import Giver
from machtiging.delegation.tables import (
    SEALED_AGREEMENT,
    SEALED_ASSIGNMENT,
    SEALED_MACHTIGING,
)
from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import OTHER_KVK, change_employee
from tests.builders.people import BORN
from tests.builders.rows import MACHTIGINGEN, NOTIFICATIONS
from tests.storage.assignments.assignment_world import Assignments
from tests.storage.assignments.team_acts import (
    STOPPED,
    TEAM_STOPPED,
    TEAM_TOLD,
    TOLD,
    TeamActs,
    choose_teams,
    count_messages,
)


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
