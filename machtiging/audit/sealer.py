"""Background task that seals the intake at intervals, until it is stopped."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from machtiging.audit.head_anchor import HeadAnchor
from machtiging.audit.seal import seal_intake
from machtiging.audit.tables import JournalHead
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import translate_database_errors
from machtiging.supervision import TaskRecord, run_once, run_repeatedly

_log = structlog.get_logger(__name__)
_head = table_of(JournalHead)
_LAST_HEAD = select(_head.c.signature).order_by(_head.c.seq.desc()).limit(1)


async def run_sealer(
    engine: AsyncEngine,
    keyring: KeyRing,
    clock: Clock,
    *,
    every: float,
    stop: asyncio.Event,
    anchor: HeadAnchor | None = None,
    record: TaskRecord | None = None,
) -> None:
    """Seal every `every` seconds and once more at the end. A failure is logged and retried; no line is lost.

    Several workers may run a sealer; a lock lets one work at a time. `anchor` gets the last signed head at the start
    and after each seal.
    """
    record = record or TaskRecord("zegelen")
    owed = anchor is not None

    async def seal_and_anchor() -> None:
        nonlocal owed
        with translate_database_errors():
            sealed = await seal_intake(engine, keyring, clock)
            if sealed:
                _log.debug("journal_sealed", lines=sealed)
            owed = owed or (anchor is not None and sealed > 0)
            if anchor is not None and owed:
                owed = not await _try_anchor_head(engine, anchor)

    await run_repeatedly(seal_and_anchor, record, every=every, stop=stop)
    await run_once(seal_and_anchor, record)


async def anchor_last_head(engine: AsyncEngine, anchor: HeadAnchor) -> None:
    """Store the last signed head in the anchor. Raises Fault `kop_niet_bewaard`."""
    async with engine.connect() as connection:
        head = await connection.scalar(_LAST_HEAD)
    if head is not None:
        await anchor.store_head(head)


async def _try_anchor_head(engine: AsyncEngine, anchor: HeadAnchor) -> bool:
    """Store the last head and return True on success. A failure is logged and does not stop the sealing."""
    try:
        with translate_database_errors():
            await anchor_last_head(engine, anchor)
    except Fault as fault:
        _log.error("journal_head_not_kept", code=fault.code, detail=fault.private)
        return False
    return True
