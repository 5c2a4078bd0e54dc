"""Validation of metadata in dynamic registration (RFC 7591 section 2). Pure.

A client may set fewer members than an operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from machtiging.crypto.jose import strict_json, take_apart
from machtiging.kernel.errors import NotAuthenticated
from machtiging.kernel.text import drop_byte_order_mark
from machtiging.oauth.client import CODE
from machtiging.oauth.clients import keys, metadata
from machtiging.oauth.errors import OAuthRefusal, Wire

# Supported members of the IANA registry. Only an operator may set our own members.
_FOR_PROGRAMS = frozenset(
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
_NOT_TO_BE_HAD = frozenset(
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
_UNDERSTOOD = _FOR_PROGRAMS | _NOT_TO_BE_HAD | metadata.KNOWN
# Members that affect neither consent nor authentication. A change of any other member needs a review.
_FREE = frozenset({"contacts", "policy_uri", "redirect_uris", "software_id", "software_version", "tos_uri"})
_MOST_FAULTS = 5
_LARGEST_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """An unparsed request body with its content type."""

    content_type: str
    body: bytes


def metadata_in(said: Said) -> dict[str, Any]:
    """Parse the body: one JSON object. Raises OAuthRefusal `invalid_client_metadata`."""
    if said.content_type.split(";")[0].strip().lower() != "application/json":
        raise _unfit("geen_json", "The content type must be application/json.")
    if len(said.body) > _LARGEST_BODY:
        raise _unfit("clientgegevens_te_groot", "The metadata are larger than 64 KB.")
    try:
        return strict_json(drop_byte_order_mark(said.body))
    except NotAuthenticated:
        text = "The body must be one JSON object without repeated members."
        raise _unfit("clientgegevens_onleesbaar", text) from None


def judged(said: Mapping[str, Any], *, practice: bool) -> dict[str, Any]:
    """Validate the metadata and return the registration to store.

    The default grant type is the code, and unknown members are ignored (RFC 7591 section 2). The response shows the
    registered members.

    Raises OAuthRefusal `invalid_client_metadata`, `invalid_redirect_uri`, `invalid_software_statement` or
    `unapproved_software_statement`.
    """
    if "software_statement" in said:
        _refuse_statement(said["software_statement"])
    whole = {"grant_types": [CODE], **{name: value for name, value in said.items() if name in _UNDERSTOOD}}
    faults = metadata.faults_in(whole, practice=practice) | keys.faults_in(whole)
    # Last, because this text is more precise: the member exists, but only an operator may set it.
    faults |= dict.fromkeys(sorted(whole.keys() - _FOR_PROGRAMS), "Dit gegeven kan een programma niet aanmelden.")
    if not _of_the_code_flow(whole):
        # NL GOV OAuth 3.1.3: no clients without a person. No token exchange and no CIBA either.
        faults["grant_types"] = f"Een programma kan alleen {CODE} aanmelden."
    if faults:
        raise _refusal(faults)
    # Without the members that the client may not send in an update; leaving them out means the same.
    return {name: value for name, value in metadata.completed(whole).items() if name in _FOR_PROGRAMS}


def _of_the_code_flow(whole: Mapping[str, Any]) -> bool:
    types = whole["grant_types"]
    return isinstance(types, list) and types[:1] == [CODE]


def _refuse_statement(statement: object) -> None:
    """Refuse every software statement: no issuer of them is trusted.

    Raises OAuthRefusal `invalid_software_statement` for one that is no JWT, else `unapproved_software_statement`.
    """
    try:
        take_apart(statement if isinstance(statement, str) else "")
    except NotAuthenticated:
        text = "The software statement is not a signed JWT."
        raise OAuthRefusal(Wire.INVALID_SOFTWARE_STATEMENT, "softwareverklaring_onleesbaar", text) from None
    raise OAuthRefusal(Wire.UNAPPROVED_SOFTWARE_STATEMENT, "softwareverklaring_niet_vertrouwd")


def _refusal(faults: Mapping[str, str]) -> OAuthRefusal:
    wire = Wire.INVALID_REDIRECT_URI if faults.keys() == {"redirect_uris"} else Wire.INVALID_CLIENT_METADATA
    told = "; ".join(f"{name}: {text}" for name, text in list(faults.items())[:_MOST_FAULTS])
    return OAuthRefusal(wire, "clientgegevens_ongeldig", _ascii(told))


def _unfit(code: str, text: str) -> OAuthRefusal:
    return OAuthRefusal(Wire.INVALID_CLIENT_METADATA, code, text)


def _ascii(text: str) -> str:
    """Replace the characters that `error_description` may not hold (RFC 6749 5.2).

    These are quotes, backslash and non-ASCII. Member names come from the client.
    """
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "?" for letter in text)[:1000]


def weighs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether an operator must review this change.

    Only members without effect on a decision are exempt. The path of a redirect URI may change on its own host, since
    the owner of the host is approved.
    """
    if _hosts(before) != _hosts(after):
        return True
    return any(before.get(name) != after.get(name) for name in (before.keys() | after.keys()) - _FREE)


def _hosts(registration: Mapping[str, Any]) -> set[tuple[str, str]]:
    parts = [urlsplit(uri) for uri in registration.get("redirect_uris", ())]
    return {(one.scheme, one.netloc) for one in parts}
