"""/api/v1/toewijzingen/_taak and /api/v1/taken: many assignments in one request."""

import asyncio
import json
from uuid import uuid4

import pytest

from machtiging.delegation.assignment_tasks.execution import run_due_items
from machtiging.delegation.assignment_tasks.schemas import MAX_REQUEST_BYTES
from machtiging.identity.csrf import CSRF_HEADER
from tests.builders.keys import load_keyring
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation
from tests.builders.people import ISSUER
from tests.builders.rows import PERSONS
from tests.protocol.organisations.conftest import API
from tests.storage.assignments.assignment_world import Assignments
from tests.storage.assignments.four_eyes_acts import demand

ASK = "/toewijzingen/_taak"


@pytest.fixture
async def office(api):
    """A recognised organisation with the KvK number of the personas, and machtigingen of a client."""
    return await Assignments.begin(api.database)


async def log_in_as(api, office, persona, *roles, organisation=None):
    """Log in as an employee with these roles."""
    browser = await api.log_in(persona)
    person = await PERSONS.read_value(api.database, "id", broker_subject=f"oefenpersoon-{persona}")
    async with api.database.sessions.begin() as session:
        await add_employee(session, organisation or office.organisation, person, roles=list(roles))
    return browser


@pytest.fixture
async def leader(api, office):
    """The browser of a teamleider."""
    return await log_in_as(api, office, "raadslid", "teamleider")


def make_body(office, *roots, **changes):
    items = [{"machtigingId": str(one), "medewerkerId": str(office.worker_id)} | changes for one in roots]
    return {"toewijzingen": items}


async def ask(browser, office, *roots, **headers):
    answer = await browser.call("POST", ASK, make_body(office, *roots), **headers)
    assert answer.status_code == 202, answer.text
    return answer


async def work(api):
    return await run_due_items(api.database.sessions, load_keyring(), api.clock, asyncio.Event())


def read_path(answer):
    return answer.headers["Location"].removeprefix(API)


async def test_task_is_accepted_done_and_read_per_item(api, leader, office):
    root, unknown = await office.grant(), uuid4()
    asked = await ask(leader, office, root, unknown)
    path = read_path(asked)
    assert path == f"/taken/{asked.json()['taakId']}"
    expected = {"soort": "toewijzen", "status": "bezig", "aantal": 2, "aantalWacht": 2, "aantalGedaan": 0}
    assert expected.items() <= asked.json().items()
    waiting = (await leader.get(f"{path}/resultaten")).json()["resultaten"]
    assert waiting[0] == {"nummer": 0, "machtigingId": str(root), "resultaat": "wacht"}
    await work(api)
    done = (await leader.get(path)).json()
    assert (done["status"], done["aantalGedaan"], done["aantalGeweigerd"]) == ("klaar", 1, 1)
    assert "klaarOp" in done
    first, second = (await leader.get(f"{path}/resultaten")).json()["resultaten"]
    assert (first["resultaat"], first["machtigingId"]) == ("toegewezen", str(root))
    assert second == {
        "nummer": 1,
        "machtigingId": str(unknown),
        "resultaat": "geweigerd",
        "code": "machtiging_onbekend",
        "melding": second["melding"],
    }
    assert second["melding"]
    [listed] = (await leader.get("/toewijzingen")).json()["toewijzingen"]
    assert listed["toewijzingId"] == first["toewijzingId"]


async def test_item_that_waits_for_a_second_person_is_told_as_a_proposal(api, leader, office):
    await demand(office)
    path = read_path(await ask(leader, office, await office.grant()))
    await work(api)
    [result] = (await leader.get(f"{path}/resultaten")).json()["resultaten"]
    assert result["resultaat"] == "voorgesteld"


async def test_task_is_stopped_read_and_stopped_again(leader, office):
    path = read_path(await ask(leader, office, *[await office.grant() for _ in range(2)]))
    for _ in range(2):
        assert (await leader.call("DELETE", path)).status_code == 204
        stopped = (await leader.get(path)).json()
        assert (stopped["status"], stopped["aantalGestopt"], stopped["aantalWacht"]) == ("klaar", 2, 0)
    results = (await leader.get(f"{path}/resultaten")).json()["resultaten"]
    assert [one["resultaat"] for one in results] == ["gestopt", "gestopt"]
    assert results[0].keys() == {"nummer", "machtigingId", "resultaat"}


async def test_task_is_stopped_by_no_other_leader_or_organisation(api, leader, office):
    path = read_path(await ask(leader, office, await office.grant()))
    colleague = await log_in_as(api, office, "collega", "teamleider")
    answer = await colleague.call("DELETE", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "taak_onbekend")
    async with api.database.sessions.begin() as session:
        other = await add_organisation(session, OTHER_KVK)
    stranger = await log_in_as(api, office, "bewindvoerder", "organisatiebeheerder", organisation=other)
    assert (await stranger.call("DELETE", path)).status_code == 404
    assert (await leader.get(path)).json()["aantalWacht"] == 1


async def test_stopping_without_csrf_token_is_refused(leader, office):
    path = read_path(await ask(leader, office, await office.grant()))
    leader.csrf = ""
    assert (await leader.call("DELETE", path)).status_code == 403


