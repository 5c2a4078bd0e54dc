"""`/api/v1/clienten`: clients and their letters, for an app with one consent."""

from datetime import date

import pytest

from machtiging.delegation.authority.machtiging_set import ASSIGNED, MachtigingSet
from machtiging.delegation.rules import Act
from tests.builders.database import record_queries
from tests.builders.letters import HELPING
from tests.builders.machtiging import update_machtiging
from tests.builders.organisations import OTHER_KVK, change_employee, decide_recognition
from tests.builders.rows import JOURNAL_INTAKE
from tests.protocol.letters.box import statements_of

API = "/api/v1/clienten"
MOST_STATEMENTS = 4


@pytest.fixture
async def clients(office):
    """Riet with two letters and a reference, Ali with one, An with none."""
    office.riet = await office.add_client("Riet van der Linden", date(1951, 4, 7), "Een", "Twee", reference="Z-12")
    office.ali = await office.add_client("Ali Yıldız", date(1969, 2, 11), "Drie", ends_at=office.days(10))
    office.an = await office.add_client("An Ek")
    return office


async def issue_token(office, **changes):
    order = {"acts": HELPING, "several": ASSIGNED, "organisation_kvk": office.kvk} | changes
    return await office.world.issue_token(office.worker, **order)


async def get(office, path="", token=None, **params):
    async with office.world.client(token or await issue_token(office)) as client:
        return await client.get(API + path, params=params)


def names_of(answer, member="clienten"):
    assert answer.status_code == 200, answer.text
    return [one["vertegenwoordigde"]["naam"] for one in answer.json()[member]]


async def test_clients_of_a_token_for_all_are_listed_with_counts(clients):
    answer = await get(clients, volgorde="toegewezen")

    assert sorted(names_of(answer)) == ["Ali Yıldız", "An Ek", "Riet van der Linden"]
    [riet] = [one for one in answer.json()["clienten"] if one["machtigingId"] == str(clients.riet)]
    assert (riet["zaakkenmerk"], riet["ongelezen"], riet["bijnaVoorbij"]) == ("Z-12", 2, False)
    assert answer.json()["tellingen"] == {"totaal": 3, "ongelezen": 2, "bijnaVoorbij": 1}


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"zoek": "linden"}, ["Riet van der Linden"]),
        ({"zoek": "11-02-1969"}, ["Ali Yıldız"]),
        ({"zoek": "z12"}, ["Riet van der Linden"]),
        ({"toon": "bijna-voorbij"}, ["Ali Yıldız"]),
        ({"toon": "ongelezen"}, ["Riet van der Linden", "Ali Yıldız"]),
        ({"zoek": "niemand"}, []),
    ],
)
async def test_search_and_filter_find_the_same_as_the_page(clients, params, names):
    assert names_of(await get(clients, **params)) == names


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"zoek": "999990019"}, "zoeken_op_bsn"),
        ({"zoek": "a"}, "zoekterm_te_kort"),
        ({"zoek": "%%%"}, "zoekterm_te_kort"),
        ({"cursor": "onzin"}, "cursor_ongeldig"),
        ({"aantal": 0}, None),
        ({"aantal": 1000}, None),
        ({"volgorde": "willekeurig"}, None),
        ({"toon": "alles"}, None),
        ({"zoek": "x" * 81}, None),
    ],
)
async def test_bad_parameter_is_refused(clients, params, code):
    answer = await get(clients, **params)

    assert answer.status_code == 400
    assert code is None or answer.json()["code"] == code


async def test_pages_have_every_client_once(clients):
    found, params, token = [], {"aantal": 1, "volgorde": "einddatum"}, await issue_token(clients)
    async with clients.world.client(token) as client:
        answer = await client.get(API, params=params)
        while True:
            found += names_of(answer)
            if "next" not in answer.json()["_links"]:
                break
            assert len(found) < 4
            answer = await client.get(answer.json()["_links"]["next"]["href"])

    assert sorted(found) == ["Ali Yıldız", "An Ek", "Riet van der Linden"]
    assert found[0] == "Ali Yıldız"


async def test_cursor_of_another_filter_is_refused(clients):
    first = await get(clients, aantal=1)
    cursor = first.json()["_links"]["next"]["href"].partition("cursor=")[2]

    other = await get(clients, aantal=1, volgorde="einddatum", cursor=cursor)

    assert (other.status_code, other.json()["code"]) == (400, "cursor_ongeldig")


async def test_letters_of_all_clients_are_listed_newest_first(clients):
    answer = await get(clients, "/berichten")

    assert answer.status_code == 200
    letters = answer.json()["berichten"]
    assert sorted(one["onderwerp"] for one in letters) == ["Drie", "Een", "Twee"]
    times = [one["publicatietijdstip"] for one in letters]
    assert times == sorted(times, reverse=True)
    assert {one["machtigingId"] for one in letters} == {str(clients.riet), str(clients.ali)}
    assert {one["gelezen"] for one in letters} == {False}


