"""An invitation by a link: seven days, once, for a login of the organisation."""

import asyncio
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from machtiging.crypto.secrets import sha256_digest
from machtiging.delegation.help_requests.retention import expired_delegation_rows_sweep
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.invitations.rules import MAX_LINKS, MAX_OPEN_INVITATIONS
from machtiging.organisations.invitations.tables import SEALED_INVITATION_LINK
from machtiging.organisations.rules import EmployeeRole
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON
from tests.builders.organisations import (
    OTHER_KVK,
    add_organisation,
    change_employee,
    change_organisation,
    decide_recognition,
)
from tests.builders.rows import NOTIFICATIONS
from tests.storage.notifications.smtp_server import serve_smtp
from tests.storage.organisations.invitation_office import ADDRESS, INVITATIONS, InvitingOffice

WEEK = timedelta(days=7)
ACTIVATED, INVITED = "medewerker:geactiveerd", "medewerker:uitgenodigd"
BORN = date(1980, 1, 2)


@pytest.fixture
async def office(database):
    async with serve_smtp() as server:
        yield await InvitingOffice(database, server).begin()


@pytest.fixture
async def noor(office):
    return await office.add_person("Noor Nieuw")


async def test_invited_person_becomes_employee_with_the_roles_of_the_invitation(office, noor):
    invitation = await office.invite(roles=(EmployeeRole.CARE_WORKER, EmployeeRole.TEAM_LEADER))
    token = await office.receive_token()
    offer = await office.preview(token, noor)
    assert (offer.organisation_name, offer.inviter) == ("Wijkteam 90000001", "Astrid de Beheerder")
    assert offer.roles == {EmployeeRole.CARE_WORKER, EmployeeRole.TEAM_LEADER}
    assert await office.find_employee(noor) == []
    assert await office.accept(token, noor) is None
    [employee] = await office.find_employee(noor)
    assert (employee.state, sorted(employee.roles)) == ("actief", ["hulpverlener", "teamleider"])
    assert await INVITATIONS.read_value(office.database, "employee_id", id=invitation) == employee.id
    assert await office.read_outcomes(ACTIVATED) == [("done", "uitnodiging")]
    kinds = await NOTIFICATIONS.read_column(office.database, "kind")
    assert sorted(kinds) == ["medewerker_geworden", "uitnodiging_aangenomen"]
    assert await office.list() == []


async def test_database_holds_the_hash_of_the_token_and_no_address(office):
    await office.invite()
    token = await office.receive_token()
    stored = await INVITATIONS.dump(office.database)
    assert token not in stored
    assert "noor" not in stored.lower()
    assert await INVITATIONS.read_value(office.database, "token_hash") == sha256_digest(token)


async def test_mail_is_sent_once_in_two_languages_with_the_link_and_the_last_day(office):
    await office.invite()
    assert await office.send() == 1
    assert await office.send() == 0
    [(recipients, mail)] = office.server.taken
    body = mail.get_content()
    assert recipients == [ADDRESS]
    assert "Wijkteam 90000001 nodigt u uit" in mail["Subject"]
    assert body.count("/uitnodiging/") == 2
    assert "30 november 2026" in body
    assert "30 November 2026" in body


async def test_mail_that_is_refused_is_shown_to_the_administrator_and_not_retried(office):
    office.server.rcpt = ["550 no such user"]
    await office.invite()
    assert await office.send() == 0
    [listed] = await office.list()
    assert (listed.is_sent, listed.is_returned) == (False, True)
    office.clock.advance(timedelta(days=1))
    assert await office.send() == 0


async def test_mail_to_a_busy_server_is_tried_again(office):
    office.server.rcpt = ["451 later"]
    await office.invite()
    assert await office.send() == 0
    office.clock.advance(timedelta(minutes=2))
    assert await office.send() == 1


async def test_link_used_twice_makes_one_employee_and_is_refused_to_another(office, noor):
    await office.invite()
    token = await office.receive_token()
    assert await office.accept(token, noor) is None
    assert await office.accept(token, noor) is None
    assert len(await office.find_employee(noor)) == 1
    other = await office.add_person("Iemand Anders")
    assert await office.accept(token, other) == "uitnodiging_gebruikt"
    assert await office.find_employee(other) == []


async def test_link_used_by_two_people_at_once_makes_one_employee(office):
    await office.invite()
    token = await office.receive_token()
    people = [await office.add_person(f"Persoon {number}") for number in range(4)]
    outcomes = await asyncio.gather(*(office.accept(token, person) for person in people))
    assert sorted(map(str, outcomes)) == ["None", *["uitnodiging_gebruikt"] * 3]


