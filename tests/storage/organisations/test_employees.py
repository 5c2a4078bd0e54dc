"""Employees: invitation, first login, roles, leave and departure."""

import asyncio
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.audit.state_facts import format_row_key, rebuild_state, state_columns
from machtiging.identity.data_keys import ensure_data_key
from machtiging.identity.people import find_or_create_by_broker, save_profile
from machtiging.identity.profile_claims import Profile
from machtiging.identity.rules import VerifiedLogin
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.organisations.employees import (
    activate_employee,
    change_roles,
    decrypt_display_name,
    end_employment,
    invite_employee,
    load_administrator,
    resume_employee,
    suspend_employee,
)
from machtiging.organisations.rules import EmployeeRole, RecognitionStatus, parse_roles
from machtiging.organisations.tables import SEALED_EMPLOYEE, SEALED_ORGANISATION, SEALED_RECOGNITION
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import load_keyring
from tests.builders.organisations import add_employee, change_organisation
from tests.builders.rows import JOURNAL_INTAKE
from tests.storage.organisations.organisation_world import (
    ADMINISTRATOR,
    BROKER,
    CARE_WORKER,
    COMMAND_LINE,
    KVK,
    LISTING,
    OTHER_KVK,
    make_invitation,
)

INVITED, CHANGED, DEPARTED = "medewerker:uitgenodigd", "medewerker:gewijzigd", "medewerker:vertrokken"
KEYS = load_keyring()


async def employee_row(database, employee):
    async with database.sessions() as session:
        row = (await session.execute(SEALED_EMPLOYEE.table.select().where(text("id = :id")), {"id": employee})).one()
        assert verify_row(session, SEALED_EMPLOYEE, row)
        return row


async def state_of(database, employee):
    return (await employee_row(database, employee)).state


async def test_invited_employee_becomes_active_at_the_first_login(world, database, administrator):
    employee = await world.invite(administrator, administrator.organisation_id, "fatima", CARE_WORKER)
    assert await state_of(database, employee) == "uitgenodigd"
    world.clock.advance(timedelta(days=7) - timedelta(seconds=1))
    person = await world.log_in("fatima")
    row = await employee_row(database, employee)
    assert (row.state, row.person_id, row.roles) == ("actief", person, ["hulpverlener"])
    [*_, line] = await world.lines("medewerker:geactiveerd")
    assert (line.actor_id, line.on_behalf_of, line.object_id) == (person, row.organisation_id, str(employee))


async def test_login_after_seven_days_does_not_activate(world, database, administrator):
    employee = await world.invite(administrator, administrator.organisation_id, "fatima", CARE_WORKER)
    world.clock.advance(timedelta(days=7))
    await world.log_in("fatima")
    assert await state_of(database, employee) == "uitgenodigd"


@pytest.mark.parametrize(("subject", "kvk"), [("joost", KVK), ("fatima", OTHER_KVK), ("fatima", None), ("FATIMA", KVK)])
async def test_login_of_another_or_for_another_organisation_does_not_activate(
    world, database, administrator, subject, kvk
):
    employee = await world.invite(administrator, administrator.organisation_id, "fatima", CARE_WORKER)
    await world.log_in(subject, kvk)
    assert await state_of(database, employee) == "uitgenodigd"


async def test_second_login_changes_nothing(world, administrator):
    await world.hire(administrator, "fatima")
    before = await world.lines("medewerker:geactiveerd")
    await world.log_in("fatima")
    assert await world.lines("medewerker:geactiveerd") == before


async def test_forged_invitation_is_not_activated(world, database, administrator):
    employee = await world.invite(administrator, administrator.organisation_id, "fatima", CARE_WORKER)
    async with bypass_triggers(database) as connection:
        forged = "UPDATE employee SET broker_subject = 'joost' WHERE id = :id"
        await connection.execute(text(forged), {"id": employee})
    await world.log_in("joost")
    async with database.sessions() as session:
        assert (
            await session.scalar(text("SELECT state FROM employee WHERE id = :id"), {"id": employee}) == "uitgenodigd"
        )
    assert {line.object_kind for line in await world.lines("rij:geweigerd")} == {"employee"}


