"""Limit concurrent JWKS fetches: one for each host, and a maximum in total.

A slow site delays only fetches from its own host, apart from one slot of the total.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal

_MAX_CONCURRENT_FETCHES = 16
_TIMEOUT_SECONDS = 2.0


class FetchLimitExceeded(OAuthRefusal):
    """No fetch slot was free in time, for this host or in total.

    The client gets `invalid_client`, as for any failed authentication; the log has the reason.
    """

    def __init__(self) -> None:
        code = "sleutels_ophalen_te_druk"
        super().__init__(OAuthErrorCode.INVALID_CLIENT, code, disclose_cause=True)


class FetchLimiter:
    """A limiter for fetches. It waits `timeout_seconds` for a slot."""

    def __init__(
        self, max_concurrent: int = _MAX_CONCURRENT_FETCHES, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self._total_limit = asyncio.Semaphore(max_concurrent)
        self._timeout_seconds = timeout_seconds
        # Weak values: the lock of a host without fetches is collected.
        self._host_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def reserve_slot(self, uri: str) -> AsyncIterator[None]:
        """Reserve a slot for this URI. Raises FetchLimitExceeded."""
        host = (urlsplit(uri).hostname or "").rstrip(".")
        alone = self._host_locks.setdefault(host, asyncio.Lock())
        async with AsyncExitStack() as locks:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    # The host first: a task that waits for it holds no slot of the total.
                    await locks.enter_async_context(alone)
                    await locks.enter_async_context(self._total_limit)
            except TimeoutError:
                raise FetchLimitExceeded from None
            yield
