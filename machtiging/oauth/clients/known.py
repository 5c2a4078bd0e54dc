"""A cache of clients, each with the version of its row (optimistic lock).

A cached client alone gives no access. The write statement checks that the client is active and still has this version;
everything but a success is read again from the database.
"""

from __future__ import annotations

from typing import NamedTuple

from machtiging.oauth.client import Client

_MOST = 1000


class Known(NamedTuple):
    """A cached client and the version of its row."""

    client: Client
    version: int


class KnownClients:
    """A cache of clients, for one application. It holds at most `max_clients`."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._seen: dict[str, Known] = {}

    def get(self, client_id: str) -> Known | None:
        """Return the cached client; None when it is absent."""
        return self._seen.get(client_id)

    def keep(self, known: Known) -> None:
        """Store a client; evict the one stored longest ago when the cache is full."""
        self._seen.pop(known.client.client_id, None)
        while len(self._seen) >= self._most:
            del self._seen[next(iter(self._seen))]
        self._seen[known.client.client_id] = known

    def forget(self, client_id: str) -> None:
        """Discard a client that has changed, or may have."""
        self._seen.pop(client_id, None)
