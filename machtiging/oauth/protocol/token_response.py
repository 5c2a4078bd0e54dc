"""Build the whole token response before anything is written.

All tokens are then persisted at once: an access token; with scope openid an ID token; for clients that may refresh, the
next refresh token.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from machtiging.oauth import token_issuance
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid import id_token
from machtiging.oauth.openid.released_claims import build_at_hash, load_id_token_claims
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.refresh.issuance import UnsavedRefreshToken, build_refresh_token
from machtiging.oauth.token_issuance import ActiveGrant, TokenSpec, UnsavedToken
from machtiging.storage.statement import Executor


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """The tokens to persist, and the token response of the client."""

    access_token: UnsavedToken
    refresh_token: UnsavedRefreshToken | None
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IssuanceRequest:
    """The requested part of a grant: token spec, consented resource, ID token or not."""

    active_grant: ActiveGrant
    spec: TokenSpec
    resource: str | None
    include_id_token: bool
    nonce: str | None = None


async def build_token_response(
    executor: Executor, issuer: Issuer, request: OAuthRequest, issuance: IssuanceRequest, *, at: datetime
) -> IssuedTokens:
    """Build all tokens for a person's grant.

    Raises Fault.

    The only database access is a query for the person's name.
    """
    client, active_grant = request.client, issuance.active_grant
    access_token = token_issuance.build_user_token(issuer, client, active_grant, at=at, spec=issuance.spec)
    response = dict(access_token.response)
    if issuance.include_id_token:
        more = await load_id_token_claims(executor, issuer.keyring, active_grant.grant)
        more |= build_at_hash(response["access_token"], client.id_token_alg)
        response["id_token"] = id_token.sign_id_token(
            issuer, client, active_grant, issuance.nonce, at=at, extra_claims=more
        )
    if active_grant.grant.managed:
        response["grant_id"] = str(active_grant.grant.id)
    following = build_refresh_token(client, active_grant, request.binding, resource=issuance.resource, at=at)
    if following is not None:
        response["refresh_token"] = following.text
    return IssuedTokens(access_token, following, response)


def build_client_token_response(access_token: UnsavedToken) -> IssuedTokens:
    """Wrap an access token of the client itself: no other token goes with it."""
    return IssuedTokens(access_token, None, access_token.response)
