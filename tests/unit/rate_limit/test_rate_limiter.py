"""The rate limiter: requests of one caller in flight and per minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.web.rate_limit.limiter import (
    TOO_MANY_IN_FLIGHT,
    TOO_MANY_PER_MINUTE,
    BoundedWindowStorage,
    CallerKind,
    Quota,
    RateLimiter,
)

ADDRESS, PERSON, TOKEN = (CallerKind.ADDRESS, "a"), (CallerKind.PERSON, "p"), (CallerKind.TOKEN, "t")


class Time:
    def __init__(self) -> None:
        self.now = 6_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def virtual_time():
    return Time()


def make_limiter(virtual_time, *, in_flight=100, per_minute=10, **changes):
    return RateLimiter({kind: Quota(in_flight, per_minute) for kind in CallerKind}, now=virtual_time, **changes)


def rejection_codes(limiter, *callers, times=1):
    """The codes of a sequence of requests."""
    codes = []
    for _ in range(times):
        rejection = limiter.acquire(callers)
        codes.append(rejection.code if rejection else None)
        if rejection is None:
            limiter.release(callers)
    return codes


def test_requests_over_the_minute_limit_are_rejected_per_caller(virtual_time):
    limiter = make_limiter(virtual_time)
    assert rejection_codes(limiter, ADDRESS, times=12) == [None] * 10 + [TOO_MANY_PER_MINUTE] * 2
    assert (
        rejection_codes(limiter, (CallerKind.ADDRESS, "b"))
        == rejection_codes(limiter, (CallerKind.PERSON, "a"))
        == [None]
    )


def test_retry_after_is_the_earliest_accepted_moment(virtual_time):
    limiter = make_limiter(virtual_time)
    for moment in (0, 7, 31.5, 59.9):
        virtual_time.now = 6_000 + moment
        rejection_codes(limiter, ADDRESS, times=10)
        for _ in range(5):
            rejection = limiter.acquire([ADDRESS])
            assert rejection.retry_after >= 1
            virtual_time.now += rejection.retry_after - 0.999
            if rejection.retry_after > 1:
                assert rejection_codes(limiter, ADDRESS) == [TOO_MANY_PER_MINUTE]
            virtual_time.now += 1.0
            assert rejection_codes(limiter, ADDRESS) == [None]


@given(st.lists(st.floats(0, 30), max_size=200))
def test_accepted_requests_stay_within_limit_per_window_and_twice_per_sliding_minute(pauses):
    time = Time()
    limiter, let_through = make_limiter(time), []
    for pause in pauses:
        time.now += pause
        if rejection_codes(limiter, TOKEN) == [None]:
            let_through.append(time.now)
    for begin in let_through:
        assert sum(begin <= at < begin + 60 for at in let_through) <= 20
        assert sum(at // 60 == begin // 60 for at in let_through) <= 10


def test_requests_in_flight_over_the_limit_are_rejected(virtual_time):
    limiter = make_limiter(virtual_time, in_flight=2, per_minute=1_000)
    assert [limiter.acquire([TOKEN]) for _ in range(2)] == [None, None]
    rejection = limiter.acquire([TOKEN])
    assert (rejection.code, rejection.kind, rejection.retry_after) == (TOO_MANY_IN_FLIGHT, CallerKind.TOKEN, 1)
    limiter.release([TOKEN])
    assert limiter.acquire([TOKEN]) is None


def test_rejected_request_is_not_counted(virtual_time):
    limiter = make_limiter(virtual_time)
    rejection_codes(limiter, PERSON, times=10)
    assert rejection_codes(limiter, TOKEN, PERSON, times=50) == [TOO_MANY_PER_MINUTE] * 50
    assert rejection_codes(limiter, TOKEN, times=10) == [None] * 10
    assert limiter.in_flight == 0


def test_memory_is_bounded_and_known_callers_are_not_evicted(virtual_time):
    limiter = make_limiter(virtual_time, capacity=50)
    rejection_codes(limiter, TOKEN, times=10)
    rejection_codes(limiter, PERSON, times=10)
    for number in range(1_000):
        rejection_codes(limiter, (CallerKind.ADDRESS, str(number)))
    assert len(limiter.storages[CallerKind.ADDRESS]) == 50
    assert rejection_codes(limiter, TOKEN) == rejection_codes(limiter, PERSON) == [TOO_MANY_PER_MINUTE]
    assert limiter.in_flight == 0


def test_active_caller_is_not_evicted(virtual_time):
    limiter = make_limiter(virtual_time, capacity=5)
    codes = []
    for number in range(30):
        codes += rejection_codes(limiter, ADDRESS)
        rejection_codes(limiter, (CallerKind.ADDRESS, str(number)), times=1)
        if codes[-1] is not None:
            break
    assert codes == [None] * 10 + [TOO_MANY_PER_MINUTE]


@pytest.mark.parametrize(("processes", "share"), [(1, Quota(20, 100)), (3, Quota(7, 34)), (1_000, Quota(1, 1))])
def test_quota_share_per_process_is_at_least_one(processes, share):
    assert Quota(20, 100).divide_among(processes) == share


def test_cleared_sliding_window_is_empty(virtual_time):
    storage = BoundedWindowStorage(now=virtual_time)
    assert storage.check()
    assert [storage.acquire_sliding_window_entry("k", 2, 60) for _ in range(3)] == [True, True, False]
    assert storage.get("k") == 2
    storage.clear_sliding_window("k", 60)
    assert storage.get("k") == storage.reset() == 0
    with pytest.raises(NotImplementedError):
        storage.incr("k", 60)
