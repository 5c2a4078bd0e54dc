"""The three semantics of a batch, and its defaults."""

import pytest

from tests.protocol.authzen.conftest import ADMIN, ALICE, ARCHIVED, BOB, READ, RECORD, WRITE, question

ALLOWED, DENIED, BROKEN = {"action": READ}, {"action": WRITE}, {"action": {}}


def batch(semantic, *items):
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic, "other": 1}}
    return question(subject=BOB, action=..., evaluations=list(items), **options)


@pytest.mark.parametrize(
    ("semantic", "items", "decisions"),
    [
        (None, (DENIED, ALLOWED, DENIED), [False, True, False]),
        ("execute_all", (DENIED, ALLOWED, BROKEN), [False, True, False]),
        ("deny_on_first_deny", (ALLOWED, DENIED, ALLOWED), [True, False]),
        ("deny_on_first_deny", (ALLOWED, BROKEN, ALLOWED), [True, False]),
        ("deny_on_first_deny", (ALLOWED, ALLOWED), [True, True]),
        ("permit_on_first_permit", (DENIED, BROKEN, ALLOWED, DENIED), [False, False, True]),
        ("permit_on_first_permit", (ALLOWED, DENIED), [True]),
        ("permit_on_first_permit", (DENIED, DENIED), [False, False]),
    ],
)
async def test_batch_ends_at_the_decision_of_its_semantic(pep, semantic, items, decisions):
    assert await pep.decide_batch(batch(semantic, *items)) == decisions


async def test_batch_default_replaced_by_an_item_keeps_none_of_its_properties(pep):
    # The default makes bob an admin. The item names bob again, without properties of its own.
    members = question(subject=ALICE | {"properties": {"role": "admin"}}, action=WRITE, resource=ARCHIVED)
    assert await pep.decide_batch(members | {"evaluations": [{}, {"subject": ALICE}]}) == [True, False]


async def test_batch_default_is_not_completed_by_an_item(pep):
    members = question(action=WRITE, resource=RECORD, evaluations=[{"subject": {"properties": {"role": "admin"}}}])
    answer = (await pep.post("evaluations", members)).json()["evaluations"]
    assert (answer[0]["decision"], answer[0]["context"]["error"]["status"]) == (False, 400)
    assert "subject.type" in answer[0]["context"]["error"]["message"]


async def test_batch_item_that_is_no_object_is_denied_by_itself(pep):
    members = question(evaluations=["x", None, 1, [], {}])
    assert await pep.decide_batch(members) == [False, False, False, False, True]


async def test_batch_of_the_largest_number_is_decided(pep):
    assert sum(await pep.decide_batch(question(evaluations=[{}] * 1000))) == 1000


async def test_batch_item_of_an_unknown_subject_is_denied_without_an_error(pep):
    members = question(evaluations=[{"subject": ADMIN | {"id": "carol"}}, {"subject": ADMIN | {"type": "robot"}}])
    answer = await pep.post("evaluations", members)
    assert answer.json() == {"evaluations": [{"decision": False}] * 2}
