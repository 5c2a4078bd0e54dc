"""Pure rules for refresh tokens: eligible clients, lifetimes and scope."""

from __future__ import annotations

from datetime import datetime, timedelta

from machtiging.access.proof.binding import UNBOUND, Binding
from machtiging.oauth.client import PUBLIC, Client
from machtiging.oauth.errors import OAuthRefusal, Wire

IDLE = timedelta(hours=6)  # OIDC-NLGOV 5.2.8
ABSOLUTE = timedelta(hours=24)  # NL GOV OAuth 3.4, counted from the consent


def may_have_one(client: Client, bound: Binding) -> bool:
    """Check that the client registered for refresh tokens, and authenticates or is sender-constrained.

    Source: NL GOV OAuth 3.1.9.
    """
    return client.refreshes and (client.auth_method != PUBLIC or bound != UNBOUND)


def expires_at(consented_at: datetime, machtiging_ends_at: datetime | None, at: datetime) -> datetime:
    """Compute the expiry: the earliest of idle limit, absolute limit and end of machtiging.

    Counted for a token issued at `at`.
    """
    return min(at + IDLE, last_moment(consented_at, machtiging_ends_at))


def last_moment(consented_at: datetime, machtiging_ends_at: datetime | None) -> datetime:
    """Compute the deadline for refreshing, however active the client is. Then the person must consent again."""
    absolute = consented_at + ABSOLUTE
    return absolute if machtiging_ends_at is None else min(absolute, machtiging_ends_at)


def narrowed_scope(granted: str, asked: str | None) -> str:
    """Return the granted scope, or the requested part of it (RFC 6749 section 6).

    Raises OAuthRefusal `invalid_scope` when more is requested.
    """
    if asked is None:
        return granted
    wanted = asked.split(" ")
    if not set(wanted) <= set(granted.split()) or len(set(wanted)) != len(wanted):
        raise OAuthRefusal(Wire.INVALID_SCOPE, "scope_ruimer_dan_verleend")
    return asked
