"""What a token exchange may ask (RFC 8693 section 2.1). What is not supported is refused, not ignored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from machtiging.oauth.errors import OAuthRefusal, Wire, malformed

_TYPES = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, JWT = _TYPES + "access_token", _TYPES + "jwt"
_OURS = (ACCESS_TOKEN, JWT)  # an access token of ours is a JWT: both names are true
# An actor is the service itself, which proves who it is; and a target has one name, its resource.
_UNSUPPORTED = ("actor_token", "actor_token_type", "audience")


@dataclass(frozen=True, slots=True)
class Asked:
    """One exchange: this token, for that resource, with no more than this scope and these details."""

    subject_token: str
    resource: str
    scope: str | None
    details: str | None
    issued_type: str


def asked_from(form: Mapping[str, str]) -> Asked:
    """What is asked. Raises OAuthRefusal `invalid_request` for what is missing, unknown or not supported."""
    for name in _UNSUPPORTED:
        if name in form:
            raise malformed("parameter_niet_ondersteund", f"The parameter {name} is not supported.")
    for name in ("subject_token", "subject_token_type", "resource"):
        if name not in form:
            raise malformed("parameter_ontbreekt", f"The parameter {name} is missing.")
    wanted = form.get("requested_token_type", ACCESS_TOKEN)
    if form["subject_token_type"] not in _OURS or wanted not in _OURS:
        raise malformed("soort_token_onbekend", "Only access tokens of this server can be exchanged, and for the same.")
    details = form.get("authorization_details")
    return Asked(form["subject_token"], form["resource"], form.get("scope"), details, wanted)


def unusable(code: str) -> OAuthRefusal:
    """The one refusal for a subject token (RFC 8693 2.2.2): only the journal learns what is wrong with it."""
    return OAuthRefusal(Wire.INVALID_REQUEST, code, "The subject_token cannot be exchanged.")


def scope_left(held: str, registered: frozenset[str], asked: str | None) -> str:
    """The scope of the new token: part of what the old one has and this client is registered for.

    Raises OAuthRefusal `invalid_scope` when more is asked than that.
    """
    left = [one for one in held.split() if one in registered]
    wanted = left if asked is None else asked.split(" ")
    if not set(wanted) <= set(left) or len(set(wanted)) != len(wanted):
        raise OAuthRefusal(Wire.INVALID_SCOPE, "scope_ruimer")
    return " ".join(wanted)
