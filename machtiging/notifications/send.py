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
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import MachtigingError
from machtiging.kernel.ids import PersonId
from machtiging.notifications.mailer import Answer, Delivery, Mailer, Slip, compose, hand_over
from machtiging.notifications.tables import Notification
from machtiging.notifications.texts import Kind, message
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.supervision import TaskRecord, repeat

__all__ = ["BACK_OFF", "LookUp", "Mailer", "run_sender", "send_waiting"]

BACK_OFF = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
# Finds the address or the name of a person; injected by the application.
LookUp = Callable[[AsyncSession, PersonId], Awaitable[str | None]]

_TABLE: Table = Notification.__table__  # type: ignore[attr-defined]
_log = logging.getLogger(__name__)


async def _nameless(session: AsyncSession, person_id: PersonId) -> str | None:
    return None


async def send_waiting(
    sessions: async_sessionmaker[AsyncSession],
    address_of: LookUp,
    mailer: Mailer,
    clock: Clock,
    *,
    name_of: LookUp = _nameless,
    at_most: int = 500,
) -> int:
    """Send the notifications that are due, oldest first. Returns the number accepted.

    Stops early when the server is unreachable. Raises Fault `opslag_niet_bereikbaar` when the database is unavailable;
    then nothing is lost.
    """
    taken = 0
    for _ in range(at_most):
        async with unit_of_work(sessions) as session:
            answer = await _send_one(session, address_of, name_of, mailer, clock.now())
        if answer is None or answer.delivery is Delivery.UNREACHABLE:
            break
        taken += answer.delivery is Delivery.TAKEN
    return taken


async def run_sender(
    sessions: async_sessionmaker[AsyncSession],
    address_of: LookUp,
    mailer: Mailer,
    clock: Clock,
    *,
    every: float,
    stop: asyncio.Event,
    name_of: LookUp = _nameless,
    record: TaskRecord | None = None,
) -> None:
    """Dispatch the outbox at intervals until `stop` is set. A database outage is retried."""
    sending = partial(send_waiting, sessions, address_of, mailer, clock, name_of=name_of, at_most=50)
    await repeat(sending, record or TaskRecord("post"), every=every, stop=stop)


async def _send_one(
    session: AsyncSession, address_of: LookUp, name_of: LookUp, mailer: Mailer, at: datetime
) -> Answer | None:
    waiting = (_TABLE.c.sent_at.is_(None), _TABLE.c.given_up_at.is_(None), _TABLE.c.next_try_at <= at)
    due = select(_TABLE).where(*waiting).order_by(_TABLE.c.next_try_at, _TABLE.c.id).limit(1)
    row = (await session.execute(due.with_for_update(skip_locked=True))).one_or_none()
    if row is None:
        return None
    answer = await _offer(session, address_of, name_of, mailer, row)
    values = _outcome(answer, row.tries + 1, at)
    await session.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(values))
    if "given_up_at" in values:
        _log.warning("notification %s given up: %s", row.id, answer.reason)
    return answer


async def _offer(session: AsyncSession, address_of: LookUp, name_of: LookUp, mailer: Mailer, row: Row[Any]) -> Answer:
    try:
        address = await address_of(session, row.person_id)
        names = {role: await _name(session, name_of, row.facts.get(f"{role}_id")) for role in ("giver", "helper")}
    except MachtigingError as error:  # one person's sealed profile must not hold up everybody's post
        return Answer(Delivery.LATER, error.code)
    if not address:
        return Answer(Delivery.NEVER, "geen_adres")
    try:
        text = message(Kind(row.kind), row.facts, names)
    except (ValueError, KeyError):
        return Answer(Delivery.NEVER, "geen_tekst")
    try:
        mail = compose(mailer, address, text, Slip(row.id, row.created_at))
    except ValueError:
        return Answer(Delivery.NEVER, "adres_ongeldig")
    return await hand_over(mailer, mail)


async def _name(session: AsyncSession, name_of: LookUp, person_id: str | None) -> str:
    return (await name_of(session, PersonId(UUID(person_id))) or "") if person_id else ""


def _outcome(answer: Answer, tries: int, at: datetime) -> dict[str, Any]:
    if answer.delivery is Delivery.TAKEN:
        return {"tries": tries, "sent_at": at, "last_error": None}
    failed = {"tries": tries, "last_error": answer.reason}
    if answer.delivery is Delivery.NEVER or tries > len(BACK_OFF):
        return failed | {"given_up_at": at}
    return failed | {"next_try_at": at + BACK_OFF[tries - 1]}