async def test_name_and_account_of_an_employee_are_not_in_journal_or_row(world, database, administrator):
    employee = await world.invite(administrator, administrator.organisation_id, "fatima-7781", CARE_WORKER)
    row = await employee_row(database, employee)
    [*_, line] = await world.lines(INVITED)
    assert "fatima-7781" not in str(line.facts)
    assert b"fatima" not in row.display_name_sealed
    async with database.sessions() as session:
        key = await ensure_data_key(session, KEYS, row.organisation_id)
        assert decrypt_display_name(key, row) == "Medewerker fatima-7781"


async def test_operator_invites_the_first_administrator_only(world, organisation):
    operator = world.operators[0]
    for roles in (CARE_WORKER, frozenset({EmployeeRole.TEAM_LEADER})):
        refused = await world.refuse(invite_employee, KEYS, operator, organisation, make_invitation("jan", roles))
        assert refused == "alleen_eerste_beheerder"
    await world.administer(organisation)
    second = make_invitation("piet", ADMINISTRATOR)
    assert await world.refuse(invite_employee, KEYS, operator, organisation, second) == "alleen_eerste_beheerder"
    assert {line.reason for line in await world.lines(INVITED) if line.outcome == "refused"} == {
        "alleen_eerste_beheerder"
    }


@pytest.mark.parametrize("role", sorted(set(EmployeeRole) - {EmployeeRole.ADMINISTRATOR}))
async def test_operator_gives_the_first_administrator_no_other_role(world, organisation, role):
    for operator in (world.operators[0], COMMAND_LINE):
        inviting = (invite_employee, KEYS, operator, organisation, make_invitation("jan", ADMINISTRATOR | {role}))
        assert await world.refuse(*inviting) == "beheerder_met_andere_rol"
    lines = await world.lines(INVITED)
    assert [(line.outcome, line.reason) for line in lines] == [("refused", "beheerder_met_andere_rol")] * 2


async def test_operator_of_the_practice_world_gives_the_first_administrator_another_role(world, database, organisation):
    invitation = make_invitation("jan", ADMINISTRATOR | CARE_WORKER)
    employee = await world.do(invite_employee, KEYS, COMMAND_LINE, organisation, invitation, practice=True)
    assert (await employee_row(database, employee)).roles == ["hulpverlener", "organisatiebeheerder"]


async def test_operator_replacing_the_administration_gets_no_helping_role(world, organisation, administrator):
    await world.do(end_employment, KEYS, COMMAND_LINE, administrator.employee_id)
    accomplice = make_invitation("jan", ADMINISTRATOR | CARE_WORKER)
    inviting = (invite_employee, KEYS, COMMAND_LINE, organisation, accomplice)
    assert await world.refuse(*inviting) == "beheerder_met_andere_rol"
    replaced = await world.administer(organisation, subject="jan")
    roles = (ADMINISTRATOR | CARE_WORKER, ADMINISTRATOR | {EmployeeRole.TEAM_LEADER})
    for more in roles:
        code = await world.refuse(change_roles, KEYS, replaced, replaced.employee_id, more)
        assert code == "eigen_rollen_uitbreiden"


async def test_operator_invites_another_administrator_when_the_invitation_expired(world, database, organisation):
    await world.invite(world.operators[0], organisation, "jan", ADMINISTRATOR)
    world.clock.advance(timedelta(days=8))
    second = await world.invite(COMMAND_LINE, organisation, "piet", ADMINISTRATOR)
    row = await employee_row(database, second)
    assert (row.state, row.roles) == ("uitgenodigd", ["organisatiebeheerder"])


@pytest.mark.parametrize("status", [RecognitionStatus.WITHDRAWN, RecognitionStatus.REFUSED])
async def test_refused_or_withdrawn_organisation_cannot_invite(world, status):
    organisation = await world.register()
    if status is RecognitionStatus.WITHDRAWN:
        await world.decide(organisation, RecognitionStatus.RECOGNISED)
    await world.decide(organisation, status)
    invitation = make_invitation("jan", ADMINISTRATOR)
    assert await world.refuse(invite_employee, KEYS, COMMAND_LINE, organisation, invitation) == "organisatie_gesloten"


