"""Outbox dispatcher: sends every notification at least once, with a limited number of retries.

Any number of dispatchers may run. A notification is locked during the SMTP dialogue and marked in the same transaction.
If the process stops between the server's reply and the commit, it is sent again with the same Message-ID, so that the
repeat can be recognised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import MachtigingError
from machtiging.kernel.ids import PersonId
from machtiging.message_catalogue import DUTCH, use_language
from machtiging.notifications.mailer import DeliveryResult, DeliveryStatus, EmailId, Mailer, compose_email, send_email
from machtiging.notifications.tables import Notification
from machtiging.notifications.texts import NotificationKind, render_message
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.supervision import TaskRecord, run_repeatedly

__all__ = ["RETRY_DELAYS", "Mailer", "PersonLookup", "run_outbox_dispatcher", "send_due_notifications"]

RETRY_DELAYS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
# Finds the address, the name or the language of a person; injected by the application.
PersonLookup = Callable[[AsyncSession, PersonId], Awaitable[str | None]]

_TABLE = table_of(Notification)
_log = logging.getLogger(__name__)


async def _find_no_name(session: AsyncSession, person_id: PersonId) -> str | None:
    return None


async def _find_dutch(session: AsyncSession, person_id: PersonId) -> str | None:
    return DUTCH


class _Lookups(NamedTuple):
    address: PersonLookup
    name: PersonLookup
    language: PersonLookup


async def send_due_notifications(
    sessions: async_sessionmaker[AsyncSession],
    find_address: PersonLookup,
    mailer: Mailer,
    clock: Clock,
    *,
    find_name: PersonLookup = _find_no_name,
    find_language: PersonLookup = _find_dutch,
    limit: int = 500,
) -> int:
    """Send the notifications that are due, oldest first. Returns the number accepted.

    Stops early when the server is unreachable. Raises Fault `opslag_niet_bereikbaar` when the database is unavailable;
    then nothing is lost.
    """
    claimed_count, lookups = 0, _Lookups(find_address, find_name, find_language)
    for _ in range(limit):
        async with unit_of_work(sessions) as session:
            answer = await _send_next(session, lookups, mailer, clock.now())
        if answer is None or answer.status is DeliveryStatus.UNREACHABLE:
            break
        claimed_count += answer.status is DeliveryStatus.ACCEPTED
    return claimed_count


async def run_outbox_dispatcher(
    sessions: async_sessionmaker[AsyncSession],
    find_address: PersonLookup,
    mailer: Mailer,
    clock: Clock,
    *,
    every: float,
    stop: asyncio.Event,
    find_name: PersonLookup = _find_no_name,
    find_language: PersonLookup = _find_dutch,
    record: TaskRecord | None = None,
) -> None:
    """Dispatch the outbox at intervals until `stop` is set. A database outage is retried."""
    lookups = {"find_name": find_name, "find_language": find_language}
    sending = partial(send_due_notifications, sessions, find_address, mailer, clock, **lookups, limit=50)
    await run_repeatedly(sending, record or TaskRecord("post"), every=every, stop=stop)


async def _send_next(session: AsyncSession, lookups: _Lookups, mailer: Mailer, at: datetime) -> DeliveryResult | None:
    waiting = (_TABLE.c.sent_at.is_(None), _TABLE.c.given_up_at.is_(None), _TABLE.c.next_try_at <= at)
    due = select(_TABLE).where(*waiting).order_by(_TABLE.c.next_try_at, _TABLE.c.id).limit(1)
    row = (await session.execute(due.with_for_update(skip_locked=True))).one_or_none()
    if row is None:
        return None
    answer = await _deliver_notification(session, lookups, mailer, row)
    values = _result_columns(answer, row.tries + 1, at)
    await session.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(values))
    if "given_up_at" in values:
        _log.warning("notification %s given up: %s", row.id, answer.reason)
    return answer


async def _deliver_notification(
    session: AsyncSession, lookups: _Lookups, mailer: Mailer, row: Row[Any]
) -> DeliveryResult:
    try:
        address = await lookups.address(session, row.person_id)
        language = await lookups.language(session, row.person_id) or DUTCH
        names = {
            role: await _resolve_name(session, lookups.name, row.facts.get(f"{role}_id"))
            for role in ("giver", "helper")
        }
    except MachtigingError as error:  # one person's sealed profile must not hold up everybody's post
        return DeliveryResult(DeliveryStatus.RETRY, error.code)
    if not address:
        return DeliveryResult(DeliveryStatus.REJECTED, "geen_adres")
    try:
        with use_language(language):
            text = render_message(NotificationKind(row.kind), row.facts, names, mailer.contact)
    except (ValueError, KeyError):
        return DeliveryResult(DeliveryStatus.REJECTED, "geen_tekst")
    try:
        mail = compose_email(mailer, address, text, EmailId(row.id, row.created_at))
    except ValueError:
        return DeliveryResult(DeliveryStatus.REJECTED, "adres_ongeldig")
    return await send_email(mailer, mail)


async def _resolve_name(session: AsyncSession, find_name: PersonLookup, person_id: str | None) -> str:
    return (await find_name(session, PersonId(UUID(person_id))) or "") if person_id else ""


def _result_columns(result: DeliveryResult, tries: int, at: datetime) -> dict[str, Any]:
    if result.status is DeliveryStatus.ACCEPTED:
        return {"tries": tries, "sent_at": at, "last_error": None}
    failed = {"tries": tries, "last_error": result.reason}
    if result.status is DeliveryStatus.REJECTED or tries > len(RETRY_DELAYS):
        return failed | {"given_up_at": at}
    return failed | {"next_try_at": at + RETRY_DELAYS[tries - 1]}
