"""The pages `/beheer`: the register, decisions by two operators, the policy and the journal."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest

from machtiging.agencies.catalogue import find_catalogue_oin, upsert_catalogue
from machtiging.cli.demo.html import parse_page
from machtiging.organisations.queries import find_organisation_by_number, load_organisation_view
from machtiging.organisations.registration import register_afzenders
from machtiging.organisations.rules import ActingOperator, OrganisationNumbers, RecognitionStatus
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER, LoginBrowser, join_simulator
from tests.builders.portal import assemble_service, copy_application
from tests.builders.rows import JOURNAL_INTAKE
from tests.protocol.portal.test_bad_input import BAD_INPUT, MARKUP

REGISTER = ISSUER + "/beheer"
NEW = {
    "naam": "Stichting Raad en Daad",
    "soort": "welzijn",
    "kvk": "90000007",
    "gevoeligheid": "gevoelig",
    "dagen": "365",
    "niveau": "substantieel",
    "grond": "aanvraag van de gemeente",
}
READ_PAGES = ("/beheer", "/beheer/beleid", "/beheer/journaal")
BELOW = ("voorstel", "bevestigen", "vervallen", "eerste-beheerder")


@pytest.fixture
async def service(database, clock):
    app = copy_application(
        assemble_service(),
        clock=clock,
        sessions=database.sessions,
        engines=(database.service, database.sealer),
        sealer_engine=database.sealer,
    )
    return join_simulator(app, clock)


@pytest.fixture
async def saskia(service) -> LoginBrowser:
    """The first operator."""
    return await service.logged_in("beheerder")


@pytest.fixture
async def omar(service) -> LoginBrowser:
    """The second operator."""
    return await service.logged_in("tweede-beheerder")


async def send(browser, path: str, **fields: str):
    """Send a form with the CSRF token of this session."""
    page = (await browser.get("/uitloggen")).text
    token = re.search(r'name="csrf" value="([^"]+)"', page).group(1)
    return await browser.post(path, {"csrf": token, **fields})


async def sent_form(browser, form, values: dict[str, str]) -> str:
    """Send a form of a page, and return the path of the page that follows."""
    answer = await browser.post(form.action, {**form.values, **values})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0]


async def register(browser, **changes: str) -> str:
    """Register an organisation and return the path of its page."""
    response = await send(browser, "/beheer/nieuw", **NEW | changes)
    assert response.status_code == 303, response.text
    return response.headers["location"].partition("?")[0]


async def propose(browser, page: str, status: str = "erkend"):
    return await send(browser, page + "/voorstel", status=status, grond="voldoet aan de eisen")


async def status_of(service, database, page: str) -> RecognitionStatus | None:
    at = service.service.state.services.clock.now()
    async with unit_of_work(database.sessions) as session:
        return (await load_organisation_view(session, UUID(page.rpartition("/")[2]), at=at)).status


async def test_organisation_recognised_by_two_operators_is_in_force(service, database, saskia, omar):
    page = await register(saskia)
    assert (await propose(saskia, page)).status_code == 303
    assert await status_of(service, database, page) is RecognitionStatus.REQUESTED

    confirmed = await send(omar, page + "/bevestigen", nummer="2")

    assert confirmed.headers["location"] == page + "?gedaan=bevestigd"
    assert await status_of(service, database, page) is RecognitionStatus.RECOGNISED
    assert "De nieuwe status geldt vanaf nu." in (await omar.get(confirmed.headers["location"])).text


async def test_own_proposal_cannot_be_confirmed(service, database, saskia):
    page = await register(saskia)
    await propose(saskia, page)

    refused = await send(saskia, page + "/bevestigen", nummer="2")

    assert refused.status_code == 403
    assert "Een andere beheerder moet" in refused.text
    assert await status_of(service, database, page) is RecognitionStatus.REQUESTED
    lines = await JOURNAL_INTAKE.read(database, act="erkenning:bevestigd")
    assert [(line.outcome, line.reason) for line in lines] == [("refused", "eigen_voorstel")]


async def test_suspension_without_confirmation_changes_nothing(service, database, saskia, omar):
    page = await register(saskia)
    await propose(saskia, page)
    await send(omar, page + "/bevestigen", nummer="2")

    await propose(omar, page, "opgeschort")

    assert await status_of(service, database, page) is RecognitionStatus.RECOGNISED
    shown = (await saskia.get(page)).text
    assert "Voorstel: opgeschort" in shown


async def test_dropped_proposal_cannot_be_confirmed(service, database, saskia, omar):
    page = await register(saskia)
    await propose(saskia, page)
    await send(saskia, page + "/vervallen", nummer="2")

    late = await send(omar, page + "/bevestigen", nummer="2")

    assert late.status_code == 409
    assert await status_of(service, database, page) is RecognitionStatus.REQUESTED


async def test_second_proposal_while_one_is_open_is_refused(saskia, omar):
    page = await register(saskia)
    await propose(saskia, page)

    second = await propose(omar, page, "geweigerd")

    assert second.status_code == 409


@pytest.mark.parametrize("number", ["", "0", "99", "2; DROP", "-1", "9999999", "²"])
async def test_confirmation_of_no_proposal_is_refused(saskia, number):
    page = await register(saskia)

    assert (await send(saskia, page + "/bevestigen", nummer=number)).status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("naam", ""),
        ("naam", "a" * 201),
        ("soort", "sekte"),
        ("kvk", ""),
        ("kvk", "1234"),
        ("rsin", "123456789"),
        ("oin", "123"),
        ("vestiging", "12"),
        ("dagen", "veel"),
        ("dagen", "0"),
        ("dagen", "99999"),
        ("gevoeligheid", "alles"),
        ("niveau", "geen"),
        ("grond", ""),
        ("besluitkenmerk", "k" * 101),
    ],
)
async def test_form_with_a_wrong_field_is_shown_again_with_all_words(saskia, field, value):
    response = await send(saskia, "/beheer/nieuw", **NEW | {field: value})

    assert response.status_code == 400
    assert "<title>Fout:" in response.text
    assert f'href="#{field}"' in response.text
    assert f'value="{NEW["naam"] if field != "naam" else value}"' in response.text


async def test_number_in_use_is_told_at_its_field(saskia):
    await register(saskia)

    again = await send(saskia, "/beheer/nieuw", **NEW)

    assert again.status_code == 409
    assert 'href="#kvk"' in again.text


@pytest.mark.parametrize("text", ["raad", "DAAD", "stichting raad", "90000007", "9000 0007"])
async def test_search_by_word_or_number_finds_the_organisation(saskia, text):
    await register(saskia)
    await register(saskia, naam="Bewindkantoor Postma", kvk="90000008", soort="bewind")

    shown = (await saskia.get("/beheer", params={"zoek": text})).text

    assert "Stichting Raad en Daad" in shown
    assert "Bewindkantoor" not in shown


@pytest.mark.parametrize("text", ["aad", "%", "_", "9000000", "\\", "' OR 1=1"])
async def test_search_for_a_pattern_or_part_finds_nothing(saskia, text):
    await register(saskia)

    response = await saskia.get("/beheer", params={"zoek": text})

    assert response.status_code == 200
    assert "Er is geen organisatie gevonden." in response.text


async def test_register_goes_on_after_the_last_name_of_a_page(saskia, monkeypatch):
    monkeypatch.setattr("machtiging.portal.operator.register_page.PAGE_SIZE", 2)
    for number, name in enumerate(("Bond", "anker", "Citroen")):
        await register(saskia, naam=name, kvk=f"9000001{number}")

    first = parse_page((await saskia.get("/beheer")).text, REGISTER)
    older = next(href for href, label in first.links if "Ouder" in label or "ouder" in label or "na=" in href)
    names = [label for href, label in first.links if "/organisaties/" in href]
    second = parse_page((await saskia.get(older)).text, REGISTER)

    assert names == ["anker", "Bond"]
    assert [label for href, label in second.links if "/organisaties/" in href] == ["Citroen"]


async def test_filter_on_proposals_shows_only_what_waits(saskia):
    page = await register(saskia)
    await register(saskia, naam="Zonder voorstel", kvk="90000009")
    await propose(saskia, page)

    shown = (await saskia.get("/beheer", params={"wacht": "ja"})).text

    assert "Stichting Raad en Daad" in shown
    assert "Zonder voorstel" not in shown


async def test_auditor_reads_everything_and_decides_nothing(service, database, saskia):
    page = await register(saskia)
    await propose(saskia, page)
    auditor = await service.logged_in("auditor")

    for path in (*READ_PAGES, page):
        shown = await auditor.get(path)
        assert shown.status_code == 200, path
        assert "/bevestigen" not in shown.text
        assert "/beheer/nieuw" not in shown.text
    for path in ("/beheer/nieuw", *(f"{page}/{part}" for part in BELOW)):
        assert (await send(auditor, path, nummer="2", status="erkend", grond="x")).status_code == 403, path
    assert await status_of(service, database, page) is RecognitionStatus.REQUESTED


@pytest.mark.parametrize("persona", ["naaste", "raadslid", "balie"])
async def test_pages_of_the_operator_are_closed_to_others(service, database, persona):
    browser = await service.logged_in(persona)

    for path in READ_PAGES:
        refused = await browser.get(path)
        assert refused.status_code == 403, path
        assert "alleen voor beheerders" in refused.text
    lines = await JOURNAL_INTAKE.read(database, act="beheer:geweigerd")
    assert {line.reason for line in lines} == {"alleen_voor_toezichthouders"}


async def test_unknown_organisation_is_not_found(saskia):
    page = f"/beheer/organisaties/{uuid4()}"

    assert (await saskia.get(page)).status_code == 404
    assert (await send(saskia, page + "/bevestigen", nummer="1")).status_code == 404
    assert (await propose(saskia, page)).status_code == 404


async def test_first_administrator_is_invited_once(saskia):
    page = await register(saskia)
    invitation = {"naam": "Fatima el Amrani", "inlogkenmerk": "oefenpersoon-raadslid"}

    assert (await send(saskia, page + "/eerste-beheerder", **invitation)).status_code == 303
    assert (await send(saskia, page + "/eerste-beheerder", **invitation)).status_code == 403
    missing = await send(saskia, page + "/eerste-beheerder", naam="", inlogkenmerk="")
    assert missing.status_code == 400


async def test_kvk_number_of_an_afzender_is_added_once(service, database, saskia):
    services = service.service.state.services
    async with unit_of_work(database.sessions) as session:
        await upsert_catalogue(session)
        operator, at = ActingOperator(None, "jan"), services.clock.now()
        await register_afzenders(session, services.keyring, operator, at=at)
        numbers = OrganisationNumbers(oin=find_catalogue_oin("UWV"))
        page = f"/beheer/organisaties/{await find_organisation_by_number(session, numbers, at=at)}"

    assert page + "/kvk" in (await saskia.get(page)).text
    assert (await send(saskia, page + "/kvk", kvk="123")).status_code == 400
    assert (await send(saskia, page + "/kvk", kvk="9000 0091")).headers["location"] == page + "?gedaan=genummerd"
    assert "90000091" in (await saskia.get(page + "?gedaan=genummerd")).text
    assert (await send(saskia, page + "/kvk", kvk="90000092")).status_code == 409
    assert page + "/kvk" not in (await saskia.get(page)).text
    auditor = await service.logged_in("auditor")
    assert (await send(auditor, page + "/kvk", kvk="90000092")).status_code == 403


async def test_policy_page_shows_every_row_with_its_reason(service, saskia):
    shown = (await saskia.get("/beheer/beleid")).text

    policy = service.service.state.services.policy
    assert policy.digest in shown
    assert [row.id for row in policy.rows if f">{row.id}</span>" not in shown] == []
    assert "Het bewind gaat over het vermogen" in shown


async def test_journal_page_says_what_waits_for_a_seal(saskia):
    shown = (await saskia.get("/beheer/journaal")).text

    assert "Regels die wachten" in shown
    assert "nog geen" in shown


@pytest.mark.parametrize("kind", sorted(BAD_INPUT))
async def test_bad_input_in_every_form_changes_nothing(service, database, saskia, kind):
    page = await register(saskia)
    await propose(saskia, page)
    fields = {
        "/beheer/nieuw": NEW,
        page + "/voorstel": {"status": "", "grond": ""},
        page + "/bevestigen": {"nummer": ""},
    }
    fields |= {page + "/eerste-beheerder": {"naam": "", "inlogkenmerk": ""}, page + "/vervallen": {"nummer": ""}}

    for path, names in fields.items():
        sent = {} if BAD_INPUT[kind] is None else dict.fromkeys(names, BAD_INPUT[kind])
        answer = await send(saskia, path, **sent)
        assert answer.status_code < 500, path
        assert MARKUP not in answer.text, path

    assert await status_of(service, database, page) is RecognitionStatus.REQUESTED


async def test_confirmation_pressed_twice_counts_once(service, database, saskia, omar):
    page = await register(saskia)
    await propose(saskia, page)
    await send(omar, page + "/bevestigen", nummer="2")

    again = await send(omar, page + "/bevestigen", nummer="2")

    assert again.status_code == 409
    assert await status_of(service, database, page) is RecognitionStatus.RECOGNISED
    lines = await JOURNAL_INTAKE.read(database, act="erkenning:bevestigd")
    assert sorted(line.outcome for line in lines) == ["done", "refused"]


async def test_form_without_csrf_token_is_refused(service, database, saskia, omar):
    page = await register(saskia)
    await propose(saskia, page)

    assert (await omar.post(page + "/bevestigen", {"nummer": "2"})).status_code == 403
    assert await status_of(service, database, page) is RecognitionStatus.REQUESTED


async def test_withdrawn_recognition_is_final(service, database, saskia, omar):
    page = await register(saskia)
    for proposer, confirmer, status, number in ((saskia, omar, "erkend", "2"), (omar, saskia, "ingetrokken", "3")):
        await propose(proposer, page, status)
        await send(confirmer, page + "/bevestigen", nummer=number)
    assert await status_of(service, database, page) is RecognitionStatus.WITHDRAWN

    assert (await propose(saskia, page)).status_code == 409
    assert (await saskia.get(page + "/voorstel", params={"status": "erkend"})).status_code == 409
    assert "/voorstel?status=" not in (await saskia.get(page)).text


async def test_every_form_opens_and_sends_what_it_shows(service, database, saskia, omar):
    """As a person does it: open the page, fill in its form, press its button."""
    new = parse_page((await saskia.get("/beheer/nieuw")).text, REGISTER).find_form("/beheer/nieuw")
    page = await sent_form(saskia, new, NEW)
    for proposer, confirmer, status in (
        (saskia, omar, "erkend"),
        (omar, saskia, "opgeschort"),
        (saskia, omar, "erkend"),
    ):
        opened = await proposer.get(page + "/voorstel", params={"status": status})
        assert opened.status_code == 200
        form = parse_page(opened.text, REGISTER).find_form("/voorstel")
        assert form.values["status"] == status
        await sent_form(proposer, form, {"grond": "besluit van vandaag", "besluitkenmerk": "B-1"})
        await sent_form(confirmer, parse_page((await confirmer.get(page)).text, REGISTER).find_form("/bevestigen"), {})
    invitation = await saskia.get(page + "/eerste-beheerder")
    form = parse_page(invitation.text, REGISTER).find_form("/eerste-beheerder")
    await sent_form(saskia, form, {"naam": "Fatima", "inlogkenmerk": "oefenpersoon-raadslid"})

    assert await status_of(service, database, page) is RecognitionStatus.RECOGNISED


async def test_proposal_with_a_fault_is_shown_again_with_what_was_typed(saskia):
    page = await register(saskia)

    answer = await send(saskia, page + "/voorstel", status="erkend", grond="", besluitkenmerk="B-7")

    assert answer.status_code == 400
    assert 'value="B-7"' in answer.text
    assert 'href="#grond"' in answer.text


@pytest.mark.parametrize("status", ["aangevraagd", "geweigerd", "ingetrokken"])
async def test_proposal_that_cannot_follow_has_a_page_that_says_so(saskia, omar, status):
    page = await register(saskia)
    await propose(saskia, page)
    await send(omar, page + "/bevestigen", nummer="2")
    await propose(saskia, page, "opgeschort")

    assert (await saskia.get(page + "/voorstel", params={"status": status})).status_code == 409
    assert (await saskia.get(page + "/voorstel", params={"status": "onzin"})).status_code == 400
