"""Services that the authorization server needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import HTTPConnection

from machtiging.access_tokens.dependencies import TokenServices
from machtiging.crypto.certificates import NO_AUTHORITIES, CertificateAuthorities
from machtiging.dependencies import request_services
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.client_jwks.fetcher import JwksFetcher
from machtiging.oauth.clients.cache import ClientCache
from machtiging.oauth.issuer import Issuer
from machtiging.web.outbound.http_client import OutboundHttpClient


@dataclass(frozen=True, kw_only=True)
class OAuthServices(TokenServices):
    """The access token lifetime in seconds, the details handler, and caches of clients and keys.

    `cause_in_answers`: error answers name the cause of a failed client authentication; None: outside production only.
    """

    access_token_seconds: int
    details_handler: AuthorizationDetailsHandler
    outbound: OutboundHttpClient
    published_keys: JwksFetcher
    known_clients: ClientCache = field(default_factory=ClientCache)
    authorities: CertificateAuthorities = NO_AUTHORITIES
    cause_in_answers: bool | None = None

    @property
    def names_causes(self) -> bool:
        """Return whether error answers name the cause of a failed client authentication."""
        return self.practice if self.cause_in_answers is None else self.cause_in_answers


def oauth_services(request: HTTPConnection) -> OAuthServices:
    """Return the services of the authorization server behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, OAuthServices)


def build_issuer(services: OAuthServices) -> Issuer:
    """Build the issuer from the services of the application."""
    return Issuer(
        services.issuer,
        services.keyring,
        timedelta(seconds=services.access_token_seconds),
        services.details_handler,
        services.authorities,
        bool(services.trusted_proxies),
        services.mtls_url,
    )
