"""POST /token with an auth_req_id: polling interval, client binding, single use, and live checks."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from machtiging.delegation import pause, termination
from machtiging.kernel.ids import uuid7
from machtiging.oauth.client import CIBA
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import register_counter
from tests.builders.client import make_authorization_details
from tests.builders.flow import ISSUER
from tests.builders.keys import KeyHolder
from tests.builders.messages import read_claims
from tests.builders.rows import ISSUED_TOKENS


@pytest.mark.parametrize(
    ("wider", "error"),
    [
        ({"resource": "https://elders.example"}, "invalid_target"),
        ({"authorization_details": make_authorization_details(uuid7())}, "invalid_authorization_details"),
    ],
)
async def test_poll_asking_more_than_approved_is_rejected(counter, wider, error) -> None:
    request = await counter.approved()
    response = await counter.polls(request, **wider)
    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_poll_before_decision_returns_authorization_pending(counter) -> None:
    request = await counter.start_request()
    for _ in range(3):
        response = await counter.polls(request)
        assert response.status_code == 400
        assert response.json()["error"] == "authorization_pending"
        assert response.headers["cache-control"] == "no-store"
        counter.oauth.later(seconds=5)


async def test_poll_before_decision_is_not_journalled(counter) -> None:
    request = await counter.start_request()
    for _ in range(3):
        await counter.polls(request)
    assert await counter.reasons("token:geweigerd") == []


async def test_poll_too_fast_returns_slow_down_and_adds_five_seconds(counter) -> None:
    request = await counter.start_request()
    said = []
    for seconds in (0, 3, 5, 15, 14, 19):
        counter.oauth.later(seconds=seconds)
        said.append(await counter.hears(request))
    slow, waits = "slow_down", "authorization_pending"
    assert said == [waits, slow, slow, waits, waits, waits]
    assert [row.interval_seconds for row in await counter.rows()] == [15]


async def test_poll_one_second_early_is_accepted(counter) -> None:
    request = await counter.start_request()
    await counter.polls(request)
    counter.oauth.later(seconds=4)
    assert await counter.hears(request) == "authorization_pending"


async def test_poll_interval_is_capped_at_one_minute(counter) -> None:
    request = await counter.start_request()
    for _ in range(13):
        await counter.polls(request)
    assert [row.interval_seconds for row in await counter.rows()] == [60]


async def test_concurrent_polls_return_slow_down_except_one(counter) -> None:
    request = await counter.start_request()
    said = await asyncio.gather(*(counter.hears(request) for _ in range(4)))
    assert sorted(said) == ["authorization_pending", *["slow_down"] * 3]
    assert [row.interval_seconds for row in await counter.rows()] == [20]


async def test_poll_after_approval_issues_access_and_id_token(counter) -> None:
    request = await counter.approved()
    body = (await counter.polls(request)).json()
    access, identity = read_claims(body["access_token"]), read_claims(body["id_token"])
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


async def test_ciba_token_is_active_for_its_client(counter) -> None:
    request = await counter.approved()
    token = (await counter.polls(request)).json()["access_token"]
    known = (await counter.app.post("/introspect", {"token": token})).json()
    assert known["active"] is True
    assert known["client_id"] == counter.app.client_id


async def test_ciba_subject_is_pairwise_per_client(counter) -> None:
    other = await register_counter(counter.oauth, client_name="Gemeente West")
    names = [
        read_claims((await each.tokens(await each.start_request()))["id_token"])["sub"] for each in (counter, other)
    ]
    assert names[0] != names[1]


async def test_auth_req_id_replayed_is_rejected_and_journalled(counter) -> None:
    request = await counter.approved()
    assert (await counter.polls(request)).status_code == 200
    assert await counter.hears(request) == "invalid_grant"
    assert await counter.reasons("token:geweigerd") == ["verzoek_hergebruikt"]
    assert await ISSUED_TOKENS.count(counter.oauth) == 1


async def test_concurrent_polls_after_approval_issue_one_token(counter) -> None:
    request = await counter.approved()
    answers = await asyncio.gather(*(counter.polls(request) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 5]
    assert {each.json()["error"] for each in answers if each.status_code == 400} == {"invalid_grant"}
    assert await ISSUED_TOKENS.count(counter.oauth) == 1


async def test_enumeration_auth_req_id_of_another_unknown_or_used_look_alike(counter) -> None:
    request = await counter.approved()
    other = await register_counter(counter.oauth, client_name="Gemeente West")
    answers = [await counter.polls(request, other.app), await counter.polls("x" * 43), await counter.polls("x" * 500)]
    assert (await counter.polls(request)).status_code == 200  # other clients neither consumed nor slowed it down
    answers.append(await counter.polls(request))
    assert {each.status_code for each in answers} == {400}
    assert [each.json() for each in answers] == [answers[0].json()] * 4
    assert answers[0].json()["error"] == "invalid_grant"


async def test_poll_by_client_of_other_grant_type_is_rejected(counter) -> None:
    request = await counter.approved()
    reading = await counter.oauth.register_reading_app()
    assert await counter.hears(request, reading) == "unauthorized_client"
    public = await counter.oauth.register_public_app()
    assert (await counter.polls(request, public)).json()["error"] == "invalid_client"
    assert (await counter.polls(request)).status_code == 200


async def test_poll_without_auth_req_id_is_rejected(counter) -> None:
    response = await counter.app.post("/token", {"grant_type": CIBA})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_poll_after_denial_returns_access_denied(counter) -> None:
    request = await counter.start_request()
    await counter.answers(await counter.citizen(), "weigeren")
    assert await counter.hears(request) == "access_denied"
    assert await counter.hears(request) == "access_denied"
    assert await ISSUED_TOKENS.count(counter.oauth) == 0


@pytest.mark.parametrize("decided", [True, False])
async def test_poll_after_expiry_returns_expired_token_and_ends_the_grant(counter, decided) -> None:
    request = await (counter.approved() if decided else counter.start_request())
    counter.oauth.later(minutes=5)
    assert await counter.hears(request) == "expired_token"
    assert await counter.hears(request) == "expired_token"
    assert await ISSUED_TOKENS.count(counter.oauth) == 0
    ended = ["verzoek_verlopen"] if decided else []
    assert await counter.reasons("grant:beeindigd") == ended


async def for_mother(counter):
    """A pending request of the son for his mother's box under his machtiging."""
    held = await counter.oauth.grant_machtiging()
    request = await counter.start_request(
        await counter.create_meldcode(counter.son), authorization_details=make_authorization_details(held.id)
    )
    return held, request


