"""Background tasks: restarted after each failure with a growing pause; failures are logged and counted."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from machtiging.kernel.errors import MachtigingError
from machtiging.kernel.sqlstate import find_sqlstate

MAX_PAUSE_SECONDS = 30.0
# Work that runs longer than this many seconds is reported as a problem.
STALLED_AFTER_SECONDS = 300.0
UNEXPECTED_ERROR = "onvoorzien"
_log = structlog.get_logger(__name__)
TaskWork = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class TaskRecord:
    """The failures of one background task in this process: total, consecutive, and last code."""

    name: str
    failures: int = 0
    consecutive_failures: int = 0
    code: str = ""
    busy_since: float | None = None
    task: asyncio.Task[None] | None = None

    def describe_problem(self, now: float) -> str:
        """Describe the present problem of the task in Dutch; empty when there is none."""
        if self.task is not None and self.task.done():
            return "gestopt"
        if self.busy_since is not None and now - self.busy_since > STALLED_AFTER_SECONDS:
            return f"al {int(now - self.busy_since)} seconden bezig"
        if self.consecutive_failures:
            return f"mislukt, {self.consecutive_failures} keer achter elkaar ({self.code})"
        return ""

    def count_failure(self, code: str) -> None:
        """Count one failure with this code."""
        self.failures += 1
        self.consecutive_failures += 1
        self.code = code


BackgroundTask = Callable[[TaskRecord], Coroutine[Any, Any, None]]


async def run_repeatedly(work: TaskWork, record: TaskRecord, *, every: float, stop: asyncio.Event) -> None:
    """Do the work every `every` seconds until `stop` is set. The pause doubles after consecutive failures.

    Nothing awaits this work, so every exception is caught here.
    """
    while not stop.is_set():
        await run_once(work, record)
        pause = (
            every
            if not record.consecutive_failures
            else max(every, min(every * 2**record.consecutive_failures, MAX_PAUSE_SECONDS))
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def run_until_done(work: TaskWork, record: TaskRecord, *, every: float, stop: asyncio.Event) -> None:
    """Do the work until it succeeds once, every `every` seconds. Then wait for `stop`."""
    while not stop.is_set():
        await run_once(work, record)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every if record.consecutive_failures else None)


async def run_once(work: TaskWork, record: TaskRecord) -> None:
    """Do the work once. A failure is logged and counted, not raised."""
    record.busy_since = asyncio.get_running_loop().time()
    try:
        await work()
    except MachtigingError as error:
        record.count_failure(error.code)
        _log_failure(record, detail=error.private)
    except Exception as error:  # noqa: BLE001 (outermost handler of background tasks)
        record.count_failure(UNEXPECTED_ERROR)
        _log_failure(record, detail=error_location(error))
    else:
        if record.consecutive_failures:
            _log.info("background_task_recovered", task=record.name, after=record.consecutive_failures)
        record.consecutive_failures, record.code = 0, ""
    finally:
        record.busy_since = None


def _log_failure(record: TaskRecord, detail: str) -> None:
    _log.error(
        "background_task_failed",
        task=record.name,
        code=record.code,
        detail=detail,
        in_a_row=record.consecutive_failures,
    )


def error_location(error: BaseException) -> str:
    """Return the class and source line of an exception. Its text is left out: it may quote a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "machtiging" in frame.filename and "site-packages" not in frame.filename]
    kind = " ".join([type(error).__name__, find_sqlstate(error) or ""]).strip()
    if not frames:
        return kind
    frame = (ours or frames)[-1]
    file = frame.filename.replace("\\", "/").rpartition("machtiging/")[2] if ours else frame.filename.rpartition("/")[2]
    return f"{kind} at {file}:{frame.lineno} in {frame.name}"


class TaskSupervisor:
    """The background tasks of one application."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._records: list[TaskRecord] = []

    def start_task(self, name: str, run: BackgroundTask) -> None:
        """Start a task. `run` gets its record and runs until `stop` is set."""
        record = TaskRecord(name)
        record.task = asyncio.create_task(self._supervise(run, record), name=name)
        self._records.append(record)

    async def _supervise(self, run: BackgroundTask, record: TaskRecord) -> None:
        # `run` handles failures of its work. This loop restarts `run` when it ends itself.
        while not self.stop.is_set():
            await run_once(lambda: run(record), record)
            if not self.stop.is_set():
                record.count_failure(record.code or "taak_gestopt")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), min(2.0**record.consecutive_failures, MAX_PAUSE_SECONDS))

    def describe_problems(self) -> dict[str, str]:
        """Return the tasks that fail now, with a description for each."""
        if self.stop.is_set():
            return {}
        now = asyncio.get_running_loop().time()
        return {record.name: text for record in self._records if (text := record.describe_problem(now))}

    async def stop_tasks(self, patience: float) -> None:
        """Let every task finish its round. Tasks that need more than `patience` seconds are cancelled."""
        self.stop.set()
        tasks = [record.task for record in self._records if record.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
