"""Count requests in flight and per minute, for each caller, in this process.

The sliding window is the one of `limits`. Its own memory storage starts a thread that goes through every key, so the
counts are kept here: as many as `capacity` and no more, the one that was used longest ago goes first.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.storage.base import SlidingWindowCounterSupport
from limits.strategies import SlidingWindowCounterRateLimiter

CAPACITY = 50_000
_RETRY_SOON = 1
TOO_MANY_IN_FLIGHT = "te_veel_tegelijk"
TOO_MANY_PER_MINUTE = "te_veel_per_minuut"


class CallerKind(StrEnum):
    """The kinds of callers that are counted apart."""

    TOKEN = "token"
    PERSON = "person"
    ADDRESS = "address"


# A caller: its kind, and a name that only this process uses.
Caller = tuple[CallerKind, str]


@dataclass(frozen=True, slots=True)
class Quota:
    """The most requests of one caller, in flight and in a minute."""

    in_flight: int
    per_minute: int

    def share(self, processes: int) -> Quota:
        """The part for one of so many processes: never nothing."""
        return Quota(math.ceil(self.in_flight / processes), math.ceil(self.per_minute / processes))


@dataclass(frozen=True, slots=True)
class Rejection:
    """A request over a limit: which one, of which kind of caller, and after how many seconds to come back."""

    code: str
    kind: CallerKind
    retry_after: int


class BoundedWindowStorage(Storage, SlidingWindowCounterSupport):
    """Sliding windows of at most `capacity` keys, without threads: for one event loop."""

    STORAGE_SCHEME = None

    def __init__(self, capacity: int = CAPACITY, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._capacity = capacity
        self._now = now
        # Per key: the number of the current window, the count in the window before it, the count in it.
        self._windows: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """Errors of the storage; memory has none of its own."""
        return MemoryError

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` more if that stays within the limit."""
        before, weight, current, _ = self.get_sliding_window(key, expiry)
        if math.floor(before * weight / expiry + current) + amount > limit:
            return False
        self._windows[key] = (int(self._now() // expiry), before, current + amount)
        self._windows.move_to_end(key)
        if len(self._windows) > self._capacity:
            self._windows.popitem(last=False)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The count of the previous window and how long it still weighs; the count of this one and how long it does."""
        now = self._now()
        number, left = int(now // expiry), expiry - now % expiry
        known, before, current = self._windows.get(key, (number, 0, 0))
        if known == number - 1:
            before, current = current, 0
        elif known != number:
            before, current = 0, 0
        return before, left if before else 0.0, current, left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a key."""
        self.clear(key)

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._windows.pop(key, None)

    def get(self, key: str) -> int:
        """The count of the newest window of a key."""
        return self._windows.get(key, (0, 0, 0))[2]

    def get_expiry(self, key: str) -> float:
        """Windows expire by their number; there is nothing to wait for."""
        return self._now()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count without a limit. Raises NotImplementedError: nothing here is counted without one."""
        raise NotImplementedError

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything."""
        count = len(self._windows)
        self._windows.clear()
        return count


class RateLimiter:
    """The limits of one process. `acquire` before a request, `release` after it."""

    def __init__(
        self,
        quotas: Mapping[CallerKind, Quota],
        *,
        capacity: int = CAPACITY,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quotas = dict(quotas)
        self._items = {kind: RateLimitItemPerMinute(quota.per_minute) for kind, quota in quotas.items()}
        # Storages of their own, so that many strangers' addresses push no token and no person out.
        self.storages = {kind: BoundedWindowStorage(capacity, now) for kind in quotas}
        self._windows = {kind: SlidingWindowCounterRateLimiter(self.storages[kind]) for kind in quotas}
        self._in_flight: Counter[Caller] = Counter()

    def acquire(self, callers: Sequence[Caller]) -> Rejection | None:
        """Count a request for all its callers, or for none of them and say why not."""
        for caller in callers:
            if self._in_flight[caller] >= self._quotas[caller[0]].in_flight:
                return Rejection(TOO_MANY_IN_FLIGHT, caller[0], _RETRY_SOON)
        for kind, name in callers:
            if not self._windows[kind].test(self._items[kind], name):
                return Rejection(TOO_MANY_PER_MINUTE, kind, self._retry_after(kind, name))
        for kind, name in callers:
            self._windows[kind].hit(self._items[kind], name)
            self._in_flight[kind, name] += 1
        return None

    def release(self, callers: Sequence[Caller]) -> None:
        """End a request that `acquire` counted."""
        for caller in callers:
            self._in_flight[caller] -= 1
            if self._in_flight[caller] <= 0:
                del self._in_flight[caller]

    def _retry_after(self, kind: CallerKind, name: str) -> int:
        """Seconds until one more fits: as the previous window weighs less, or when this one is over."""
        item = self._items[kind]
        expiry = item.get_expiry()
        before, weight, current, until = self.storages[kind].get_sliding_window(item.key_for(name), expiry)
        left = until - expiry
        if before and current < item.amount:
            left = weight - expiry * (item.amount - current) / before
        return max(_RETRY_SOON, math.ceil(left))

    @property
    def in_flight(self) -> int:
        """Callers with a request under way."""
        return len(self._in_flight)
