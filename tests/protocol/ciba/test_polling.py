"""POST /token with an auth_req_id: not too often, by the app that asked, once, and asked live what it is worth."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from machtiging.delegation import end, pause
from machtiging.kernel.ids import uuid7
from machtiging.oauth.client import CIBA
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.suspend_client import suspend
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.black_box import claims_of
from tests.builders.ciba import a_counter
from tests.builders.clients import detail
from tests.builders.oauth import ISSUER
from tests.builders.proof import Holder
from tests.builders.query_log import record_queries, strip_ping


@pytest.mark.parametrize(
    ("wider", "error"),
    [
        ({"resource": "https://elders.example"}, "invalid_target"),
        ({"authorization_details": detail(uuid7())}, "invalid_authorization_details"),
    ],
)
async def test_the_fetch_gives_nothing_else_than_what_she_saw(counter, wider, error) -> None:
    request = await counter.approved()
    response = await counter.polls(request, **wider)
    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_as_long_as_she_has_not_decided_the_app_is_told_to_wait(counter) -> None:
    request = await counter.asked()
    for _ in range(3):
        response = await counter.polls(request)
        assert response.status_code == 400
        assert response.json()["error"] == "authorization_pending"
        assert response.headers["cache-control"] == "no-store"
        counter.oauth.later(seconds=5)


async def test_waiting_fills_no_journal(counter) -> None:
    request = await counter.asked()
    for _ in range(3):
        await counter.polls(request)
    assert await counter.reasons("token:geweigerd") == []


async def test_who_polls_too_fast_waits_five_seconds_longer_each_time(counter) -> None:
    request = await counter.asked()
    said = []
    for seconds in (0, 3, 5, 15, 14, 19):
        counter.oauth.later(seconds=seconds)
        said.append(await counter.hears(request))
    slow, waits = "slow_down", "authorization_pending"
    assert said == [waits, slow, slow, waits, waits, waits]
    assert [row.interval_seconds for row in await counter.rows()] == [15]


async def test_a_second_too_early_is_no_haste(counter) -> None:
    request = await counter.asked()
    await counter.polls(request)
    counter.oauth.later(seconds=4)
    assert await counter.hears(request) == "authorization_pending"


async def test_the_interval_never_grows_beyond_a_minute(counter) -> None:
    request = await counter.asked()
    for _ in range(13):
        await counter.polls(request)
    assert [row.interval_seconds for row in await counter.rows()] == [60]


async def test_of_polls_at_the_same_moment_one_is_in_time_and_each_other_slows_down(counter) -> None:
    request = await counter.asked()
    said = await asyncio.gather(*(counter.hears(request) for _ in range(4)))
    assert sorted(said) == ["authorization_pending", *["slow_down"] * 3]
    assert [row.interval_seconds for row in await counter.rows()] == [20]


async def test_a_poll_takes_three_statements_and_one_commit(counter, database) -> None:
    request = await counter.asked()
    await counter.polls(request)
    with record_queries(database) as said:
        await counter.polls(request)
    begins_and_ends = ("BEGIN;", "COMMIT;")
    assert len([each for each in strip_ping(said) if each not in begins_and_ends]) == 3, said
    assert said.count("COMMIT;") == 1


async def test_the_answer_to_a_yes_is_a_token_and_an_id_token_for_this_request(counter) -> None:
    request = await counter.approved()
    body = (await counter.polls(request)).json()
    access, identity = claims_of(body["access_token"]), claims_of(body["id_token"])
    assert body.keys() >= {"access_token", "token_type", "expires_in", "id_token", "authorization_details", "scope"}
    assert "refresh_token" not in body
    assert access["client_id"] == counter.app.client_id
    assert access["authorization_details"] == [{"type": "berichtenbox", "actions": ["lijst", "lezen", "downloaden"]}]
    assert access["acr"] == "http://eidas.europa.eu/LoA/substantial"
    assert identity["urn:openid:params:jwt:claim:auth_req_id"] == request
    assert identity["aud"] == counter.app.client_id
    assert identity["sub"] == access["sub"]
    assert "nonce" not in identity
    assert "represents" not in identity


async def test_the_token_opens_her_box_and_introspection_knows_it(counter) -> None:
    request = await counter.approved()
    token = (await counter.polls(request)).json()["access_token"]
    known = (await counter.app.post("/introspect", {"token": token})).json()
    assert known["active"] is True
    assert known["client_id"] == counter.app.client_id


async def test_two_counters_know_the_same_citizen_by_different_names(counter) -> None:
    other = await a_counter(counter.oauth, client_name="Gemeente West")
    names = [claims_of((await each.tokens(await each.asked()))["id_token"])["sub"] for each in (counter, other)]
    assert names[0] != names[1]


async def test_an_answer_is_fetched_once(counter) -> None:
    request = await counter.approved()
    assert (await counter.polls(request)).status_code == 200
    assert await counter.hears(request) == "invalid_grant"
    assert await counter.reasons("token:geweigerd") == ["verzoek_hergebruikt"]
    assert await counter.count("issued_token") == 1


async def test_of_many_polls_at_the_same_moment_after_a_yes_one_gets_a_token(counter) -> None:
    request = await counter.approved()
    answers = await asyncio.gather(*(counter.polls(request) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 5]
    assert {each.json()["error"] for each in answers if each.status_code == 400} == {"invalid_grant"}
    assert await counter.count("issued_token") == 1


async def test_anothers_request_an_unknown_one_and_a_used_one_look_the_same(counter) -> None:
    request = await counter.approved()
    other = await a_counter(counter.oauth, client_name="Gemeente West")
    answers = [await counter.polls(request, other.app), await counter.polls("x" * 43), await counter.polls("x" * 500)]
    assert (await counter.polls(request)).status_code == 200  # nobody else used it up, nor slowed it down
    answers.append(await counter.polls(request))
    assert {each.status_code for each in answers} == {400}
    assert [each.json() for each in answers] == [answers[0].json()] * 4
    assert answers[0].json()["error"] == "invalid_grant"


async def test_an_app_of_another_kind_cannot_poll(counter) -> None:
    request = await counter.approved()
    reading = await counter.oauth.reading_app()
    assert await counter.hears(request, reading) == "unauthorized_client"
    public = await counter.oauth.public_app()
    assert (await counter.polls(request, public)).json()["error"] == "invalid_client"
    assert (await counter.polls(request)).status_code == 200


async def test_a_poll_names_its_request(counter) -> None:
    response = await counter.app.post("/token", {"grant_type": CIBA})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_after_a_no_the_app_hears_no_each_time(counter) -> None:
    request = await counter.asked()
    await counter.answers(await counter.citizen(), "weigeren")
    assert await counter.hears(request) == "access_denied"
    assert await counter.hears(request) == "access_denied"
    assert await counter.count("issued_token") == 0


@pytest.mark.parametrize("decided", [True, False])
async def test_after_its_term_a_request_is_over_also_one_that_was_granted(counter, decided) -> None:
    request = await (counter.approved() if decided else counter.asked())
    counter.oauth.later(minutes=5)
    assert await counter.hears(request) == "expired_token"
    assert await counter.hears(request) == "expired_token"
    assert await counter.count("issued_token") == 0
    ended = ["verzoek_verlopen"] if decided else []
    assert await counter.reasons("grant:beeindigd") == ended


async def for_mother(counter):
    """Her son stands at the counter, and the app asks for her box with his machtiging."""
    held = await counter.oauth.machtiging()
    request = await counter.asked(await counter.meldcode(counter.son), authorization_details=detail(held.id))
    return held, request


async def test_under_a_machtiging_the_token_says_for_whom(counter) -> None:
    held, request = await for_mother(counter)
    await counter.agreed(counter.son)
    body = (await counter.polls(request)).json()
    assert claims_of(body["id_token"])["represents"]["sub"] != claims_of(body["id_token"])["sub"]
    assert body["authorization_details"][0]["machtiging"] == str(held.id)


async def change(counter, act, held, person) -> None:
    async with unit_of_work(counter.oauth.sessions) as session:
        await act(session, held.id, person, at=counter.oauth.clock.now())


@pytest.mark.parametrize("act", [end.revoke, pause.pause])
async def test_a_machtiging_that_stops_while_the_request_waits_ends_the_request(counter, act) -> None:
    held, request = await for_mother(counter)
    await change(counter, act, held, counter.mother)
    assert await counter.hears(request) == "access_denied"
    assert await counter.reasons("token:geweigerd") == ["machtiging_geldt_niet"]
    if act is pause.pause:
        await change(counter, pause.resume, held, counter.mother)
    assert "Er wacht nu geen vraag" in (await (await counter.citizen(counter.son)).get("/verzoeken")).text
    assert await counter.hears(request) == "access_denied"


async def test_a_machtiging_that_stops_between_the_yes_and_the_poll_gives_no_token(counter) -> None:
    held, request = await for_mother(counter)
    await counter.agreed(counter.son)
    await change(counter, end.revoke, held, counter.mother)
    assert await counter.hears(request) == "invalid_grant"
    assert await counter.count("issued_token") == 0


async def test_a_consent_that_ends_between_the_yes_and_the_poll_gives_no_token(counter) -> None:
    request = await counter.approved()
    (row,) = await counter.rows()
    async with unit_of_work(counter.oauth.sessions) as session:
        await end_grant(session, row.grant_id, Ending("gestopt"), at=counter.oauth.clock.now())
    assert await counter.hears(request) == "invalid_grant"
    assert await counter.count("issued_token") == 0


async def test_a_client_that_is_suspended_after_the_yes_gets_no_token(counter) -> None:
    request = await counter.approved()
    async with unit_of_work(counter.oauth.sessions) as session:
        await suspend(session, counter.app.client_id, at=counter.oauth.clock.now())
    assert (await counter.polls(request)).status_code == 401
    assert await counter.count("issued_token") == 0


async def test_a_request_that_proved_a_key_is_fetched_with_that_key_only(counter) -> None:
    holder, thief = Holder(counter.oauth.clock), Holder(counter.oauth.clock)
    code = await counter.meldcode()
    counter.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/bc-authorize")
    first = await counter.asked(code)
    del counter.app.http.headers["DPoP"]
    await counter.agreed()
    counter.app.http.headers["DPoP"] = thief.proof("POST", ISSUER + "/token")
    assert await counter.hears(first) == "invalid_grant"
    counter.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/token")
    assert await counter.hears(first) == "invalid_grant"  # a wrong key uses it up
    del counter.app.http.headers["DPoP"]
    second = await counter.asked(dpop_jkt=holder.jkt)
    await counter.agreed()
    counter.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/token")
    body = (await counter.polls(second)).json()
    assert body["token_type"] == "DPoP"
    assert claims_of(body["access_token"])["cnf"] == {"jkt": holder.jkt}


async def test_an_id_token_is_signed_as_the_app_registered(oauth) -> None:
    other = await a_counter(oauth, id_token_signed_response_alg="ES256")
    body = await other.tokens(await other.asked())
    header = json.loads(base64.urlsafe_b64decode(body["id_token"].split(".")[0] + "=="))
    assert header["alg"] == "ES256"
