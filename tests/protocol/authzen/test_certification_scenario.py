"""The certification scenario of AuthZEN 1.0 on the tenant `proef`, by its numbers."""

import pytest

from tests.builders.applications import API_ISSUER
from tests.builders.keys import load_keyring
from tests.protocol.authzen.conftest import ADMIN, ALICE, ARCHIVED, BOB, READ, RECORD, WRITE, question

CONTEXT = {"time": "2026-11-23T12:00:00+01:00", "ip": "192.0.2.7"}
DELETE_SOFT, DELETE_HARD = ({"name": "delete", "properties": {"soft": soft}} for soft in (True, False))
TYPE_ONLY_USER, TYPE_ONLY_RECORD = {"type": "user"}, {"type": "record"}

DECISIONS = [
    ("2.2.1", question(), True),
    ("1.4 rule 2", question(action=WRITE), True),
    ("1.4 rule 3", question(subject=BOB), True),
    ("2.2.2", question(subject=BOB, action=WRITE), False),
    ("2.2.3", question(context=CONTEXT), True),
    ("2.2.4", question(action=WRITE, resource=ARCHIVED), False),
    ("2.2.5", question(subject=ADMIN, action=WRITE, resource=ARCHIVED), True),
    ("2.2.6", question(action=DELETE_SOFT), True),
    ("2.2.7", question(action=DELETE_HARD), False),
    (
        "2.2.8",
        question(
            subject=ALICE | {"properties": {"department": "Sales", "role": "manager"}},
            action=READ | {"properties": {"method": "GET"}},
            resource=RECORD | {"properties": {"status": "active", "owner": "bob"}},
        ),
        True,
    ),
    ("2.2.9", question(foo="bar", futureField={"nested": True}), True),
]


@pytest.mark.parametrize(("number", "members", "decision"), DECISIONS, ids=[one[0] for one in DECISIONS])
async def test_evaluation_of_the_fixture_gives_its_decision(pep, number, members, decision):
    answer = await pep.post("evaluation", members)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    # 2.3.1 and 2.3.2: a boolean, and a context only as an object.
    assert answer.json() == {"decision": decision}


MISSING = [
    ("2.4.1 subject", question(subject=...)),
    ("2.4.1 action", question(action=...)),
    ("2.4.1 resource", question(resource=...)),
    ("2.4.2 subject.type", question(subject={"id": "alice"})),
    ("2.4.2 subject.id", question(subject=TYPE_ONLY_USER)),
    ("2.4.2 action.name", question(action={})),
    ("2.4.2 resource.type", question(resource={"id": "record-1"})),
    ("2.4.2 resource.id", question(resource=TYPE_ONLY_RECORD)),
    ("2.4.6 subject", question(subject="alice")),
    ("2.4.6 action.name", question(action={"name": 123})),
]


@pytest.mark.parametrize(("number", "members"), MISSING, ids=[one[0] for one in MISSING])
async def test_evaluation_with_missing_or_mistyped_member_is_bad_request(pep, number, members):
    answer = await pep.post("evaluation", members)
    assert answer.status_code == 400
    assert number.rpartition(" ")[2] in answer.json()


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
async def test_evaluation_2_4_3_with_other_content_type_is_bad_request(pep, content_type):
    answer = await pep.post_bytes("evaluation", b'{"subject": {}}', content_type)
    assert answer.status_code == 400
    assert "authzen_geen_json" in answer.json()


@pytest.mark.parametrize("body", [b"{", b"no json", b'{"subject": }', b'"text"', b"[]", b"null"])
async def test_evaluation_2_4_4_with_malformed_json_is_bad_request(pep, body):
    assert (await pep.post_bytes("evaluation", body)).status_code == 400


async def test_evaluation_2_4_5_with_empty_body_is_bad_request(pep):
    assert (await pep.post_bytes("evaluation", b"")).status_code == 400


