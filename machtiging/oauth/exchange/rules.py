"""Pure rules for token exchange requests (RFC 8693 section 2.1). Unsupported parameters are refused, not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from machtiging.oauth.errors import OAuthRefusal, Wire, malformed

_TYPES = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, JWT = _TYPES + "access_token", _TYPES + "jwt"
_OURS = (ACCESS_TOKEN, JWT)  # an access token of ours is a JWT: both names apply
# The actor is the authenticated client itself, and a target is named only by its resource.
_UNSUPPORTED = ("actor_token", "actor_token_type", "audience")


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of one token exchange request."""

    subject_token: str
    resource: str
    scope: str | None
    details: str | None
    issued_type: str


def asked_from(form: Mapping[str, str]) -> Asked:
    """Parse a token exchange request.

    Raises OAuthRefusal `invalid_request` for missing, unknown or unsupported parameters.
    """
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
    """Build the one refusal for all subject tokens (RFC 8693 2.2.2). Only the journal gets the cause."""
    return OAuthRefusal(Wire.INVALID_REQUEST, code, "The subject_token cannot be exchanged.")


def scope_left(held: str, registered: frozenset[str], asked: str | None) -> str:
    """Compute the new token's scope: within the subject token's and the client's.

    Raises OAuthRefusal `invalid_scope` when more is requested.
    """
    left = [one for one in held.split() if one in registered]
    wanted = left if asked is None else asked.split(" ")
    if not set(wanted) <= set(left) or len(set(wanted)) != len(wanted):
        raise OAuthRefusal(Wire.INVALID_SCOPE, "scope_ruimer")
    return " ".join(wanted)
