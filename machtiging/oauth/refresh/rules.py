"""Pure rules for refresh tokens: eligible clients, lifetimes and scope."""

from __future__ import annotations

from datetime import datetime, timedelta

from machtiging.access_tokens.sender_constraint.binding import NO_BINDING, TokenBinding
from machtiging.oauth.client import AUTH_METHOD_NONE, Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal

IDLE_LIFETIME = timedelta(hours=6)  # OIDC-NLGOV 5.2.8
ABSOLUTE_LIFETIME = timedelta(hours=24)  # NL GOV OAuth 3.4, counted from the consent


def may_receive_refresh_token(client: Client, binding: TokenBinding) -> bool:
    """Check that the client registered for refresh tokens, and authenticates or is sender-constrained.

    Source: NL GOV OAuth 3.1.9.
    """
    return client.may_refresh and (client.auth_method != AUTH_METHOD_NONE or binding != NO_BINDING)


def compute_expiry(consented_at: datetime, machtiging_ends_at: datetime | None, at: datetime) -> datetime:
    """Compute the expiry: the earliest of idle limit, absolute limit and end of machtiging.

    Counted for a token issued at `at`.
    """
    return min(at + IDLE_LIFETIME, compute_deadline(consented_at, machtiging_ends_at))


def compute_deadline(consented_at: datetime, machtiging_ends_at: datetime | None) -> datetime:
    """Compute the deadline for refreshing, however active the client is. Then the person must consent again."""
    absolute = consented_at + ABSOLUTE_LIFETIME
    return absolute if machtiging_ends_at is None else min(absolute, machtiging_ends_at)


def narrow_scope(granted: str, requested: str | None) -> str:
    """Return the granted scope, or the requested part of it (RFC 6749 section 6).

    Raises OAuthRefusal `invalid_scope` when more is requested.
    """
    if requested is None:
        return granted
    wanted = requested.split(" ")
    if not set(wanted) <= set(granted.split()) or len(set(wanted)) != len(wanted):
        raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "scope_ruimer_dan_verleend")
    return requested
