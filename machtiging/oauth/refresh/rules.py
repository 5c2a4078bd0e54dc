"""Who gets a refresh token, how long it lives, and what may be asked with it. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from machtiging.access.proof.binding import UNBOUND, Binding
from machtiging.oauth.client import PUBLIC, Client
from machtiging.oauth.errors import OAuthRefusal, Wire

IDLE = timedelta(hours=6)  # OIDC-NLGOV 5.2.8
ABSOLUTE = timedelta(hours=24)  # NL GOV OAuth 3.4, from the consent on


def may_have_one(client: Client, bound: Binding) -> bool:
    """Only who asked for it at registration, and proves more than a name (NL GOV OAuth 3.1.9)."""
    return client.refreshes and (client.auth_method != PUBLIC or bound != UNBOUND)


def expires_at(consented_at: datetime, machtiging_ends_at: datetime | None, at: datetime) -> datetime:
    """The end of a token that is made at `at`: idle limit, absolute limit or machtiging, whichever ends first."""
    return min(at + IDLE, last_moment(consented_at, machtiging_ends_at))


def last_moment(consented_at: datetime, machtiging_ends_at: datetime | None) -> datetime:
    """After this no refreshing goes on, however busy it is; the person is asked again."""
    absolute = consented_at + ABSOLUTE
    return absolute if machtiging_ends_at is None else min(absolute, machtiging_ends_at)


def narrowed_scope(granted: str, asked: str | None) -> str:
    """The scope to go on with: what was granted, or the part of it that is asked (RFC 6749 section 6)."""
    if asked is None:
        return granted
    wanted = asked.split(" ")
    if not set(wanted) <= set(granted.split()) or len(set(wanted)) != len(wanted):
        raise OAuthRefusal(Wire.INVALID_SCOPE, "scope_ruimer_dan_verleend")
    return asked
