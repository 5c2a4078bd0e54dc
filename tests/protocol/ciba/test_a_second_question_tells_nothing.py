"""While one question waits, a second is refused alike, whether or not the machtiging that it names is hers."""

from __future__ import annotations

from uuid import uuid4

from tests.builders.oauth import detail


async def test_a_second_question_does_not_tell_whether_a_machtiging_is_hers(counter) -> None:
    held = await counter.oauth.machtiging()
    await counter.asked(await counter.meldcode(counter.son), authorization_details=detail())
    answers = []
    for machtiging_id in (held.id, uuid4()):
        code = await counter.meldcode(counter.son)
        answers.append(await counter.asks(code, authorization_details=detail(machtiging_id)))
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()
