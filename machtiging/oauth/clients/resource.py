"""Metadata of resource servers (RFC 8707), token exchange and signed request objects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from machtiging.oauth.client import EXCHANGE, PRIVATE_KEY_JWT

# Named like the other `..._signed_response_alg` members: no RFC defines one for access tokens; Keycloak uses this name.
ACCESS_TOKEN_ALG = "access_token_signed_response_alg"
ONE_OF: Mapping[str, tuple[Any, ...]] = {
    ACCESS_TOKEN_ALG: ("PS256", "ES256", "RS256"),
    "request_object_signing_alg": ("ES256", "PS256"),
    "require_signed_request_object": (True, False),
    "subject_layout": ("represents", "act"),
}
MEMBERS = frozenset({"resource", "exchange_targets", *ONE_OF})
_MOST_TARGETS = 10
# Returns the error in a URI, or None.
Judge = Callable[[object], str | None]


def faults_in(metadata: Mapping[str, Any], judge: Judge) -> dict[str, str | None]:
    """Find the errors in these members, by member; None for a correct one."""
    return {
        "resource": _fault_in_resource(metadata, judge),
        "subject_layout": _fault_in_layout(metadata),
        ACCESS_TOKEN_ALG: _fault_in_access_token_alg(metadata),
        "exchange_targets": _fault_in_targets(metadata, judge),
        "resource_server": _fault_in_exchange(metadata),
        "request_object_signing_alg": _fault_in_signing(metadata),
    }


def _fault_in_resource(metadata: Mapping[str, Any], judge: Judge) -> str | None:
    resource = metadata.get("resource")
    if resource is None:
        return None
    if metadata.get("resource_server") is not True:
        return "Alleen een resource server heeft een resource."
    return _fault_in_uri(resource, judge)


def _fault_in_uri(resource: object, judge: Judge) -> str | None:
    if (fault := judge(resource)) is not None:
        return fault.replace("redirect_uri", "resource")
    return "Een resource heeft geen ? in het adres." if "?" in str(resource) else None


def _fault_in_layout(metadata: Mapping[str, Any]) -> str | None:
    right = "subject_layout" not in metadata or "resource" in metadata
    return None if right else "Alleen wie een resource heeft kiest een subject_layout."


def _fault_in_access_token_alg(metadata: Mapping[str, Any]) -> str | None:
    right = ACCESS_TOKEN_ALG not in metadata or "resource" in metadata
    return None if right else f"Alleen wie een resource heeft kiest een {ACCESS_TOKEN_ALG}."


def _fault_in_targets(metadata: Mapping[str, Any], judge: Judge) -> str | None:
    targets = metadata.get("exchange_targets")
    if metadata.get("grant_types") != [EXCHANGE]:
        return None if targets is None else "Alleen wie tokens inwisselt heeft exchange_targets."
    if not isinstance(targets, list) or not 0 < len(targets) <= _MOST_TARGETS:
        return f"Geef 1 tot {_MOST_TARGETS} resources waarvoor deze client tokens mag inwisselen."
    return next((fault for one in targets if (fault := _fault_in_uri(one, judge)) is not None), None)


def _fault_in_exchange(metadata: Mapping[str, Any]) -> str | None:
    if metadata.get("grant_types") != [EXCHANGE] or metadata.get("resource_server") is True:
        return None
    return "Alleen een resource server wisselt tokens in: zet resource_server op true."


def _fault_in_signing(metadata: Mapping[str, Any]) -> str | None:
    signs = metadata.get("require_signed_request_object") is True or "request_object_signing_alg" in metadata
    right = not signs or metadata.get("token_endpoint_auth_method") == PRIVATE_KEY_JWT
    return None if right else f"Alleen een client met {PRIVATE_KEY_JWT} ondertekent zijn verzoeken."
