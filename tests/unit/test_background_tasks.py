"""Background tasks: after an exception they are retried with backoff, logged and counted."""

import asyncio

import pytest
import structlog

from machtiging.kernel.errors import Fault, Refusal
from machtiging.supervision import (
    MAX_PAUSE_SECONDS,
    STALLED_AFTER_SECONDS,
    TaskRecord,
    TaskSupervisor,
    run_repeatedly,
    run_until_done,
)
from tests.unit.virtual_time import run_in_virtual_time

SECRET = "Zq9xPiece"
RAISED = [
    Fault("opslag_niet_bereikbaar", private="away"),
    Refusal("nee"),
    ValueError(SECRET),
    KeyError(SECRET),
    OverflowError(SECRET),
    RecursionError(),
    MemoryError(),
    StopAsyncIteration(),
    ExceptionGroup("x", [OSError()]),
    UnicodeDecodeError("utf-8", b"x", 0, 1, SECRET),
    asyncio.InvalidStateError(),
    TimeoutError(),
]


class Work:
    """Fail a number of times, and record the time of each try."""

    def __init__(self, error, times):
        self.error, self.times, self.tried = error, times, []

    async def __call__(self):
        self.tried.append(asyncio.get_running_loop().time())
        if len(self.tried) <= self.times:
            raise self.error


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_background_task_that_raises_is_retried_logged_and_counted(error):
    work, record = Work(error, 4), TaskRecord("proef")

    async def run():
        stop = asyncio.Event()
        running = asyncio.create_task(run_repeatedly(work, record, every=1, stop=stop))
        await asyncio.sleep(10)
        told = record.describe_problem(0)
        await asyncio.sleep(60)
        stop.set()
        await running
        return told

    with structlog.testing.capture_logs() as said:
        told = run_in_virtual_time(run())
    assert len(work.tried) > 5
    assert "mislukt" in told
    assert (record.failures, record.consecutive_failures, record.describe_problem(0)) == (4, 0, "")
    failed = [line for line in said if line["event"] == "background_task_failed"]
    assert [line["in_a_row"] for line in failed] == [1, 2, 3, 4]
    assert SECRET not in str(said)


def test_background_task_backoff_grows_up_to_a_limit():
    work, record = Work(ValueError(), 1000), TaskRecord("proef")

    async def run():
        stop = asyncio.Event()
        running = asyncio.create_task(run_repeatedly(work, record, every=1, stop=stop))
        await asyncio.sleep(400)
        stop.set()
        await running

    run_in_virtual_time(run())
    pauses = [after - before for before, after in zip(work.tried, work.tried[1:], strict=False)]
    assert pauses[:5] == pytest.approx([2, 4, 8, 16, MAX_PAUSE_SECONDS])
    assert max(pauses) == pytest.approx(MAX_PAUSE_SECONDS)


@pytest.mark.parametrize("ending", [ValueError("x"), None], ids=["raises", "returns"])
def test_background_loop_that_ends_is_restarted(ending):
    started = []

    async def run():
        tasks = TaskSupervisor()

        async def loop(record):
            started.append(record)
            if len(started) < 3:
                if ending:
                    raise ending
                return
            await tasks.stop.wait()

        tasks.start_task("proef", loop)
        await asyncio.sleep(1)
        told = tasks.describe_problems()
        await asyncio.sleep(60)
        await tasks.stop_tasks(5)
        return told

    assert "proef" in run_in_virtual_time(run())
    assert len(started) == 3


def test_background_task_that_hangs_is_reported():
    async def run():
        tasks = TaskSupervisor()

        async def hang(record):
            await run_repeatedly(asyncio.Event().wait, record, every=1, stop=tasks.stop)

        tasks.start_task("proef", hang)
        await asyncio.sleep(STALLED_AFTER_SECONDS + 10)
        told = tasks.describe_problems()
        await tasks.stop_tasks(1)
        return told

    assert "seconden bezig" in run_in_virtual_time(run())["proef"]


def test_work_until_done_is_retried_after_failures_and_never_repeated():
    work, record = Work(Fault("opslag_niet_bereikbaar", private="away"), 3), TaskRecord("proef")

    async def run():
        stop = asyncio.Event()
        running = asyncio.create_task(run_until_done(work, record, every=5, stop=stop))
        await asyncio.sleep(1_000)
        problem = record.describe_problem(asyncio.get_running_loop().time())
        stop.set()
        await asyncio.wait_for(running, 1)
        return problem

    assert run_in_virtual_time(run()) == ""
    assert work.tried == [0, 5, 10, 15]
    assert record.failures == 3