async def test_same_account_is_invited_again_only_after_the_invitation_expired(world, database, administrator):
    first = await world.invite(administrator, administrator.organisation_id, "fatima", CARE_WORKER)
    again = (invite_employee, KEYS, administrator, administrator.organisation_id, make_invitation("fatima"))
    assert await world.refuse(*again) == "al_medewerker"
    world.clock.advance(timedelta(days=7))
    second = await world.do(*again)
    assert (await state_of(database, first), await state_of(database, second)) == ("vertrokken", "uitgenodigd")
    [*_, line] = await world.lines(INVITED)
    assert len(line.facts["toestand"]) == 2


async def test_administrator_invites_for_the_own_organisation_only(world, administrator):
    other = await world.recognise(OTHER_KVK)
    for place in (other, uuid4()):
        invitation = make_invitation("jan")
        assert await world.refuse(invite_employee, KEYS, administrator, place, invitation) == "organisatie_onbekend"


@pytest.mark.parametrize("role", sorted(set(EmployeeRole) - {EmployeeRole.ADMINISTRATOR}))
async def test_employee_without_the_role_is_no_administrator(world, administrator, role):
    await world.hire(administrator, "fatima", frozenset({role}))
    person = await world.log_in("fatima")
    code = await world.refuse(load_administrator, LISTING, person, KVK, Assurance.SUBSTANTIAL)
    assert code == "alleen_voor_organisatiebeheerder"


async def test_administrator_acts_only_when_logged_in_for_the_organisation(world, administrator):
    person = administrator.person_id
    for kvk in (None, OTHER_KVK):
        assert await world.refuse(load_administrator, LISTING, person, kvk, Assurance.HIGH) == "geen_medewerker"
    assert await world.refuse(load_administrator, LISTING, person, KVK, Assurance.LOW) == "niveau_te_laag"
    stranger = await world.log_in("onbekend")
    assert await world.refuse(load_administrator, LISTING, stranger, KVK, Assurance.HIGH) == "geen_medewerker"


async def test_administrator_needs_the_level_substantial_whatever_the_organisation_asks(world, database, administrator):
    async with unit_of_work(database.sessions) as session:
        await change_organisation(session, administrator.organisation_id, minimum_level="laag")
    person = administrator.person_id
    assert await world.refuse(load_administrator, LISTING, person, KVK, Assurance.LOW) == "niveau_te_laag"
    assert await world.do(load_administrator, LISTING, person, KVK, Assurance.SUBSTANTIAL) == administrator
    async with unit_of_work(database.sessions) as session:
        await change_organisation(session, administrator.organisation_id, minimum_level="hoog")
    assert await world.refuse(load_administrator, LISTING, person, KVK, Assurance.SUBSTANTIAL) == "niveau_te_laag"


async def test_same_person_in_two_organisations_acts_for_the_one_logged_in_for(world, administrator):
    other = await world.recognise(OTHER_KVK)
    await world.invite(world.operators[0], other, f"beheerder-{KVK}", ADMINISTRATOR)
    person = await world.log_in(f"beheerder-{KVK}", OTHER_KVK)
    assert person == administrator.person_id
    actor = await world.do(load_administrator, LISTING, person, OTHER_KVK, Assurance.SUBSTANTIAL)
    assert actor.organisation_id == other
    employee = await world.hire(administrator, "fatima")
    for act in (suspend_employee, end_employment):
        assert await world.refuse(act, KEYS, actor, employee) == "medewerker_onbekend"
    assert await world.refuse(change_roles, KEYS, actor, employee, ADMINISTRATOR) == "medewerker_onbekend"


