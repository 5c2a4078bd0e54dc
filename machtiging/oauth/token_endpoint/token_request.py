"""A token request while it is decided: its loaded rows, and the credentials to consume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from machtiging.crypto import secrets
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.grants import check_grant_in_force, check_grant_organisation, invalid_grant_error
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget, build_target
from machtiging.oauth.token_endpoint.context import GRANT, RESOURCE_SERVER, TokenRequestContext, extract_credential
from machtiging.oauth.token_issuance import ActiveGrant


@dataclass(frozen=True, slots=True)
class ConsumedCredentials:
    """Credentials to consume: code or refresh token (grant type and hash), assertion, DPoP proof."""

    credential: tuple[str, bytes] | None = None
    assertion: Mapping[str, Any] | None = None
    proof: Mapping[str, Any] | None = None


NOTHING_CONSUMED = ConsumedCredentials()


@dataclass(frozen=True, slots=True)
class ClientTokenRequest:
    """The decision to issue a token to the client itself, with this scope."""

    scope: str


class ForgedRow(OAuthRefusal):
    """The refusal for a loaded row with an invalid MAC. Its columns have this `prefix`. The row is journalled."""

    def __init__(self, error: OAuthErrorCode, code: str, prefix: str) -> None:
        super().__init__(error, code)
        self.prefix = prefix


@dataclass(slots=True)
class TokenRequest:
    """A token request of an authenticated client.

    `consumed`: so far; a refusal consumes it too. `credential_proven`: the caller proved more than a name.
    """

    issuer: Issuer
    oauth_request: OAuthRequest
    loaded: TokenRequestContext
    at: datetime
    consumed: ConsumedCredentials = NOTHING_CONSUMED
    credential_proven: bool = False

    @property
    def client(self) -> Client:
        """The authenticated client."""
        return self.loaded.client

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters."""
        return self.oauth_request.form

    def consume_credential(self) -> None:
        """Note the code or refresh token of the request as consumed."""
        credential = extract_credential(self.form)
        if credential is not None:
            digest = secrets.sha256_digest(credential)
            self.consumed = replace(self.consumed, credential=(self.form["grant_type"], digest))


def check_loaded_grant(request: TokenRequest) -> ActiveGrant:
    """Check that the grant of the credential is in force. Raises OAuthRefusal `invalid_grant`."""
    grant = request.loaded.grant
    if request.loaded.is_forged(GRANT):
        raise ForgedRow(OAuthErrorCode.INVALID_GRANT, "grant_beeindigd", GRANT)
    if grant is None or grant.ended_at is not None:
        raise invalid_grant_error("grant_beeindigd")
    check_grant_organisation(grant, request.loaded.credential.organisation_kvk)
    return check_grant_in_force(grant, request.loaded.representation, request.loaded.set_refusal, request.at)


def resolve_loaded_target(request: TokenRequest) -> ResourceTarget:
    """Resolve the resource that the credential names. Raises OAuthRefusal `invalid_target`."""
    if request.loaded.is_forged(RESOURCE_SERVER):
        raise ForgedRow(OAuthErrorCode.INVALID_TARGET, "resource_onbekend", RESOURCE_SERVER)
    return build_target(request.issuer, request.loaded.credential.resource, request.loaded.resource_server)
