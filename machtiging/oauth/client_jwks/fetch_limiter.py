"""Limit concurrent JWKS fetches: one for each host, and a maximum in total.

A slow site delays only fetches from its own host, apart from one slot of the total.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from machtiging.oauth.errors import CLIENT_AUTH_CAUSES, OAuthRefusal, Wire

_AT_ONCE = 16
_PATIENCE = 2.0


class Crowded(OAuthRefusal):
    """No fetch slot was free in time, for this host or in total.

    The client gets `invalid_client`, as for any failed authentication; the log has the reason.
    """

    def __init__(self) -> None:
        code = "sleutels_ophalen_te_druk"
        super().__init__(Wire.INVALID_CLIENT, code, cause=CLIENT_AUTH_CAUSES[code])


class Places:
    """A limiter for fetches. It waits `timeout_seconds` for a slot."""

    def __init__(self, at_once: int = _AT_ONCE, patience: float = _PATIENCE) -> None:
        self._few = asyncio.Semaphore(at_once)
        self._patience = patience
        # Weak values: the lock of a host without fetches is collected.
        self._hosts: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def place_for(self, uri: str) -> AsyncIterator[None]:
        """Reserve a slot for this URI. Raises FetchLimitExceeded."""
        host = (urlsplit(uri).hostname or "").rstrip(".")
        alone = self._hosts.setdefault(host, asyncio.Lock())
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._patience):
                    # The host first: a task that waits for it holds no slot of the total.
                    await held.enter_async_context(alone)
                    await held.enter_async_context(self._few)
            except TimeoutError:
                raise Crowded from None
            yield
