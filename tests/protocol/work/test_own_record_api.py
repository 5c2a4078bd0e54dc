"""`/api/v1/clienten/handelingen`: the own record of an employee, for an app with one consent."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.authority.machtiging_set import ASSIGNED, MachtigingSet
from machtiging.delegation.rules import Act
from tests.builders.database import record_queries
from tests.builders.letters import HELPING
from tests.builders.machtiging import update_machtiging
from tests.builders.organisations import OTHER_KVK, add_employee, change_employee, decide_recognition
from tests.builders.rows import BERICHTEN
from tests.protocol.letters.box import statements_of
from tests.protocol.work.office import WorkOffice
from tests.protocol.work.test_own_record import PATH, SENDER, open_letters

API = "/api/v1/clienten/handelingen"
MOST_STATEMENTS = 7


@pytest.fixture
async def clients(office):
    """Two clients, of each of whom the worker opened a letter."""
    made = [await office.add_client(name, None, f"Brief van {name}") for name in ("Anna de Boer", "Mo Haddou")]
    worker = await office.log_in()
    for client in made:
        await open_letters(worker, client)
        office.world.clock.advance(timedelta(minutes=1))
    return made


async def issue_token(office, person=None, **changes):
    order = {"acts": HELPING, "several": ASSIGNED, "organisation_kvk": office.kvk} | changes
    return await office.world.issue_token(person or office.worker, **order)


async def get(office, token=None, path=API, **params):
    async with office.world.client(token or await issue_token(office)) as client:
        return await client.get(path, params=params)


async def read_acts(office, token=None, **params):
    answer = await get(office, token, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["handelingen"]


def names_of(acts):
    return {one["vertegenwoordigde"]["naam"] for one in acts}


async def test_acts_for_every_client_are_listed_newest_first_as_on_the_page(office, clients):
    acts = await read_acts(office)
    times = [datetime.fromisoformat(one["tijdstip"]) for one in acts]
    assert times == sorted(times, reverse=True)
    assert names_of(acts) == {"Anna de Boer", "Mo Haddou"}
    assert {one["machtigingId"] for one in acts} == {str(one) for one in clients}
    [read, *_] = [one for one in acts if one["handeling"] == "bericht:lezen"]
    assert (read["uitkomst"], read["afzender"]) == ("gedaan", {"naam": SENDER})
    page = (await (await office.log_in()).request(PATH)).text
    assert f"/werk/clienten/{read['machtigingId']}/brieven/{read['berichtId']}" in page


async def test_filter_on_client_and_month_has_only_those_acts(office, clients):
    assert names_of(await read_acts(office, machtigingId=str(clients[0]))) == {"Anna de Boer"}
    month = office.world.clock.now().strftime("%Y-%m")
    assert len(await read_acts(office, maand=month)) == len(await read_acts(office))
    assert await read_acts(office, maand="2020-01") == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"cursor": "onzin"}, "cursor_ongeldig"),
        ({"maand": "2026-13"}, None),
        ({"maand": "1999-01"}, None),
        ({"maand": "x"}, None),
        ({"machtigingId": "999990032"}, None),
        ({"aantal": 0}, None),
        ({"aantal": 1000}, None),
    ],
)
async def test_bad_parameter_is_refused(office, params, code):
    answer = await get(office, **params)
    assert answer.status_code == 400
    assert code is None or answer.json()["code"] == code


async def test_pages_have_every_act_once_in_the_same_order(office, clients):
    whole, found = await read_acts(office), []
    async with office.world.client(await issue_token(office)) as client:
        answer = (await client.get(API, params={"aantal": 1})).json()
        while True:
            found += answer["handelingen"]
            if "next" not in answer["_links"]:
                break
            assert len(found) <= len(whole)
            answer = (await client.get(answer["_links"]["next"]["href"])).json()
    assert found == whole
    assert len(whole) >= 4


async def test_cursor_of_another_filter_or_app_or_person_is_refused(office, clients):
    link = (await get(office, aantal=1)).json()["_links"]["next"]["href"]
    cursor = link.partition("cursor=")[2]
    other = await office.add_person("Kim Collega")
    async with office.world.sessions.begin() as session:
        await add_employee(session, office.organisation, other, starts_at=office.world.clock.now())
    for answer in (
        await get(office, aantal=1, cursor=cursor, maand="2026-11"),
        await get(office, aantal=1, cursor=cursor, machtigingId=str(clients[0])),
        await get(office, await issue_token(office, other), aantal=1, cursor=cursor),
        await get(office, path="/api/v1/clienten", cursor=cursor),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_ongeldig")


async def test_token_for_some_tells_nothing_of_acts_for_others(office, clients):
    token = await issue_token(office, several=MachtigingSet(frozenset({clients[0]})))
    assert names_of(await read_acts(office, token)) == {"Anna de Boer"}
    answer = await get(office, token, machtigingId=str(clients[1]))
    assert (answer.status_code, answer.json()["code"]) == (404, "machtiging_onbekend")
    assert "Haddou" not in (await get(office, token)).text


async def test_idor_client_of_a_colleague_is_not_found_and_acts_of_a_colleague_are_not_told(office, clients):
    piet = await office.grant(await office.add_person("Piet Jansen"))
    for one in (piet, "018f0000-0000-7000-8000-000000000001"):
        answer = await get(office, machtigingId=str(one))
        assert (answer.status_code, answer.json()["code"]) == (404, "machtiging_onbekend")
    kim = await office.add_person("Kim Collega")
    async with office.world.sessions.begin() as session:
        employee = await add_employee(session, office.organisation, kim, starts_at=office.world.clock.now())
    await office.assign(await office.grant(office.people["Anna de Boer"]), employee)
    assert await read_acts(office, await issue_token(office, kim)) == []


async def test_acts_for_another_organisation_are_not_told(office, clients, world, portal):
    second = await WorkOffice.open(world, portal, OTHER_KVK)
    second.numbers = office.numbers
    piet = await second.add_client("Piet Jansen", None, "Brief van Piet")
    await open_letters(await second.log_in(), piet)
    assert names_of(await read_acts(second)) == {"Piet Jansen"}
    assert names_of(await read_acts(office)) == {"Anna de Boer", "Mo Haddou"}


async def test_acts_for_a_client_no_longer_assigned_are_not_told(office, clients):
    ended = {"state": "ended", "ended_at": office.world.clock.now(), "end_reason": "teruggegeven"}
    async with office.world.sessions.begin() as session:
        await update_machtiging(session, clients[0], **ended)
    assert names_of(await read_acts(office)) == {"Mo Haddou"}
    assert (await get(office, machtigingId=str(clients[0]))).status_code == 404


async def test_page_without_acts_that_may_be_told_leads_on(office, clients):
    paused = {"state": "paused", "paused_at": office.world.clock.now()}
    async with office.world.sessions.begin() as session:
        await update_machtiging(session, clients[1], **paused)
    answer = (await get(office, aantal=1)).json()
    assert answer["handelingen"] == []
    assert "next" in answer["_links"]


async def test_refused_act_tells_no_letter_sender_or_reason(office, clients):
    worker = await office.log_in()
    hidden = await office.add_client("Nel Kuipers", None, "Geheim", themes=["inkomen"])
    [letter] = await BERICHTEN.read_column(office.world, "id", ontvanger_id=office.people["Nel Kuipers"])
    assert (await worker.request(f"/werk/clienten/{hidden}/brieven/{letter}")).status_code == 404
    acts = await read_acts(office, machtigingId=str(hidden))
    [refused] = [one for one in acts if one["uitkomst"] == "geweigerd"]
    assert set(refused) == {"tijdstip", "handeling", "uitkomst", "machtigingId", "vertegenwoordigde"}
    assert str(letter) not in str(acts)


async def test_refused_act_on_a_letter_that_may_be_read_now_names_no_letter(office, clients):
    [read, *_] = [one for one in await read_acts(office) if "berichtId" in one]
    about = {"for_person_id": office.people["Mo Haddou"], "on_behalf_of": office.organisation}
    line = NewJournalLine(
        JournalAct.BERICHT_LEZEN,
        JournalOutcome.REFUSED,
        "niveau_te_laag",
        actor_id=office.worker,
        object_kind="bericht",
        object_id=read["berichtId"],
        **about,
    )
    async with office.world.sessions.begin() as session:
        await record(session, line, at=office.world.clock.now())
    [refused] = [one for one in await read_acts(office) if one["uitkomst"] == "geweigerd"]
    assert "berichtId" not in refused
    assert "afzender" not in refused


async def test_letter_that_was_deleted_has_no_id_and_no_sender(office, clients):
    async with office.world.sessions.begin() as session:
        await session.execute(text("UPDATE bericht SET deleted_at = published_at"))
    acts = await read_acts(office)
    assert {one["handeling"] for one in acts} >= {"bericht:lezen"}
    assert not [one for one in acts if "berichtId" in one or "afzender" in one]


@pytest.mark.parametrize("ending", ["employee", "organisation", "private", "other organisation"])
async def test_employee_without_standing_is_told_no_acts(office, clients, ending):
    token = await issue_token(office)
    async with office.world.sessions.begin() as session:
        if ending == "employee":
            await change_employee(session, office.employee, state="op_non_actief")
        if ending == "organisation":
            await decide_recognition(session, office.organisation, 3, "opgeschort")
    if ending == "private":
        token = await office.world.issue_token(office.worker, acts=HELPING)
    if ending == "other organisation":
        token = await issue_token(office, organisation_kvk=OTHER_KVK)
    assert await read_acts(office, token) == []


async def test_token_without_the_act_to_list_is_refused(office, clients):
    assert (await get(office, await issue_token(office, acts=(Act.READ,)))).status_code == 403


async def test_request_without_a_token_or_for_xml_is_refused(office):
    async with office.world.client() as client:
        assert (await client.get(API)).status_code == 401
    async with office.world.client(await issue_token(office)) as client:
        assert (await client.get(API, headers={"Accept": "application/xml"})).status_code == 406
        assert (await client.post(API)).status_code == 405


async def test_statements_do_not_grow_with_the_clients_and_acts(office, clients, database):
    async def count():
        async with office.world.client(await issue_token(office)) as client:
            with record_queries(database) as queries:
                assert (await client.get(API)).status_code == 200
        return len(statements_of(queries))

    few = await count()
    worker = await office.log_in()
    for number in range(3):
        await open_letters(worker, await office.add_client(f"Piet Nummer{number}", None, "Brief"))
    assert await count() == few <= MOST_STATEMENTS
