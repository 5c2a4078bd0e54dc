"""The CIBA grant type at the token endpoint (CIBA 10.1, 11)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import issue, queries
from machtiging.oauth.ciba.poll import Approved, not_valid, poll
from machtiging.oauth.client import CIBA, PRIVATE_KEY_JWT
from machtiging.oauth.errors import TEXTS, OAuthRefusal, Wire, malformed
from machtiging.oauth.openid import id_token
from machtiging.oauth.openid.release import beside
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.grants import consented, order_within
from machtiging.oauth.protocol.server import Exchange, Server
from machtiging.oauth.requests.resources import Target

_CLAIM = "urn:openid:params:jwt:claim:auth_req_id"


class BackchannelGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """The token request of a client that polls with an `auth_req_id`."""

    GRANT_TYPE = CIBA
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server
    request: WireRequest

    def validate_token_request(self) -> None:
        """Authenticate the client and require an `auth_req_id`.

        Raises OAuthRefusal `invalid_client`, `unauthorized_client`, `invalid_request`.
        """
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise OAuthRefusal(Wire.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
        if "auth_req_id" not in self.request.form:
            raise malformed("verzoek_ontbreekt", "The parameter auth_req_id is missing.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Return the token response, or `authorization_pending` or `slow_down`.

        A pending request is no refusal, so it is not journalled.
        """
        status, body = wait(_answer(self.server.exchange, self.request))
        return status, body, self.TOKEN_RESPONSE_HEADER


async def _answer(exchange: Exchange, request: WireRequest) -> tuple[int, dict[str, Any]]:
    found = await poll(exchange, request.client, request.form["auth_req_id"])
    if isinstance(found, Approved):
        return 200, await _tokens(exchange, request, found)
    error = Wire.SLOW_DOWN if found.too_soon else Wire.AUTHORIZATION_PENDING
    return 400, {"error": error.value, "error_description": TEXTS[error]}


async def _tokens(exchange: Exchange, request: WireRequest, approved: Approved) -> dict[str, Any]:
    """Issue tokens for the approved request, by the grant as it is now.

    Raises OAuthRefusal `invalid_grant`.
    """
    if approved.jkt is not None and approved.jkt != request.binding.jkt:
        raise not_valid("verzoek_voor_andere_sleutel")
    grant = await queries.grant_held(exchange.session, approved.grant_id)
    if grant is None or grant.ended_at is not None:
        raise not_valid("grant_beeindigd")
    try:
        held = await consented(exchange, grant)
    except OAuthRefusal as refusal:
        raise not_valid(refusal.code) from refusal
    order = order_within(request, held, Target(exchange.issuer.audience))
    issuer, client, at = exchange.issuer, request.client, exchange.at
    response = await issue.access_token(exchange.session, issuer, client, held, at=at, order=order)
    more = {_CLAIM: request.form["auth_req_id"], **beside(response["access_token"], client.id_token_alg)}
    return response | {"id_token": id_token.made(issuer, client, held, None, at=at, more=more)}
