"""Abuse of an invitation by a link. Return after departure, an old login, a rollback, another login, mail bombing."""

from datetime import date, timedelta

import pytest
from sqlalchemy import insert, text

from machtiging.audit.seal import seal_intake
from machtiging.kernel.errors import TooMany
from machtiging.organisations.invitations.administration import invite_by_link
from machtiging.organisations.invitations.rules import (
    MAX_PER_ADDRESS_PER_DAY,
    MAX_PER_ORGANISATION_PER_DAY,
    LinkInvitation,
)
from machtiging.organisations.rules import EmployeeRole
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import change_employee
from tests.builders.rows import EMPLOYEES
from tests.storage.notifications.smtp_server import serve_smtp
from tests.storage.organisations.invitation_office import ADDRESS, INVITATIONS, InvitingOffice

ACTIVATED, INVITED = "medewerker:geactiveerd", "medewerker:uitgenodigd"
BORN = date(1980, 1, 2)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def office(database):
    async with serve_smtp() as server:
        yield await InvitingOffice(database, server).begin()


@pytest.fixture
async def noor(office):
    return await office.add_person("Noor Nieuw")


async def depart(office, employee_id):
    """The employee leaves now."""
    async with unit_of_work(office.database.sessions) as session:
        await change_employee(session, employee_id, state="vertrokken", ends_at=office.clock.now())


@pytest.mark.parametrize("account", ["Noor Nieuw", "noor-2"])
async def test_departure_after_the_link_was_sent_prevents_acceptance(office, account):
    noor = await office.hire("Noor Nieuw", ("hulpverlener",), BORN)
    await office.invite()
    token = await office.receive_token()
    office.clock.advance(HOUR)
    await depart(office, noor.employee_id)
    person = await office.add_person("Noor Nieuw", BORN, account)
    office.clock.advance(SECOND)
    assert await office.preview(token, person) == "vertrokken_na_uitnodiging"
    assert await office.accept(token, person) == "vertrokken_na_uitnodiging"
    assert await office.read_outcomes(ACTIVATED) == [("refused", "vertrokken_na_uitnodiging")]


async def test_departure_before_the_invitation_allows_acceptance(office):
    noor = await office.hire("Noor Nieuw", ("hulpverlener",), BORN)
    await depart(office, noor.employee_id)
    office.clock.advance(SECOND)
    await office.invite()
    assert await office.accept(await office.receive_token(), noor.person_id) is None


async def test_login_before_the_link_was_sent_is_refused(office, noor):
    invitation = await office.invite()
    token = await office.receive_token()
    assert await office.preview(token, noor, logged_in=NOON - SECOND) == "login_te_oud"
    assert await office.accept(token, noor, logged_in=NOON - SECOND) == "login_te_oud"
    office.clock.advance(DAY)
    await office.resend(invitation)
    token = await office.receive_token()
    assert await office.accept(token, noor, logged_in=NOON + HOUR) == "login_te_oud"
    assert await office.accept(token, noor, logged_in=NOON + DAY) is None


async def test_used_invitation_put_back_in_the_database_makes_no_second_employee(office, noor):
    await office.invite()
    token = await office.receive_token()
    [unused] = [row._mapping for row in await INVITATIONS.read(office.database)]
    await office.accept(token, noor)
    async with bypass_triggers(office.database) as connection:
        await connection.execute(text("DELETE FROM invitation_link"))
        await connection.execute(insert(INVITATIONS.table).values({**unused}))
    other = await office.add_person("Iemand Anders")
    for person in (other, noor):
        assert await office.preview(token, person) == "uitnodiging_gebruikt"
        assert await office.accept(token, person) == "uitnodiging_gebruikt"
    assert await EMPLOYEES.count(office.database, person_id=other) == 0
    assert await EMPLOYEES.count(office.database, person_id=noor) == 1


async def put_back(office, row):
    """A writer in the database puts an earlier row back, with its MAC."""
    async with bypass_triggers(office.database) as connection:
        await connection.execute(text("DELETE FROM invitation_link"))
        await connection.execute(insert(INVITATIONS.table).values({**row._mapping}))


@pytest.mark.parametrize("sealed", [False, True])
async def test_withdrawn_invitation_put_back_in_the_database_makes_no_employee(office, noor, sealed):
    invitation = await office.invite()
    token = await office.receive_token()
    [unused] = await INVITATIONS.read(office.database)
    await office.withdraw(invitation)
    if sealed:
        await seal_intake(office.database.sealer, load_keyring(), office.clock)
    await put_back(office, unused)
    assert await office.preview(token, noor) == "rij_ongeldig"
    assert await office.accept(token, noor) == "rij_ongeldig"
    assert await office.find_employee(noor) == []
    assert await office.read_outcomes(ACTIVATED) == [("refused", "rij_ongeldig")]


