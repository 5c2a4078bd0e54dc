"""How many sites are visited at a time: one visit to each host, and so many in all. A slow site takes its own place."""

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
    """There was no place in time: the host is being visited for somebody else, or too many others are.

    To the client it looks like any other that could not be authenticated; the log has the reason.
    """

    def __init__(self) -> None:
        code = "sleutels_ophalen_te_druk"
        super().__init__(Wire.INVALID_CLIENT, code, cause=CLIENT_AUTH_CAUSES[code])


class Places:
    """Waits `patience` seconds for a place, and no longer."""

    def __init__(self, at_once: int = _AT_ONCE, patience: float = _PATIENCE) -> None:
        self._few = asyncio.Semaphore(at_once)
        self._patience = patience
        # A host that nobody visits or waits for is forgotten.
        self._hosts: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def place_for(self, uri: str) -> AsyncIterator[None]:
        """A place to visit this address from. Raises Crowded."""
        host = (urlsplit(uri).hostname or "").rstrip(".")
        alone = self._hosts.setdefault(host, asyncio.Lock())
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._patience):
                    # The host first: who waits for it takes no place from others.
                    await held.enter_async_context(alone)
                    await held.enter_async_context(self._few)
            except TimeoutError:
                raise Crowded from None
            yield