@pytest.mark.parametrize(
    ("kvk", "level", "code"),
    [
        (OTHER_KVK, Assurance.HIGH, "uitnodiging_andere_organisatie"),
        (None, Assurance.HIGH, "uitnodiging_zonder_organisatie"),
        ("90000001", Assurance.LOW, "niveau_te_laag"),
    ],
)
async def test_login_that_does_not_fit_learns_and_gets_nothing(office, noor, kvk, level, code):
    await office.invite()
    token = await office.receive_token()
    assert await office.preview(token, noor, kvk, level) == code
    assert await office.accept(token, noor, kvk, level) == code
    assert await office.find_employee(noor) == []
    assert await office.read_outcomes(ACTIVATED) == [("refused", code)]


async def test_login_below_the_requested_level_is_refused(office, noor):
    await office.invite(level=Assurance.HIGH)
    token = await office.receive_token()
    assert await office.accept(token, noor) == "niveau_te_laag"
    assert await office.accept(token, noor, level=Assurance.HIGH) is None


async def test_level_that_the_organisation_demands_later_counts_too(office, noor):
    await office.invite()
    token = await office.receive_token()
    async with unit_of_work(office.database.sessions) as session:
        await change_organisation(session, office.organisation, minimum_level="hoog")
    assert await office.accept(token, noor) == "niveau_te_laag"
    assert await office.invite("ander@wijkteam.example") == "niveau_niet_te_vragen"


async def test_link_expires_after_seven_days(office, noor):
    await office.invite()
    token = await office.receive_token()
    office.clock.advance(WEEK)
    assert await office.accept(token, noor) == "uitnodiging_verlopen"
    [listed] = await office.list()
    assert listed.state == "verlopen"


async def test_link_works_until_the_last_second(office, noor):
    await office.invite()
    token = await office.receive_token()
    office.clock.advance(WEEK - timedelta(seconds=1))
    assert await office.accept(token, noor) is None


async def test_withdrawn_link_opens_nothing_and_is_not_sent(office, noor):
    invitation = await office.invite()
    token = await office.receive_token()
    assert await office.withdraw(invitation, office.second) is None
    assert await office.accept(token, noor) == "uitnodiging_ingetrokken"
    assert await office.withdraw(invitation) == "uitnodiging_ingetrokken"
    assert await office.resend(invitation) == "uitnodiging_ingetrokken"
    unsent = await office.invite("ander@wijkteam.example")
    await office.withdraw(unsent)
    assert await office.send() == 0


async def test_link_sent_again_replaces_the_earlier_one(office, noor):
    invitation = await office.invite()
    first = await office.receive_token()
    office.clock.advance(timedelta(days=8))
    assert await office.resend(invitation, office.second) is None
    second = await office.receive_token()
    assert first != second
    assert await office.accept(first, noor) == "uitnodiging_onbekend"
    assert (await office.preview(second, noor)).inviter == "Bob Beheerder"
    assert await office.accept(second, noor) is None
    ids = {mail["Message-ID"] for _, mail in office.server.taken}
    assert len(ids) == 2


async def test_number_of_links_of_one_invitation_is_bounded(office):
    invitation = await office.invite()
    answers = [await office.resend(invitation) for _ in range(MAX_LINKS)]
    assert answers == [None] * (MAX_LINKS - 1) + ["te_vaak_verstuurd"]


async def test_number_of_open_invitations_is_bounded(office):
    for number in range(MAX_OPEN_INVITATIONS):
        assert not isinstance(await office.invite(f"n{number}@wijkteam.example"), str)
    assert await office.invite() == "te_veel_uitnodigingen"
    office.clock.advance(WEEK)
    assert not isinstance(await office.invite(), str)


async def test_same_address_twice_is_refused_while_the_first_is_open(office):
    await office.invite()
    assert await office.invite("NOOR@wijkteam.example") == "al_uitgenodigd"
    office.clock.advance(WEEK)
    assert not isinstance(await office.invite(), str)
    assert len(await office.list()) == 1


async def test_same_address_at_once_gives_one_invitation(office):
    made = await asyncio.gather(*(office.invite() for _ in range(4)))
    assert [one for one in made if isinstance(one, str)] == ["al_uitgenodigd"] * 3


@pytest.mark.parametrize("changes", [{"state": "op_non_actief"}, {"state": "vertrokken"}, {"roles": ["teamleider"]}])
async def test_link_of_inviter_without_the_role_is_refused(office, noor, changes):
    await office.invite()
    token = await office.receive_token()
    ended = {"ends_at": NOON} if changes.get("state") == "vertrokken" else {}
    async with unit_of_work(office.database.sessions) as session:
        await change_employee(session, office.administrator.employee_id, **changes, **ended)
    assert await office.accept(token, noor) == "uitnodiger_weg"
    assert await office.invite("ander@wijkteam.example") == "alleen_voor_organisatiebeheerder"