async def test_roles_change(world, database, administrator):
    employee = await world.hire(administrator, "fatima")
    roles = frozenset({EmployeeRole.TEAM_LEADER, EmployeeRole.SUPERVISOR})
    await world.do(change_roles, KEYS, administrator, employee, roles)
    assert (await employee_row(database, employee)).roles == ["teamleider", "toezicht"]
    [line] = await world.lines(CHANGED)
    assert (line.reason, line.capacity, line.actor_id) == ("rollen", "organisatiebeheerder", administrator.person_id)


async def test_administrator_adds_no_role_to_himself_and_gives_one_up(world, database, administrator):
    own = administrator.employee_id
    other = await world.hire(administrator, "tweede", ADMINISTRATOR)
    for roles in (ADMINISTRATOR | CARE_WORKER, CARE_WORKER):
        assert await world.refuse(change_roles, KEYS, administrator, own, roles) == "eigen_rollen_uitbreiden"
    assert {(line.outcome, line.reason) for line in await world.lines(CHANGED)} == {
        ("refused", "eigen_rollen_uitbreiden")
    }
    colleague = await world.do(load_administrator, LISTING, await world.log_in("tweede"), KVK, Assurance.SUBSTANTIAL)
    assert colleague.employee_id == other
    await world.do(change_roles, KEYS, colleague, own, ADMINISTRATOR | CARE_WORKER)
    await world.do(change_roles, KEYS, administrator, own, CARE_WORKER)
    assert (await employee_row(database, own)).roles == ["hulpverlener"]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([], "rol_ontbreekt"),
        (["directeur"], "rol_onbekend"),
        (["beheerder"], "rol_onbekend"),
        (["toezicht", "hulpverlener"], "rollen_onverenigbaar"),
    ],
)
def test_roles_that_cannot_be_are_rejected(names, code):
    with pytest.raises(InvalidInput, match=code):
        parse_roles(names)


async def test_employee_is_put_on_non_active_and_back(world, database, administrator):
    employee = await world.hire(administrator, "fatima")
    await world.do(suspend_employee, KEYS, administrator, employee)
    assert await state_of(database, employee) == "op_non_actief"
    assert await world.refuse(suspend_employee, KEYS, administrator, employee) == "medewerker_niet_actief"
    await world.do(resume_employee, KEYS, administrator, employee)
    assert await state_of(database, employee) == "actief"
    assert await world.refuse(resume_employee, KEYS, administrator, employee) == "medewerker_niet_op_non_actief"
    invited = await world.invite(administrator, administrator.organisation_id, "joost", CARE_WORKER)
    assert await world.refuse(suspend_employee, KEYS, administrator, invited) == "medewerker_niet_actief"


async def test_suspended_administrator_acts_no_more(world, administrator):
    other = await world.hire(administrator, "tweede", ADMINISTRATOR)
    await world.do(suspend_employee, KEYS, administrator, administrator.employee_id)
    person = administrator.person_id
    assert await world.refuse(load_administrator, LISTING, person, KVK, Assurance.HIGH) == "geen_medewerker"
    # What was loaded before is checked again under the lock.
    code = await world.refuse(end_employment, KEYS, administrator, other)
    assert code == "alleen_voor_organisatiebeheerder"
    inviting = (invite_employee, KEYS, administrator, administrator.organisation_id, make_invitation("derde"))
    assert await world.refuse(*inviting) == "alleen_voor_organisatiebeheerder"


async def test_employee_leaves_for_good(world, database, administrator):
    employee = await world.hire(administrator, "fatima")
    await world.do(end_employment, KEYS, administrator, employee)
    row = await employee_row(database, employee)
    assert (row.state, row.ends_at) == ("vertrokken", world.clock.now())
    [line] = await world.lines(DEPARTED)
    assert (line.outcome, line.object_id) == ("done", str(employee))
    for act in (end_employment, suspend_employee, resume_employee):
        assert await world.refuse(act, KEYS, administrator, employee) == "al_vertrokken"
    assert await world.refuse(change_roles, KEYS, administrator, employee, CARE_WORKER) == "al_vertrokken"
    await world.log_in("fatima")
    assert await state_of(database, employee) == "vertrokken"