@pytest.mark.parametrize("sealed", [False, True])
async def test_earlier_link_put_back_in_the_database_makes_no_employee(office, noor, sealed):
    invitation = await office.invite()
    token = await office.receive_token()
    [first] = await INVITATIONS.read(office.database)
    await office.resend(invitation)
    if sealed:
        await seal_intake(office.database.sealer, load_keyring(), office.clock)
    await put_back(office, first)
    assert await office.accept(token, noor) == "rij_ongeldig"
    await office.resend(invitation, office.second)
    assert await office.accept(await office.receive_token(), noor) == "rij_ongeldig"
    assert await office.find_employee(noor) == []


async def test_link_that_was_sent_again_twice_is_accepted(office, noor):
    invitation = await office.invite()
    for _ in range(2):
        await office.resend(invitation)
        await seal_intake(office.database.sealer, load_keyring(), office.clock)
    assert await office.accept(await office.receive_token(), noor) is None


async def test_inviter_with_another_login_is_refused_after_a_colleague_sent_the_link_again(office):
    inviter = await office.hire("Astrid Dubbel", born=BORN)
    invitation = await office.invite(actor=inviter, roles=(EmployeeRole.TEAM_LEADER,))
    await office.resend(invitation, office.second)
    token = await office.receive_token()
    alias = await office.add_person("Astrid Dubbel", BORN, account="astrid-2")
    assert await office.accept(token, alias) == "al_medewerker"
    office.clock.advance(HOUR)
    await depart(office, inviter.employee_id)
    await office.resend(invitation, office.second)
    assert await office.accept(await office.receive_token(), alias) == "vertrokken_na_uitnodiging"
    assert await office.find_employee(alias) == []


async def test_employee_with_another_login_is_not_hired_twice(office):
    await office.hire("Noor Nieuw", ("hulpverlener",), BORN)
    await office.invite()
    token = await office.receive_token()
    alias = await office.add_person("noor  NIEUW", BORN, account="noor-2")
    assert await office.preview(token, alias) == "al_medewerker"
    assert await office.accept(token, alias) == "al_medewerker"
    namesake = await office.add_person("Noor Nieuw", date(1990, 5, 6), account="noor-3")
    assert await office.accept(token, namesake) is None


async def test_acceptance_of_an_invitation_that_was_not_shown_is_refused(office, noor):
    other = await office.invite("ander@wijkteam.example")
    await office.invite()
    token = await office.receive_token()
    assert await office.accept(token, noor, shown=other) == "uitnodiging_niet_getoond"
    assert await office.find_employee(noor) == []
    assert await office.read_outcomes(ACTIVATED) == [("refused", "uitnodiging_niet_getoond")]


async def test_mail_bombing_by_inviting_and_withdrawing_is_bounded_per_address(office):
    for _ in range(MAX_PER_ADDRESS_PER_DAY):
        await office.withdraw(await office.invite())
        office.clock.advance(HOUR)
    again = LinkInvitation(ADDRESS.upper(), "Noor Nieuw", frozenset({EmployeeRole.CARE_WORKER}), "substantieel")
    with pytest.raises(TooMany, match="te_vaak_uitgenodigd") as refusal:
        async with unit_of_work(office.database.sessions) as session:
            await invite_by_link(session, load_keyring(), office.administrator, again, at=office.clock.now())
    assert refusal.value.retry_after == (DAY - MAX_PER_ADDRESS_PER_DAY * HOUR).total_seconds()
    assert await office.invite() == "te_vaak_uitgenodigd"
    assert not isinstance(await office.invite("ander@wijkteam.example"), str)
    office.clock.advance(timedelta(seconds=refusal.value.retry_after))
    assert not isinstance(await office.invite(), str)


async def test_number_of_invitations_of_an_organisation_in_a_day_is_bounded(office):
    for number in range(MAX_PER_ORGANISATION_PER_DAY):
        await office.withdraw(await office.invite(f"n{number}@wijkteam.example"))
    assert await office.invite() == "te_veel_uitnodigingen_vandaag"
    assert ("refused", "te_veel_uitnodigingen_vandaag") in await office.read_outcomes(INVITED)
    office.clock.advance(DAY)
    assert not isinstance(await office.invite(), str)
