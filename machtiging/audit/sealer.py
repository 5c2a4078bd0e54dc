"""The sealer at work beside the service: seals what waits, now and then, until told to stop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from machtiging.audit.head_keeper import HeadKeeper
from machtiging.audit.seal import seal_waiting
from machtiging.audit.tables import JournalHead
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault

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
) -> None:
    """Seal every `every` seconds and once more at the end. A failure is logged and tried again; no line is lost.

    Several workers may each run one; they take turns. `keeper` gets the last signed head after each seal, and at the
    start.
    """
    owed = keeper is not None
    while True:
        last_time = stop.is_set()
        sealed = await _seal(engine, keyring, clock)
        owed = owed or (keeper is not None and sealed > 0)
        if keeper is not None and owed:
            owed = not await _keep(engine, keeper)
        if last_time:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)


async def keep_last_head(engine: AsyncEngine, keeper: HeadKeeper) -> None:
    """Put the last signed head where the keeper puts heads. Raises Fault `kop_niet_bewaard`."""
    async with engine.connect() as connection:
        head = await connection.scalar(_LAST_HEAD)
    if head is not None:
        await keeper.keep(head)


async def _keep(engine: AsyncEngine, keeper: HeadKeeper) -> bool:
    try:
        await keep_last_head(engine, keeper)
    except Fault as fault:
        _log.error("journal_head_not_kept", code=fault.code, detail=fault.private)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        _log.warning("journal_head_not_kept", code="opslag_niet_bereikbaar", detail=type(error).__name__)
    else:
        return True
    return False


async def _seal(engine: AsyncEngine, keyring: KeyRing, clock: Clock) -> int:
    try:
        sealed = await seal_waiting(engine, keyring, clock)
    except Fault as fault:
        _log.error("journal_not_sealed", code=fault.code, detail=fault.private)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        # The class only: the text of a database error quotes the parameters.
        _log.warning("journal_not_sealed", code="opslag_niet_bereikbaar", detail=type(error).__name__)
    else:
        if sealed:
            _log.debug("journal_sealed", lines=sealed)
        return sealed
    return 0
