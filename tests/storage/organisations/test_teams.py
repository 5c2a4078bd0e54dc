"""Acts on teams: who may, what is refused, what the journal says, and what the database itself refuses."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.kernel.ids import uuid7
from machtiging.organisations.employees import suspend_employee
from machtiging.organisations.rules import ActingEmployee, EmployeeRole, RecognitionStatus
from machtiging.organisations.tables import SEALED_TEAM, SEALED_TEAM_MEMBERSHIP, Team, TeamMembership
from machtiging.organisations.teams import administration
from machtiging.organisations.teams.administration import (
    add_member,
    create_team,
    end_memberships_of_employee,
    end_team,
    remove_member,
    rename_team,
)
from machtiging.organisations.teams.queries import list_teams, load_team, load_team_names
from machtiging.storage.columns import table_of
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.storage.organisations.organisation_world import CARE_WORKER, OTHER_KVK

MADE, RENAMED, ENDED = "team:gemaakt", "team:gewijzigd", "team:beeindigd"
JOINED, LEFT = "team:lid_toegevoegd", "team:lid_beeindigd"
COLUMNS = {
    "team": {"name": "Zuid", "ended_at": NOON},
    "team_membership": {"starts_at": NOON.replace(year=2001), "ends_at": NOON.replace(year=2040)},
}


@pytest.fixture
async def team(world, administrator):
    """A team without members."""
    return await world.do(create_team, administrator, "Noord")


@pytest.fixture
async def fatima(world, administrator):
    """An active employee."""
    return await world.hire(administrator, "fatima")


@pytest.fixture
async def stranger(world):
    """The organisatiebeheerder of another organisation."""
    return await world.administer(await world.recognise(OTHER_KVK), OTHER_KVK, "elders")


async def members(world, organisation):
    return {one.name: one.member_ids for one in await world.do(list_teams, organisation)}


async def refusals(world, act):
    return [line.reason for line in await world.lines(act) if line.outcome == "refused"]


async def test_team_is_made_filled_renamed_emptied_and_ended_with_one_line_each(
    world, organisation, administrator, fatima
):
    made = await world.do(create_team, administrator, "Noord")
    await world.do(add_member, administrator, made, fatima)
    assert await members(world, organisation) == {"Noord": {fatima}}
    await world.do(rename_team, administrator, made, "Zuid")
    await world.do(remove_member, administrator, made, fatima)
    assert await members(world, organisation) == {"Zuid": frozenset()}
    await world.do(end_team, administrator, made)
    assert await members(world, organisation) == {}
    for act, reason, tables in (
        (MADE, "gemaakt", ["team"]),
        (JOINED, "lid_erbij", ["team_membership"]),
        (RENAMED, "naam", ["team"]),
        (LEFT, "lid_eruit", ["team_membership"]),
        (ENDED, "beeindigd", ["team"]),
    ):
        (line,) = await world.lines(act)
        assert (line.outcome, line.reason, line.object_id) == ("done", reason, str(made))
        assert (line.actor_id, line.on_behalf_of) == (administrator.person_id, organisation)
        assert [entry["tabel"] for entry in line.facts["toestand"]] == tables


async def test_ended_team_leaves_no_open_membership(world, organisation, administrator, team, fatima):
    await world.do(add_member, administrator, team, fatima)
    await world.do(end_team, administrator, team)
    async with world.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM team_membership WHERE ends_at IS NULL")) == 0
    (line,) = await world.lines(ENDED)
    assert [entry["tabel"] for entry in line.facts["toestand"]] == ["team", "team_membership"]


async def test_employee_may_be_in_two_teams_and_come_back(world, organisation, administrator, team, fatima):
    other = await world.do(create_team, administrator, "Oost")
    for each in (team, other):
        await world.do(add_member, administrator, each, fatima)
    await world.do(remove_member, administrator, team, fatima)
    await world.do(add_member, administrator, team, fatima)
    assert await members(world, organisation) == {"Noord": {fatima}, "Oost": {fatima}}


async def test_same_name_for_the_team_itself_changes_nothing(world, administrator, team):
    await world.do(rename_team, administrator, team, "Noord")
    assert await world.lines(RENAMED) == []
    await world.do(rename_team, administrator, team, "NOORD")
    assert len(await world.lines(RENAMED)) == 1


@pytest.mark.parametrize("name", ["Noord", "NOORD", "noord"])
async def test_name_of_another_team_is_refused(world, administrator, team, name):
    other = await world.do(create_team, administrator, "Zuid")
    assert await world.refuse(create_team, administrator, name) == "team_bestaat_al"
    assert await world.refuse(rename_team, administrator, other, name) == "team_bestaat_al"
    assert await refusals(world, MADE) == await refusals(world, RENAMED) == ["team_bestaat_al"]


async def test_name_of_a_team_that_was_ended_is_refused(world, administrator, team):
    await world.do(end_team, administrator, team)
    assert await world.refuse(create_team, administrator, "noord") == "team_bestaat_al"


async def test_name_of_a_team_of_another_organisation_is_free(world, administrator, team, stranger):
    assert await world.do(create_team, stranger, "Noord") != team


@pytest.mark.parametrize("name", ["", " ", " Noord", "x" * 101, "een\ntwee", "een\x00naam", "een\u202enaam"])
async def test_name_that_is_no_plain_line_is_refused(world, administrator, team, name):
    assert await world.refuse(create_team, administrator, name) == "teamnaam_ongeldig"
    assert await world.refuse(rename_team, administrator, team, name) == "teamnaam_ongeldig"


async def test_more_teams_than_a_page_shows_are_refused(world, administrator, team, monkeypatch):
    monkeypatch.setattr(administration, "MAX_TEAMS", 1)
    assert await world.refuse(create_team, administrator, "Zuid") == "te_veel_teams"
    await world.do(end_team, administrator, team)
    await world.do(create_team, administrator, "Zuid")


async def test_employee_twice_in_a_team_is_refused(world, administrator, team, fatima):
    await world.do(add_member, administrator, team, fatima)
    assert await world.refuse(add_member, administrator, team, fatima) == "al_lid_van_team"
    assert await refusals(world, JOINED) == ["al_lid_van_team"]


async def test_removal_of_an_employee_outside_the_team_is_refused(world, administrator, team, fatima):
    assert await world.refuse(remove_member, administrator, team, fatima) == "niet_in_team"
    await world.do(add_member, administrator, team, fatima)
    await world.do(remove_member, administrator, team, fatima)
    assert await world.refuse(remove_member, administrator, team, fatima) == "niet_in_team"


async def test_invited_or_suspended_employee_in_a_team_is_refused(world, administrator, team, fatima):
    invited = await world.invite(administrator, administrator.organisation_id, "nieuw", CARE_WORKER)
    assert await world.refuse(add_member, administrator, team, invited) == "medewerker_niet_actief"
    await world.do(suspend_employee, load_keyring(), administrator, fatima)
    assert await world.refuse(add_member, administrator, team, fatima) == "medewerker_niet_actief"


async def test_employee_of_another_organisation_or_unknown_is_not_found(world, administrator, team, stranger):
    for employee in (stranger.employee_id, uuid4()):
        assert await world.refuse(add_member, administrator, team, employee) == "medewerker_onbekend"
        assert await world.refuse(remove_member, administrator, team, employee) == "medewerker_onbekend"
    assert await refusals(world, JOINED) == await refusals(world, LEFT) == ["niet_van_u", "bestaat_niet"]


async def test_team_of_another_organisation_or_unknown_is_not_found(world, administrator, team, stranger):
    for act, line, *values in (
        (rename_team, RENAMED, "Zuid"),
        (end_team, ENDED),
        (add_member, JOINED, stranger.employee_id),
        (remove_member, LEFT, stranger.employee_id),
    ):
        for each in (team, uuid4()):
            assert await world.refuse(act, stranger, each, *values) == "team_onbekend"
        assert await refusals(world, line) == ["niet_van_u", "bestaat_niet"]
    assert await world.refuse(load_team, stranger.organisation_id, team) == "team_onbekend"
    assert await members(world, stranger.organisation_id) == {}


async def test_ended_team_changes_no_more(world, administrator, team, fatima):
    await world.do(end_team, administrator, team)
    for act, *values in ((rename_team, "Zuid"), (end_team,), (add_member, fatima), (remove_member, fatima)):
        assert await world.refuse(act, administrator, team, *values) == "team_beeindigd"
    assert await world.refuse(load_team, administrator.organisation_id, team) == "team_onbekend"
    assert await world.do(load_team_names, administrator.organisation_id) == {team: "Noord"}


@pytest.mark.parametrize("roles", [["teamleider"], ["hulpverlener"], ["toezicht"]])
async def test_employee_without_the_role_of_administrator_changes_no_team(world, administrator, team, fatima, roles):
    employee = await world.hire(administrator, "tess", frozenset(map(EmployeeRole, roles)))
    person = await world.log_in("tess")
    actor = ActingEmployee(person, employee, administrator.organisation_id)
    for act, *values in (
        (create_team, "Zuid"),
        (rename_team, team, "Zuid"),
        (end_team, team),
        (add_member, team, fatima),
        (remove_member, team, fatima),
    ):
        assert await world.refuse(act, actor, *values) == "alleen_voor_organisatiebeheerder"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (RecognitionStatus.SUSPENDED, "organisatie_opgeschort"),
        (RecognitionStatus.WITHDRAWN, "organisatie_niet_erkend"),
    ],
)
async def test_organisation_that_is_not_recognised_changes_no_team(
    world, organisation, administrator, team, fatima, status, code
):
    await world.do(add_member, administrator, team, fatima)
    await world.decide(organisation, status)
    for act, *values in (
        (create_team, "Zuid"),
        (rename_team, team, "Zuid"),
        (end_team, team),
        (add_member, team, administrator.employee_id),
        (remove_member, team, fatima),
    ):
        assert await world.refuse(act, administrator, *values) == code
    assert await members(world, organisation) == {"Noord": {fatima}}


async def test_departed_employee_is_in_no_team_and_has_one_journal_line(
    world, organisation, administrator, team, fatima
):
    other = await world.do(create_team, administrator, "Oost")
    for each in (team, other):
        await world.do(add_member, administrator, each, fatima)
    await world.do(end_memberships_of_employee, administrator, organisation, fatima)
    assert await members(world, organisation) == {"Noord": frozenset(), "Oost": frozenset()}
    (line,) = await world.lines(LEFT)
    assert (line.reason, line.object_id, len(line.facts["toestand"])) == ("vertrek", str(fatima), 2)
    await world.do(end_memberships_of_employee, administrator, organisation, administrator.employee_id)
    assert len(await world.lines(LEFT)) == 1


def test_every_covered_column_of_the_tables_is_tried():
    keys = {"id", "organisation_id", "team_id", "employee_id"}
    for sealed in (SEALED_TEAM, SEALED_TEAM_MEMBERSHIP):
        assert set(sealed.covered) == COLUMNS[sealed.table.name].keys() | keys & set(sealed.covered)


@pytest.mark.parametrize("column", COLUMNS["team"])
async def test_forged_column_of_a_team_is_rejected(world, organisation, administrator, team, fatima, column):
    async with bypass_triggers(world.database) as connection:
        await connection.execute(SEALED_TEAM.table.update().values({column: COLUMNS["team"][column]}))
    assert await world.refuse(add_member, administrator, team, fatima) == "rij_ongeldig"
    assert await members(world, organisation) == {}
    assert {line.object_kind for line in await world.lines("rij:geweigerd")} == {"team"}


@pytest.mark.parametrize("forged", [{"starts_at": NOON.replace(year=2001)}, {"employee_id": None}, {"team_id": None}])
async def test_forged_membership_is_no_membership(world, organisation, administrator, team, fatima, forged):
    await world.do(add_member, administrator, team, fatima)
    others = {"employee_id": administrator.employee_id, "team_id": await world.do(create_team, administrator, "Oost")}
    values = {name: value or others[name] for name, value in forged.items()}
    async with bypass_triggers(world.database) as connection:
        await connection.execute(SEALED_TEAM_MEMBERSHIP.table.update().values(values))
    assert await members(world, organisation) == {"Noord": frozenset(), "Oost": frozenset()}


async def test_forged_team_is_not_sealed_by_a_change(world, organisation, administrator, team):
    async with bypass_triggers(world.database) as connection:
        await connection.execute(SEALED_TEAM.table.update().values(name="Zuid"))
    assert await world.refuse(rename_team, administrator, team, "West") == "rij_ongeldig"
    assert await world.refuse(end_team, administrator, team) == "rij_ongeldig"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE team SET ended_at = NULL",
        "UPDATE team SET name = 'Zuid'",
        "UPDATE team SET organisation_id = (SELECT id FROM organisation WHERE kvk = '90000002')",
    ],
)
async def test_database_lets_an_ended_team_be(world, administrator, team, stranger, sql):
    await world.do(end_team, administrator, team)
    with pytest.raises(DBAPIError, match="ends once"):
        async with world.database.sessions.begin() as session:
            await session.execute(text(sql))


async def test_database_refuses_a_member_of_an_ended_team(world, administrator, team, fatima):
    await world.do(end_team, administrator, team)
    row = {"id": uuid7(), "organisation_id": administrator.organisation_id, "team_id": team, "employee_id": fatima}
    with pytest.raises(DBAPIError, match="joins"):
        async with world.database.sessions.begin() as session:
            await session.execute(table_of(TeamMembership).insert().values(**row, starts_at=NOON))
    async with world.database.sessions() as session:
        assert (await session.execute(table_of(Team).select())).one().ended_at is not None
