"""Clients as they were last seen, each with the version of its row.

Nobody is let in or refused on this alone: the statement that acts sees for itself that the client is still active and
still that version, and whatever is no plain yes is asked again from what stands in the database.
"""

from __future__ import annotations

from typing import NamedTuple

from machtiging.oauth.client import Client

_MOST = 1000


class Known(NamedTuple):
    """One client, and which version of its row this was."""

    client: Client
    version: int


class KnownClients:
    """Those that were asked for last, of one application."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._seen: dict[str, Known] = {}

    def get(self, client_id: str) -> Known | None:
        """As it was last seen; None when it was not, or was forgotten."""
        return self._seen.get(client_id)

    def keep(self, known: Known) -> None:
        """Remember it; when there are too many, the one that has been here longest goes."""
        self._seen.pop(known.client.client_id, None)
        while len(self._seen) >= self._most:
            del self._seen[next(iter(self._seen))]
        self._seen[known.client.client_id] = known

    def forget(self, client_id: str) -> None:
        """It has changed, or it may have."""
        self._seen.pop(client_id, None)
