"""Rate limit per caller: count requests in flight and per minute, in this process.

The sliding window is the one of `limits`. Its own memory storage starts a thread that scans every key, so the counts
are kept here: at most `capacity` keys, least recently used evicted first.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from limits import RateLimitItemPerMinute
from limits.storage import SlidingWindowCounterSupport, Storage
from limits.strategies import SlidingWindowCounterRateLimiter

CAPACITY = 50_000
_MIN_RETRY_AFTER_SECONDS = 1
TOO_MANY_IN_FLIGHT = "te_veel_tegelijk"
TOO_MANY_PER_MINUTE = "te_veel_per_minuut"


class CallerKind(StrEnum):
    """The kinds of callers that are counted separately."""

    TOKEN = "token"
    PERSON = "person"
    ADDRESS = "address"


# A caller: its kind, and a name used in this process only.
Caller = tuple[CallerKind, str]


@dataclass(frozen=True, slots=True)
class Quota:
    """The maximum of one caller: requests in flight and requests per minute."""

    in_flight: int
    per_minute: int

    def divide_among(self, processes: int) -> Quota:
        """Divide the quota among processes, rounded up."""
        return Quota(math.ceil(self.in_flight / processes), math.ceil(self.per_minute / processes))


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected request: the limit's code, the caller's kind, Retry-After in seconds."""

    code: str
    kind: CallerKind
    retry_after: int


class BoundedWindowStorage(Storage, SlidingWindowCounterSupport):
    """Sliding windows of at most `capacity` keys, without threads, for one event loop."""

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
        """The storage's error type; memory has none of its own."""
        return MemoryError

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` more if it stays within the limit; return True if so."""
        before, weight, current, _ = self.get_sliding_window(key, expiry)
        if math.floor(before * weight / expiry + current) + amount > limit:
            return False
        self._windows[key] = (int(self._now() // expiry), before, current + amount)
        self._windows.move_to_end(key)
        if len(self._windows) > self._capacity:
            self._windows.popitem(last=False)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return previous count, its remaining weight in seconds, current count, its remaining seconds."""
        now = self._now()
        number, seconds_left = int(now // expiry), expiry - now % expiry
        window_number, before, current = self._windows.get(key, (number, 0, 0))
        if window_number == number - 1:
            before, current = current, 0
        elif window_number != number:
            before, current = 0, 0
        return before, seconds_left if before else 0.0, current, seconds_left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Delete a key."""
        self.clear(key)

    def clear(self, key: str) -> None:
        """Delete a key."""
        self._windows.pop(key, None)

    def get(self, key: str) -> int:
        """Return the count in the newest window of a key."""
        return self._windows.get(key, (0, 0, 0))[2]

    def get_expiry(self, key: str) -> float:
        """Return now: windows expire by number, so nothing is stored."""
        return self._now()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Refuse to count without a limit. Raises NotImplementedError."""
        raise NotImplementedError

    def check(self) -> bool:
        """Return True: memory is always available."""
        return True

    def reset(self) -> int:
        """Delete all keys and return their number."""
        count = len(self._windows)
        self._windows.clear()
        return count


class RateLimiter:
    """The limits of one process. Call `acquire` before a request and `release` after it."""

    def __init__(
        self,
        quotas: Mapping[CallerKind, Quota],
        *,
        capacity: int = CAPACITY,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quotas = dict(quotas)
        self._items = {kind: RateLimitItemPerMinute(quota.per_minute) for kind, quota in quotas.items()}
        # One storage per kind, so that a flood of addresses does not evict tokens or persons.
        self.storages = {kind: BoundedWindowStorage(capacity, now) for kind in quotas}
        self._windows = {kind: SlidingWindowCounterRateLimiter(self.storages[kind]) for kind in quotas}
        self._in_flight: Counter[Caller] = Counter()

    def acquire(self, callers: Sequence[Caller]) -> Rejection | None:
        """Count a request for all its callers, or for none and return the rejection."""
        for caller in callers:
            if self._in_flight[caller] >= self._quotas[caller[0]].in_flight:
                return Rejection(TOO_MANY_IN_FLIGHT, caller[0], _MIN_RETRY_AFTER_SECONDS)
        for kind, name in callers:
            if not self._windows[kind].test(self._items[kind], name):
                return Rejection(TOO_MANY_PER_MINUTE, kind, self._retry_after(kind, name))
        for kind, name in callers:
            self._windows[kind].hit(self._items[kind], name)
            self._in_flight[kind, name] += 1
        return None

    def release(self, callers: Sequence[Caller]) -> None:
        """End a request counted by `acquire`."""
        for caller in callers:
            self._in_flight[caller] -= 1
            if self._in_flight[caller] <= 0:
                del self._in_flight[caller]

    def _retry_after(self, kind: CallerKind, name: str) -> int:
        """Return the seconds until one more request fits in the sliding window."""
        item = self._items[kind]
        expiry = item.get_expiry()
        before, weight, current, until = self.storages[kind].get_sliding_window(item.key_for(name), expiry)
        seconds_left = until - expiry
        if before and current < item.amount:
            seconds_left = weight - expiry * (item.amount - current) / before
        return max(_MIN_RETRY_AFTER_SECONDS, math.ceil(seconds_left))

    @property
    def in_flight(self) -> int:
        """Number of callers with a request in flight."""
        return len(self._in_flight)