async def test_request_id_2_5_1_is_echoed_with_answer_and_error(pep):
    for members, status in ((question(), 200), ({}, 400)):
        answer = await pep.post("evaluation", members, **{"X-Request-ID": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"})
        assert answer.status_code == status
        assert answer.headers["x-request-id"] == "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"


async def test_request_id_2_5_2_absent_is_no_error(pep):
    assert (await pep.post("evaluation", question())).status_code == 200


async def test_evaluation_2_6_repeated_gives_the_same_decision(pep):
    assert {await pep.decide() for _ in range(5)} == {True}


BATCHES = [
    (
        "3.2.1",
        question(resource=..., evaluations=[{"resource": RECORD}, {"resource": {"type": "record", "id": "record-2"}}]),
        [True, True],
    ),
    ("3.2.2", question(subject=BOB, action=..., evaluations=[{"action": READ}, {"action": WRITE}]), [True, False]),
    (
        "3.2.3",
        question(
            action=WRITE,
            resource=...,
            evaluations=[{"resource": RECORD | {"properties": {"status": "active"}}}, {"resource": ARCHIVED}],
        ),
        [True, False],
    ),
    (
        "3.2.4",
        question(subject=..., action=WRITE, resource=ARCHIVED, evaluations=[{"subject": ALICE}, {"subject": ADMIN}]),
        [False, True],
    ),
    ("3.2.5", {"evaluations": [question(), question(subject=BOB, action=WRITE)]}, [True, False]),
    (
        "3.2.6",
        question(
            resource=...,
            context=CONTEXT,
            evaluations=[
                {"resource": RECORD},
                {"resource": {"type": "record", "id": "record-2"}, "context": {"source": "item"}},
            ],
        ),
        [True, True],
    ),
    (
        "3.2.7",
        question(
            action=WRITE,
            resource=RECORD | {"properties": {"status": "active"}},
            evaluations=[{}, {"resource": ARCHIVED}],
        ),
        [True, False],
    ),
]


@pytest.mark.parametrize(("number", "members", "decisions"), BATCHES, ids=[one[0] for one in BATCHES])
async def test_batch_of_the_fixture_gives_its_decisions_in_order(pep, number, members, decisions):
    answer = await pep.post("evaluations", members)
    assert answer.status_code == 200
    # 3.3.1 to 3.3.4: as many items, in the same order, each with a decision, and none beside them.
    assert answer.json() == {"evaluations": [{"decision": decision} for decision in decisions]}


async def test_batch_3_4_1_with_a_broken_item_denies_that_item(pep):
    options = {"evaluations_semantic": "execute_all"}
    members = question(resource=..., options=options, evaluations=[{"resource": RECORD}, {}])
    answer = await pep.post("evaluations", members)
    assert answer.status_code == 200
    first, second = answer.json()["evaluations"]
    assert (first, second["decision"], second["context"]["error"]["status"]) == ({"decision": True}, False, 400)


@pytest.mark.parametrize("more", [{}, {"evaluations": []}], ids=["3.4.2", "3.4.3"])
async def test_batch_without_items_is_a_single_evaluation(pep, more):
    answer = await pep.post("evaluations", question(**more))
    assert (answer.status_code, answer.json()) == (200, {"decision": True})


SUBJECT_SEARCH = question(subject=TYPE_ONLY_USER)
RESOURCE_SEARCH = question(resource=TYPE_ONLY_RECORD)
ACTION_SEARCH = question(action=...)
SEARCHES = [
    ("4.2.1", "subject", SUBJECT_SEARCH, ["alice", "bob"]),
    ("4.2.2", "subject", SUBJECT_SEARCH | {"context": CONTEXT}, ["alice", "bob"]),
    ("4.2.3", "subject", question(), ["alice", "bob"]),
    ("4.2.4", "subject", question(subject=TYPE_ONLY_USER, action=WRITE, resource=ARCHIVED), ["bob"]),
    ("4.3.1", "resource", RESOURCE_SEARCH, ["record-1", "record-2"]),
    ("4.3.2", "resource", RESOURCE_SEARCH | {"context": CONTEXT}, ["record-1", "record-2"]),
    ("4.3.3", "resource", question(), ["record-1", "record-2"]),
    ("4.3.4", "resource", question(subject=ADMIN, action=WRITE, resource=TYPE_ONLY_RECORD), ["record-2"]),
    ("4.4.1", "action", ACTION_SEARCH, ["read", "write"]),
    ("4.4.2", "action", ACTION_SEARCH | {"context": CONTEXT}, ["read", "write"]),
    ("4.4.3", "action", question(subject=ADMIN, action=..., resource=ARCHIVED), ["read", "write"]),
    ("4.6.1 subject", "subject", question(resource={"type": "record", "id": "no-such-record"}), []),
    ("4.6.1 resource", "resource", question(subject={"type": "user", "id": "no-such-user"}), []),
    ("4.6.1 action", "action", question(subject={"type": "user", "id": "no-such-user"}, action=...), []),
    ("4.6.2 subject", "subject", question(subject={"type": "spaceship"}), []),
    ("4.6.2 resource", "resource", question(resource={"type": "spaceship"}), []),
    ("4.6.2 action", "action", question(subject={"type": "spaceship", "id": "alice"}, action=...), []),
]


@pytest.mark.parametrize(("number", "kind", "members", "found"), SEARCHES, ids=[one[0] for one in SEARCHES])
async def test_search_of_the_fixture_gives_its_results(pep, number, kind, members, found):
    answer = await pep.post(f"search/{kind}", members)
    assert answer.status_code == 200
    wanted = [{"name": one} if kind == "action" else {"type": members[kind]["type"], "id": one} for one in found]
    assert answer.json() == {"results": wanted}


async def test_search_4_5_in_pages_gives_every_result_once(pep):
    first = (await pep.post("search/subject", SUBJECT_SEARCH | {"page": {"limit": 1}})).json()
    assert list(first) == ["page", "results"]
    assert (first["page"]["count"], first["results"]) == (1, [ALICE])
    second = (
        await pep.post("search/subject", SUBJECT_SEARCH | {"page": {"token": first["page"]["next_token"]}})
    ).json()
    assert second == {"page": {"next_token": "", "count": 1}, "results": [BOB]}


BROKEN_SEARCHES = [
    ("4.7.1 subject", "subject", question(subject=TYPE_ONLY_USER, action=...)),
    ("4.7.1 resource", "resource", question(subject=..., resource=TYPE_ONLY_RECORD)),
    ("4.7.1 action", "action", question(action=..., resource=...)),
    ("4.7.2 subject", "subject", question(subject=TYPE_ONLY_USER, resource=TYPE_ONLY_RECORD)),
    ("4.7.2 resource", "resource", question(subject=TYPE_ONLY_USER, resource=TYPE_ONLY_RECORD)),
    ("4.7.2 action", "action", question(subject=TYPE_ONLY_USER, action=...)),
]


@pytest.mark.parametrize(("number", "kind", "members"), BROKEN_SEARCHES, ids=[one[0] for one in BROKEN_SEARCHES])
async def test_search_without_a_member_that_it_needs_is_bad_request(pep, number, kind, members):
    answer = await pep.post(f"search/{kind}", members)
    assert (answer.status_code, "authzen_veld_ontbreekt" in answer.json()) == (400, True)


async def test_metadata_6_names_every_endpoint_and_is_signed_by_our_key(pep):
    answer = await pep.send("GET", "/.well-known/authzen-configuration/authzen/proef")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    token = document.pop("signed_metadata")
    base = f"{API_ISSUER}/authzen/proef"
    assert document == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        "search_subject_endpoint": f"{base}/access/v1/search/subject",
        "search_resource_endpoint": f"{base}/access/v1/search/resource",
        "search_action_endpoint": f"{base}/access/v1/search/action",
    }
    claims = load_keyring().verify_own_statement(token, typ="JWT")
    assert claims.pop("iat") <= pep.clock.now().timestamp()
    assert claims == document | {"iss": API_ISSUER}
