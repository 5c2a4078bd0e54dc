"""Server metadata: OpenID discovery, RFC 8414 and RFC 9728. Nothing is listed that is refused."""

from __future__ import annotations

from typing import Any

from machtiging.access_tokens.sender_constraint.errors import PROOF_ALGORITHMS as DPOP_ALGORITHMS
from machtiging.kernel.assurance import Assurance
from machtiging.message_catalogue import LANGUAGES
from machtiging.oauth.ciba import metadata as ciba
from machtiging.oauth.client import (
    AUTH_METHOD_NONE,
    AUTHORIZATION_CODE,
    CIBA,
    CLIENT_CREDENTIALS,
    PRIVATE_KEY_JWT,
    REFRESH_TOKEN,
    SELF_SIGNED_TLS_CLIENT_AUTH,
    TLS_CLIENT_AUTH,
    TOKEN_EXCHANGE,
)
from machtiging.oauth.grant_management import rules as manage
from machtiging.oauth.introspection import jwt_response
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid import metadata as openid
from machtiging.oauth.protocol.client_assertion import ASSERTION_ALGORITHMS
from machtiging.oauth.request_parameters import request_object
from machtiging.oauth.rules import GRANT_MANAGEMENT_SCOPES, SCOPES_BY_GRANT_TYPE

ID_TOKEN_ALGORITHMS = ("RS256", "PS256", "ES256")
_CLAIM_NAMES = (
    "iss",
    "sub",
    "sub_id_type",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "acr",
    "auth_time",
    "represents",
)


def build_openid_configuration(issuer: Issuer) -> dict[str, Any]:
    """Build the OpenID Connect Discovery 1.0 document. OIDC-NLGOV 5.4 allows only the code flow in it."""
    return _build_common_metadata(issuer) | {
        "grant_types_supported": [AUTHORIZATION_CODE],
        "scopes_supported": list(SCOPES_BY_GRANT_TYPE[AUTHORIZATION_CODE]),
        "userinfo_endpoint": issuer.endpoint_url("/userinfo"),
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "acr_values_supported": [level.acr for level in Assurance],
        "claims_supported": [*_CLAIM_NAMES, *openid.list_requestable_claims()],
        "claim_types_supported": ["normal"],
        "sub_id_types_supported": ["urn:nl-eid-gdi:1.0:id:pseudonym", "urn:nl-eid-gdi:1.0:id:KvKnr"],
        **openid.build_discovery_members(issuer),
    }


def build_authorization_server_metadata(issuer: Issuer) -> dict[str, Any]:
    """Build the RFC 8414 metadata: all grant types and scopes, also those for agencies."""
    return _build_common_metadata(issuer) | {
        "grant_types_supported": [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, TOKEN_EXCHANGE, CIBA],
        "scopes_supported": [
            *dict.fromkeys(scope for scopes in SCOPES_BY_GRANT_TYPE.values() for scope in scopes),
            *sorted(GRANT_MANAGEMENT_SCOPES),
        ],
        **manage.build_discovery_members(issuer),
    }


def build_protected_resource_metadata(issuer: Issuer) -> dict[str, Any]:
    """Build the RFC 9728 metadata of our API."""
    return {
        "resource": issuer.api_audience,
        "authorization_servers": [issuer.url],
        "scopes_supported": list(SCOPES_BY_GRANT_TYPE[CLIENT_CREDENTIALS]),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": issuer.accepts_client_certificates,
        "authorization_details_types_supported": [issuer.details_handler.detail_type],
        "resource_name": "Berichtenbox met machtiging",
        "resource_documentation": issuer.api_audience + "/openapi.json",
    }


def _build_common_metadata(issuer: Issuer) -> dict[str, Any]:
    proved = (PRIVATE_KEY_JWT, *list_mtls_auth_methods(issuer))
    return {
        "issuer": issuer.url,
        "authorization_endpoint": issuer.endpoint_url("/authorize"),
        "token_endpoint": issuer.endpoint_url("/token"),
        "jwks_uri": issuer.endpoint_url("/jwks"),
        "pushed_authorization_request_endpoint": issuer.endpoint_url("/par"),
        "require_pushed_authorization_requests": True,
        "introspection_endpoint": issuer.endpoint_url("/introspect"),
        "introspection_signing_alg_values_supported": list(jwt_response.INTROSPECTION_ALGORITHMS),
        "revocation_endpoint": issuer.endpoint_url("/revoke"),
        "registration_endpoint": issuer.endpoint_url("/register"),
        "service_documentation": issuer.endpoint_url("/docs"),
        **ciba.build_discovery_members(issuer),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_details_types_supported": [issuer.details_handler.detail_type],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(request_object.REQUEST_OBJECT_ALGORITHMS),
        "require_signed_request_object": False,
        "request_uri_parameter_supported": False,
        "ui_locales_supported": list(LANGUAGES),
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": issuer.accepts_client_certificates,
        **_build_mtls_endpoint_aliases(issuer),
        **_build_endpoint_auth_metadata("token", *proved, AUTH_METHOD_NONE),
        **_build_endpoint_auth_metadata("introspection", *proved),
        **_build_endpoint_auth_metadata("revocation", *proved, AUTH_METHOD_NONE),
    }


def _build_mtls_endpoint_aliases(issuer: Issuer) -> dict[str, Any]:
    """Build `mtls_endpoint_aliases` (RFC 8705 section 5): TLS asks for a certificate only there.

    At the ordinary address, every browser would show a certificate dialog.
    """
    if not issuer.accepts_client_certificates or issuer.mtls_url is None:
        return {}
    paths = {"token": "/token", "pushed_authorization_request": "/par", "introspection": "/introspect"}
    paths |= {"revocation": "/revoke", "userinfo": "/userinfo"}
    return {"mtls_endpoint_aliases": {f"{name}_endpoint": issuer.mtls_url + path for name, path in paths.items()}}


def list_mtls_auth_methods(issuer: Issuer) -> tuple[str, ...]:
    """List the mutual-TLS methods (RFC 8705) in use. Empty without a proxy that passes certificates on."""
    if not issuer.accepts_client_certificates:
        return ()
    return (
        (TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH)
        if issuer.certificate_authorities
        else (SELF_SIGNED_TLS_CLIENT_AUTH,)
    )


def _build_endpoint_auth_metadata(endpoint: str, *methods: str) -> dict[str, list[str]]:
    return {
        f"{endpoint}_endpoint_auth_methods_supported": list(methods),
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
    }