async def test_letters_of_one_client_are_filtered(clients):
    answer = await get(clients, "/berichten", machtigingId=str(clients.ali))

    assert [one["onderwerp"] for one in answer.json()["berichten"]] == ["Drie"]


async def test_letter_in_the_list_can_be_read_under_its_machtiging(clients):
    token = await issue_token(clients)
    async with clients.world.client(token) as client:
        for one in (await client.get(API + "/berichten")).json()["berichten"]:
            path = f"/api/v1/machtigingen/{one['machtigingId']}/berichten/{one['berichtId']}"
            assert (await client.get(path)).status_code == 200
        unread = (await client.get(API + "/berichten", params={"ongelezen": "true"})).json()
        counts = (await client.get(API)).json()["tellingen"]

    assert unread["berichten"] == []
    assert counts["ongelezen"] == 0


async def test_each_box_in_the_list_of_letters_is_journalled(clients):
    await get(clients, "/berichten")

    lines = await JOURNAL_INTAKE.read(clients.world, act="bericht:lijst")
    assert {line.machtiging_id for line in lines} == {clients.riet, clients.ali}
    assert {line.outcome for line in lines} == {"allowed"}


async def test_client_that_is_not_of_the_token_is_not_found(clients):
    answer = await get(clients, "/berichten", machtigingId="018f0000-0000-7000-8000-000000000001")
    token = await issue_token(clients, several=MachtigingSet(frozenset({clients.riet})))
    outside = await get(clients, "/berichten", token=token, machtigingId=str(clients.ali))

    assert (answer.status_code, answer.json()["code"]) == (404, "machtiging_onbekend")
    assert (outside.status_code, outside.json()["code"]) == (404, "machtiging_onbekend")


async def test_token_for_some_lists_and_counts_only_those(clients):
    token = await issue_token(clients, several=MachtigingSet(frozenset({clients.riet})))

    answer = await get(clients, token=token)

    assert names_of(answer) == ["Riet van der Linden"]
    assert answer.json()["tellingen"]["totaal"] == 1
    assert names_of(await get(clients, token=token, zoek="yild")) == []


async def test_token_for_own_box_has_no_clients(clients):
    token = await clients.world.issue_token(clients.worker, acts=HELPING)

    assert names_of(await get(clients, token=token)) == []
    assert names_of(await get(clients, "/berichten", token=token), "berichten") == []


async def test_token_of_another_organisation_has_no_clients(clients):
    token = await issue_token(clients, organisation_kvk=OTHER_KVK)

    assert names_of(await get(clients, token=token)) == []


async def test_token_without_the_act_to_list_is_refused(clients):
    token = await issue_token(clients, acts=(Act.READ,))

    for path in ("", "/berichten"):
        assert (await get(clients, path, token=token)).status_code == 403


@pytest.mark.parametrize("path", ["", "/berichten"])
async def test_request_without_a_token_is_refused(clients, path):
    async with clients.world.client() as client:
        assert (await client.get(API + path)).status_code == 401


async def test_ended_paused_or_left_gives_nothing_on_the_next_request(clients):
    token = await issue_token(clients)
    async with clients.world.sessions.begin() as session:
        await update_machtiging(session, clients.riet, state="paused", paused_at=clients.world.clock.now())
    assert sorted(names_of(await get(clients, token=token))) == ["Ali Yıldız", "An Ek"]

    async with clients.world.sessions.begin() as session:
        await change_employee(session, clients.employee, state="op_non_actief")
    for path, member in (("", "clienten"), ("/berichten", "berichten")):
        answer = await get(clients, path, token=token)
        assert (answer.status_code, answer.json()[member]) == (200, [])


async def test_suspended_organisation_gives_nothing_on_the_next_request(clients):
    token = await issue_token(clients)
    async with clients.world.sessions.begin() as session:
        await decide_recognition(session, clients.organisation, 3, "opgeschort")

    for path, member in (("", "clienten"), ("/berichten", "berichten")):
        answer = await get(clients, path, token=token)
        assert (answer.status_code, answer.json()[member]) == (200, [])


async def test_statements_do_not_grow_with_the_clients(clients, database):
    token = await issue_token(clients)
    for number in range(3):
        await clients.add_client(f"Piet Nummer{number}", None, "Vier")
    async with clients.world.client(token) as client:
        for path in (API, API + "/berichten"):
            with record_queries(database) as queries:
                assert (await client.get(path)).status_code == 200
            assert len(statements_of(queries)) <= MOST_STATEMENTS, path