async def test_results_are_read_in_pages(api, leader, office):
    path = read_path(await ask(leader, office, *[uuid4() for _ in range(5)]))
    await work(api)
    url, numbers = f"{path}/resultaten?aantal=2", []
    while url:
        page = (await leader.get(url)).json()
        numbers += [one["nummer"] for one in page["resultaten"]]
        url = page["_links"].get("next", {}).get("href", "").removeprefix(API)
    assert numbers == [0, 1, 2, 3, 4]


async def test_same_idempotency_key_gives_the_same_task(leader, office):
    root, key = await office.grant(), {"Idempotency-Key": "maandag-1"}
    first, again = [(await ask(leader, office, root, **key)).headers["Location"] for _ in range(2)]
    assert first == again
    other = await leader.call("POST", ASK, make_body(office, uuid4()), **key)
    assert (other.status_code, other.json()["code"]) == (409, "sleutel_ander_verzoek")


async def test_ten_thousand_items_fit_in_a_request_and_one_more_is_refused(leader, office):
    reference = {"zaakkenmerk": "Z" * 60}
    unknown = [uuid4() for _ in range(10_001)]
    answer = await leader.call("POST", ASK, make_body(office, *unknown[:-1], **reference))
    assert (answer.status_code, answer.json()["aantal"]) == (202, 10_000)
    answer = await leader.call("POST", ASK, make_body(office, *unknown, **reference))
    assert (answer.status_code, answer.json()["code"]) == (400, "te_veel_toewijzingen")
    assert "10.000" in answer.json()["detail"] or "10000" in answer.json()["detail"]


async def test_body_above_the_limit_is_refused(leader):
    answer = await leader.call("POST", ASK, {"toewijzingen": [{"zaakkenmerk": "x" * MAX_REQUEST_BYTES}]})
    assert answer.status_code == 413


async def test_body_above_the_limit_in_chunks_is_refused(leader, office):
    async def send_chunks():
        yield b'{"toewijzingen": [{"zaakkenmerk": "'
        for _ in range(MAX_REQUEST_BYTES // 65536):
            yield b"x" * 65536

    answer = await post_body(leader, send_chunks())
    assert answer.status_code == 413
    assert await office.lines("in_taak") == []


async def test_login_that_ends_while_the_body_is_read_asks_nothing(api, leader, office):
    content = json.dumps(make_body(office, await office.grant())).encode()

    async def end_login_halfway():
        yield content[:20]
        assert api.database.service.pool.checkedout() == 0  # a slow sender holds no connection
        await leader.browser.post("/uitloggen", {"csrf": leader.csrf})
        yield content[20:]

    answer = await post_body(leader, end_login_halfway())
    assert (answer.status_code, answer.json()["code"]) == (401, "niet_ingelogd")
    assert await office.lines("in_taak") == []


async def post_body(leader, content):
    """Ask for a task with this body, in the chunks in which it comes."""
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Origin": ISSUER}
    return await leader.browser.http.post(API + ASK, content=content, headers={**headers, CSRF_HEADER: leader.csrf})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"toewijzingen": []},
        {"toewijzingen": [{"medewerkerId": str(uuid4())}]},
        {"toewijzingen": [{"machtigingId": "x"}]},
        {"toewijzingen": [{"machtigingId": str(uuid4()), "onbekend": 1}]},
    ],
)
async def test_invalid_body_is_refused(leader, body):
    assert (await leader.call("POST", ASK, body)).status_code == 400


async def test_task_of_a_colleague_is_for_administrators_only(api, leader, office):
    path = read_path(await ask(leader, office, await office.grant()))
    colleague = await log_in_as(api, office, "collega", "teamleider")
    for where in (path, f"{path}/resultaten"):
        answer = await colleague.get(where)
        assert (answer.status_code, answer.json()["code"]) == (404, "taak_onbekend")


async def test_administrator_stops_the_task_of_a_colleague(api, leader, office):
    path = read_path(await ask(leader, office, await office.grant()))
    administrator = await log_in_as(api, office, "collega", "organisatiebeheerder")
    assert (await administrator.call("DELETE", path)).status_code == 204
    assert await work(api) == 0
    assert (await leader.get(path)).json()["aantalGestopt"] == 1


async def test_administrator_reads_the_task_of_a_colleague(api, leader, office):
    path = read_path(await ask(leader, office, await office.grant()))
    administrator = await log_in_as(api, office, "collega", "organisatiebeheerder")
    assert (await administrator.get(path)).status_code == 200
    assert (await administrator.get(f"{path}/resultaten")).status_code == 200


async def test_task_of_another_organisation_is_answered_as_an_unknown_one(api, leader, office):
    path = read_path(await ask(leader, office, await office.grant()))
    async with api.database.sessions.begin() as session:
        other = await add_organisation(session, OTHER_KVK)
    stranger = await log_in_as(api, office, "bewindvoerder", "organisatiebeheerder", organisation=other)
    answers = [await stranger.get(where) for where in (path, f"/taken/{uuid4()}")]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].json()["code"] == answers[1].json()["code"] == "taak_onbekend"


@pytest.mark.parametrize("persona", ["collega", "naaste"])
async def test_others_ask_and_read_no_task(api, leader, office, persona):
    path = read_path(await ask(leader, office, await office.grant()))
    browser = await api.log_in(persona)
    refused = [await browser.call("POST", ASK, make_body(office, uuid4())), await browser.get(path)]
    assert [one.status_code for one in refused] == [403, 403]


async def test_request_without_csrf_token_is_refused(leader, office):
    leader.csrf = ""
    assert (await leader.call("POST", ASK, make_body(office, uuid4()))).status_code == 403