async def test_employee_returning_is_a_new_row(world, database, administrator):
    first = await world.hire(administrator, "fatima")
    await world.do(end_employment, KEYS, administrator, first)
    world.clock.advance(timedelta(seconds=1))
    second = await world.hire(administrator, "fatima")
    assert first != second
    assert await state_of(database, second) == "actief"


async def test_departure_after_the_invitation_prevents_activation(world, database, administrator):
    organisation = administrator.organisation_id
    person = await world.add_person("fatima")
    async with unit_of_work(database.sessions) as session:
        first = await add_employee(session, organisation, person)  # by a link: the row has no account
    second = await world.invite(administrator, organisation, "fatima", CARE_WORKER)
    world.clock.advance(timedelta(days=1))
    await world.do(end_employment, KEYS, administrator, first)
    await world.log_in("fatima")
    assert await state_of(database, second) == "uitgenodigd"


async def test_employee_with_another_login_is_not_activated_twice(world, database, administrator):
    organisation, born = administrator.organisation_id, date(1980, 1, 2)
    present = await world.add_person("Fatima el Amrani", born)
    async with unit_of_work(database.sessions) as session:
        await add_employee(session, organisation, present)
        other = await find_or_create_by_broker(session, KEYS, "https://b.example", "fatima-2", at=world.clock.now())
        await save_profile(session, KEYS, other, Profile("Fatima el Amrani", born, None))
    second = await world.invite(administrator, organisation, "fatima-2", CARE_WORKER)
    login = VerifiedLogin(
        BROKER, "fatima-2", Assurance.SUBSTANTIAL, world.clock.now(), None, Profile("", None, None), frozenset(), KVK
    )
    await world.do(activate_employee, KEYS, other, login)
    assert await state_of(database, second) == "uitgenodigd"


async def test_last_administrator_stays_unless_an_operator_acts(world, database, administrator):
    own = administrator.employee_id
    await world.hire(administrator, "fatima")
    for act in (end_employment, suspend_employee):
        assert await world.refuse(act, KEYS, administrator, own) == "laatste_beheerder"
    assert await world.refuse(change_roles, KEYS, administrator, own, CARE_WORKER) == "laatste_beheerder"
    await world.invite(administrator, administrator.organisation_id, "uitgenodigd", ADMINISTRATOR)
    assert await world.refuse(end_employment, KEYS, administrator, own) == "laatste_beheerder"
    await world.do(end_employment, KEYS, COMMAND_LINE, own)
    assert await state_of(database, own) == "vertrokken"


async def test_concurrent_departures_leave_one_administrator(world, database, administrator):
    await world.hire(administrator, "tweede", ADMINISTRATOR)
    person = await world.log_in("tweede")
    other = await world.do(load_administrator, LISTING, person, KVK, Assurance.SUBSTANTIAL)
    leaving = [world.do(end_employment, KEYS, actor, actor.employee_id) for actor in (administrator, other)]
    results = await asyncio.gather(*leaving, return_exceptions=True)
    assert [type(one) for one in results if isinstance(one, Exception)] == [Conflict]
    states = {await state_of(database, actor.employee_id) for actor in (administrator, other)}
    assert states == {"vertrokken", "actief"}


async def test_rows_of_every_act_are_rebuilt_from_the_journal(world, database, administrator):
    employee = await world.hire(administrator, "fatima")
    await world.do(suspend_employee, KEYS, administrator, employee)
    await world.do(end_employment, KEYS, administrator, employee)
    lines = await JOURNAL_INTAKE.read(database)
    async with database.sessions() as session:
        key = await ensure_data_key(session, KEYS, administrator.organisation_id)
        rebuilt = rebuild_state(lines, world.clock.now(), {administrator.organisation_id: key})
        for sealed in (SEALED_ORGANISATION, SEALED_RECOGNITION, SEALED_EMPLOYEE):
            rows = (await session.execute(sealed.table.select())).mappings().all()
            assert rows
            for row in rows:
                state = rebuilt.pop(format_row_key(sealed, row))
                assert (state.mac, state.row) == (row["mac"], {name: row[name] for name in state_columns(sealed)})
    assert rebuilt == {}
