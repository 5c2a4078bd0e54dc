"""Refresh grant (RFC 6749 section 6): rotate the refresh token in one transaction. The grant is checked live."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import queries
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, REFRESH
from machtiging.oauth.errors import OAuthRefusal, Wire, malformed
from machtiging.oauth.issue import Consented
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.grants import check_organisation, consented, no_grant, order_within
from machtiging.oauth.protocol.handout import Handout, Share, for_consent
from machtiging.oauth.protocol.server import Exchange, Server
from machtiging.oauth.refresh.rules import narrowed_scope
from machtiging.oauth.refresh.use_up import Reused, Used, give_back, use_up
from machtiging.oauth.requests.resources import Target, target_of

_LONGEST = 128


class RefreshGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """Refresh grant with rotation and reuse detection, for clients that registered for it.

    Authlib's own class has neither.
    """

    GRANT_TYPE = REFRESH
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT, PUBLIC)
    server: Server
    request: WireRequest

    def validate_token_request(self) -> None:
        """Authenticate the client and require the parameter.

        Raises OAuthRefusal.

        Errors: `invalid_client`, `unauthorized_client`, `invalid_request`.
        """
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise OAuthRefusal(Wire.UNAUTHORIZED_CLIENT, "client_ververst_niet")
        if "refresh_token" not in self.request.form:
            raise malformed("verversing_ontbreekt", "The parameter refresh_token is missing.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Build the token response with the next refresh token. Raises OAuthRefusal."""
        return 200, wait(self._refreshed()), self.TOKEN_RESPONSE_HEADER

    async def _refreshed(self) -> dict[str, Any]:
        return await _refreshed(self.server, self.request)


async def _refreshed(server: Server, request: WireRequest) -> dict[str, Any]:
    exchange, bound, text = server.exchange, request.binding, request.form["refresh_token"]
    if len(text) > _LONGEST:
        raise no_grant("verversing_onbekend")
    try:
        used = await use_up(exchange.session, text, request.client, bound, at=exchange.at)
    except Reused as reused:
        # Only the first replay is journalled: a public client proves nothing, and must not fill the journal.
        request.proven = request.proven or reused.first
        raise
    request.proven = True
    try:
        held = await _worth(exchange, used)
        target = await target_of(exchange.work, exchange.issuer, used.resource)
        handout = await refreshed(exchange, request, held, target, used.resource)
        await server.write_down(handout)
    except OAuthRefusal:
        await give_back(exchange.session, used)
        raise
    return handout.response


async def _worth(exchange: Exchange, used: Used) -> Consented:
    if exchange.at >= used.expires_at:
        raise no_grant("verversing_verlopen")
    grant = await queries.grant_held(exchange.session, used.grant_id)
    if grant is None or grant.ended_at is not None:
        raise no_grant("grant_beeindigd")
    check_organisation(grant, used.organisation_kvk)
    return await consented(exchange, grant)


async def refreshed(
    exchange: Exchange, request: WireRequest, held: Consented, target: Target, resource: str | None
) -> Handout:
    """Build the tokens for a valid refresh token, within the requested scope and details.

    The ID token repeats the original login time, and has no nonce (OpenID Connect Core 12.2). Raises OAuthRefusal
    `invalid_scope`, `invalid_target`, `invalid_authorization_details`.
    """
    scope = narrowed_scope(held.grant.scope, request.form.get("scope"))
    order = replace(order_within(request, held, target), scope=scope)
    share = Share(held, order, resource, says_who="openid" in scope.split())
    return await for_consent(exchange.work, exchange.issuer, request, share, at=exchange.at)
