"""A cache of clients, each with the version of its row (optimistic lock).

A cached client alone gives no access. The write statement checks that the client is active and still has this version;
everything but a success is read again from the database.
"""

from __future__ import annotations

from typing import NamedTuple

from machtiging.oauth.client import Client

_MAX_CLIENTS = 1000


class CachedClient(NamedTuple):
    """A cached client and the version of its row."""

    client: Client
    version: int


class ClientCache:
    """A cache of clients, for one application. It holds at most `max_clients`."""

    def __init__(self, max_clients: int = _MAX_CLIENTS) -> None:
        self._max_clients = max_clients
        self._clients: dict[str, CachedClient] = {}

    def get(self, client_id: str) -> CachedClient | None:
        """Return the cached client; None when it is absent."""
        return self._clients.get(client_id)

    def put(self, cached: CachedClient) -> None:
        """Store a client; evict the one stored longest ago when the cache is full."""
        self._clients.pop(cached.client.client_id, None)
        while len(self._clients) >= self._max_clients:
            del self._clients[next(iter(self._clients))]
        self._clients[cached.client.client_id] = cached

    def discard(self, client_id: str) -> None:
        """Discard a client that has changed, or may have."""
        self._clients.pop(client_id, None)
