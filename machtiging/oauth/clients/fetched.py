"""Keys of a client from `jwks_uri`: select the usable copy, and decide when to fetch. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from machtiging.oauth.client import Client
from machtiging.oauth.errors import CLIENT_AUTH_CAUSES, OAuthRefusal, Wire

# Fetched again after a day, or for a `kid` that is not in the copy; at most once a minute.
FRESH = timedelta(hours=24)
RARELY = timedelta(minutes=1)
# Longer than a fetch takes.
A_VISIT = timedelta(seconds=10)
# While the client's site is unreachable, the copy serves for another day. After that a key may have been revoked.
USABLE = timedelta(hours=48)


class KeysWanted(OAuthRefusal):
    """The JWKS must be fetched before the client can be authenticated.

    `retry_after_jwks_fetch` catches it, fetches without a transaction and tries again. Elsewhere it is the error
    `invalid_client`. `has_usable_copy`: the older copy is still usable.
    """

    def __init__(self, client_id: str, uri: str, *, spare: bool = False) -> None:
        code = "sleutels_niet_opgehaald"
        super().__init__(Wire.INVALID_CLIENT, code, cause=CLIENT_AUTH_CAUSES[code])
        self.client_id, self.uri, self.spare = client_id, uri, spare


def keys_of(client: Client, kid: str | None, at: datetime) -> dict[str, Any]:
    """Select the JWKS for a signature of this client under `kid`: registered or fetched.

    Raises JwksFetchRequired when a fetch is due, OAuthRefusal `invalid_client` without usable keys.
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
        # Another request may be fetching at this moment: wait for its result.
        raise KeysWanted(client.client_id, client.jwks_uri)
    if copy is None:
        raise _no_keys("sleutels_niet_te_halen")
    return copy


def _no_keys(code: str) -> OAuthRefusal:
    return OAuthRefusal(Wire.INVALID_CLIENT, code, cause=CLIENT_AUTH_CAUSES[code])


def _may_look(client: Client, at: datetime) -> bool:
    """Return whether the last fetch, successful or not, is long enough ago."""
    return all(before is None or at - before >= RARELY for before in (client.fetched_at, client.fetch_failed_at))


def _looked_just_now(client: Client, at: datetime) -> bool:
    return client.fetch_failed_at is not None and at - client.fetch_failed_at < A_VISIT
