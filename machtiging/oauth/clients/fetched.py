"""Keys that a client publishes at its `jwks_uri`: which copy may be used, and when to look for a new one. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from machtiging.oauth.client import Client
from machtiging.oauth.errors import CLIENT_AUTH_CAUSES, OAuthRefusal, Wire

# Looked for again after a day, or when a key is asked that is not in the copy; never more than once a minute.
FRESH = timedelta(hours=24)
RARELY = timedelta(minutes=1)
# Longer than a visit takes.
A_VISIT = timedelta(seconds=10)
# When the client's site is away, the copy does for another day. After that nobody can say that the keys still hold.
USABLE = timedelta(hours=48)


class KeysWanted(OAuthRefusal):
    """The keys have to be fetched first; who answers requests does that with no transaction open, and tries again.

    Where nobody does, it is what it looks like: a client that could not be authenticated. `spare`: the older copy
    would still do.
    """

    def __init__(self, client_id: str, uri: str, *, spare: bool = False) -> None:
        code = "sleutels_niet_opgehaald"
        super().__init__(Wire.INVALID_CLIENT, code, cause=CLIENT_AUTH_CAUSES[code])
        self.client_id, self.uri, self.spare = client_id, uri, spare


def keys_of(client: Client, kid: str | None, at: datetime) -> dict[str, Any]:
    """The keys to check a signature of this client under `kid` with: as registered, or as published.

    Raises KeysWanted when it is time to look for others, OAuthRefusal `invalid_client` when there are none to use.
    """
    if client.jwks is not None:
        return client.jwks
    if client.jwks_uri is None:
        raise _no_keys("client_zonder_sleutels")
    usable = client.fetched_at is not None and at - client.fetched_at < USABLE
    copy = client.fetched_jwks if usable else None
    holds = copy is not None and (kid is None or kid in [key.get("kid") for key in copy["keys"]])
    fresh = client.fetched_at is not None and at - client.fetched_at < FRESH
    if not (holds and fresh) and _may_look(client, at):
        raise KeysWanted(client.client_id, client.jwks_uri, spare=holds)
    if not holds and _looked_just_now(client, at):
        # Perhaps somebody is on his way there at this moment: then wait for him.
        raise KeysWanted(client.client_id, client.jwks_uri)
    if copy is None:
        raise _no_keys("sleutels_niet_te_halen")
    return copy


def _no_keys(code: str) -> OAuthRefusal:
    return OAuthRefusal(Wire.INVALID_CLIENT, code, cause=CLIENT_AUTH_CAUSES[code])


def _may_look(client: Client, at: datetime) -> bool:
    """Whether it is long enough ago that somebody looked, with or without success."""
    return all(before is None or at - before >= RARELY for before in (client.fetched_at, client.fetch_failed_at))


def _looked_just_now(client: Client, at: datetime) -> bool:
    return client.fetch_failed_at is not None and at - client.fetch_failed_at < A_VISIT
