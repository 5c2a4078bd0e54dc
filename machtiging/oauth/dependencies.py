"""Services that the authorization server needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import HTTPConnection

from machtiging.access.dependencies import AccessServices
from machtiging.crypto.certificates import NOBODY, Authorities
from machtiging.dependencies import request_services
from machtiging.oauth.client_jwks.fetcher import PublishedKeys
from machtiging.oauth.clients.known import KnownClients
from machtiging.oauth.issuer import Issuer
from machtiging.web.outbound.visit import Outbound


@dataclass(frozen=True, kw_only=True)
class OAuthServices(AccessServices):
    """The life of an access token in seconds, certificate authorities, and caches of clients and their keys.

    `cause_in_answers`: error answers name the cause of a failed client authentication; None: outside production only.
    """

    access_token_seconds: int
    outbound: Outbound
    published_keys: PublishedKeys
    known_clients: KnownClients
    authorities: Authorities = NOBODY
    cause_in_answers: bool | None = None

    @property
    def names_causes(self) -> bool:
        """Return whether error answers name the cause of a failed client authentication."""
        return self.practice if self.cause_in_answers is None else self.cause_in_answers


def oauth_services(request: HTTPConnection) -> OAuthServices:
    """Return the services of the authorization server behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, OAuthServices)


def issuer_of(services: OAuthServices) -> Issuer:
    """Build the issuer from the services of the application."""
    return Issuer(
        services.issuer,
        services.keyring,
        timedelta(seconds=services.access_token_seconds),
        services.authorities,
        bool(services.trusted_proxies),
        services.mtls_url,
    )