@pytest.mark.parametrize(
    ("status", "code"), [("opgeschort", "organisatie_opgeschort"), ("ingetrokken", "organisatie_gesloten")]
)
async def test_link_of_a_stopped_organisation_opens_nothing(office, noor, status, code):
    invitation = await office.invite()
    token = await office.receive_token()
    async with unit_of_work(office.database.sessions) as session:
        await decide_recognition(session, office.organisation, 3, status)
    assert await office.accept(token, noor) == code
    assert await office.invite("ander@wijkteam.example") == code
    assert await office.resend(invitation) == code
    assert await office.withdraw(invitation) is None


async def test_employee_of_the_organisation_is_not_hired_twice(office):
    await office.invite()
    token = await office.receive_token()
    assert await office.accept(token, office.second.person_id) == "al_medewerker"


async def test_inviter_with_another_login_is_refused(office):
    inviter = await office.hire("Astrid Dubbel", born=BORN)
    await office.invite(actor=inviter)
    token = await office.receive_token()
    alias = await office.add_person("Astrid Dubbel", BORN, account="astrid-2")
    assert await office.accept(token, alias) == "eigen_uitnodiging"


async def test_only_an_administrator_invites(office):
    for roles in (("teamleider",), ("hulpverlener",), ("toezicht",)):
        actor = await office.hire(f"Collega {roles[0]}", roles)
        assert await office.invite(actor=actor) == "alleen_voor_organisatiebeheerder"


async def test_invitation_of_another_organisation_is_unknown(office, database):
    invitation = await office.invite()
    async with serve_smtp() as server:
        theirs = await InvitingOffice(database, server).begin(kvk=OTHER_KVK)
        assert await theirs.withdraw(invitation) == "uitnodiging_onbekend"
        assert await theirs.resend(invitation) == "uitnodiging_onbekend"
        assert await theirs.list() == []
        assert await theirs.read_outcomes("medewerker:uitnodiging_ingetrokken") == [("refused", "niet_van_u")]


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "a" * 129, "\x00", "%00"])
async def test_unknown_link_is_unknown(office, noor, token):
    assert await office.accept(token, noor) == "uitnodiging_onbekend"


OTHER_VALUES = {
    "organisation_id": None,
    "invited_by": None,
    "email_index": b"x",
    "email_sealed": b"x",
    "display_name_sealed": b"x",
    "roles": ["organisatiebeheerder"],
    "minimum_level": "hoog",
    "link_number": 2,
    "invited_at": NOON - timedelta(days=1),
    "expires_at": NOON + timedelta(days=400),
}


@pytest.mark.parametrize("column", sorted(OTHER_VALUES))
async def test_invitation_changed_without_the_key_opens_nothing(office, noor, column):
    await office.invite()
    token = await office.receive_token()
    async with unit_of_work(office.database.sessions) as session:
        elsewhere = await add_organisation(session, OTHER_KVK)
    other = {"organisation_id": elsewhere, "invited_by": office.second.employee_id}
    value = OTHER_VALUES[column] if OTHER_VALUES[column] is not None else other[column]
    async with bypass_triggers(office.database) as connection:
        await connection.execute(text(f"UPDATE invitation_link SET {column} = :value"), {"value": value})
    assert await office.accept(token, noor) == "uitnodiging_onbekend"
    assert await office.list() == []
    assert await office.send() == 0


def test_every_covered_column_is_tried():
    ended_or_found = {"id", "token_hash", "accepted_at", "employee_id", "withdrawn_at"}
    assert set(OTHER_VALUES) | ended_or_found == set(SEALED_INVITATION_LINK.covered)


async def test_used_invitation_cannot_be_opened_again_in_the_database(office, noor):
    await office.invite()
    await office.accept(await office.receive_token(), noor)
    async with unit_of_work(office.database.sessions) as session:
        with pytest.raises(IntegrityError, match="CheckViolationError"):
            await session.execute(text("UPDATE invitation_link SET accepted_at = NULL, employee_id = NULL"))


async def test_invitation_is_deleted_thirty_days_after_its_link_expired(office):
    await office.invite()
    for days, left in ((36, 1), (38, 0)):
        async with unit_of_work(office.database.sessions) as session:
            await expired_delegation_rows_sweep(session, at=NOON + timedelta(days=days))
        assert await INVITATIONS.count(office.database) == left
