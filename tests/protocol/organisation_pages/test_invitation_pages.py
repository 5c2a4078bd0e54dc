"""Pages of invitations by a link, for the administrator and for the invited."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from machtiging.cli.demo.browser import Browser
from machtiging.kernel.assurance import Assurance
from machtiging.notifications.mailer import Mailer
from machtiging.organisations.invitations.mail import send_due_invitations
from machtiging.organisations.invitations.rules import MAX_PER_ADDRESS_PER_DAY
from machtiging.organisations.invitations.tables import InvitationLink
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring
from tests.builders.mail import MAIL_CONTACT
from tests.builders.organisations import OTHER_KVK, decide_recognition
from tests.builders.people import ISSUER, add_person_without_bsn
from tests.builders.rows import EMPLOYEES, JOURNAL_INTAKE, TableReader
from tests.protocol.organisation_pages.office import OfficePages, make_unknown_id
from tests.storage.notifications.smtp_server import serve_smtp

INVITATIONS = TableReader(InvitationLink)
LIST, FORM = "/organisatie/medewerkers", "/organisatie/uitnodigingen/nieuw"
NEW = {"emailadres": "noor@wijkteam.example", "naam": "Noor Nieuw", "rol": ["hulpverlener"], "niveau": "substantieel"}


@pytest.fixture
async def server():
    async with serve_smtp() as made:
        yield made


@pytest.fixture
async def noor(office):
    async with unit_of_work(office.rows.database.sessions) as session:
        return await add_person_without_bsn(session, "Noor Nieuw", None)


async def invite(browser, *, expect=200, **changes):
    form = (await browser.open_page(ISSUER + FORM)).find_form(FORM)
    return await browser.submit_form(form, NEW | changes, expected_status=expect)


async def read_link(office, server, clock):
    mailer = Mailer("127.0.0.1", server.port, starttls=False, sender="Machtigen <x@m.example>", contact=MAIL_CONTACT)
    await send_due_invitations(office.rows.database.sessions, load_keyring(), mailer, clock)
    return re.search(r"/uitnodiging/[A-Za-z0-9_-]+", server.taken[-1][1].get_content())[0]


async def open_link(browser, link, *, expect=200):
    """Open the link of the mail, which puts its token in a cookie."""
    return await browser.open_page(ISSUER + link, expected_status=expect)


def make_anonymous(office):
    return Browser(office.portal.http, frozenset({ISSUER}))


async def test_invited_person_opens_the_link_logs_in_and_accepts(office, noor, server, clock):
    administrator = await office.log_in_administrator()
    listed = await invite(administrator)
    assert "De e-mail met de link gaat nu weg" in listed.text
    assert "noor@wijkteam.example" in listed.text
    assert "Uitgenodigd, tot" in listed.text
    link = await read_link(office, server, clock)
    browser = await office.log_in(noor)
    opened = await open_link(browser, link)
    assert "Uitnodiging van Wijkteam 90000001" in opened.text
    assert "Astrid" not in opened.text
    page = await browser.open_page(ISSUER + "/uitnodiging")
    for word in ("Astrid de Beheerder", "Wijkteam 90000001", "Hulpverlener", "Noor Nieuw"):
        assert word in page.text
    assert await EMPLOYEES.count(office.rows.database, person_id=noor) == 0
    done = await browser.submit_form(page.find_form("/uitnodiging"), {})
    assert "U bent nu medewerker" in done.text
    again = await browser.submit_form(page.find_form("/uitnodiging"), {})
    assert "U bent nu medewerker" in again.text
    assert (await browser._send_request("GET", ISSUER + "/werk", None)).status_code == 200
    listed = await administrator.open_page(ISSUER + LIST)
    assert "Noor Nieuw" in listed.text
    assert "noor@wijkteam.example" not in listed.text
    assert "al gebruikt" in (await open_link(browser, link, expect=410)).text


async def test_opening_a_link_again_and_again_changes_nothing(office, server, clock):
    """Mail scanners open links, with and without cookies."""
    await invite(await office.log_in_administrator())
    link = await read_link(office, server, clock)
    before = await INVITATIONS.dump(office.rows.database)
    visitor = make_anonymous(office)
    for _ in range(3):
        page = await open_link(visitor, link)
        assert "/inloggen?terug=/uitnodiging&niveau=substantieel&opnieuw=ja" in [href for href, _ in page.links]
        assert not any("inloggen" in href and link in href for href, _ in page.links)
    assert await INVITATIONS.dump(office.rows.database) == before


@pytest.mark.parametrize(
    ("kvk", "assurance", "words"),
    [
        (OTHER_KVK, Assurance.HIGH, "voor een andere organisatie"),
        (None, Assurance.HIGH, "als privépersoon"),
        ("90000001", Assurance.LOW, "Log in met een ander inlogmiddel"),
    ],
)
async def test_login_that_does_not_fit_is_offered_another_login(office, noor, server, clock, kvk, assurance, words):
    await invite(await office.log_in_administrator())
    browser = await office.portal.browser_of(noor, assurance=assurance, kvk=kvk)
    await open_link(browser, await read_link(office, server, clock))
    answer = await browser._send_request("GET", ISSUER + "/uitnodiging", None)
    assert answer.status_code == 403
    assert words in answer.text
    assert "opnieuw=ja" in answer.text
    assert "Astrid" not in answer.text


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ({"kvk": OTHER_KVK}, "uitnodiging_andere_organisatie"),
        ({"kvk": None}, "uitnodiging_zonder_organisatie"),
        ({"kvk": "90000001", "assurance": Assurance.LOW}, "niveau_te_laag"),
    ],
)
async def test_refused_look_at_an_invitation_is_journalled(office, noor, server, clock, login, reason):
    await invite(await office.log_in_administrator())
    [row] = await INVITATIONS.read(office.rows.database)
    browser = await office.portal.browser_of(noor, **login)
    await open_link(browser, await read_link(office, server, clock))
    await browser.open_page(ISSUER + "/uitnodiging", expected_status=403)
    [line] = await JOURNAL_INTAKE.read(office.rows.database, act="medewerker:uitnodiging_bekeken")
    found = (line.outcome, line.reason, line.actor_id, line.object_id, line.on_behalf_of)
    assert found == ("refused", reason, noor, str(row.id), office.rows.organisation)
    log = await (await office.log_in_administrator()).open_page(ISSUER + "/organisatie/logboek")
    assert "bekeek een uitnodiging" in log.text


async def test_look_at_an_invitation_that_is_shown_or_unknown_is_not_journalled(office, noor, server, clock):
    await invite(await office.log_in_administrator())
    browser = await office.log_in(noor)
    await browser.open_page(ISSUER + "/uitnodiging", expected_status=404)
    await open_link(browser, await read_link(office, server, clock))
    await browser.open_page(ISSUER + "/uitnodiging")
    assert await JOURNAL_INTAKE.read(office.rows.database, act="medewerker:uitnodiging_bekeken") == []


async def test_level_asked_is_the_level_of_the_login(office, noor, server, clock):
    await invite(await office.log_in_administrator(), niveau="hoog")
    link = await read_link(office, server, clock)
    visitor = make_anonymous(office)
    assert any("niveau=hoog" in href for href, _ in (await open_link(visitor, link)).links)
    low = await office.log_in(noor)
    await open_link(low, link)
    assert (await low._send_request("GET", ISSUER + "/uitnodiging", None)).status_code == 403
    high = await office.log_in(noor, Assurance.HIGH)
    await open_link(high, link)
    page = await high.open_page(ISSUER + "/uitnodiging")
    assert "U bent nu medewerker" in (await high.submit_form(page.find_form("/uitnodiging"), {})).text


async def test_invitation_without_cookie_and_unknown_link_are_told(office, noor):
    browser = await office.log_in(noor)
    answer = await browser._send_request("GET", ISSUER + "/uitnodiging", None)
    assert (answer.status_code, "Wij kennen deze uitnodiging niet" in answer.text) == (404, True)
    await open_link(browser, "/uitnodiging/" + "a" * 43, expect=404)


async def test_expired_link_says_so(office, server, clock):
    await invite(await office.log_in_administrator())
    link = await read_link(office, server, clock)
    clock.advance(timedelta(days=7))
    assert "verlopen" in (await open_link(make_anonymous(office), link, expect=410)).text


async def test_administrator_sends_again_and_withdraws(office, server, clock):
    browser = await office.log_in_administrator()
    page = await invite(browser)
    first = await read_link(office, server, clock)
    sent = await browser.submit_form(page.find_form("/opnieuw"), {})
    assert "De e-mail met de link gaat nu weg" in sent.text
    second = await read_link(office, server, clock)
    assert first != second
    await open_link(make_anonymous(office), first, expect=404)
    withdrawing = sent.find_form("/intrekken")
    for _ in range(2):
        gone = await browser.submit_form(withdrawing, {})
        assert "De uitnodiging is ingetrokken" in gone.text
        assert "noor@wijkteam.example" not in gone.text
    await open_link(make_anonymous(office), second, expect=410)
    again = await browser.submit_form(sent.find_form("/opnieuw"), {}, expected_status=409)
    assert "Deze uitnodiging is ingetrokken" in again.text


async def test_same_address_is_told_with_everything_typed(office):
    browser = await office.log_in_administrator()
    await invite(browser)
    page = await invite(browser, expect=409)
    assert "heeft al een uitnodiging" in page.text
    assert page.find_form(FORM).values["naam"] == "Noor Nieuw"


@pytest.mark.parametrize(
    "changes",
    [
        {"emailadres": ""},
        {"emailadres": "noor"},
        {"emailadres": "noor@wijkteam.example\r\nBcc: x@y.example"},
        {"emailadres": "a@b.example, c@d.example"},
        {"emailadres": "x" * 260 + "@wijkteam.example"},
        {"naam": ""},
        {"naam": "een\x00naam"},
        {"rol": []},
        {"rol": ["directeur"]},
        {"rol": ["toezicht", "hulpverlener"]},
        {"niveau": "laag"},
        {"niveau": ""},
    ],
)
async def test_invitation_form_with_bad_input_is_shown_again(office, changes):
    browser = await office.log_in_administrator()
    csrf = (await browser.open_page(ISSUER + FORM)).find_form(FORM).values["csrf"]
    answer = await browser._send_request("POST", ISSUER + FORM, NEW | changes | {"csrf": csrf})
    assert answer.status_code == 400
    assert "<title>Fout:" in answer.text
    assert await INVITATIONS.count(office.rows.database) == 0


async def test_only_an_administrator_has_the_form_and_the_list(office):
    administrator = await office.log_in_administrator()
    page = await invite(administrator)
    paths = [page.find_form(end).action.removeprefix(ISSUER) for end in ("/opnieuw", "/intrekken")]
    for person in (office.rows.leader, office.rows.worker):
        browser = await office.log_in(person)
        assert (await browser._send_request("GET", ISSUER + FORM, None)).status_code == 403
        csrf = (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]
        for path in (FORM, *paths):
            sent = await browser._send_request("POST", ISSUER + path, NEW | {"csrf": csrf})
            assert sent.status_code == 403
    leader = await office.log_in()
    assert "noor@wijkteam.example" not in (await leader.open_page(ISSUER + LIST)).text


async def test_invitation_of_another_organisation_is_answered_as_an_unknown_one(office, portal, database):
    theirs = await OfficePages.begin(portal, database, OTHER_KVK)
    await invite(await theirs.log_in_administrator())
    [row] = await INVITATIONS.read(database)
    browser = await office.log_in_administrator()
    csrf = (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]
    for one in (row.id, make_unknown_id()):
        for act in ("opnieuw", "intrekken"):
            sent = await browser._send_request(
                "POST", f"{ISSUER}/organisatie/uitnodigingen/{one}/{act}", {"csrf": csrf}
            )
            assert sent.status_code == 404


async def test_invitation_of_suspended_organisation_is_refused(office):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    await invite(await office.log_in_administrator(), expect=409)
    assert await INVITATIONS.count(office.rows.database) == 0


async def test_login_before_the_invitation_is_asked_to_log_in_again(office, noor, server, clock):
    early = await office.log_in(noor)
    clock.advance(timedelta(minutes=1))
    await invite(await office.log_in_administrator())
    link = await read_link(office, server, clock)
    opened = await open_link(early, link)
    assert any("opnieuw=ja" in href for href, _ in opened.links)
    assert "/uitnodiging" not in [href for href, _ in opened.links]
    answer = await early._send_request("GET", ISSUER + "/uitnodiging", None)
    assert (answer.status_code, "opnieuw=ja" in answer.text) == (403, True)
    assert "Log opnieuw in" in answer.text
    later = await office.log_in(noor)
    assert "/uitnodiging" in [href for href, _ in (await open_link(later, link)).links]


async def test_acceptance_is_of_the_invitation_that_was_shown(office, noor, server, clock):
    administrator = await office.log_in_administrator()
    await invite(administrator)
    first = await read_link(office, server, clock)
    await invite(administrator, emailadres="tweede@wijkteam.example", naam="Noor Tweede", rol=["teamleider"])
    second = await read_link(office, server, clock)
    browser = await office.log_in(noor)
    await open_link(browser, first)
    form = (await browser.open_page(ISSUER + "/uitnodiging")).find_form("/uitnodiging")
    await open_link(browser, second)  # in another tab
    for values in ({}, {"uitnodiging": ""}, {"uitnodiging": "x"}):
        anew = await browser.submit_form(form, values, expected_status=409)
        assert "U opende intussen een andere uitnodiging" in anew.text
        assert "Noor Tweede" in anew.text
        assert await EMPLOYEES.count(office.rows.database, person_id=noor) == 0
    assert "U bent nu medewerker" in (await browser.submit_form(anew.find_form("/uitnodiging"), {})).text
    [employee] = await EMPLOYEES.read(office.rows.database, person_id=noor)
    assert employee.roles == ["teamleider"]


async def test_address_invited_too_often_is_told_with_everything_typed(office, server, clock):
    browser = await office.log_in_administrator()
    for _ in range(MAX_PER_ADDRESS_PER_DAY):
        page = await invite(browser)
        await browser.submit_form(page.find_form("/intrekken"), {})
    page = await invite(browser, expect=429)
    assert "kreeg al 3 uitnodigingen in 24 uur" in page.text
    assert page.find_form(FORM).values["naam"] == "Noor Nieuw"
