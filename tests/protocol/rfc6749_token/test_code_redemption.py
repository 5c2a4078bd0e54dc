"""A code is for one client, one redirect URI, one minute and one use (RFC 6749 4.1.3 and RFC 9700)."""

from __future__ import annotations

import asyncio

import pytest

from machtiging.crypto.secrets import sha256_digest
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.flow import ISSUER
from tests.builders.rows import AUTHORIZATION_CODES


def assert_refused(response, error="invalid_grant", status=400):
    assert (response.status_code, response.json().get("error")) == (status, error), response.text
    return response


async def active(flow, tokens):
    app = flow.app
    return (await app.post("/introspect", {"token": tokens["access_token"]})).json()["active"]


async def test_token_response_is_complete_with_cache_control_no_store(oauth) -> None:
    flow = await oauth.start_flow()
    response = await flow.redeem(await flow.code())
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope", "authorization_details", "id_token"}
    assert body["token_type"] == "Bearer"


async def test_row_13_code_replayed_ends_the_grant_and_its_token(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    tokens = (await flow.redeem(code)).json()
    assert await active(flow, tokens)
    assert_refused(await flow.redeem(code))
    assert not await active(flow, tokens)
    (ended,) = await oauth.lines("grant:beeindigd")
    assert (ended.reason, ended.actor_id, ended.client_id) == ("code_hergebruikt", None, flow.app.client_id)
    assert [line.reason for line in await oauth.lines("token:geweigerd")] == ["code_hergebruikt"]


async def test_row_13_code_redeemed_concurrently_succeeds_once_and_ends_the_token(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    answers = await asyncio.gather(*(flow.redeem(code) for _ in range(4)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    assert not await active(flow, won[0])


async def test_row_14_code_stolen_by_another_client_is_rejected_and_stays_valid(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    thief = await oauth.register_reading_app(client_name="Andere app")
    mine, flow.app = flow.app, thief
    assert_refused(await flow.redeem(code))
    flow.app = mine
    assert (await flow.redeem(code)).status_code == 200


async def test_row_15_code_expires_after_one_minute(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    oauth.later(seconds=60)
    assert_refused(await flow.redeem(code))
    code = await flow.code()
    oauth.later(seconds=59)
    assert (await flow.redeem(code)).status_code == 200


async def test_code_with_other_redirect_uri_is_rejected(oauth) -> None:
    uris = ["https://app.voorbeeld.example/een", "https://app.voorbeeld.example/twee"]
    flow = await oauth.start_flow(await oauth.register_reading_app(redirect_uris=uris))
    code = await flow.code()
    for other in (uris[1], None, "https://kwaad.example/", uris[0] + "/"):
        assert_refused(await flow.redeem(await flow.unused(code), redirect_uri=other))
    assert (await flow.redeem(await flow.unused(code))).status_code == 200


async def test_code_used_or_unknown_gets_the_same_error(oauth) -> None:
    flow = await oauth.start_flow()
    used = await flow.code()
    await flow.redeem(used)
    texts = {assert_refused(await flow.redeem(code)).content for code in (used, "onbekend", "é", "a" * 5000, "'; --")}
    assert len(texts) == 1
    assert_refused(await flow.redeem(None), "invalid_request")


async def test_row_18_grant_type_unsupported_is_rejected(oauth) -> None:
    app = await oauth.register_reading_app()
    for kind in ("password", "implicit", 'x"é'):
        form = {"grant_type": kind, "username": "a", "password": "b"}
        assert_refused(await app.post("/token", form), "unsupported_grant_type")
    assert_refused(await app.post("/token"), "unsupported_grant_type")


async def test_row_18_grant_type_not_registered_is_rejected(oauth) -> None:
    app = await oauth.register_reading_app()
    for kind in ("refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"):
        form = {"grant_type": kind, "refresh_token": "c", "subject_token": "d"}
        assert_refused(await app.post("/token", form), "unauthorized_client")


async def test_client_credentials_and_code_grants_exclude_each_other(oauth) -> None:
    assert_refused(
        await (await oauth.register_reading_app()).post("/token", {"grant_type": "client_credentials"}),
        "unauthorized_client",
    )
    agency = await oauth.register_agency()
    assert_refused(
        await agency.post("/token", {"grant_type": "authorization_code", "code": "x"}), "unauthorized_client"
    )


async def test_client_credentials_token_is_bound_to_oin(oauth) -> None:
    agency = await oauth.register_agency()
    response = await agency.post("/token", {"grant_type": "client_credentials", "scope": "aanleveringen:schrijven"})
    body = response.json()
    assert (response.status_code, body["scope"]) == (200, "aanleveringen:schrijven")
    at = oauth.clock.now()
    claims = oauth.service.state.services.keyring.verify_own_jwt(
        body["access_token"], typ="at+jwt", issuer=ISSUER, audience=ISSUER + "/api/v1", at=at
    )
    assert claims["oin"] == agency.registration["oin"]
    assert claims["sub"] == agency.client_id
    assert "represents" not in claims


async def test_client_credentials_with_other_scope_are_rejected(oauth) -> None:
    agency = await oauth.register_agency()
    for scope in ("openid", "aanleveringen:schrijven openid", "alles", 'x"é'):
        form = {"grant_type": "client_credentials", "scope": scope}
        assert_refused(await agency.post("/token", form), "invalid_scope")


async def test_offline_access_scope_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    assert "refresh_token" not in await flow.tokens(scope="openid")
    assert_refused(await flow.push(scope="openid offline_access"), "invalid_scope")


async def test_duplicate_parameters_are_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "x", "code_verifier": flow.pkce.verifier}
    for name in (*form, "client_assertion"):
        pairs = [*flow.app.credentials().items(), *form.items()]
        assert_refused(await flow.app.raw("/token", [*pairs, (name, dict(pairs)[name])]), "invalid_request")


@pytest.mark.parametrize(
    ("ending", "by"), [(revoke_machtiging, "mother"), (give_back_machtiging, "son"), (pause_machtiging, "mother")]
)
async def test_code_is_rejected_after_machtiging_ended_or_paused(oauth, ending, by) -> None:
    held = await oauth.grant_machtiging()
    flow = await oauth.start_flow(machtiging=held)
    tokens, code = await flow.tokens(), await flow.code()
    assert await active(flow, tokens)
    async with unit_of_work(oauth.sessions) as session:
        await ending(session, held.id, getattr(oauth.committed.people, by), at=oauth.clock.now())
    assert not await active(flow, tokens)
    assert_refused(await flow.redeem(code))


async def test_grants_of_one_machtiging_end_without_affecting_another(oauth) -> None:
    app = await oauth.register_reading_app()
    held, other = await oauth.grant_machtiging(), await oauth.grant_machtiging()
    flow, beside = await oauth.start_flow(app, held), await oauth.start_flow(app, other)
    tokens, kept, code = await flow.tokens(), await beside.tokens(), await flow.code()
    by_her = GrantEnding("machtiging_ingetrokken", oauth.committed.people.mother, "self")
    async with unit_of_work(oauth.sessions) as session:
        ended = await end_grants_of_machtiging(session, BOX_HANDLER, held.id, by_her, at=oauth.clock.now())
    assert ended == 2
    assert not await active(flow, tokens)
    assert await active(beside, kept)
    assert_refused(await flow.redeem(code))
    async with unit_of_work(oauth.sessions) as session:
        again = await end_grants_of_machtiging(session, BOX_HANDLER, held.id, by_her, at=oauth.clock.now())
    assert again == 0


async def test_code_is_stored_as_hash(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    row = await AUTHORIZATION_CODES.read_one(oauth)
    assert row.code_hash == sha256_digest(code)
    assert code not in await AUTHORIZATION_CODES.dump(oauth)


async def test_token_issuance_and_refusal_are_journalled_without_the_token(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens()
    (line,) = await oauth.lines("token:uitgegeven")
    assert line.actor_id == oauth.committed.people.son
    assert line.for_person_id == oauth.committed.people.mother
    assert line.client_id == flow.app.client_id
    assert line.machtiging_id is not None
    assert tokens["access_token"] not in str(line)
