"""What this server can do, told honestly: OpenID discovery and RFC 8414. Nothing is listed that is refused."""

from __future__ import annotations

from typing import Any

from machtiging.kernel.assurance import Assurance
from machtiging.oauth.client import CLIENT_CREDENTIALS, CODE, PRIVATE_KEY_JWT, PUBLIC
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.client_auth import ALGORITHMS
from machtiging.oauth.requests import request_object
from machtiging.oauth.rules import DETAIL_TYPES, SCOPES_OF

ID_TOKEN_ALGORITHMS = ("RS256", "PS256", "ES256")
_CLAIMS = ("iss", "sub", "sub_id_type", "aud", "exp", "iat", "nbf", "jti", "nonce", "acr", "auth_time", "represents")


def openid_configuration(issuer: Issuer) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0. OIDC-NLGOV 5.4 wants the code flow alone in here."""
    return _common(issuer) | {
        "grant_types_supported": [CODE],
        "scopes_supported": list(SCOPES_OF[CODE]),
        "userinfo_endpoint": issuer.endpoint("/userinfo"),
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "acr_values_supported": [level.acr for level in Assurance],
        "claims_supported": list(_CLAIMS),
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": False,
        "sub_id_types_supported": ["urn:nl-eid-gdi:1.0:id:pseudonym"],
        "prompt_values_supported": ["consent"],
    }


def authorization_server(issuer: Issuer) -> dict[str, Any]:
    """RFC 8414: the same server as agencies see it, with client credentials."""
    return _common(issuer) | {
        "grant_types_supported": [CODE, CLIENT_CREDENTIALS],
        "scopes_supported": list(dict.fromkeys(scope for scopes in SCOPES_OF.values() for scope in scopes)),
    }


def _common(issuer: Issuer) -> dict[str, Any]:
    return {
        "issuer": issuer.url,
        "authorization_endpoint": issuer.endpoint("/authorize"),
        "token_endpoint": issuer.endpoint("/token"),
        "jwks_uri": issuer.endpoint("/jwks"),
        "pushed_authorization_request_endpoint": issuer.endpoint("/par"),
        "require_pushed_authorization_requests": True,
        "introspection_endpoint": issuer.endpoint("/introspect"),
        "revocation_endpoint": issuer.endpoint("/revoke"),
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
        **_authentication("token", PRIVATE_KEY_JWT, PUBLIC),
        **_authentication("introspection", PRIVATE_KEY_JWT),
        **_authentication("revocation", PRIVATE_KEY_JWT, PUBLIC),
    }


def _authentication(endpoint: str, *methods: str) -> dict[str, list[str]]:
    return {
        f"{endpoint}_endpoint_auth_methods_supported": list(methods),
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    }
