"""Decide an introspection request on the client that was loaded. Pure: nothing is read or written here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.client_assertion import (
    ClientAssertion,
    parse_client_assertion,
    require_one_auth_method,
)
from machtiging.oauth.protocol.client_auth import build_assertion_params, verify_private_key_jwt
from machtiging.oauth.protocol.introspection_revocation import (
    AccessTokenClaims,
    missing_token_error,
    verify_access_token,
)
from machtiging.oauth.protocol.mtls_auth import build_mtls_auth_methods
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.token_binding import parse_request_certificate


class ClaimedClient(NamedTuple):
    """The client that a request says it comes from, and its assertion. Nothing is proven yet."""

    client_id: str | None
    assertion: ClientAssertion | None


class IntrospectionDecision(NamedTuple):
    """The decision to commit: an assertion to consume, and a token to read.

    `refusal`: the request is refused after its assertion was consumed. Without both tokens there is none to read.
    """

    client: Client
    assertion_params: dict[str, Any] | None
    access_token: AccessTokenClaims | None = None
    refresh_token: str | None = None
    refusal: OAuthRefusal | None = None


def read_claimed_client(request: OAuthRequest, at: datetime) -> ClaimedClient:
    """Read who the request says it comes from. Raises OAuthRefusal `invalid_request` or `invalid_client`."""
    require_one_auth_method(request.form, request.headers)
    parse_request_certificate(request.presented, at)
    assertion = parse_client_assertion(request.form)
    return ClaimedClient(request.form.get("client_id") if assertion is None else assertion.subject, assertion)


def decide_introspection(
    issuer: Issuer, request: OAuthRequest, claimed: ClaimedClient, client: Client | None, at: datetime
) -> IntrospectionDecision:
    """Decide on the active client that was found for `claimed`, if any.

    Raises OAuthRefusal `invalid_client` for a client that is not authenticated, and JwksFetchRequired.
    """
    if claimed.assertion is None:
        proven, params = _authenticate_by_certificate(issuer, request, client, at), None
    else:
        client_id = request.form.get("client_id")
        proven, jti = verify_private_key_jwt(claimed.assertion, client, client_id, issuer.url, at)
        params = build_assertion_params(proven.client_id, jti, at)
    token = request.form.get("token")
    if token is None:
        return IntrospectionDecision(proven, params, refusal=missing_token_error())
    if "." in token:  # whatever the hint says: an access token has two dots, a refresh token none
        return IntrospectionDecision(proven, params, access_token=verify_access_token(issuer, token, None, at))
    return IntrospectionDecision(proven, params, refresh_token=token)


def _authenticate_by_certificate(issuer: Issuer, request: OAuthRequest, client: Client | None, at: datetime) -> Client:
    for method in build_mtls_auth_methods(at, issuer.certificate_authorities).values():
        proven = method(lambda _client_id: client, request)
        if proven is not None:
            return proven
    raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, "client_onbekend", disclose_cause=True)
