"""The sealer at work beside the service: seals what waits, now and then, until told to stop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from machtiging.audit.seal import seal_waiting
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault

_log = structlog.get_logger(__name__)


async def run_sealer(engine: AsyncEngine, keyring: KeyRing, clock: Clock, *, every: float, stop: asyncio.Event) -> None:
    """Seal every `every` seconds and once more at the end. A failure is logged and tried again; no line is lost.

    Several workers may each run one; they take turns.
    """
    while not stop.is_set():
        await _seal(engine, keyring, clock)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
    await _seal(engine, keyring, clock)


async def _seal(engine: AsyncEngine, keyring: KeyRing, clock: Clock) -> None:
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
