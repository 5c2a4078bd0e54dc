"""What a program may say of a client (RFC 7591 section 2): less than an operator may. Pure."""

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

# Members in the registry of IANA that this server knows; members of our own making are the operator's to give.
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
# Asked for, and not to be had here. Were it ignored like what nobody knows, an app would take it for granted.
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
# Nobody decides on these, and nobody proves anything with them. A change in anything else is looked at again.
_FREE = frozenset({"contacts", "policy_uri", "redirect_uris", "software_id", "software_version", "tos_uri"})
_MOST_FAULTS = 5
_LARGEST_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """The body of a request, unread, with what it calls itself."""

    content_type: str
    body: bytes


def metadata_in(said: Said) -> dict[str, Any]:
    """The metadata in a request: one JSON object. Raises OAuthRefusal `invalid_client_metadata`."""
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
    """The registration as it will be kept. A grant type that is left out is the code (RFC 7591 section 2).

    What we do not understand is ignored, as the same section demands; the answer says what was registered.
    Raises OAuthRefusal `invalid_client_metadata`, `invalid_redirect_uri`, `invalid_software_statement` or
    `unapproved_software_statement`.
    """
    if "software_statement" in said:
        _refuse_statement(said["software_statement"])
    whole = {"grant_types": [CODE], **{name: value for name, value in said.items() if name in _UNDERSTOOD}}
    faults = metadata.faults_in(whole, practice=practice) | keys.faults_in(whole)
    # After the others, since it says more: these members exist, and a program cannot have them.
    faults |= dict.fromkeys(sorted(whole.keys() - _FOR_PROGRAMS), "Dit gegeven kan een programma niet aanmelden.")
    if not _of_the_code_flow(whole):
        # NL GOV OAuth 3.1.3: never clients without a person. Nor those that exchange, or ask behind a person's back.
        faults["grant_types"] = f"Een programma kan alleen {CODE} aanmelden."
    if faults:
        raise _refusal(faults)
    # Without the members that it cannot send back in a change of its own; left out they mean the same.
    return {name: value for name, value in metadata.completed(whole).items() if name in _FOR_PROGRAMS}


def _of_the_code_flow(whole: Mapping[str, Any]) -> bool:
    types = whole["grant_types"]
    return isinstance(types, list) and types[:1] == [CODE]


def _refuse_statement(statement: object) -> None:
    """No issuer of software statements is trusted, so a good one is not approved and a bad one is bad."""
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
    """RFC 6749 5.2: no quotes, no backslash, nothing outside of ASCII; names of members come from the asker."""
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "?" for letter in text)[:1000]


def weighs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a change is one that an operator has to look at again: all but texts that nobody decides on.

    The place of a redirect URI may change on its own host, where its owner is known already.
    """
    if _hosts(before) != _hosts(after):
        return True
    return any(before.get(name) != after.get(name) for name in (before.keys() | after.keys()) - _FREE)


def _hosts(registration: Mapping[str, Any]) -> set[tuple[str, str]]:
    parts = [urlsplit(uri) for uri in registration.get("redirect_uris", ())]
    return {(one.scheme, one.netloc) for one in parts}
