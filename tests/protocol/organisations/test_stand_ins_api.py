"""/api/v1/vervangingen: a teamleider lets a colleague stand in, lists and ends."""

from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.kernel.clock import to_dutch_date
from tests.builders.organisations import add_employee, change_organisation
from tests.builders.rows import PERSONS
from tests.storage.assignments.assignment_world import Assignments

LEADER, PATH = "raadslid", "/vervangingen"


@pytest.fixture
async def office(api):
    """A recognised organisation with the KvK number of the personas."""
    return await Assignments.begin(api.database)


async def log_in_as(api, office, *roles):
    browser = await api.log_in(LEADER)
    person = await PERSONS.read_value(api.database, "id", broker_subject=f"oefenpersoon-{LEADER}")
    async with api.database.sessions.begin() as session:
        await add_employee(session, office.organisation, person, roles=list(roles))
    return browser


@pytest.fixture
async def leader(api, office):
    return await log_in_as(api, office, "teamleider")


def make_body(api, office, replacement, days=(0, 6), **changes):
    today = to_dutch_date(api.clock.now())
    first, last = ((today + timedelta(days=one)).isoformat() for one in days)
    body = {"afwezigeId": str(office.worker_id), "vervangerId": str(replacement)}
    return body | {"eersteDag": first, "laatsteDag": last} | changes


async def test_stand_in_is_made_listed_and_ended(api, leader, office):
    await office.assign(await office.grant())
    _, replacement = await office.hire()
    body = make_body(api, office, replacement)
    made = await leader.call("POST", PATH, body)
    assert made.status_code == 201, made.text
    assert made.json()["aantalClienten"] == 1
    [listed] = (await leader.get(PATH)).json()["vervangingen"]
    assert listed == {"vervangingId": made.json()["vervangingId"], "status": "loopt"} | body
    again = await leader.call("POST", PATH, body)
    assert again.json() == {"vervangingId": listed["vervangingId"]}
    assert (await leader.call("DELETE", f"{PATH}/{listed['vervangingId']}")).status_code == 204
    assert (await leader.get(PATH)).json()["vervangingen"] == []
    refused = await leader.call("DELETE", f"{PATH}/{listed['vervangingId']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "vervanging_beeindigd")


async def test_stand_in_that_waits_for_a_second_person_says_how_many_clients_wait(api, leader, office):
    await office.assign(await office.grant())
    async with api.database.sessions.begin() as session:
        await change_organisation(session, office.organisation, four_eyes_from="gewoon")
    _, replacement = await office.hire()
    body = make_body(api, office, replacement)
    made = (await leader.call("POST", PATH, body)).json()
    assert (made["aantalClienten"], made["aantalVoorgesteld"]) == (1, 1)
    again = (await leader.call("POST", PATH, body)).json()
    assert again == {"vervangingId": made["vervangingId"], "aantalVoorgesteld": 1}


@pytest.mark.parametrize(
    ("days", "status", "code"),
    [
        ((6, 0), 400, "vervanging_omgekeerd"),
        ((-1, 6), 400, "vervanging_in_verleden"),
        ((0, 42), 400, "vervanging_te_lang"),
    ],
)
async def test_wrong_days_are_refused(api, leader, office, days, status, code):
    _, replacement = await office.hire()
    refused = await leader.call("POST", PATH, make_body(api, office, replacement, days))
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "changes", [{"eersteDag": "morgen"}, {"laatsteDag": None}, {"vervangerId": "x"}, {"meer": 1}, {"eersteDag": 0}]
)
async def test_body_that_is_no_stand_in_is_refused(api, leader, office, changes):
    _, replacement = await office.hire()
    refused = await leader.call("POST", PATH, make_body(api, office, replacement, **changes))
    assert (refused.status_code, refused.json()["code"]) == (400, "ongeldige_invoer")


async def test_unknown_colleague_and_stand_in_return_404(api, leader, office):
    refused = await leader.call("POST", PATH, make_body(api, office, uuid4()))
    assert (refused.status_code, refused.json()["code"]) == (404, "medewerker_onbekend")
    refused = await leader.call("DELETE", f"{PATH}/{uuid4()}")
    assert (refused.status_code, refused.json()["code"]) == (404, "vervanging_onbekend")


@pytest.mark.parametrize("role", ["hulpverlener", "toezicht"])
async def test_stand_ins_are_for_leaders_only(api, office, role):
    visitor = await log_in_as(api, office, role)
    _, replacement = await office.hire()
    answers = [
        await visitor.get(PATH),
        await visitor.call("POST", PATH, make_body(api, office, replacement)),
        await visitor.call("DELETE", f"{PATH}/{uuid4()}"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (403, "alleen_voor_teamleider")
    for act in ("lijst", "gemaakt", "beeindigd"):
        assert [line.reason for line in await api.lines(f"vervanging:{act}")] == ["alleen_voor_teamleider"]
