"""Keys of a client from `jwks_uri`: select the usable copy, and decide when to fetch. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal

# Fetched again after a day, or for a `kid` that is not in the copy; at most once a minute.
REFRESH_AFTER = timedelta(hours=24)
MIN_FETCH_INTERVAL = timedelta(minutes=1)
# Longer than a fetch takes.
FETCH_DURATION = timedelta(seconds=10)
# While the client's site is unreachable, the copy serves for another day. After that a key may have been revoked.
MAX_COPY_AGE = timedelta(hours=48)


class JwksFetchRequired(OAuthRefusal):
    """The JWKS must be fetched before the client can be authenticated.

    `retry_after_jwks_fetch`, POST /token and POST /introspect catch it, fetch without a transaction and try again.
    Elsewhere it is the error `invalid_client`. `has_usable_copy`: the older copy is still usable.
    """

    def __init__(self, client_id: str, uri: str, *, has_usable_copy: bool = False) -> None:
        code = "sleutels_niet_opgehaald"
        super().__init__(OAuthErrorCode.INVALID_CLIENT, code, disclose_cause=True)
        self.client_id, self.uri, self.has_usable_copy = client_id, uri, has_usable_copy


def select_jwks(client: Client, kid: str | None, at: datetime) -> dict[str, Any]:
    """Select the JWKS for a signature of this client under `kid`: registered or fetched.

    Raises JwksFetchRequired when a fetch is due, OAuthRefusal `invalid_client` without usable keys.
    """
    if client.jwks is not None:
        return client.jwks
    if client.jwks_uri is None:
        raise _no_keys_refusal("client_zonder_sleutels")
    usable = client.fetched_at is not None and at - client.fetched_at < MAX_COPY_AGE
    copy = client.fetched_jwks if usable else None
    holds = copy is not None and (kid is None or kid in [key.get("kid") for key in copy["keys"]])
    fresh = client.fetched_at is not None and at - client.fetched_at < REFRESH_AFTER
    if not (holds and fresh) and _may_fetch(client, at):
        raise JwksFetchRequired(client.client_id, client.jwks_uri, has_usable_copy=holds)
    if not holds and _is_fetch_in_progress(client, at):
        # Another request may be fetching at this moment: wait for its result.
        raise JwksFetchRequired(client.client_id, client.jwks_uri)
    if copy is None:
        raise _no_keys_refusal("sleutels_niet_te_halen")
    return copy


def _no_keys_refusal(reason: str) -> OAuthRefusal:
    return OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, reason, disclose_cause=True)


def _may_fetch(client: Client, at: datetime) -> bool:
    """Return whether the last fetch, successful or not, is long enough ago."""
    return all(
        before is None or at - before >= MIN_FETCH_INTERVAL for before in (client.fetched_at, client.fetch_failed_at)
    )


def _is_fetch_in_progress(client: Client, at: datetime) -> bool:
    return client.fetch_failed_at is not None and at - client.fetch_failed_at < FETCH_DURATION
