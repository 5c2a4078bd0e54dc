"""The refresh grant (RFC 6749 section 6): a token and its successor in one transaction, asked live what it is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import issue, queries
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, REFRESH
from machtiging.oauth.errors import OAuthRefusal, Wire, malformed
from machtiging.oauth.issue import Consented
from machtiging.oauth.openid.release import beside, for_id_token
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.grants import consented, no_grant, order_of, refreshable
from machtiging.oauth.protocol.server import Exchange, Server
from machtiging.oauth.refresh.rules import narrowed_scope
from machtiging.oauth.refresh.use_up import Reused, Used, give_back, use_up

_LONGEST = 128


class RefreshGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """For clients that registered for it. Authlib's own class neither rotates nor notices a token that comes twice."""

    GRANT_TYPE = REFRESH
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT, PUBLIC)
    server: Server
    request: WireRequest

    def validate_token_request(self) -> None:
        """Who asks, and with what. Raises OAuthRefusal `invalid_client`, `unauthorized_client`, `invalid_request`."""
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise OAuthRefusal(Wire.UNAUTHORIZED_CLIENT, "client_ververst_niet")
        if "refresh_token" not in self.request.form:
            raise malformed("verversing_ontbreekt", "The parameter refresh_token is missing.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The token response, with the next refresh token in it. Raises OAuthRefusal."""
        return 200, wait(_refreshed(self.server.exchange, self.request)), self.TOKEN_RESPONSE_HEADER


async def _refreshed(exchange: Exchange, request: WireRequest) -> dict[str, Any]:
    bound, text = request.binding, request.form["refresh_token"]
    if len(text) > _LONGEST:
        raise no_grant("verversing_onbekend")
    try:
        used = await use_up(exchange.session, text, request.client, bound, at=exchange.at)
    except Reused as reused:
        # By the first replay only: a public client proves nothing, and must not fill the journal.
        request.proven = request.proven or reused.first
        raise
    request.proven = True
    try:
        return await _response(exchange, request, used)
    except OAuthRefusal:
        await give_back(exchange.session, used)
        raise


async def _response(exchange: Exchange, request: WireRequest, used: Used) -> dict[str, Any]:
    if exchange.at >= used.expires_at:
        raise no_grant("verversing_verlopen")
    grant = await queries.grant_held(exchange.session, used.grant_id)
    if grant is None or grant.ended_at is not None:
        raise no_grant("grant_beeindigd")
    held = await consented(exchange, grant)
    scope = narrowed_scope(grant.scope, request.form.get("scope"))
    order = replace(await order_of(exchange, request, held, used.resource), scope=scope)
    made = issue.access_token(exchange.session, exchange.issuer, request.client, held, at=exchange.at, order=order)
    response = await made | await refreshable(exchange, request, held, used.resource)
    return response | await _id_token(exchange, request, held, scope, response["access_token"])


async def _id_token(
    exchange: Exchange, request: WireRequest, held: Consented, scope: str, access_token: str
) -> dict[str, str]:
    """Again who logged in and when; no nonce, for nobody has logged in just now (OpenID Connect Core 12.2)."""
    if "openid" not in scope.split():
        return {}
    more = await for_id_token(exchange.session, exchange.issuer.keyring, held.grant)
    more |= beside(access_token, request.client.id_token_alg)
    return {"id_token": issue.id_token(exchange.issuer, request.client, held, None, at=exchange.at, more=more)}
