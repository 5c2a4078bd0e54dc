"""Background task that seals the intake at intervals, until it is stopped."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from machtiging.audit.head_keeper import HeadKeeper
from machtiging.audit.seal import seal_waiting
from machtiging.audit.tables import JournalHead
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault
from machtiging.storage.unit_of_work import database_failures
from machtiging.supervision import TaskRecord, attempt, repeat

_log = structlog.get_logger(__name__)
_head = JournalHead.__table__  # type: ignore[attr-defined]
_LAST_HEAD = select(_head.c.signature).order_by(_head.c.seq.desc()).limit(1)


async def run_sealer(
    engine: AsyncEngine,
    keyring: KeyRing,
    clock: Clock,
    *,
    every: float,
    stop: asyncio.Event,
    keeper: HeadKeeper | None = None,
    record: TaskRecord | None = None,
) -> None:
    """Seal every `every` seconds and once more at the end. A failure is logged and retried; no line is lost.

    Several workers may run a sealer; a lock lets one work at a time. `anchor` gets the last signed head at the start
    and after each seal.
    """
    record = record or TaskRecord("zegelen")
    owed = keeper is not None

    async def seal() -> None:
        nonlocal owed
        with database_failures():
            sealed = await seal_waiting(engine, keyring, clock)
            if sealed:
                _log.debug("journal_sealed", lines=sealed)
            owed = owed or (keeper is not None and sealed > 0)
            if keeper is not None and owed:
                owed = not await _keep(engine, keeper)

    await repeat(seal, record, every=every, stop=stop)
    await attempt(seal, record)


async def keep_last_head(engine: AsyncEngine, keeper: HeadKeeper) -> None:
    """Store the last signed head in the anchor. Raises Fault `kop_niet_bewaard`."""
    async with engine.connect() as connection:
        head = await connection.scalar(_LAST_HEAD)
    if head is not None:
        await keeper.keep(head)


async def _keep(engine: AsyncEngine, keeper: HeadKeeper) -> bool:
    """Store the last head and return True on success. A failure is logged and does not stop the sealing."""
    try:
        with database_failures():
            await keep_last_head(engine, keeper)
    except Fault as fault:
        _log.error("journal_head_not_kept", code=fault.code, detail=fault.private)
        return False
    return True
