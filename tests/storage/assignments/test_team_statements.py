"""The number of statements for the clients and members of a team does not grow."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from machtiging.delegation.assignments.rules import (
    MAX_MEMBER_LINKS_PER_CALL,
    AssignmentRequest,
    require_link_count,
)
from machtiging.kernel.errors import Refusal
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import record_queries
from tests.builders.organisations import OTHER_KVK
from tests.builders.people import BORN, add_person_without_bsn
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN
from tests.storage.assignments.assignment_world import Assignments
from tests.storage.assignments.team_acts import TeamActs

# The beginning of the statements that load accounts to compare them.
COMPARED = ("SELECT person.id, person.bsn_index", "SELECT party.id, party.data_key_wrapped")
WHOLE_CALL = "te_veel_toewijzingen_aan_team"


@pytest.fixture
async def teams(office):
    """The acts of an organisatiebeheerder on teams."""
    return await TeamActs.begin(office)


async def grant_clients(office, count):
    """Machtigingen of so many other clients, without a BSN: name and birth date are compared."""
    roots = []
    for number in range(count):
        async with unit_of_work(office.database.sessions) as session:
            born = BORN + timedelta(days=number + 1)
            client = await add_person_without_bsn(session, f"Client {number} {office.kvk} {len(roots)}", born)
        roots.append(await office.grant(vertegenwoordigde_id=client))
    return roots


async def make_team_of(teams, count, name):
    people = [await teams.office.hire(f"{name} {number}", born=date(1970, 1, number + 1)) for number in range(count)]
    return await teams.make(name, *(employee for _, employee in people))


async def forge_person(office, person):
    async with office.database.sessions.begin() as session:
        await session.execute(text("UPDATE person SET mac = mac || '\\x00'::bytea WHERE id = :id"), {"id": person})


async def refused_rows(office):
    return [line.object_kind for line in await JOURNAL_INTAKE.read(office.database, act="rij:geweigerd")]


async def test_join_of_sixty_clients_costs_as_many_statements_as_of_three(teams):
    office, counts = teams.office, []
    roots = await grant_clients(office, 60)
    for number, some in enumerate((roots[:3], roots)):
        team = await teams.make(f"Team {number}", office.worker_id)
        results = await office.assign_all(*(AssignmentRequest(one, None, team) for one in some))
        assert not [one for one in results if isinstance(one, Refusal)]
        _, late = await office.hire(f"Late Collega {number}", born=date(1971, 1, number + 1))
        with record_queries(office.database) as queries:
            assert await teams.join(team, late) is None
        counts.append(len(queries))
        assert len(await teams.find_links(late)) == len(some)
    assert counts[0] == counts[1]


async def test_assignment_to_ten_members_costs_as_many_statements_as_to_two(teams):
    office, counts = teams.office, []
    for number in (2, 10):
        team, [root] = await make_team_of(teams, number, f"Team {number}"), await grant_clients(office, 1)
        with record_queries(office.database) as queries:
            link = await teams.assign(root, team)
        counts.append(len(queries))
        assert await MACHTIGINGEN.count(office.database, parent_id=link) == number
    assert counts[0] == counts[1]


async def test_comparison_of_more_clients_in_one_call_costs_no_more_statements(teams):
    office, counts = teams.office, []
    team = await make_team_of(teams, 3, "Schulden")
    roots = await grant_clients(office, 8)
    for some in (roots[:2], roots[2:]):
        with record_queries(office.database) as queries:
            await office.assign_all(*(AssignmentRequest(one, None, team) for one in some))
        counts.append([one.split("FROM")[-1] for one in queries if one.startswith(COMPARED)])
    assert counts[0] == counts[1]
    assert len(counts[0]) == 3  # the givers, the members, and the profiles of all


async def test_client_among_many_is_left_out_of_a_join_with_every_account(teams):
    office = teams.office
    roots, team = (
        [*await grant_clients(office, 3), await office.grant()],
        await teams.make("Schulden", office.worker_id),
    )
    await office.assign_all(*(AssignmentRequest(one, None, team) for one in roots))
    _, twin = await office.hire("Ans Voorbeeld", born=BORN)
    assert await teams.join(team, twin) is None
    assert [await teams.reads(twin, root) for root in roots] == [True] * 3 + [False]


async def test_client_with_a_forged_row_is_left_out_of_a_join_and_no_other(teams):
    office = teams.office
    [other], root = await grant_clients(office, 1), await office.grant()
    team = await teams.make("Schulden", office.worker_id)
    await office.assign_all(AssignmentRequest(root, None, team), AssignmentRequest(other, None, team))
    await forge_person(office, office.client)
    _, late = await office.hire("Late Collega")
    assert await teams.join(team, late) is None
    assert await MACHTIGINGEN.count(office.database, employee_id=late) == 1
    assert await teams.reads(late, other)
    assert await refused_rows(office) == ["person"]


async def test_member_with_a_forged_row_gets_no_client_at_a_join(teams):
    office = teams.office
    team = await teams.make("Schulden", office.worker_id)
    await teams.assign(await office.grant(), team)
    person, late = await office.hire("Late Collega")
    await forge_person(office, person)
    await teams.join(team, late)
    assert await MACHTIGINGEN.count(office.database, employee_id=late) == 0


async def test_assignment_of_a_client_with_a_forged_row_is_refused_and_no_other(teams):
    office = teams.office
    [other], root = await grant_clients(office, 1), await office.grant()
    team = await teams.make("Schulden", office.worker_id)
    await forge_person(office, office.client)
    first, second = await office.assign_all(AssignmentRequest(root, None, team), AssignmentRequest(other, None, team))
    assert first.code == "rij_ongeldig"
    assert await teams.reads(office.worker_id, other)
    assert await MACHTIGINGEN.count(office.database, parent_id=root) == 0
    assert not isinstance(second, Refusal)


async def test_member_with_a_forged_row_refuses_the_assignment_of_each_client(teams):
    office = teams.office
    team, roots = await teams.make("Schulden", office.worker_id), await grant_clients(office, 2)
    await forge_person(office, office.worker)
    results = await office.assign_all(*(AssignmentRequest(one, None, team) for one in roots))
    assert [one.code for one in results] == ["rij_ongeldig"] * 2


async def test_call_with_too_many_links_of_members_is_refused_as_a_whole(teams):
    office = teams.office
    team = await make_team_of(teams, 5, "Schulden")
    request = AssignmentRequest(await office.grant(), None, team)
    with pytest.raises(Refusal) as refused:
        await office.assign_all(*[request] * (MAX_MEMBER_LINKS_PER_CALL // 5 + 1))
    assert refused.value.code == WHOLE_CALL
    assert [(line.outcome, line.reason) for line in await office.lines("gemaakt")] == [("refused", WHOLE_CALL)]
    assert await MACHTIGINGEN.count(office.database, parent_id=request.machtiging_id) == 0


async def test_team_of_others_does_not_tell_its_size(teams):
    office = teams.office
    stranger = await TeamActs.begin(await Assignments.begin(office.database, OTHER_KVK))
    foreign = await make_team_of(stranger, 5, "Elders")
    request = AssignmentRequest(await office.grant(), None, foreign)
    results = await office.assign_all(*[request] * (MAX_MEMBER_LINKS_PER_CALL // 5 + 1))
    assert {one.code for one in results} == {"team_onbekend"}


def test_link_count_at_the_limit_is_allowed_and_one_more_is_refused():
    require_link_count(MAX_MEMBER_LINKS_PER_CALL)
    with pytest.raises(Refusal, match=WHOLE_CALL):
        require_link_count(MAX_MEMBER_LINKS_PER_CALL + 1)
