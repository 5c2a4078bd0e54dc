"""Outbox dispatcher: sends every notification at least once, with a limited number of retries.

Claim, send, mark: a claim counts the try, sets the time of the next one and is committed. Then the mail is sent with no
transaction open, and the result is marked. Any number of dispatchers may run: a claimed notification is not due. If the
process stops before the mark, the notification is due again after the pause, and is sent with the same Message-ID, so
that a repeat can be recognised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
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


class _Claimed(NamedTuple):
    """A claimed notification, with its mail or the reason why it has none."""

    id: UUID
    tries: int
    mail: EmailMessage | DeliveryResult


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
    accepted_count, lookups = 0, _Lookups(find_address, find_name, find_language)
    for _ in range(limit):
        async with unit_of_work(sessions) as session:
            claimed = await _claim_next(session, lookups, mailer, clock.now())
        if claimed is None:
            break
        result = claimed.mail if isinstance(claimed.mail, DeliveryResult) else await send_email(mailer, claimed.mail)
        async with unit_of_work(sessions) as session:
            await _mark_result(session, claimed, result, clock.now())
        if result.status is DeliveryStatus.UNREACHABLE:
            break
        accepted_count += result.status is DeliveryStatus.ACCEPTED
    return accepted_count


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


async def _claim_next(session: AsyncSession, lookups: _Lookups, mailer: Mailer, at: datetime) -> _Claimed | None:
    """Claim the oldest due notification. Sets its next try, in case this process dies."""
    waiting = (_TABLE.c.sent_at.is_(None), _TABLE.c.given_up_at.is_(None), _TABLE.c.next_try_at <= at)
    due = select(_TABLE).where(*waiting).order_by(_TABLE.c.next_try_at, _TABLE.c.id).limit(1)
    row = (await session.execute(due.with_for_update(skip_locked=True))).one_or_none()
    if row is None:
        return None
    claim = {"tries": row.tries + 1, "next_try_at": at + RETRY_DELAYS[min(row.tries, len(RETRY_DELAYS) - 1)]}
    await session.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(claim))
    return _Claimed(row.id, row.tries + 1, await _compose_notification(session, lookups, mailer, row))


async def _mark_result(session: AsyncSession, claimed: _Claimed, result: DeliveryResult, at: datetime) -> None:
    """Mark the result. An accepted mail stays sent, whatever a later try of another dispatcher gave."""
    values = _result_columns(result, claimed.tries, at)
    marking = update(_TABLE).where(_TABLE.c.id == claimed.id, _TABLE.c.sent_at.is_(None))
    if result.status is not DeliveryStatus.ACCEPTED:
        marking = marking.where(_TABLE.c.tries == claimed.tries)
    await session.execute(marking.values(values))
    if "given_up_at" in values:
        _log.warning("notification %s given up: %s", claimed.id, result.reason)


async def _compose_notification(
    session: AsyncSession, lookups: _Lookups, mailer: Mailer, row: Row[Any]
) -> EmailMessage | DeliveryResult:
    """Compose the mail, or return why it cannot be sent."""
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
        return compose_email(mailer, address, text, EmailId(row.id, row.created_at))
    except ValueError:
        return DeliveryResult(DeliveryStatus.REJECTED, "adres_ongeldig")


async def _resolve_name(session: AsyncSession, find_name: PersonLookup, person_id: str | None) -> str:
    return (await find_name(session, PersonId(UUID(person_id))) or "") if person_id else ""


def _result_columns(result: DeliveryResult, tries: int, at: datetime) -> dict[str, Any]:
    if result.status is DeliveryStatus.ACCEPTED:
        return {"sent_at": at, "last_error": None}
    failed = {"last_error": result.reason}
    if result.status is DeliveryStatus.REJECTED or tries > len(RETRY_DELAYS):
        return failed | {"given_up_at": at}
    return failed | {"next_try_at": at + RETRY_DELAYS[tries - 1]}
