"""/api/v1/machtigingsverzoeken: an employee asks a new client, lists and withdraws."""

from datetime import timedelta

import pytest

from machtiging.agencies.bundles import BundleContent, publish_bundle
from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.kernel.clock import to_dutch_date
from tests.builders.letters import SVB
from tests.builders.organisations import (
    add_employee,
    add_organisation,
    change_employee,
    change_organisation,
    decide_recognition,
)
from tests.builders.rows import HELP_REQUESTS, JOURNAL_INTAKE, PERSONS
from tests.protocol.organisations.conftest import KVK

PATH = "/machtigingsverzoeken"


async def log_in_as(api, organisation, persona="raadslid", **changes):
    """Log in as an employee. Returns the browser and the id of the employee."""
    browser = await api.log_in(persona)
    person = await PERSONS.read_value(api.database, "id", broker_subject=f"oefenpersoon-{persona}")
    async with api.database.sessions.begin() as session:
        return browser, await add_employee(session, organisation, person, **changes)


@pytest.fixture
async def office(api):
    """A recognised organisation with the KvK number of the personas."""
    async with api.database.sessions.begin() as session:
        return await add_organisation(session, KVK)


@pytest.fixture
async def worker(api, office):
    """The browser of a care worker."""
    return (await log_in_as(api, office))[0]


def make_body(api, **changes):
    today = to_dutch_date(api.clock.now())
    body = {"voorWie": "mevrouw De Boer", "doel": "hulp bij de aangifte", "themas": ["belastingen"]}
    body |= {"berichtenVanaf": today.isoformat(), "laatsteDag": (today + timedelta(days=30)).isoformat()}
    return body | changes


async def test_request_is_made_listed_and_withdrawn(api, worker):
    made = await worker.call("POST", PATH, make_body(api))
    assert made.status_code == 201, made.text
    request = made.json()
    assert (request["status"], len(request["code"].replace("-", ""))) == ("wacht", 10)
    [listed] = (await worker.get(PATH)).json()["machtigingsverzoeken"]
    assert listed == request
    for _ in range(2):
        ended = await worker.call("POST", f"{PATH}/{request['verzoekId']}/_intrekken")
        assert (ended.status_code, ended.json()["status"]) == (200, "ingetrokken")
        assert "code" not in ended.json()


async def test_request_with_the_same_idempotency_key_is_one_request(api, worker):
    key = {"Idempotency-Key": "maandag-1"}
    first, again = [(await worker.call("POST", PATH, make_body(api), **key)).json() for _ in range(2)]
    assert first == again
    assert await HELP_REQUESTS.count(api.database) == 1


async def test_list_has_pages_of_own_requests_newest_first(api, worker):
    made = []
    for number in range(5):
        api.clock.advance(timedelta(seconds=1))
        made.append((await worker.call("POST", PATH, make_body(api, voorWie=f"Cliënt {number}"))).json()["voorWie"])
    found, path = [], f"{PATH}?aantal=2"
    while path:
        page = (await worker.get(path)).json()
        found += [one["voorWie"] for one in page["machtigingsverzoeken"]]
        following = page["_links"].get("next")
        path = following["href"].partition("/api/v1")[2] if following else None
    assert found == made[::-1]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"afzenders": ["00000099000000099999"]}, "afzender_onbekend"),
        ({"afzenders": []}, "afzender_ontbreekt"),
        ({"handelingen": ["downloaden"]}, "handelingen_horen_bij_elkaar"),
        ({"doel": "x"}, "doel_ongeldig"),
        ({"voorWie": ""}, "naam_van_helper_ongeldig"),
        ({"laatsteDag": "2099-01-01"}, "periode_te_lang"),
        ({"themas": ["muziek"]}, "ongeldige_invoer"),
        ({"extra": 1}, "ongeldige_invoer"),
    ],
)
async def test_request_with_impossible_content_is_refused(api, worker, changes, code):
    refused = await worker.call("POST", PATH, make_body(api, **changes))
    assert refused.status_code == 400, refused.text
    assert refused.json()["code"] == code
    assert await HELP_REQUESTS.count(api.database) == 0


async def test_request_above_the_ceiling_names_each_field(api, office, worker):
    async with api.database.sessions.begin() as session:
        changes = {"ceiling_themes": ["belastingen"], "ceiling_days": 7, "ceiling_sensitivity": "gewoon"}
        await change_organisation(session, office, **changes)
    body = make_body(api, themas=None, hoogsteGevoeligheid="gevoelig")
    refused = await worker.call("POST", PATH, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "verzoek_boven_plafond")
    assert await HELP_REQUESTS.count(api.database) == 0
    line = (await JOURNAL_INTAKE.read(api.database, act="hulpvraag:gesteld"))[-1]
    assert (line.outcome, line.reason, line.on_behalf_of) == ("refused", "verzoek_boven_plafond", office)


