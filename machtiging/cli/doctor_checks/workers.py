"""Doctor: check that a worker was seen lately, and that its loops succeed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy.exc import SQLAlchemyError

from machtiging.cli.database import open_service_sessions
from machtiging.cli.doctor_checks.installation import Finding, FindingStatus
from machtiging.settings import Settings
from machtiging.tasks.heartbeat import WorkerPresence, load_presence

_SUBJECT = "worker"
_WHAT_WAITS = "Until then no journal line is sealed, no mail is sent and nothing expires."


async def check_workers(settings: Settings) -> AsyncIterator[Finding]:
    """Report the workers. Yields nothing when the database is unreadable: another check reports that."""
    async with open_service_sessions(settings) as sessions:
        try:
            async with sessions() as session:
                presence = await load_presence(session)
        except (SQLAlchemyError, OSError, TimeoutError):
            return
    yield describe_presence(presence, worker_inside=settings.worker_inside)
    for name, problem in presence.problems.items():
        yield Finding(_SUBJECT, FindingStatus.WRONG, f"{name}: {problem}", "See background_task_failed in the log.")


def describe_presence(presence: WorkerPresence, *, worker_inside: bool) -> Finding:
    """Describe whether a worker runs. Where `serve` starts none itself, its absence is wrong."""
    if presence.workers:
        return Finding(_SUBJECT, FindingStatus.OK, f"{presence.workers} seen in the last minute")
    ago = presence.last_seen_ago
    last = "none was ever seen" if ago is None else f"none for {int(ago.total_seconds())} seconds"
    if worker_inside:
        return Finding(_SUBJECT, FindingStatus.ATTENTION, last, f"Start machtiging serve. {_WHAT_WAITS}")
    return Finding(_SUBJECT, FindingStatus.WRONG, last, f"Start machtiging work. {_WHAT_WAITS}")
