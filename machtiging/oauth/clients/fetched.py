"""Keys that a client publishes at its `jwks_uri`: which copy may be used, and when to look for a new one. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire

# Looked for again after a day, or when a key is asked that is not in the copy; never more than once a minute.
FRESH = timedelta(hours=24)
RARELY = timedelta(minutes=1)
# When the client's site is away, the copy does for another day. After that nobody can say that the keys still hold.
USABLE = timedelta(hours=48)


class KeysWanted(OAuthRefusal):
    """The keys have to be fetched first; who answers requests does that with no transaction open, and tries again.

    Where nobody does, it is what it looks like: a client that could not be authenticated.
    """

    def __init__(self, client_id: str, uri: str) -> None:
        super().__init__(Wire.INVALID_CLIENT, "sleutels_niet_opgehaald")
        self.client_id, self.uri = client_id, uri


def keys_of(client: Client, kid: str | None, at: datetime) -> dict[str, Any]:
    """The keys to check a signature of this client under `kid` with: as registered, or as published.

    Raises KeysWanted when it is time to look for others, OAuthRefusal `invalid_client` when there are none to use.
    """
    if client.jwks is not None:
        return client.jwks
    if client.jwks_uri is None:
        raise OAuthRefusal(Wire.INVALID_CLIENT, "client_zonder_sleutels")
    if not _holds(client, kid, at) and may_look(client.fetched_at, client.fetch_failed_at, at):
        raise KeysWanted(client.client_id, client.jwks_uri)
    if client.fetched_jwks is None or client.fetched_at is None or at - client.fetched_at >= USABLE:
        raise OAuthRefusal(Wire.INVALID_CLIENT, "sleutels_niet_te_halen")
    return client.fetched_jwks


def _holds(client: Client, kid: str | None, at: datetime) -> bool:
    """Whether the copy is fresh and has this key in it."""
    keys = (client.fetched_jwks or {}).get("keys", [])
    fresh = client.fetched_at is not None and at - client.fetched_at < FRESH
    return fresh and (kid is None or kid in [key.get("kid") for key in keys])


def may_look(fetched_at: datetime | None, failed_at: datetime | None, at: datetime) -> bool:
    """Whether it is long enough ago that somebody looked, with or without success."""
    return all(before is None or at - before >= RARELY for before in (fetched_at, failed_at))
