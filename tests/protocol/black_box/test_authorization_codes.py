"""RFC 6749 4.1, RFC 9700 2.1 and 4.5, RFC 9207: authorization codes, also stolen ones."""

import asyncio
import math

import pytest

from tests.builders.messages import read_claims
from tests.protocol.black_box.authorization_server import Attempt, assert_refused


async def test_code_flow_issues_token(attempt, server):
    answer = await attempt.tokens()
    assert answer["token_type"].lower() == "bearer"
    assert 0 < answer["expires_in"] <= 3600
    assert read_claims(answer["id_token"])["nonce"] == attempt.nonce
    assert await server.active(answer["access_token"])


async def test_mix_up_authorization_response_has_issuer_and_state(attempt, server):
    answer = await attempt.answer()
    assert answer["iss"] == server.issuer
    assert answer["state"] == attempt.state
    assert server.metadata["authorization_response_iss_parameter_supported"] is True


async def test_mix_up_denied_authorization_response_has_issuer_and_no_code(attempt, server):
    attempt = attempt.again(person=server.person(**server.told["refusing"]))
    answer = await attempt.answer()
    assert answer["error"] == "access_denied"
    assert (answer["iss"], answer["state"]) == (server.issuer, attempt.state)
    assert "code" not in answer


async def test_code_is_unguessable(attempt):
    codes = [await attempt.again().code() for _ in range(2)]
    assert codes[0] != codes[1]
    assert all(len(code) * math.log2(64) >= 128 for code in codes)


async def test_code_replayed_is_rejected_and_its_token_revoked(attempt, server):
    code = await attempt.code()
    token = (await attempt.redeem(code)).json()["access_token"]
    assert await server.active(token)
    assert_refused(await attempt.redeem(code), "invalid_grant")
    assert not await server.active(token)
    assert (await server.userinfo(token)).status_code == 401


async def test_code_redeemed_concurrently_issues_at_most_one_token(attempt, server):
    code = await attempt.code()
    answers = await asyncio.gather(*(attempt.redeem(code) for _ in range(6)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) <= 1
    for answer in answers:
        if answer not in good:
            assert_refused(answer, "invalid_grant")


async def test_code_stolen_by_another_client_is_rejected(attempt, server, other_client):
    code = await attempt.code()
    assert_refused(await attempt.redeem(code, client=other_client), "invalid_grant")


async def test_code_without_client_authentication_is_rejected(attempt, server, app):
    code = await attempt.code()
    assert_refused(
        await attempt.redeem(code, client=None, client_id=app.client_id), "invalid_client", "invalid_request"
    )


async def test_code_invented_is_rejected(attempt):
    assert_refused(await attempt.redeem("a" * 43), "invalid_grant")


async def test_code_without_redirect_uri_is_rejected(attempt):
    assert_refused(await attempt.redeem(await attempt.code(), redirect_uri=None), "invalid_grant", "invalid_request")


@pytest.mark.parametrize("change", ["/", "?x=1", "#x", "%2f", "x"])
async def test_code_with_other_redirect_uri_is_rejected(attempt, change):
    uri = attempt.client.redirect_uri + change
    assert_refused(await attempt.redeem(await attempt.code(), redirect_uri=uri), "invalid_grant", "invalid_request")


async def test_token_response_has_cache_control_no_store(attempt):
    answer = await attempt.redeem(await attempt.code())
    assert "no-store" in answer.headers["cache-control"]


async def test_public_client_with_pkce_gets_token(server, person):
    attempt = Attempt(server, server.client("public"), person)
    assert (await attempt.tokens())["access_token"]


async def test_code_of_public_client_at_confidential_client_is_rejected(server, person, app):
    attempt = Attempt(server, server.client("public"), person)
    assert_refused(await attempt.redeem(await attempt.code(), client=app), "invalid_grant")


@pytest.mark.parametrize("grant", ["password", "implicit", "urn:invented", "Authorization_Code", ""])
async def test_grant_type_unsupported_is_rejected(server, app, grant):
    form = {"grant_type": grant, "username": "a", "password": "b", "scope": app.scope}
    answer = await server.post("token_endpoint", app, form)
    assert_refused(answer, "unsupported_grant_type", "invalid_request", "unauthorized_client")


async def test_client_credentials_by_code_flow_client_are_rejected(server, app):
    answer = await server.post("token_endpoint", app, {"grant_type": "client_credentials"})
    assert_refused(answer, "unauthorized_client", "unsupported_grant_type")


async def test_refresh_token_grant_with_unissued_token_is_rejected(server, app):
    answer = await server.post("token_endpoint", app, {"grant_type": "refresh_token", "refresh_token": "a" * 43})
    assert_refused(answer, "unsupported_grant_type", "unauthorized_client", "invalid_grant")


@pytest.mark.parametrize("twice", ["grant_type", "code", "code_verifier", "redirect_uri", "client_id"])
async def test_token_request_with_duplicate_parameter_is_rejected(attempt, server, app, twice):
    form = {
        "grant_type": "authorization_code",
        "code": await attempt.code(),
        "redirect_uri": app.redirect_uri,
        "code_verifier": attempt.pkce.verifier,
    } | app.credentials(server.issuer)
    assert_refused(
        await server.raw("token_endpoint", [*form.items(), (twice, form[twice])]), "invalid_request", "invalid_client"
    )


async def test_token_request_in_query_is_rejected(attempt, server, app):
    form = {"grant_type": "authorization_code", "code": await attempt.code(), "redirect_uri": app.redirect_uri}
    form |= {"code_verifier": attempt.pkce.verifier} | app.credentials(server.issuer)
    answer = await server.http.get(server.metadata["token_endpoint"], params=form)
    assert 400 <= answer.status_code < 500
    assert "access_token" not in answer.text
