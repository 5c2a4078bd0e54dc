"""Enumeration by CIBA requests. The answer and the work are the same for known and unknown meldcodes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from machtiging.oauth.ciba import rules
from tests.builders.client import make_authorization_details
from tests.builders.database import record_queries
from tests.builders.rows import NOTIFICATIONS

VARY = {"x-request-id", "dpop-nonce", "date", "verzoek-id"}
UNKNOWN = "0000-0000"


def shape(answer):
    """All parts of a response by which an app could tell two apart."""
    body = {name: value if name != "auth_req_id" else len(value) for name, value in answer.json().items()}
    headers = {name: value for name, value in answer.headers.items() if name not in VARY}
    return answer.status_code, body, headers


async def while_one_waits(counter) -> None:
    await counter.start_request(await counter.create_meldcode(counter.son))


async def after_too_many(counter) -> None:
    await counter.insert_requests(rules.MAX_REQUESTS_PER_PERSON, counter.son)


@pytest.mark.parametrize("before", [while_one_waits, after_too_many])
async def test_enumeration_known_and_unknown_meldcode_get_the_same_answer(counter, before) -> None:
    await before(counter)
    told = await NOTIFICATIONS.count(counter.oauth)
    known = await counter.asks(await counter.create_meldcode(counter.son))
    unknown = await counter.asks(UNKNOWN)
    assert shape(known) == shape(unknown)
    assert known.status_code == 200
    assert [row.person_id for row in (await counter.rows())[-2:]] == [None, None]
    assert await NOTIFICATIONS.count(counter.oauth) == told
    references = [answer.json()["auth_req_id"] for answer in (known, unknown)]
    for _ in range(3):
        polled = [await counter.polls(one) for one in references]
        assert shape(polled[0]) == shape(polled[1])
        counter.oauth.later(seconds=3)
    counter.oauth.later(minutes=6)
    assert [await counter.hears(one) for one in references] == ["expired_token"] * 2


async def nothing(counter) -> None:
    pass


@pytest.mark.parametrize("before", [nothing, while_one_waits, after_too_many])
@pytest.mark.parametrize("named", [False, True])
async def test_timing_known_and_unknown_meldcode_take_the_same_statements(counter, database, before, named):
    await before(counter)
    details = {"authorization_details": make_authorization_details(str(uuid4()))} if named else {}
    said = []
    for code in (UNKNOWN, await counter.create_meldcode(counter.son), await counter.create_meldcode()):
        with record_queries(database) as heard:
            assert (await counter.asks(code, **details)).status_code == 200
        said.append([statement.split("WHERE")[0] for statement in heard])
    assert len(said[0]) > 3
    assert said[0] == said[1] == said[2]


async def test_second_request_is_journalled_and_the_first_continues(counter) -> None:
    first = await counter.start_request()
    await counter.start_request()
    assert await counter.reasons("verzoek:gedaan") == ["gevraagd", "verzoek_loopt_al"]
    assert "access_token" in await counter.tokens(first)


async def test_enumeration_second_request_does_not_reveal_the_machtiging(counter) -> None:
    held = await counter.oauth.grant_machtiging()
    await counter.start_request(
        await counter.create_meldcode(counter.son), authorization_details=make_authorization_details()
    )
    answers = []
    for machtiging_id in (held.id, uuid4()):
        code = await counter.create_meldcode(counter.son)
        answers.append(await counter.asks(code, authorization_details=make_authorization_details(machtiging_id)))
    assert shape(answers[0]) == shape(answers[1]) == shape(await counter.asks(UNKNOWN))


async def test_enumeration_rate_limited_app_gets_one_answer_for_any_meldcode(counter) -> None:
    await counter.insert_requests(rules.MAX_REQUESTS_PER_CLIENT)
    code = await counter.create_meldcode()
    known, unknown = await counter.asks(code), await counter.asks(UNKNOWN)
    assert shape(known) == shape(unknown)
    assert known.json()["error"] == "access_denied"
    counter.oauth.later(hours=1)
    assert (await counter.asks(await counter.create_meldcode())).status_code == 200
