"""Server metadata: OpenID discovery, RFC 8414 and RFC 9728. Nothing is listed that is refused."""

from __future__ import annotations

from typing import Any

from machtiging.access.proof.errors import ALGORITHMS as DPOP_ALGORITHMS
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.ciba import metadata as ciba
from machtiging.oauth.client import (
    BY_AUTHORITY,
    BY_ITSELF,
    CIBA,
    CLIENT_CREDENTIALS,
    CODE,
    EXCHANGE,
    PRIVATE_KEY_JWT,
    PUBLIC,
    REFRESH,
)
from machtiging.oauth.introspection import signed
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.manage import rules as manage
from machtiging.oauth.openid import metadata as openid
from machtiging.oauth.protocol.assertion import ALGORITHMS
from machtiging.oauth.requests import request_object
from machtiging.oauth.rules import DETAIL_TYPES, MANAGEMENT, SCOPES_OF

ID_TOKEN_ALGORITHMS = ("RS256", "PS256", "ES256")
_CLAIMS = ("iss", "sub", "sub_id_type", "aud", "exp", "iat", "nbf", "jti", "nonce", "acr", "auth_time", "represents")


def openid_configuration(issuer: Issuer) -> dict[str, Any]:
    """Build the OpenID Connect Discovery 1.0 document. OIDC-NLGOV 5.4 allows only the code flow in it."""
    return _common(issuer) | {
        "grant_types_supported": [CODE],
        "scopes_supported": list(SCOPES_OF[CODE]),
        "userinfo_endpoint": issuer.endpoint("/userinfo"),
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "acr_values_supported": [level.acr for level in Assurance],
        "claims_supported": [*_CLAIMS, *openid.claims_on_request()],
        "claim_types_supported": ["normal"],
        "sub_id_types_supported": ["urn:nl-eid-gdi:1.0:id:pseudonym"],
        **openid.members(issuer),
    }


def authorization_server(issuer: Issuer) -> dict[str, Any]:
    """Build the RFC 8414 metadata: all grant types and scopes, also those for agencies."""
    return _common(issuer) | {
        "grant_types_supported": [CODE, REFRESH, CLIENT_CREDENTIALS, EXCHANGE, CIBA],
        "scopes_supported": [
            *dict.fromkeys(scope for scopes in SCOPES_OF.values() for scope in scopes),
            *sorted(MANAGEMENT),
        ],
        **manage.members(issuer),
    }


def protected_resource(issuer: Issuer) -> dict[str, Any]:
    """Build the RFC 9728 metadata of our API."""
    return {
        "resource": issuer.audience,
        "authorization_servers": [issuer.url],
        "scopes_supported": list(SCOPES_OF[CLIENT_CREDENTIALS]),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": issuer.sees_certificates,
        "authorization_details_types_supported": list(DETAIL_TYPES),
        "resource_name": "Berichtenbox met machtiging",
        "resource_documentation": issuer.audience + "/openapi.json",
    }


def _common(issuer: Issuer) -> dict[str, Any]:
    proved = (PRIVATE_KEY_JWT, *certificate_methods(issuer))
    return {
        "issuer": issuer.url,
        "authorization_endpoint": issuer.endpoint("/authorize"),
        "token_endpoint": issuer.endpoint("/token"),
        "jwks_uri": issuer.endpoint("/jwks"),
        "pushed_authorization_request_endpoint": issuer.endpoint("/par"),
        "require_pushed_authorization_requests": True,
        "introspection_endpoint": issuer.endpoint("/introspect"),
        "introspection_signing_alg_values_supported": list(signed.ALGORITHMS),
        "revocation_endpoint": issuer.endpoint("/revoke"),
        "registration_endpoint": issuer.endpoint("/register"),
        **ciba.members(issuer),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_details_types_supported": list(DETAIL_TYPES),
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(request_object.ALGORITHMS),
        "require_signed_request_object": False,
        "request_uri_parameter_supported": False,
        "ui_locales_supported": ["nl"],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": issuer.sees_certificates,
        **_aliases(issuer),
        **_authentication("token", *proved, PUBLIC),
        **_authentication("introspection", *proved),
        **_authentication("revocation", *proved, PUBLIC),
    }


def _aliases(issuer: Issuer) -> dict[str, Any]:
    """Build `mtls_endpoint_aliases` (RFC 8705 section 5): TLS asks for a certificate only there.

    At the ordinary address, every browser would show a certificate dialog.
    """
    if not issuer.sees_certificates or issuer.mtls_url is None:
        return {}
    paths = {"token": "/token", "pushed_authorization_request": "/par", "introspection": "/introspect"}
    paths |= {"revocation": "/revoke", "userinfo": "/userinfo"}
    return {"mtls_endpoint_aliases": {f"{name}_endpoint": issuer.mtls_url + path for name, path in paths.items()}}


def certificate_methods(issuer: Issuer) -> tuple[str, ...]:
    """List the mutual-TLS methods (RFC 8705) in use. Empty without a proxy that passes certificates on."""
    if not issuer.sees_certificates:
        return ()
    return (BY_AUTHORITY, BY_ITSELF) if issuer.authorities else (BY_ITSELF,)


def _authentication(endpoint: str, *methods: str) -> dict[str, list[str]]:
    return {
        f"{endpoint}_endpoint_auth_methods_supported": list(methods),
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    }