async def test_ciba_id_token_under_machtiging_has_represents(counter) -> None:
    held, request = await for_mother(counter)
    await counter.agreed(counter.son)
    body = (await counter.polls(request)).json()
    assert read_claims(body["id_token"])["represents"]["sub"] != read_claims(body["id_token"])["sub"]
    assert body["authorization_details"][0]["machtiging"] == str(held.id)


async def change(counter, act, held, person) -> None:
    async with unit_of_work(counter.oauth.sessions) as session:
        await act(session, held.id, person, at=counter.oauth.clock.now())


@pytest.mark.parametrize("act", [termination.revoke_machtiging, pause.pause_machtiging])
async def test_machtiging_ended_while_request_is_pending_denies_it(counter, act) -> None:
    held, request = await for_mother(counter)
    await change(counter, act, held, counter.mother)
    assert await counter.hears(request) == "access_denied"
    assert await counter.reasons("token:geweigerd") == ["machtiging_geldt_niet"]
    if act is pause.pause_machtiging:
        await change(counter, pause.resume_machtiging, held, counter.mother)
    assert "Er wacht nu geen vraag" in (await (await counter.citizen(counter.son)).get("/verzoeken")).text
    assert await counter.hears(request) == "access_denied"


async def test_machtiging_ended_between_approval_and_poll_issues_no_token(counter) -> None:
    held, request = await for_mother(counter)
    await counter.agreed(counter.son)
    await change(counter, termination.revoke_machtiging, held, counter.mother)
    assert await counter.hears(request) == "invalid_grant"
    assert await ISSUED_TOKENS.count(counter.oauth) == 0


async def test_consent_ended_between_approval_and_poll_issues_no_token(counter) -> None:
    request = await counter.approved()
    (row,) = await counter.rows()
    async with unit_of_work(counter.oauth.sessions) as session:
        await end_grant(session, row.grant_id, GrantEnding("gestopt"), at=counter.oauth.clock.now())
    assert await counter.hears(request) == "invalid_grant"
    assert await ISSUED_TOKENS.count(counter.oauth) == 0


async def test_client_suspended_after_approval_gets_no_token(counter) -> None:
    request = await counter.approved()
    async with unit_of_work(counter.oauth.sessions) as session:
        await suspend_client(session, counter.app.client_id, at=counter.oauth.clock.now())
    assert (await counter.polls(request)).status_code == 401
    assert await ISSUED_TOKENS.count(counter.oauth) == 0


async def test_request_bound_by_dpop_is_fetched_with_its_key_only(counter) -> None:
    holder, thief = KeyHolder(counter.oauth.clock), KeyHolder(counter.oauth.clock)
    code = await counter.create_meldcode()
    counter.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/bc-authorize")
    first = await counter.start_request(code)
    del counter.app.http.headers["DPoP"]
    await counter.agreed()
    counter.app.http.headers["DPoP"] = thief.proof("POST", ISSUER + "/token")
    assert await counter.hears(first) == "invalid_grant"
    counter.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/token")
    assert await counter.hears(first) == "invalid_grant"  # a wrong key consumes the request
    del counter.app.http.headers["DPoP"]
    second = await counter.start_request(dpop_jkt=holder.jkt)
    await counter.agreed()
    counter.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/token")
    body = (await counter.polls(second)).json()
    assert body["token_type"] == "DPoP"
    assert read_claims(body["access_token"])["cnf"] == {"jkt": holder.jkt}


async def test_ciba_id_token_is_signed_with_the_registered_algorithm(oauth) -> None:
    other = await register_counter(oauth, id_token_signed_response_alg="ES256")
    body = await other.tokens(await other.start_request())
    header = json.loads(base64.urlsafe_b64decode(body["id_token"].split(".")[0] + "=="))
    assert header["alg"] == "ES256"
