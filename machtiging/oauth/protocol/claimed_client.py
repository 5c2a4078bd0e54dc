"""Client authentication without Authlib: read who the request says it comes from, then prove it. Pure.

The client is loaded in between. POST /introspect and POST /token use this.
"""

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
from machtiging.oauth.protocol.client_auth import (
    authenticate_public_client,
    build_assertion_params,
    verify_private_key_jwt,
)
from machtiging.oauth.protocol.mtls_auth import build_mtls_auth_methods
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.token_binding import parse_request_certificate


class ClaimedClient(NamedTuple):
    """The client that a request says it comes from, and its assertion. Nothing is proven yet."""

    client_id: str | None
    assertion: ClientAssertion | None


class ProvenClient(NamedTuple):
    """An authenticated client. `assertion_params`: its assertion, to consume (`build_assertion_consume_cte`)."""

    client: Client
    assertion_params: dict[str, Any] | None


def read_claimed_client(request: OAuthRequest, at: datetime) -> ClaimedClient:
    """Read who the request says it comes from. Raises OAuthRefusal `invalid_request` or `invalid_client`."""
    require_one_auth_method(request.form, request.headers)
    parse_request_certificate(request.presented, at)
    assertion = parse_client_assertion(request.form)
    return ClaimedClient(request.form.get("client_id") if assertion is None else assertion.subject, assertion)


def authenticate_claimed_client(
    issuer: Issuer,
    request: OAuthRequest,
    claimed: ClaimedClient,
    client: Client | None,
    at: datetime,
    *,
    public_clients: bool = False,
) -> ProvenClient:
    """Authenticate the active client that was found for `claimed`, if any.

    `public_clients`: a public client only needs its name. Raises OAuthRefusal `invalid_client`, and JwksFetchRequired.
    """
    if claimed.assertion is not None:
        client_id = request.form.get("client_id")
        proven, jti = verify_private_key_jwt(claimed.assertion, client, client_id, issuer.url, at)
        return ProvenClient(proven, build_assertion_params(proven.client_id, jti, at))
    if public_clients and authenticate_public_client(lambda _client_id: client, request) is not None:
        return ProvenClient(request.client, None)
    return ProvenClient(_authenticate_by_certificate(issuer, request, client, at), None)


def _authenticate_by_certificate(issuer: Issuer, request: OAuthRequest, client: Client | None, at: datetime) -> Client:
    for method in build_mtls_auth_methods(at, issuer.certificate_authorities).values():
        proven = method(lambda _client_id: client, request)
        if proven is not None:
            return proven
    raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, "client_onbekend", disclose_cause=True)
