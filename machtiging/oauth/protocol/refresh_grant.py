"""Refresh grant (RFC 6749 section 6): rotate the refresh token in one transaction. The grant is checked live."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import queries
from machtiging.oauth.client import AUTH_METHOD_NONE, PRIVATE_KEY_JWT, REFRESH_TOKEN
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, invalid_request_error
from machtiging.oauth.protocol.grants import (
    build_token_spec,
    check_grant_organisation,
    invalid_grant_error,
    load_active_grant,
)
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.server import OAuthServer, RequestContext
from machtiging.oauth.protocol.token_response import IssuanceRequest, IssuedTokens, build_token_response
from machtiging.oauth.refresh.rotation import (
    ConsumedRefreshToken,
    RefreshTokenReuse,
    consume_refresh_token,
    restore_refresh_token,
)
from machtiging.oauth.refresh.rules import narrow_scope
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget, find_target
from machtiging.oauth.token_issuance import ActiveGrant

_MAX_TOKEN_LENGTH = 128


class RefreshGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """Refresh grant with rotation and reuse detection, for clients that registered for it.

    Authlib's own class has neither.
    """

    GRANT_TYPE = REFRESH_TOKEN
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT, AUTH_METHOD_NONE)
    server: OAuthServer
    request: OAuthRequest

    def validate_token_request(self) -> None:
        """Authenticate the client and require the parameter.

        Raises OAuthRefusal.

        Errors: `invalid_client`, `unauthorized_client`, `invalid_request`.
        """
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_ververst_niet")
        if "refresh_token" not in self.request.form:
            raise invalid_request_error("verversing_ontbreekt")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Build the token response with the next refresh token. Raises OAuthRefusal."""
        return 200, await_sync(self._issue_tokens()), self.TOKEN_RESPONSE_HEADER

    async def _issue_tokens(self) -> dict[str, Any]:
        return await _rotate_and_issue(self.server, self.request)


async def _rotate_and_issue(server: OAuthServer, request: OAuthRequest) -> dict[str, Any]:
    exchange, bound, text = server.context, request.binding, request.form["refresh_token"]
    if len(text) > _MAX_TOKEN_LENGTH:
        raise invalid_grant_error("verversing_onbekend")
    try:
        used = await consume_refresh_token(
            exchange.session, exchange.issuer.details_handler, text, request.client, bound, at=exchange.at
        )
    except RefreshTokenReuse as reused:
        # Only the first replay is journalled: a public client proves nothing, and must not fill the journal.
        request.credential_proven = request.credential_proven or reused.ended_family
        raise
    request.credential_proven = True
    try:
        active_grant = await _load_refreshable_grant(exchange, used)
        target = await find_target(exchange.executor, exchange.issuer, used.resource)
        handout = await build_refresh_response(exchange, request, active_grant, target, used.resource)
        await server.persist_issued_tokens(handout)
    except OAuthRefusal:
        await restore_refresh_token(exchange.session, used)
        raise
    return handout.response


async def _load_refreshable_grant(context: RequestContext, consumed: ConsumedRefreshToken) -> ActiveGrant:
    if context.at >= consumed.expires_at:
        raise invalid_grant_error("verversing_verlopen")
    grant = await queries.lock_grant(context.session, consumed.grant_id)
    if grant is None or grant.ended_at is not None:
        raise invalid_grant_error("grant_beeindigd")
    check_grant_organisation(grant, consumed.organisation_kvk)
    return await load_active_grant(context, grant)


async def build_refresh_response(
    context: RequestContext,
    request: OAuthRequest,
    active_grant: ActiveGrant,
    target: ResourceTarget,
    resource: str | None,
) -> IssuedTokens:
    """Build the tokens for a valid refresh token, within the requested scope and details.

    The ID token repeats the original login time, and has no nonce (OpenID Connect Core 12.2). Raises OAuthRefusal
    `invalid_scope`, `invalid_target`, `invalid_authorization_details`.
    """
    scope = narrow_scope(active_grant.grant.scope, request.form.get("scope"))
    order = replace(build_token_spec(context.issuer, request, active_grant, target), scope=scope)
    share = IssuanceRequest(active_grant, order, resource, include_id_token="openid" in scope.split())
    return await build_token_response(context.executor, context.issuer, request, share, at=context.at)
