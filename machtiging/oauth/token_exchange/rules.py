"""Pure rules for token exchange requests (RFC 8693 section 2.1). Unsupported parameters are refused, not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from machtiging.kernel.errors import Message
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, invalid_request_error

_TOKEN_TYPE_PREFIX = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN_TYPE, JWT_TYPE = _TOKEN_TYPE_PREFIX + "access_token", _TOKEN_TYPE_PREFIX + "jwt"
_ACCEPTED_TOKEN_TYPES = (ACCESS_TOKEN_TYPE, JWT_TYPE)  # an access token of ours is a JWT: both names apply
# The actor is the authenticated client itself, and a target is named only by its resource.
_UNSUPPORTED_PARAMETERS = ("actor_token", "actor_token_type", "audience")


@dataclass(frozen=True, slots=True)
class TokenExchangeRequest:
    """The parameters of one token exchange request."""

    subject_token: str
    resource: str
    scope: str | None
    authorization_details: str | None
    issued_token_type: str


def parse_token_exchange_request(form: Mapping[str, str]) -> TokenExchangeRequest:
    """Parse a token exchange request.

    Raises OAuthRefusal `invalid_request` for missing, unknown or unsupported parameters.
    """
    for name in _UNSUPPORTED_PARAMETERS:
        if name in form:
            raise invalid_request_error("parameter_niet_ondersteund", name=name)
    for name in ("subject_token", "subject_token_type", "resource"):
        if name not in form:
            raise invalid_request_error("parameter_ontbreekt", name=name)
    wanted = form.get("requested_token_type", ACCESS_TOKEN_TYPE)
    if form["subject_token_type"] not in _ACCEPTED_TOKEN_TYPES or wanted not in _ACCEPTED_TOKEN_TYPES:
        raise invalid_request_error("soort_token_onbekend")
    details = form.get("authorization_details")
    return TokenExchangeRequest(form["subject_token"], form["resource"], form.get("scope"), details, wanted)


def invalid_subject_token_error(code: str) -> OAuthRefusal:
    """Build the one refusal for all subject tokens (RFC 8693 2.2.2). Only the journal gets the cause."""
    return OAuthRefusal(
        OAuthErrorCode.INVALID_REQUEST, code, description=Message("oauth.subject_token_not_exchangeable")
    )


def narrow_exchange_scope(granted: str, registered: frozenset[str], requested: str | None) -> str:
    """Compute the new token's scope: within the subject token's and the client's.

    Raises OAuthRefusal `invalid_scope` when more is requested.
    """
    narrowed = [one for one in granted.split() if one in registered]
    wanted = narrowed if requested is None else requested.split(" ")
    if not set(wanted) <= set(narrowed) or len(set(wanted)) != len(wanted):
        raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "scope_ruimer")
    return " ".join(wanted)
