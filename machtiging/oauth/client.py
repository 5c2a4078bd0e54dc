"""A registered client as a value, with the checks that the protocol needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from machtiging.oauth.rules import GRANT_MANAGEMENT_SCOPES

AUTHORIZATION_CODE = "authorization_code"
CLIENT_CREDENTIALS = "client_credentials"
REFRESH_TOKEN = "refresh_token"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CIBA = "urn:openid:params:grant-type:ciba"
BACKCHANNEL_REQUEST_SIGNING_ALG = (
    "backchannel_authentication_request_signing_alg"  # its presence requires signed requests (CIBA 4)
)
PRIVATE_KEY_JWT = "private_key_jwt"
AUTH_METHOD_NONE = "none"
# RFC 8705 section 2: a certificate issued by a trusted authority, or a registered self-signed one.
TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH = "tls_client_auth", "self_signed_tls_client_auth"
TLS_CLIENT_AUTH_MEMBERS = tuple(
    f"tls_client_auth_{name}" for name in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
)
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1"})


@dataclass(frozen=True, slots=True)
class Client:
    """A client's registered metadata (RFC 7591). Authlib calls the `check_` and `get_` methods."""

    client_id: str
    name: str
    auth_method: str
    grant_type: str
    redirect_uris: tuple[str, ...]
    scope: frozenset[str]
    jwks: dict[str, Any] | None
    oin: str | None
    is_resource_server: bool
    id_token_alg: str
    may_refresh: bool = False
    # Signing algorithm of JWT introspection responses (RFC 9701 section 6).
    introspection_alg: str = "RS256"
    # Its resource (RFC 8707), the layout of its subject claims, and its targets for token exchange (RFC 8693).
    resource: str | None = None
    subject_layout: str = "represents"
    # Signing algorithm of access tokens for its resource.
    access_token_alg: str = "PS256"
    exchange_targets: frozenset[str] = frozenset()
    request_object_alg: str | None = None
    require_signed_request_object: bool = False
    # The URL of its published keys, and our fetched copy (see client_jwks/key_selection.py).
    jwks_uri: str | None = None
    fetched_jwks: dict[str, Any] | None = None
    fetched_at: datetime | None = None
    fetch_failed_at: datetime | None = None
    by_program: bool = False
    # Sender constraint of its tokens: DPoP key (RFC 9449 5.2) or certificate (RFC 8705 3.4). Then the metadata member
    # and value that its certificate must match (RFC 8705 2.1.2).
    dpop_bound_access_tokens: bool = False
    certificate_bound_access_tokens: bool = False
    certificate_subject: tuple[str, str] | None = None
    # OpenID: signing algorithm of userinfo (None: plain JSON), and the redirect URIs after RP-initiated logout.
    userinfo_alg: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()
    # The receiver of its logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.2).
    backchannel_logout_uri: str | None = None

    @property
    def sector_identifier(self) -> str:
        """The sector identifier for pairwise pseudonyms: the host of its redirect URIs (OIDC Core 8.1).

        A loopback host is shared by all clients, so there the client_id is the sector.
        """
        hosts = {urlsplit(uri).hostname or "" for uri in self.redirect_uris}
        host = hosts.pop() if len(hosts) == 1 else ""
        return self.client_id if not host or host in LOOPBACK_HOSTS else host

    @property
    def requires_sender_constraint(self) -> bool:
        """Check that the client registered for sender-constrained tokens only (FAPI 2.0 5.3.2.1).

        The constraint is a DPoP key or a certificate.
        """
        return self.dpop_bound_access_tokens or self.certificate_bound_access_tokens

    def get_client_id(self) -> str:
        """Return the client_id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Return None: a redirect URI is always sent and always compared."""
        return

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scope if all of it is registered, else None. No part is dropped silently."""
        wanted = (scope or "").split(" ") if scope else []
        registered = self.scope - GRANT_MANAGEMENT_SCOPES  # no person consents to these
        return " ".join(wanted) if set(wanted) <= registered and len(set(wanted)) == len(wanted) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare the redirect URI character by character (RFC 9700 4.1.3)."""
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Return False: there are no client secrets."""
        return False

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Check that this is the one registered authentication method."""
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Accept only `code`, and only for clients of the code flow."""
        return response_type == "code" and self.grant_type == AUTHORIZATION_CODE

    def check_grant_type(self, grant_type: str) -> bool:
        """Check that this is the registered grant type, or its refresh (NL GOV OAuth 3.1.1)."""
        return grant_type == self.grant_type or (grant_type == REFRESH_TOKEN and self.may_refresh)


_NO_COLUMNS: Mapping[str, Any] = {}


def build_client(
    client_id: str, registration: Mapping[str, Any], oin: str | None, row: Mapping[str, Any] = _NO_COLUMNS
) -> Client:
    """Build the client from a stored registration, which was validated at registration.

    `row` holds the other columns of its row.
    """
    return Client(
        client_id=client_id,
        name=registration["client_name"],
        auth_method=registration["token_endpoint_auth_method"],
        grant_type=registration["grant_types"][0],
        redirect_uris=tuple(registration.get("redirect_uris", ())),
        scope=frozenset(registration.get("scope", "").split()),
        jwks=registration.get("jwks"),
        oin=oin,
        is_resource_server=registration.get("resource_server", False),
        id_token_alg=registration.get("id_token_signed_response_alg", "PS256"),
        introspection_alg=registration.get("introspection_signed_response_alg", "RS256"),
        may_refresh=REFRESH_TOKEN in registration["grant_types"],
        resource=registration.get("resource"),
        subject_layout=registration.get("subject_layout", "represents"),
        access_token_alg=registration.get("access_token_signed_response_alg", "PS256"),
        exchange_targets=frozenset(registration.get("exchange_targets", ())),
        jwks_uri=registration.get("jwks_uri"),
        fetched_jwks=row.get("fetched_jwks"),
        fetched_at=row.get("fetched_at"),
        fetch_failed_at=row.get("fetch_failed_at"),
        by_program=row.get("by_program", False),
        userinfo_alg=registration.get("userinfo_signed_response_alg"),
        post_logout_redirect_uris=tuple(registration.get("post_logout_redirect_uris", ())),
        backchannel_logout_uri=registration.get("backchannel_logout_uri"),
        dpop_bound_access_tokens=registration.get("dpop_bound_access_tokens", False),
        certificate_bound_access_tokens=registration.get("tls_client_certificate_bound_access_tokens", False),
        certificate_subject=_certificate_subject(registration),
        **_request_object_policy(registration),
    )


def _certificate_subject(registration: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the registered member and value that name the client certificate (RFC 8705 2.1.2)."""
    return next(((name, registration[name]) for name in TLS_CLIENT_AUTH_MEMBERS if name in registration), None)


def _request_object_policy(registration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the algorithm and the obligation of signed request objects, of JAR or of CIBA."""
    return {
        "request_object_alg": registration.get(
            "request_object_signing_alg", registration.get(BACKCHANNEL_REQUEST_SIGNING_ALG)
        ),
        "require_signed_request_object": registration.get(
            "require_signed_request_object", BACKCHANNEL_REQUEST_SIGNING_ALG in registration
        ),
    }
