"""Validation of metadata in dynamic registration (RFC 7591 section 2). Pure.

A client may set fewer members than an operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from machtiging.crypto.jose import parse_jws, parse_strict_json
from machtiging.kernel.errors import Message, NotAuthenticated
from machtiging.kernel.text import drop_byte_order_mark
from machtiging.message_catalogue import DUTCH, find_sentence
from machtiging.oauth.client import AUTHORIZATION_CODE
from machtiging.oauth.clients import metadata
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal

# Supported members of the IANA registry. Only an operator may set our own members.
_SELF_REGISTRABLE_MEMBERS = frozenset(
    {
        "authorization_details_types",
        "backchannel_logout_session_required",
        "backchannel_logout_uri",
        "client_name",
        "client_uri",
        "contacts",
        "dpop_bound_access_tokens",
        "grant_types",
        "id_token_signed_response_alg",
        "jwks",
        "jwks_uri",
        "policy_uri",
        "post_logout_redirect_uris",
        "redirect_uris",
        "request_object_signing_alg",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "response_types",
        "scope",
        "software_id",
        "software_version",
        "subject_type",
        "tls_client_certificate_bound_access_tokens",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "tos_uri",
        "userinfo_signed_response_alg",
    }
)
# Known members without support. To ignore them would let an app rely on them.
_UNSUPPORTED_MEMBERS = frozenset(
    {
        "authorization_encrypted_response_alg",
        "authorization_encrypted_response_enc",
        "authorization_signed_response_alg",
        "client_secret",
        "client_secret_expires_at",
        "client_id_issued_at",
        "default_acr_values",
        "default_max_age",
        "frontchannel_logout_session_required",
        "frontchannel_logout_uri",
        "id_token_encrypted_response_alg",
        "id_token_encrypted_response_enc",
        "introspection_encrypted_response_alg",
        "introspection_encrypted_response_enc",
        "registration_access_token",
        "registration_client_uri",
        "request_object_encryption_alg",
        "request_object_encryption_enc",
        "sector_identifier_uri",
        "userinfo_encrypted_response_alg",
        "userinfo_encrypted_response_enc",
    }
)
_RECOGNIZED_MEMBERS = _SELF_REGISTRABLE_MEMBERS | _UNSUPPORTED_MEMBERS | metadata.MEMBERS
# Members that affect neither consent nor authentication. A change of any other member needs a review.
_MEMBERS_WITHOUT_REVIEW = frozenset(
    {"contacts", "policy_uri", "redirect_uris", "software_id", "software_version", "tos_uri"}
)
_MAX_REPORTED_ERRORS = 5
_MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """An unparsed request body with its content type."""

    content_type: str
    body: bytes


def parse_metadata(request: RegistrationRequest) -> dict[str, Any]:
    """Parse the body: one JSON object. Raises OAuthRefusal `invalid_client_metadata`."""
    if request.content_type.split(";")[0].strip().lower() != "application/json":
        raise _unreadable_metadata_refusal("geen_json")
    if len(request.body) > _MAX_BODY_BYTES:
        raise _unreadable_metadata_refusal("clientgegevens_te_groot")
    try:
        return parse_strict_json(drop_byte_order_mark(request.body))
    except NotAuthenticated:
        raise _unreadable_metadata_refusal("clientgegevens_onleesbaar") from None


def validate_metadata(submitted: Mapping[str, Any], *, practice: bool, detail_type: str) -> dict[str, Any]:
    """Validate the metadata and return the registration to store.

    The default grant type is the code, and unknown members are ignored (RFC 7591 section 2). The response shows the
    registered members.

    Raises OAuthRefusal `invalid_client_metadata`, `invalid_redirect_uri`, `invalid_software_statement` or
    `unapproved_software_statement`.
    """
    if "software_statement" in submitted:
        _reject_software_statement(submitted["software_statement"])
    whole = {
        "grant_types": [AUTHORIZATION_CODE],
        **{name: value for name, value in submitted.items() if name in _RECOGNIZED_MEMBERS},
    }
    faults = metadata.find_metadata_errors(whole, practice=practice, detail_type=detail_type)
    # Last, because this text is more precise: the member exists, but only an operator may set it.
    faults |= dict.fromkeys(sorted(whole.keys() - _SELF_REGISTRABLE_MEMBERS), Message("metadata.operator_only"))
    if not _uses_code_flow(whole):
        # NL GOV OAuth 3.1.3: no clients without a person. No token exchange and no CIBA either.
        faults["grant_types"] = Message("metadata.program_grant_types", {"authorization_code": AUTHORIZATION_CODE})
    if faults:
        raise _metadata_refusal(faults)
    # Without the members that the client may not send in an update; leaving them out means the same.
    registration = metadata.add_defaults(whole, detail_type)
    return {name: value for name, value in registration.items() if name in _SELF_REGISTRABLE_MEMBERS}


def _uses_code_flow(submitted: Mapping[str, Any]) -> bool:
    types = submitted["grant_types"]
    return isinstance(types, list) and types[:1] == [AUTHORIZATION_CODE]


def _reject_software_statement(statement: object) -> None:
    """Refuse every software statement: no issuer of them is trusted.

    Raises OAuthRefusal `invalid_software_statement` for one that is no JWT, else `unapproved_software_statement`.
    """
    try:
        parse_jws(statement if isinstance(statement, str) else "")
    except NotAuthenticated:
        code = "softwareverklaring_onleesbaar"
        described = Message(f"oauth.{code}")
        raise OAuthRefusal(OAuthErrorCode.INVALID_SOFTWARE_STATEMENT, code, description=described) from None
    raise OAuthRefusal(OAuthErrorCode.UNAPPROVED_SOFTWARE_STATEMENT, "softwareverklaring_niet_vertrouwd")


def _metadata_refusal(errors: Mapping[str, Message]) -> OAuthRefusal:
    wire = (
        OAuthErrorCode.INVALID_REDIRECT_URI
        if errors.keys() == {"redirect_uris"}
        else OAuthErrorCode.INVALID_CLIENT_METADATA
    )
    reported = list(errors.items())[:_MAX_REPORTED_ERRORS]
    sentences = "; ".join(f"{name}: {find_sentence(message, DUTCH)}" for name, message in reported)
    described = Message("oauth.clientgegevens_ongeldig", {"faults": _replace_non_ascii(sentences)})
    return OAuthRefusal(wire, "clientgegevens_ongeldig", description=described)


def _unreadable_metadata_refusal(code: str) -> OAuthRefusal:
    return OAuthRefusal(OAuthErrorCode.INVALID_CLIENT_METADATA, code, description=Message(f"oauth.{code}"))


def _replace_non_ascii(text: str) -> str:
    """Replace the characters that `error_description` may not hold (RFC 6749 5.2).

    These are quotes, backslash and non-ASCII. Member names come from the client.
    """
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "?" for letter in text)[:1000]


def requires_review(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether an operator must review this change.

    Only members without effect on a decision are exempt. The path of a redirect URI may change on its own host, since
    the owner of the host is approved.
    """
    if _list_redirect_hosts(before) != _list_redirect_hosts(after):
        return True
    return any(before.get(name) != after.get(name) for name in (before.keys() | after.keys()) - _MEMBERS_WITHOUT_REVIEW)


def _list_redirect_hosts(registration: Mapping[str, Any]) -> set[tuple[str, str]]:
    parts = [urlsplit(uri) for uri in registration.get("redirect_uris", ())]
    return {(one.scheme, one.netloc) for one in parts}
