"""Decide a token request on the rows that were loaded. Pure: nothing is read or written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from machtiging.access_tokens.sender_constraint import dpop
from machtiging.oauth.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.claimed_client import ClaimedClient, authenticate_claimed_client
from machtiging.oauth.protocol.client_assertion import refuse_client_auth
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.token_binding import resolve_binding
from machtiging.oauth.protocol.token_response import IssuanceRequest
from machtiging.oauth.token_endpoint.authorization_code import decide_authorization_code
from machtiging.oauth.token_endpoint.client_credentials import decide_client_credentials
from machtiging.oauth.token_endpoint.context import TokenRequestContext
from machtiging.oauth.token_endpoint.refresh_token import decide_refresh_token
from machtiging.oauth.token_endpoint.token_request import ClientTokenRequest, ConsumedCredentials, TokenRequest

Issuance = IssuanceRequest | ClientTokenRequest


class GrantTypeRules(NamedTuple):
    """The rules of a grant type. `public_clients`: clients without a key may use it."""

    decide: Callable[[TokenRequest], Issuance]
    public_clients: bool


GRANT_TYPES: Mapping[str, GrantTypeRules] = {
    AUTHORIZATION_CODE: GrantTypeRules(decide_authorization_code, public_clients=True),
    REFRESH_TOKEN: GrantTypeRules(decide_refresh_token, public_clients=True),
    CLIENT_CREDENTIALS: GrantTypeRules(decide_client_credentials, public_clients=False),
}


class TokenDecision(NamedTuple):
    """The decision to commit: tokens to issue, or a refusal. `request` tells what is consumed in either case."""

    request: TokenRequest
    outcome: Issuance | OAuthRefusal


def decide_token_request(
    issuer: Issuer,
    oauth_request: OAuthRequest,
    claimed: ClaimedClient,
    loaded: TokenRequestContext | None,
    at: datetime,
) -> TokenDecision:
    """Decide on the client and credential that were loaded, if any.

    First the client, then the sender constraint of the token, then the grant type. Raises OAuthRefusal `invalid_client`
    for a client that is not authenticated, and JwksFetchRequired; then nothing is consumed.
    """
    rules = GRANT_TYPES[oauth_request.form["grant_type"]]
    found = None if loaded is None else loaded.client
    proven = authenticate_claimed_client(issuer, oauth_request, claimed, found, at, public_clients=rules.public_clients)
    if loaded is None:
        refuse_client_auth("client_onbekend")
    oauth_request.client = proven.client
    oauth_request.credential_proven = oauth_request.credential_proven or claimed.assertion is not None
    consumed = ConsumedCredentials(assertion=proven.assertion_params)
    request = TokenRequest(issuer, oauth_request, loaded, at, consumed, oauth_request.credential_proven)
    try:
        _bind_token(request)
        return TokenDecision(request, rules.decide(request))
    except OAuthRefusal as refusal:
        return TokenDecision(request, refusal)


def _bind_token(request: TokenRequest) -> None:
    """Resolve the sender constraint. Its DPoP proof is consumed after the assertion and before the credential."""
    oauth_request, keyring = request.oauth_request, request.issuer.keyring
    oauth_request.binding, proof = resolve_binding(keyring, request.client, oauth_request.presented, request.at)
    if proof is not None:
        request.consumed = replace(request.consumed, proof=dpop.build_jti_params(proof, request.at))
