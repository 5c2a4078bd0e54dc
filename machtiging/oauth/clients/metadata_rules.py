"""Rules between members of client metadata. Pure.

Each rule reads the submitted document, since it must also find its errors beside an invalid member.

Sources: RFC 7591, RFC 8705, RFC 8707, RFC 9449, OpenID Connect Registration, RP-Initiated and Back-Channel Logout,
CIBA Core 1.0 section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from machtiging.kernel.errors import Message
from machtiging.oauth.client import (
    AUTH_METHOD_NONE,
    AUTHORIZATION_CODE,
    BACKCHANNEL_REQUEST_SIGNING_ALG,
    CIBA,
    CLIENT_CREDENTIALS,
    PRIVATE_KEY_JWT,
    REFRESH_TOKEN,
    TLS_CLIENT_AUTH,
    TLS_CLIENT_AUTH_MEMBERS,
    TOKEN_EXCHANGE,
)
from machtiging.oauth.clients.metadata_values import (
    MAX_URIS,
    check_resource_uri,
    check_uri,
    is_certificate_name,
)
from machtiging.oauth.rules import GRANT_MANAGEMENT_SCOPES, SCOPES_BY_GRANT_TYPE

# One grant type; a refresh token only continues the grant of the code.
CODE_FLOW_GRANT_TYPES = ([AUTHORIZATION_CODE], [AUTHORIZATION_CODE, REFRESH_TOKEN])
MACHINE_GRANT_TYPES = ([CLIENT_CREDENTIALS], [TOKEN_EXCHANGE], [CIBA])  # no browser takes part in these
_CIBA_MEMBERS = (BACKCHANNEL_REQUEST_SIGNING_ALG, "backchannel_token_delivery_mode", "backchannel_user_code_parameter")
_LOGIN_MEMBERS = (
    "backchannel_logout_session_required",
    "backchannel_logout_uri",
    "post_logout_redirect_uris",
    "userinfo_signed_response_alg",
)
_MAX_TARGETS = 10

Document = Mapping[str, Any]
Errors = dict[str, Message]


def _name_error(name: str, error: Message | None) -> Errors:
    return {} if error is None else {name: error}


def _check_auth_method(document: Document) -> Errors:
    if document.get("token_endpoint_auth_method") != AUTH_METHOD_NONE:
        return {}
    if document.get("grant_types") in MACHINE_GRANT_TYPES:
        return {
            "token_endpoint_auth_method": Message(
                "metadata.auth_method_of_machine", {"private_key_jwt": PRIVATE_KEY_JWT}
            )
        }
    if document.get("resource_server") is True:
        return {
            "token_endpoint_auth_method": Message(
                "metadata.auth_method_of_resource_server", {"private_key_jwt": PRIVATE_KEY_JWT}
            )
        }
    return {}


def _check_response_types(document: Document) -> Errors:
    wanted = ["code"] if document.get("grant_types") in CODE_FLOW_GRANT_TYPES else []
    return (
        {}
        if document.get("response_types", wanted) == wanted
        else {"response_types": Message("metadata.response_types", {"wanted": wanted})}
    )


def _check_redirect_uris(document: Document, *, practice: bool) -> Errors:
    uris = document.get("redirect_uris")
    if document.get("grant_types") in MACHINE_GRANT_TYPES:
        return {} if uris in (None, []) else {"redirect_uris": Message("metadata.no_redirect_uris")}
    if not isinstance(uris, list) or not 0 < len(uris) <= MAX_URIS:
        return {"redirect_uris": Message("metadata.redirect_uris_count", {"max_uris": MAX_URIS})}
    error = next((error for uri in uris if (error := check_uri(uri, practice=practice)) is not None), None)
    # The pairwise subject depends on the host, and sector_identifier_uri is not supported yet (OIDC Core 8.1).
    if error is None and len({urlsplit(uri).hostname for uri in uris}) != 1:
        error = Message("metadata.redirect_uris_of_one_host")
    return _name_error("redirect_uris", error)


def _check_scope(document: Document) -> Errors:
    scope, types = document.get("scope", ""), document.get("grant_types")
    allowed = SCOPES_BY_GRANT_TYPE[types[0]] if types in (*CODE_FLOW_GRANT_TYPES, *MACHINE_GRANT_TYPES) else ()
    if types in CODE_FLOW_GRANT_TYPES and document.get("token_endpoint_auth_method") != AUTH_METHOD_NONE:
        allowed += tuple(sorted(GRANT_MANAGEMENT_SCOPES))
    if not isinstance(scope, str) or not set(scope.split()) <= set(allowed) or " ".join(scope.split()) != scope:
        return {"scope": Message("metadata.scope" if allowed else "metadata.no_scope", {"scope": " ".join(allowed)})}
    return {}


def _check_ciba_members(document: Document) -> Errors:
    if document.get("grant_types") == [CIBA]:
        has_delivery_mode = document.get("backchannel_token_delivery_mode") is not None
        return (
            {}
            if has_delivery_mode
            else {"backchannel_token_delivery_mode": Message("metadata.ciba_delivery_mode", {"ciba": CIBA})}
        )
    return {name: Message("metadata.ciba_only", {"ciba": CIBA}) for name in _CIBA_MEMBERS if name in document}


def _check_token_binding(document: Document) -> Errors:
    dpop, certificate = "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"
    both = document.get(dpop) is True and document.get(certificate) is True
    return {dpop: Message("metadata.one_token_binding", {"dpop": dpop, "certificate": certificate})} if both else {}


def _check_certificate_name(document: Document) -> Errors:
    given_members = [name for name in TLS_CLIENT_AUTH_MEMBERS if name in document]
    if document.get("token_endpoint_auth_method") != TLS_CLIENT_AUTH:
        return dict.fromkeys(
            given_members, Message("metadata.tls_client_auth_only", {"tls_client_auth": TLS_CLIENT_AUTH})
        )
    if len(given_members) != 1:
        sentence = Message(
            "metadata.one_certificate_name",
            {"tls_client_auth": TLS_CLIENT_AUTH, "names": ", ".join(TLS_CLIENT_AUTH_MEMBERS)},
        )
        return dict.fromkeys(given_members or TLS_CLIENT_AUTH_MEMBERS[:1], sentence)
    right = is_certificate_name(given_members[0].removeprefix("tls_client_auth_"), document[given_members[0]])
    return {} if right else {given_members[0]: Message("metadata.certificate_name")}


def _check_resource(document: Document, *, practice: bool) -> Errors:
    errors = {
        name: Message("metadata.resource_owner_only", {"name": name})
        for name in ("subject_layout", "access_token_signed_response_alg")
        if name in document and "resource" not in document
    }
    resource = document.get("resource")
    if resource is None:
        return errors
    if document.get("resource_server") is not True:
        return errors | {"resource": Message("metadata.resource_server_only")}
    return errors | _name_error("resource", check_resource_uri(resource, practice=practice))


def _check_token_exchange(document: Document, *, practice: bool) -> Errors:
    targets = document.get("exchange_targets")
    if document.get("grant_types") != [TOKEN_EXCHANGE]:
        return {} if targets is None else {"exchange_targets": Message("metadata.exchange_only")}
    errors = {}
    if document.get("resource_server") is not True:
        errors["resource_server"] = Message("metadata.exchange_needs_resource_server")
    if not isinstance(targets, list) or not 0 < len(targets) <= _MAX_TARGETS:
        text = Message("metadata.exchange_targets_count", {"max_targets": _MAX_TARGETS})
        return errors | {"exchange_targets": text}
    wrong = (error for one in targets if (error := check_resource_uri(one, practice=practice)) is not None)
    return errors | _name_error("exchange_targets", next(wrong, None))


def _check_request_object_signing(document: Document) -> Errors:
    signs = document.get("require_signed_request_object") is True or "request_object_signing_alg" in document
    if not signs or document.get("token_endpoint_auth_method") == PRIVATE_KEY_JWT:
        return {}
    return {"request_object_signing_alg": Message("metadata.signing_needs_keys", {"private_key_jwt": PRIVATE_KEY_JWT})}


def _check_login_members(document: Document, *, practice: bool) -> Errors:
    if "redirect_uris" not in document:
        return {name: Message("metadata.login_app_only") for name in _LOGIN_MEMBERS if name in document}
    errors = {}
    if "backchannel_logout_uri" in document:
        name = "backchannel_logout_uri"
        errors = _name_error(name, check_uri(document[name], practice=practice, member=name))
    uris = document.get("post_logout_redirect_uris", [])
    if not isinstance(uris, list) or len(uris) > MAX_URIS or len(set(map(str, uris))) != len(uris):
        text = Message("metadata.post_logout_redirect_uris_count", {"max_uris": MAX_URIS})
        return errors | {"post_logout_redirect_uris": text}
    name = "post_logout_redirect_uri"
    wrong = (error for uri in uris if (error := check_uri(uri, practice=practice, member=name)) is not None)
    return errors | _name_error("post_logout_redirect_uris", next(wrong, None))


_RULES: tuple[Callable[[Document], Errors], ...] = (
    _check_auth_method,
    _check_response_types,
    _check_scope,
    _check_ciba_members,
    _check_token_binding,
    _check_certificate_name,
    _check_request_object_signing,
)
_URI_RULES: tuple[Callable[..., Errors], ...] = (
    _check_redirect_uris,
    _check_resource,
    _check_token_exchange,
    _check_login_members,
)


def find_rule_errors(document: Document, *, practice: bool) -> Errors:
    """Find the errors between members, by member. No two rules name the same member."""
    errors: Errors = {}
    for rule in _RULES:
        errors |= rule(document)
    for uri_rule in _URI_RULES:
        errors |= uri_rule(document, practice=practice)
    return errors
