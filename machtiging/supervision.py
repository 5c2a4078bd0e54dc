"""Background tasks: run again after every failure, with growing pauses; each failure is logged and counted."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from machtiging.kernel.errors import MachtigingError

LONGEST_PAUSE = 30.0
# After so many seconds a piece of work that has not come to its end is told as a failure.
STALLED_AFTER = 300.0
UNFORESEEN = "onvoorzien"
_log = structlog.get_logger(__name__)
Work = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class TaskRecord:
    """The history of one background task in this process: failures in all, in a row, and the code of the last one."""

    name: str
    failures: int = 0
    in_a_row: int = 0
    code: str = ""
    busy_since: float | None = None
    task: asyncio.Task[None] | None = None

    def trouble(self, now: float) -> str:
        """A short Dutch text on what is wrong with the task at this moment; empty when nothing is."""
        if self.task is not None and self.task.done():
            return "gestopt"
        if self.busy_since is not None and now - self.busy_since > STALLED_AFTER:
            return f"al {int(now - self.busy_since)} seconden bezig"
        if self.in_a_row:
            return f"mislukt, {self.in_a_row} keer achter elkaar ({self.code})"
        return ""

    def count_failure(self, code: str) -> None:
        """Count one failure; `code` says of what kind."""
        self.failures += 1
        self.in_a_row += 1
        self.code = code


async def repeat(work: Work, record: TaskRecord, *, every: float, stop: asyncio.Event) -> None:
    """Do the work every `every` seconds until `stop` is set. After failures in a row the pause doubles, up to a limit.

    An edge: nobody waits for this work, so an exception that went on would end it unseen.
    """
    while not stop.is_set():
        await attempt(work, record)
        pause = every if not record.in_a_row else max(every, min(every * 2**record.in_a_row, LONGEST_PAUSE))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def attempt(work: Work, record: TaskRecord) -> None:
    """Do the work once; a failure is logged and counted, and goes no further."""
    record.busy_since = asyncio.get_running_loop().time()
    try:
        await work()
    except MachtigingError as error:
        record.count_failure(error.code)
        _tell(record, detail=error.private)
    except Exception as error:  # noqa: BLE001 (the edge around background tasks)
        record.count_failure(UNFORESEEN)
        _tell(record, detail=place_of(error))
    else:
        if record.in_a_row:
            _log.info("background_task_recovered", task=record.name, after=record.in_a_row)
        record.in_a_row, record.code = 0, ""
    finally:
        record.busy_since = None


def _tell(record: TaskRecord, detail: str) -> None:
    _log.error("background_task_failed", task=record.name, code=record.code, detail=detail, in_a_row=record.in_a_row)


def place_of(error: BaseException) -> str:
    """The class of an exception and the place where it was raised, without its text, which may quote a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "machtiging" in frame.filename and "site-packages" not in frame.filename]
    inner = getattr(error, "orig", None)
    kind = " ".join([type(error).__name__, str(getattr(inner, "sqlstate", None) or "")]).strip()
    if not frames:
        return kind
    frame = (ours or frames)[-1]
    file = frame.filename.replace("\\", "/").rpartition("machtiging/")[2] if ours else frame.filename.rpartition("/")[2]
    return f"{kind} at {file}:{frame.lineno} in {frame.name}"


class BackgroundTasks:
    """The background tasks of one application, from its start to its end."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._records: list[TaskRecord] = []

    def start(self, name: str, run: Callable[[TaskRecord], Coroutine[Any, Any, None]]) -> None:
        """Start a task; `run` gets its record and runs until `stop` is set."""
        record = TaskRecord(name)
        record.task = asyncio.create_task(self._supervise(run, record), name=name)
        self._records.append(record)

    async def _supervise(self, run: Callable[[TaskRecord], Coroutine[Any, Any, None]], record: TaskRecord) -> None:
        # The loops inside catch what their work raises; this one is for the loops themselves.
        while not self.stop.is_set():
            await attempt(lambda: run(record), record)
            if not self.stop.is_set():
                record.count_failure(record.code or "taak_gestopt")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), min(2.0**record.in_a_row, LONGEST_PAUSE))

    def troubles(self) -> dict[str, str]:
        """The tasks that fail at this moment, with a short text for each."""
        if self.stop.is_set():
            return {}
        now = asyncio.get_running_loop().time()
        return {record.name: text for record in self._records if (text := record.trouble(now))}

    async def end(self, patience: float) -> None:
        """Let every task finish its round; those that take longer than `patience` seconds are cancelled."""
        self.stop.set()
        tasks = [record.task for record in self._records if record.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
