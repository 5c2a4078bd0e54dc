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


async def while_one_waits(ciba_desk) -> None:
    await ciba_desk.start_request(await ciba_desk.create_meldcode(ciba_desk.son))


async def after_too_many(ciba_desk) -> None:
    await ciba_desk.insert_requests(rules.MAX_REQUESTS_PER_PERSON, ciba_desk.son)


@pytest.mark.parametrize("before", [while_one_waits, after_too_many])
async def test_enumeration_known_and_unknown_meldcode_get_the_same_answer(ciba_desk, before) -> None:
    await before(ciba_desk)
    told = await NOTIFICATIONS.count(ciba_desk.oauth)
    known = await ciba_desk.asks(await ciba_desk.create_meldcode(ciba_desk.son))
    unknown = await ciba_desk.asks(UNKNOWN)
    assert shape(known) == shape(unknown)
    assert known.status_code == 200
    assert [row.person_id for row in (await ciba_desk.rows())[-2:]] == [None, None]
    assert await NOTIFICATIONS.count(ciba_desk.oauth) == told
    references = [answer.json()["auth_req_id"] for answer in (known, unknown)]
    for _ in range(3):
        polled = [await ciba_desk.polls(one) for one in references]
        assert shape(polled[0]) == shape(polled[1])
        ciba_desk.oauth.later(seconds=3)
    ciba_desk.oauth.later(minutes=6)
    assert [await ciba_desk.hears(one) for one in references] == ["expired_token"] * 2


async def nothing(ciba_desk) -> None:
    pass


@pytest.mark.parametrize("before", [nothing, while_one_waits, after_too_many])
@pytest.mark.parametrize("named", [False, True])
async def test_timing_known_and_unknown_meldcode_take_the_same_statements(ciba_desk, database, before, named):
    await before(ciba_desk)
    details = {"authorization_details": make_authorization_details(str(uuid4()))} if named else {}
    said = []
    await ciba_desk.asks(UNKNOWN, **details)  # the driver looks up the types of a statement at its first use
    for code in (UNKNOWN, await ciba_desk.create_meldcode(ciba_desk.son), await ciba_desk.create_meldcode()):
        with record_queries(database) as heard:
            assert (await ciba_desk.asks(code, **details)).status_code == 200
        said.append([statement.split("WHERE")[0] for statement in heard])
    assert len(said[0]) > 3
    assert said[0] == said[1] == said[2]


async def test_second_request_is_journalled_and_the_first_continues(ciba_desk) -> None:
    first = await ciba_desk.start_request()
    await ciba_desk.start_request()
    assert await ciba_desk.reasons("verzoek:gedaan") == ["gevraagd", "verzoek_loopt_al"]
    assert "access_token" in await ciba_desk.tokens(first)


async def test_enumeration_second_request_does_not_reveal_the_machtiging(ciba_desk) -> None:
    held = await ciba_desk.oauth.grant_machtiging()
    await ciba_desk.start_request(
        await ciba_desk.create_meldcode(ciba_desk.son), authorization_details=make_authorization_details()
    )
    answers = []
    for machtiging_id in (held.id, uuid4()):
        code = await ciba_desk.create_meldcode(ciba_desk.son)
        answers.append(await ciba_desk.asks(code, authorization_details=make_authorization_details(machtiging_id)))
    assert shape(answers[0]) == shape(answers[1]) == shape(await ciba_desk.asks(UNKNOWN))


async def test_enumeration_rate_limited_app_gets_one_answer_for_any_meldcode(ciba_desk) -> None:
    await ciba_desk.insert_requests(rules.MAX_REQUESTS_PER_CLIENT)
    code = await ciba_desk.create_meldcode()
    known, unknown = await ciba_desk.asks(code), await ciba_desk.asks(UNKNOWN)
    assert shape(known) == shape(unknown)
    assert known.json()["error"] == "access_denied"
    ciba_desk.oauth.later(hours=1)
    assert (await ciba_desk.asks(await ciba_desk.create_meldcode())).status_code == 200
