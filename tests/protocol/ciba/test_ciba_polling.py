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
from tests.builders.applications import BOX_HANDLER
from tests.builders.ciba import register_ciba_desk
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
async def test_poll_asking_more_than_approved_is_rejected(ciba_desk, wider, error) -> None:
    request = await ciba_desk.approved()
    response = await ciba_desk.polls(request, **wider)
    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_poll_before_decision_returns_authorization_pending(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    for _ in range(3):
        response = await ciba_desk.polls(request)
        assert response.status_code == 400
        assert response.json()["error"] == "authorization_pending"
        assert response.headers["cache-control"] == "no-store"
        ciba_desk.oauth.later(seconds=5)


async def test_poll_before_decision_is_not_journalled(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    for _ in range(3):
        await ciba_desk.polls(request)
    assert await ciba_desk.reasons("token:geweigerd") == []


async def test_poll_too_fast_returns_slow_down_and_adds_five_seconds(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    said = []
    for seconds in (0, 3, 5, 15, 14, 19):
        ciba_desk.oauth.later(seconds=seconds)
        said.append(await ciba_desk.hears(request))
    slow, waits = "slow_down", "authorization_pending"
    assert said == [waits, slow, slow, waits, waits, waits]
    assert [row.interval_seconds for row in await ciba_desk.rows()] == [15]


async def test_poll_one_second_early_is_accepted(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    await ciba_desk.polls(request)
    ciba_desk.oauth.later(seconds=4)
    assert await ciba_desk.hears(request) == "authorization_pending"


async def test_poll_interval_is_capped_at_one_minute(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    for _ in range(13):
        await ciba_desk.polls(request)
    assert [row.interval_seconds for row in await ciba_desk.rows()] == [60]


async def test_concurrent_polls_return_slow_down_except_one(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    said = await asyncio.gather(*(ciba_desk.hears(request) for _ in range(4)))
    assert sorted(said) == ["authorization_pending", *["slow_down"] * 3]
    assert [row.interval_seconds for row in await ciba_desk.rows()] == [20]


async def test_poll_after_approval_issues_access_and_id_token(ciba_desk) -> None:
    request = await ciba_desk.approved()
    body = (await ciba_desk.polls(request)).json()
    access, identity = read_claims(body["access_token"]), read_claims(body["id_token"])
    assert body.keys() >= {"access_token", "token_type", "expires_in", "id_token", "authorization_details", "scope"}
    assert "refresh_token" not in body
    assert access["client_id"] == ciba_desk.app.client_id
    assert access["authorization_details"] == [{"type": "berichtenbox", "actions": ["lijst", "lezen", "downloaden"]}]
    assert access["acr"] == "http://eidas.europa.eu/LoA/substantial"
    assert identity["urn:openid:params:jwt:claim:auth_req_id"] == request
    assert identity["aud"] == ciba_desk.app.client_id
    assert identity["sub"] == access["sub"]
    assert "nonce" not in identity
    assert "represents" not in identity


async def test_ciba_token_is_active_for_its_client(ciba_desk) -> None:
    request = await ciba_desk.approved()
    token = (await ciba_desk.polls(request)).json()["access_token"]
    known = (await ciba_desk.app.post("/introspect", {"token": token})).json()
    assert known["active"] is True
    assert known["client_id"] == ciba_desk.app.client_id


async def test_ciba_subject_is_pairwise_per_client(ciba_desk) -> None:
    other = await register_ciba_desk(ciba_desk.oauth, client_name="Gemeente West")
    names = [
        read_claims((await each.tokens(await each.start_request()))["id_token"])["sub"] for each in (ciba_desk, other)
    ]
    assert names[0] != names[1]


async def test_auth_req_id_replayed_is_rejected_and_journalled(ciba_desk) -> None:
    request = await ciba_desk.approved()
    assert (await ciba_desk.polls(request)).status_code == 200
    assert await ciba_desk.hears(request) == "invalid_grant"
    assert await ciba_desk.reasons("token:geweigerd") == ["verzoek_hergebruikt"]
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 1


async def test_concurrent_polls_after_approval_issue_one_token(ciba_desk) -> None:
    request = await ciba_desk.approved()
    answers = await asyncio.gather(*(ciba_desk.polls(request) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 5]
    assert {each.json()["error"] for each in answers if each.status_code == 400} == {"invalid_grant"}
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 1


async def test_enumeration_auth_req_id_of_another_unknown_or_used_look_alike(ciba_desk) -> None:
    request = await ciba_desk.approved()
    other = await register_ciba_desk(ciba_desk.oauth, client_name="Gemeente West")
    answers = [
        await ciba_desk.polls(request, other.app),
        await ciba_desk.polls("x" * 43),
        await ciba_desk.polls("x" * 500),
    ]
    assert (await ciba_desk.polls(request)).status_code == 200  # other clients neither consumed nor slowed it down
    answers.append(await ciba_desk.polls(request))
    assert {each.status_code for each in answers} == {400}
    assert [each.json() for each in answers] == [answers[0].json()] * 4
    assert answers[0].json()["error"] == "invalid_grant"


async def test_poll_by_client_of_other_grant_type_is_rejected(ciba_desk) -> None:
    request = await ciba_desk.approved()
    reading = await ciba_desk.oauth.register_reading_app()
    assert await ciba_desk.hears(request, reading) == "unauthorized_client"
    public = await ciba_desk.oauth.register_public_app()
    assert (await ciba_desk.polls(request, public)).json()["error"] == "invalid_client"
    assert (await ciba_desk.polls(request)).status_code == 200


async def test_poll_without_auth_req_id_is_rejected(ciba_desk) -> None:
    response = await ciba_desk.app.post("/token", {"grant_type": CIBA})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_poll_after_denial_returns_access_denied(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    await ciba_desk.answers(await ciba_desk.citizen(), "weigeren")
    assert await ciba_desk.hears(request) == "access_denied"
    assert await ciba_desk.hears(request) == "access_denied"
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 0


@pytest.mark.parametrize("decided", [True, False])
async def test_poll_after_expiry_returns_expired_token_and_ends_the_grant(ciba_desk, decided) -> None:
    request = await (ciba_desk.approved() if decided else ciba_desk.start_request())
    ciba_desk.oauth.later(minutes=5)
    assert await ciba_desk.hears(request) == "expired_token"
    assert await ciba_desk.hears(request) == "expired_token"
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 0
    ended = ["verzoek_verlopen"] if decided else []
    assert await ciba_desk.reasons("grant:beeindigd") == ended


async def for_mother(ciba_desk):
    """A pending request of the son for his mother's box under his machtiging."""
    held = await ciba_desk.oauth.grant_machtiging()
    request = await ciba_desk.start_request(
        await ciba_desk.create_meldcode(ciba_desk.son), authorization_details=make_authorization_details(held.id)
    )
    return held, request


async def test_ciba_id_token_under_machtiging_has_represents(ciba_desk) -> None:
    held, request = await for_mother(ciba_desk)
    await ciba_desk.agreed(ciba_desk.son)
    body = (await ciba_desk.polls(request)).json()
    assert read_claims(body["id_token"])["represents"]["sub"] != read_claims(body["id_token"])["sub"]
    assert body["authorization_details"][0]["machtiging"] == str(held.id)


async def change(ciba_desk, act, held, person) -> None:
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await act(session, held.id, person, at=ciba_desk.oauth.clock.now())


@pytest.mark.parametrize("act", [termination.revoke_machtiging, pause.pause_machtiging])
async def test_machtiging_ended_while_request_is_pending_denies_it(ciba_desk, act) -> None:
    held, request = await for_mother(ciba_desk)
    await change(ciba_desk, act, held, ciba_desk.mother)
    assert await ciba_desk.hears(request) == "access_denied"
    assert await ciba_desk.reasons("token:geweigerd") == ["machtiging_geldt_niet"]
    if act is pause.pause_machtiging:
        await change(ciba_desk, pause.resume_machtiging, held, ciba_desk.mother)
    assert "Er wacht nu geen vraag" in (await (await ciba_desk.citizen(ciba_desk.son)).get("/verzoeken")).text
    assert await ciba_desk.hears(request) == "access_denied"


async def test_machtiging_ended_between_approval_and_poll_issues_no_token(ciba_desk) -> None:
    held, request = await for_mother(ciba_desk)
    await ciba_desk.agreed(ciba_desk.son)
    await change(ciba_desk, termination.revoke_machtiging, held, ciba_desk.mother)
    assert await ciba_desk.hears(request) == "invalid_grant"
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 0


async def test_consent_ended_between_approval_and_poll_issues_no_token(ciba_desk) -> None:
    request = await ciba_desk.approved()
    (row,) = await ciba_desk.rows()
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await end_grant(session, BOX_HANDLER, row.grant_id, GrantEnding("gestopt"), at=ciba_desk.oauth.clock.now())
    assert await ciba_desk.hears(request) == "invalid_grant"
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 0


async def test_client_suspended_after_approval_gets_no_token(ciba_desk) -> None:
    request = await ciba_desk.approved()
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await suspend_client(session, ciba_desk.app.client_id, at=ciba_desk.oauth.clock.now())
    assert (await ciba_desk.polls(request)).status_code == 401
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 0


async def test_request_bound_by_dpop_is_fetched_with_its_key_only(ciba_desk) -> None:
    holder, thief = KeyHolder(ciba_desk.oauth.clock), KeyHolder(ciba_desk.oauth.clock)
    code = await ciba_desk.create_meldcode()
    ciba_desk.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/bc-authorize")
    first = await ciba_desk.start_request(code)
    del ciba_desk.app.http.headers["DPoP"]
    await ciba_desk.agreed()
    ciba_desk.app.http.headers["DPoP"] = thief.proof("POST", ISSUER + "/token")
    assert await ciba_desk.hears(first) == "invalid_grant"
    ciba_desk.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/token")
    assert await ciba_desk.hears(first) == "invalid_grant"  # a wrong key consumes the request
    del ciba_desk.app.http.headers["DPoP"]
    second = await ciba_desk.start_request(dpop_jkt=holder.jkt)
    await ciba_desk.agreed()
    ciba_desk.app.http.headers["DPoP"] = holder.proof("POST", ISSUER + "/token")
    body = (await ciba_desk.polls(second)).json()
    assert body["token_type"] == "DPoP"
    assert read_claims(body["access_token"])["cnf"] == {"jkt": holder.jkt}


async def test_ciba_id_token_is_signed_with_the_registered_algorithm(oauth) -> None:
    other = await register_ciba_desk(oauth, id_token_signed_response_alg="ES256")
    body = await other.tokens(await other.start_request())
    header = json.loads(base64.urlsafe_b64decode(body["id_token"].split(".")[0] + "=="))
    assert header["alg"] == "ES256"