@pytest.mark.parametrize("status", ["opgeschort", "ingetrokken"])
async def test_organisation_without_recognition_makes_no_request(api, office, worker, status):
    async with api.database.sessions.begin() as session:
        await decide_recognition(session, office, 3, status)
    refused = await worker.call("POST", PATH, make_body(api))
    assert refused.status_code == 403
    assert await HELP_REQUESTS.count(api.database) == 0


@pytest.mark.parametrize("change", [{"state": "op_non_actief"}, {"roles": ["teamleider"]}])
async def test_employee_without_clients_makes_no_request(api, office, change):
    browser, employee = await log_in_as(api, office)
    async with api.database.sessions.begin() as session:
        await change_employee(session, employee, **change)
    assert (await browser.call("POST", PATH, make_body(api))).status_code == 403
    assert await HELP_REQUESTS.count(api.database) == 0


async def test_request_of_another_employee_is_not_found(api, office, worker):
    made = (await worker.call("POST", PATH, make_body(api))).json()
    colleague, _ = await log_in_as(api, office, "collega")
    refused = await colleague.call("POST", f"{PATH}/{made['verzoekId']}/_intrekken")
    assert refused.status_code == 404
    assert (await colleague.get(PATH)).json()["machtigingsverzoeken"] == []
    assert (await colleague.get(f"{PATH}?na={made['verzoekId']}")).status_code == 404


async def test_private_person_and_stranger_are_refused(api, office):
    for persona in ("vertegenwoordigde", "raadslid"):
        browser = await api.log_in(persona)
        assert (await browser.call("POST", PATH, make_body(api))).status_code == 403
        assert (await browser.get(PATH)).status_code == 403


async def test_request_without_csrf_token_is_refused(api, worker):
    worker.csrf = "x"
    assert (await worker.call("POST", PATH, make_body(api))).status_code == 403
    assert await HELP_REQUESTS.count(api.database) == 0


@pytest.fixture
async def bundle(api):
    """A published bundle of one dienst."""
    async with api.database.sessions.begin() as session:
        await upsert_catalogue(session)
        content = BundleContent("pensioen", "Hulp bij pensioen", frozenset({f"{SVB}/aow"}))
        return await publish_bundle(session, content, at=api.clock.now())


async def test_bundle_is_listed_and_asked_by_code_and_version(api, worker, bundle):
    [listed] = (await worker.get("/bundels")).json()["bundels"]
    assert (listed["code"], listed["versie"], listed["diensten"]) == ("pensioen", 1, [f"{SVB}/aow"])
    body = make_body(api, themas=None, bundel={"code": "pensioen", "versie": 1})
    made = (await worker.call("POST", PATH, body)).json()
    assert (made["bundel"], made["diensten"]) == ({"code": "pensioen", "versie": 1}, [f"{SVB}/aow"])
    assert (made["afzenders"], made["themas"]) == ([SVB], ["pensioen"])


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"bundel": {"code": "onbekend", "versie": 1}}, 400, "bundel_onbekend"),
        ({"bundel": {"code": "pensioen", "versie": 2}}, 409, "bundel_verouderd"),
        ({"bundel": {"code": "pensioen", "versie": 0}}, 400, "ongeldige_invoer"),
        ({"bundel": {"code": "pensioen"}}, 400, "ongeldige_invoer"),
        ({"themas": ["pensioen"]}, 400, "bundel_en_keuze"),
        ({"afzenders": [SVB]}, 400, "bundel_en_keuze"),
    ],
)
async def test_bundle_asked_wrongly_is_refused(api, worker, bundle, changes, status, code):
    body = make_body(api, themas=None, bundel={"code": "pensioen", "versie": 1}) | changes
    refused = await worker.call("POST", PATH, body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert await HELP_REQUESTS.count(api.database) == 0


async def test_bundles_are_for_employees(api, office, bundle):
    assert (await (await api.log_in("naaste")).get("/bundels")).status_code == 403
    async with api.database.sessions.begin() as session:
        await change_organisation(session, office, ceiling_themes=["belastingen"])
    browser, _ = await log_in_as(api, office)
    assert (await browser.get("/bundels")).json() == {"bundels": []}
