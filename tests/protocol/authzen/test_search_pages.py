"""Pages of a search. A token belongs to one search of one caller, for a short time."""

from datetime import timedelta

import pytest

from tests.protocol.authzen.conftest import READ, RECORD, question

SEARCH = question(subject={"type": "user"})


async def find_token(pep, members=SEARCH, **page):
    answer = await pep.post("search/subject", members | {"page": {"limit": 1, **page}})
    return answer.json()["page"]["next_token"]


async def continue_search(pep, token, members=SEARCH, *, kind="subject", **page):
    return await pep.post(f"search/{kind}", members | {"page": {"token": token, **page}})


async def assert_refused(answer):
    assert answer.status_code == 400, answer.text
    assert "authzen_pagina_ongeldig" in answer.json()


@pytest.mark.parametrize("page", [{}, {"limit": 1}, {"limit": 1, "properties": {}}, {"foo": 1}])
async def test_page_token_with_the_same_or_omitted_members_continues(pep, page):
    answer = await continue_search(pep, await find_token(pep), **page)
    assert [one["id"] for one in answer.json()["results"]] == ["bob"]


@pytest.mark.parametrize("page", [{"limit": 2}, {"limit": 0}, {"properties": {"sort": "desc"}}])
async def test_page_token_with_other_page_members_is_refused(pep, page):
    await assert_refused(await continue_search(pep, await find_token(pep), **page))


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": {"type": "robot"}},
        {"subject": {"type": "user", "properties": {"role": "admin"}}},
        {"action": {"name": "write"}},
        {"action": READ | {"properties": {"soft": True}}},
        {"resource": {"type": "record", "id": "record-2"}},
        {"context": {"time": "later"}},
    ],
)
async def test_page_token_with_another_question_is_refused(pep, changes):
    await assert_refused(await continue_search(pep, await find_token(pep), SEARCH | changes))


async def test_page_token_with_another_id_of_the_target_continues(pep):
    members = SEARCH | {"subject": {"type": "user", "id": "ignored"}}
    assert (await continue_search(pep, await find_token(pep), members)).status_code == 200


async def test_page_token_at_another_endpoint_is_refused(pep):
    token = await find_token(pep, question())
    await assert_refused(await continue_search(pep, token, question(), kind="resource"))


async def test_page_token_of_another_tenant_is_refused(pep):
    closed = pep.at_tenant("besloten")
    fields = {"Authorization": f"Bearer {await pep.issue_token()}"}
    members = question(subject={"type": "user"}, page={"token": await find_token(pep)})
    await assert_refused(await closed.post("search/subject", members, **fields))


async def test_page_token_of_another_caller_is_refused(pep):
    closed = pep.at_tenant("besloten")
    members = {"subject": {"type": "robot", "id": "r1"}, "action": {"name": "open"}, "resource": {"type": "deur"}}
    first, second = [
        {"Authorization": f"Bearer {await pep.issue_token(client_id=client_id)}"} for client_id in ("een", "twee")
    ]
    page = await closed.post("search/resource", members | {"page": {"limit": 0}}, **first)
    following = members | {"page": {"token": page.json()["page"]["next_token"]}}
    assert (await closed.post("search/resource", following, **first)).status_code == 200
    await assert_refused(await closed.post("search/resource", following, **second))


async def test_page_token_after_ten_minutes_is_refused(pep):
    token = await find_token(pep)
    pep.clock.advance(timedelta(minutes=10) - timedelta(seconds=1))
    assert (await continue_search(pep, token)).status_code == 200
    pep.clock.advance(timedelta(seconds=1))
    await assert_refused(await continue_search(pep, token))


async def test_page_token_with_any_character_changed_is_refused(pep):
    token = await find_token(pep)
    for place in range(0, len(token), 5):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        answer = await continue_search(pep, changed)
        assert answer.status_code == 400


@pytest.mark.parametrize("token", ["x", "é", "====", "A" * 5000, "null"])
async def test_page_token_of_invented_text_is_refused(pep, token):
    await assert_refused(await continue_search(pep, token))


@pytest.mark.parametrize(
    "page", [[], "1", {"limit": -1}, {"limit": 1.5}, {"limit": True}, {"limit": "1"}, {"token": 1}, {"properties": 1}]
)
async def test_page_with_members_of_a_wrong_type_is_bad_request(pep, page):
    answer = await pep.post("search/subject", SEARCH | {"page": page})
    assert (answer.status_code, "authzen_veld_ongeldig" in answer.json()) == (400, True)


async def test_page_with_limit_zero_is_empty_and_says_that_more_follows(pep):
    page = (await pep.post("search/subject", SEARCH | {"page": {"limit": 0}})).json()
    assert (page["results"], page["page"]["count"], bool(page["page"]["next_token"])) == ([], 0, True)


async def test_page_with_an_empty_token_and_enough_room_is_the_only_one(pep):
    page = (await pep.post("search/subject", SEARCH | {"page": {"token": "", "limit": 10**9}})).json()
    assert (page["page"], len(page["results"])) == ({"next_token": "", "count": 2}, 2)


async def test_search_results_are_exactly_those_that_evaluate_to_true(pep):
    for action in ("read", "write", "delete"):
        for record in ("record-1", "record-2"):
            asked = {"action": {"name": action}, "resource": RECORD | {"id": record}}
            found = await pep.search("subject", question(subject={"type": "user"}) | asked)
            assert found == [
                name for name in ("alice", "bob") if await pep.decide(subject={"type": "user", "id": name}, **asked)
            ]
