"""Unusual requests of honest clients, which must work or be rejected cleanly.

Sources: OpenID Connect Core 3.1.2 and 5.3, RFC 9126.
"""

import pytest

from tests.builders.messages import read_claims, read_query
from tests.protocol.black_box.authorization_server import assert_refused


async def test_nonce_of_64_characters_is_returned_unchanged(attempt):
    attempt = attempt.again(nonce="n" * 64)
    assert read_claims((await attempt.tokens())["id_token"])["nonce"] == "n" * 64


async def test_nonce_of_384_characters_is_returned_unchanged_or_rejected(attempt):
    attempt = attempt.again(nonce="n" * 384)
    answer = await attempt.push()
    if answer.status_code == 201:
        shown = await attempt.visit(answer.json()["request_uri"])
        told = (await attempt.redeem(read_query(shown.headers["location"])["code"])).json()
        assert read_claims(told["id_token"])["nonce"] == attempt.nonce
    else:
        assert_refused(answer, "invalid_request")


async def test_unknown_parameter_is_ignored(attempt):
    assert (await attempt.tokens(extra="foobar"))["access_token"]


async def test_scope_order_is_ignored(attempt, server):
    refreshing = server.client("refreshing")
    attempt = attempt.again(client=refreshing)
    backwards = " ".join(reversed(refreshing.scope.split()))
    assert (await attempt.tokens(scope=backwards))["id_token"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_par_by_method_other_than_post_is_rejected(attempt, server, app, method):
    address = server.metadata["pushed_authorization_request_endpoint"]
    form = attempt.parameters() | app.credentials(server.issuer)
    answer = await server.http.request(method, address, data=form)
    assert 400 <= answer.status_code < 500
    assert "request_uri:" not in answer.text


async def test_authorization_request_without_response_type_is_rejected(attempt):
    assert_refused(await attempt.push(response_type=None), "invalid_request", "unsupported_response_type")


async def test_authorization_request_without_redirect_uri_is_rejected(attempt):
    assert_refused(await attempt.push(redirect_uri=None), "invalid_request", "invalid_redirect_uri")


async def test_request_uri_opened_again_before_the_answer_is_accepted(attempt, server):
    """A person reloads the page, or a program prefetches the link."""
    reference = await attempt.pushed()
    stranger = server.person()
    await stranger.ask("GET", attempt.address(reference))
    shown = await attempt.visit(reference)
    assert read_query(shown.headers["location"])["code"]


async def test_userinfo_with_token_in_body_is_rejected(server, spare_token):
    body = {"access_token": spare_token["access_token"]}
    answer = await server.http.post(server.metadata["userinfo_endpoint"], data=body)
    assert answer.status_code in (400, 401)
