"""Metadata of resource servers (RFC 8707), token exchange and signed request objects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from machtiging.oauth.client import PRIVATE_KEY_JWT, TOKEN_EXCHANGE

# Named like the other `..._signed_response_alg` members: no RFC defines one for access tokens; Keycloak uses this name.
ACCESS_TOKEN_ALG = "access_token_signed_response_alg"
ALLOWED_VALUES: Mapping[str, tuple[Any, ...]] = {
    ACCESS_TOKEN_ALG: ("PS256", "ES256", "RS256"),
    "request_object_signing_alg": ("ES256", "PS256"),
    "require_signed_request_object": (True, False),
    "subject_layout": ("represents", "act"),
}
MEMBERS = frozenset({"resource", "exchange_targets", *ALLOWED_VALUES})
_MAX_TARGETS = 10
# Returns the error in a URI, or None.
UriCheck = Callable[[object], str | None]


def find_resource_errors(metadata: Mapping[str, Any], check_uri: UriCheck) -> dict[str, str | None]:
    """Find the errors in these members, by member; None for a correct one."""
    return {
        "resource": _check_resource(metadata, check_uri),
        "subject_layout": _check_subject_layout(metadata),
        ACCESS_TOKEN_ALG: _check_access_token_alg(metadata),
        "exchange_targets": _check_exchange_targets(metadata, check_uri),
        "resource_server": _check_exchange_resource_server(metadata),
        "request_object_signing_alg": _check_request_object_signing(metadata),
    }


def _check_resource(metadata: Mapping[str, Any], check_uri: UriCheck) -> str | None:
    resource = metadata.get("resource")
    if resource is None:
        return None
    if metadata.get("resource_server") is not True:
        return "Alleen een resource server heeft een resource."
    return _check_resource_uri(resource, check_uri)


def _check_resource_uri(resource: object, check_uri: UriCheck) -> str | None:
    if (fault := check_uri(resource)) is not None:
        return fault.replace("redirect_uri", "resource")
    return "Een resource heeft geen ? in het adres." if "?" in str(resource) else None


def _check_subject_layout(metadata: Mapping[str, Any]) -> str | None:
    right = "subject_layout" not in metadata or "resource" in metadata
    return None if right else "Alleen wie een resource heeft kiest een subject_layout."


def _check_access_token_alg(metadata: Mapping[str, Any]) -> str | None:
    right = ACCESS_TOKEN_ALG not in metadata or "resource" in metadata
    return None if right else f"Alleen wie een resource heeft kiest een {ACCESS_TOKEN_ALG}."


def _check_exchange_targets(metadata: Mapping[str, Any], check_uri: UriCheck) -> str | None:
    targets = metadata.get("exchange_targets")
    if metadata.get("grant_types") != [TOKEN_EXCHANGE]:
        return None if targets is None else "Alleen wie tokens inwisselt heeft exchange_targets."
    if not isinstance(targets, list) or not 0 < len(targets) <= _MAX_TARGETS:
        return f"Geef 1 tot {_MAX_TARGETS} resources waarvoor deze client tokens mag inwisselen."
    return next((fault for one in targets if (fault := _check_resource_uri(one, check_uri)) is not None), None)


def _check_exchange_resource_server(metadata: Mapping[str, Any]) -> str | None:
    if metadata.get("grant_types") != [TOKEN_EXCHANGE] or metadata.get("resource_server") is True:
        return None
    return "Alleen een resource server wisselt tokens in: zet resource_server op true."


def _check_request_object_signing(metadata: Mapping[str, Any]) -> str | None:
    signs = metadata.get("require_signed_request_object") is True or "request_object_signing_alg" in metadata
    right = not signs or metadata.get("token_endpoint_auth_method") == PRIVATE_KEY_JWT
    return None if right else f"Alleen een client met {PRIVATE_KEY_JWT} ondertekent zijn verzoeken."
