"""Decide an introspection request on the client that was loaded. Pure: nothing is read or written here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.claimed_client import ClaimedClient, authenticate_claimed_client
from machtiging.oauth.protocol.introspection_revocation import (
    AccessTokenClaims,
    missing_token_error,
    verify_access_token,
)
from machtiging.oauth.protocol.requests import OAuthRequest


class IntrospectionDecision(NamedTuple):
    """The decision to commit: an assertion to consume, and a token to read.

    `refusal`: the request is refused after its assertion was consumed. Without both tokens there is none to read.
    """

    client: Client
    assertion_params: dict[str, Any] | None
    access_token: AccessTokenClaims | None = None
    refresh_token: str | None = None
    refusal: OAuthRefusal | None = None


def decide_introspection(
    issuer: Issuer, request: OAuthRequest, claimed: ClaimedClient, client: Client | None, at: datetime
) -> IntrospectionDecision:
    """Decide on the active client that was found for `claimed`, if any.

    Raises OAuthRefusal `invalid_client` for a client that is not authenticated, and JwksFetchRequired.
    """
    proven, params = authenticate_claimed_client(issuer, request, claimed, client, at)
    token = request.form.get("token")
    if token is None:
        return IntrospectionDecision(proven, params, refusal=missing_token_error())
    if "." in token:  # whatever the hint says: an access token has two dots, a refresh token none
        return IntrospectionDecision(proven, params, access_token=verify_access_token(issuer, token, None, at))
    return IntrospectionDecision(proven, params, refresh_token=token)
