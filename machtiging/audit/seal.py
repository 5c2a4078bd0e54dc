"""Seal the intake: number its lines, chain them, move them to the journal and sign.

This extends the hash chain. Lines are numbered here and not at the INSERT, because a transaction may commit late. All
lines of the intake are unsealed, however old, so none is skipped. A batch is sealed in one transaction. A background
task does so at intervals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy import RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from machtiging.audit.canonical import canonical_columns
from machtiging.audit.head_anchor import HeadAnchor
from machtiging.audit.rules import (
    CHAIN_START,
    COLUMNS_BY_FORMAT,
    HEAD_ALGORITHM,
    HEAD_TYPE,
    LINE_COLUMNS,
    ChainPosition,
    hash_line,
    head_claims,
)
from machtiging.audit.tables import JournalHead, JournalIntake, JournalLine
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault, NotAuthenticated
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import translate_database_errors
from machtiging.supervision import TaskRecord, run_once, run_repeatedly

_log = structlog.get_logger(__name__)

# One sealer at a time per database. Not an advisory lock, since the service role could take that.
_LOCK_SEALING = text("LOCK TABLE sealing_turn IN EXCLUSIVE MODE")

_intake = table_of(JournalIntake)
_journal = table_of(JournalLine)
_head = table_of(JournalHead)

# A line with an id that is already in the journal cannot move there. It is skipped, so that it does not block the
# others. `verify_journal` reports it. Lines of a later format wait for a sealer that knows it.
_SELECT_UNSEALED = (
    select(*canonical_columns(_intake))
    .where(
        ~select(_journal.c.id).where(_journal.c.id == _intake.c.id).exists(), _intake.c.format.in_(COLUMNS_BY_FORMAT)
    )
    .order_by(_intake.c.intake_number)
)
_LAST_LINE = select(_journal.c.seq, _journal.c.hash).order_by(_journal.c.seq.desc()).limit(1)
_LAST_HEAD = select(_head).order_by(_head.c.seq.desc()).limit(1)
_LAST_SIGNATURE = select(_head.c.signature).order_by(_head.c.seq.desc()).limit(1)
# The columns move inside the database, so the stored values cannot change on the way.
_INSERT_SEALED = text(
    f"INSERT INTO journal ({', '.join(LINE_COLUMNS)}, seq, previous_hash, hash) "  # noqa: S608 - column names of our own
    f"SELECT {', '.join('i.' + name for name in LINE_COLUMNS)}, n.seq, n.previous_hash, n.hash FROM journal_intake i "
    "JOIN unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:previous AS bytea[]), CAST(:hashes AS bytea[])) "
    "AS n(id, seq, previous_hash, hash) ON i.id = n.id"
)
_DELETE_INTAKE = text("DELETE FROM journal_intake WHERE id = ANY(CAST(:ids AS uuid[]))")


async def seal_intake(engine: AsyncEngine, keyring: KeyRing, clock: Clock, batch: int = 1000) -> int:
    """Seal all lines of the intake and return their number. `engine` has the sealer role.

    `batch` is the number of lines in one transaction. Raises Fault `journaal_gebroken` when the end of the journal
    differs from the last signed head: a new signature over a damaged journal would hide the damage. The lines then stay
    in the intake until somebody has investigated.
    """
    total = 0
    while True:
        async with engine.begin() as connection:
            sealed = await _seal_batch(connection, keyring, clock, batch)
        total += sealed
        if sealed < batch:
            return total


async def _seal_batch(connection: AsyncConnection, keyring: KeyRing, clock: Clock, batch: int) -> int:
    await connection.execute(_LOCK_SEALING)
    lines = (await connection.execute(_SELECT_UNSEALED.limit(batch))).mappings().all()
    if not lines:
        return 0
    before = await _load_signed_end(connection, keyring)
    places = _assign_positions(before, lines)
    await _move_lines(connection, lines, before, places)
    end, at = places[-1], clock.now()
    claims = head_claims(end.seq, end.hash, before.seq, at)
    signature = keyring.sign_jwt(claims, typ=HEAD_TYPE, alg=HEAD_ALGORITHM)
    await connection.execute(
        _head.insert(), {"seq": end.seq, "hash": end.hash, "signed_at": at, "signature": signature}
    )
    return len(lines)


async def _load_signed_end(connection: AsyncConnection, keyring: KeyRing) -> ChainPosition:
    """Load the last position of the journal, after verifying it against the last signed head."""
    line = (await connection.execute(_LAST_LINE)).one_or_none()
    head = (await connection.execute(_LAST_HEAD)).one_or_none()
    if line is None and head is None:
        return CHAIN_START
    if line is None or head is None or (line.seq, line.hash) != (head.seq, head.hash):
        raise Fault(
            "journaal_gebroken", private="the last line is not the last signed one; run: machtiging audit verify"
        )
    try:
        claims = keyring.verify_own_statement(head.signature, typ=HEAD_TYPE)
    except NotAuthenticated as error:
        raise Fault("journaal_gebroken", private=f"the last head: {error.private}") from error
    if (claims.get("seq"), claims.get("hash")) != (head.seq, head.hash.hex()):
        raise Fault("journaal_gebroken", private="the last head was signed for another line")
    return ChainPosition(line.seq, line.hash)


def _assign_positions(before: ChainPosition, lines: Sequence[RowMapping]) -> list[ChainPosition]:
    places = []
    for line in lines:
        before = ChainPosition(before.seq + 1, hash_line(before.hash, before.seq + 1, line))
        places.append(before)
    return places


async def _move_lines(
    connection: AsyncConnection, lines: Sequence[RowMapping], before: ChainPosition, positions: Sequence[ChainPosition]
) -> None:
    ids = [line["id"] for line in lines]
    previous = [before.hash, *(place.hash for place in positions[:-1])]
    numbered = {
        "ids": ids,
        "seqs": [place.seq for place in positions],
        "previous": previous,
        "hashes": [place.hash for place in positions],
    }
    moved = await connection.execute(_INSERT_SEALED, numbered)
    deleted = await connection.execute(_DELETE_INTAKE, {"ids": ids})
    if (moved.rowcount, deleted.rowcount) != (len(ids), len(ids)):
        raise Fault("journaal_gebroken", private=f"{moved.rowcount} and {deleted.rowcount} of {len(ids)} lines moved")


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
        head = await connection.scalar(_LAST_SIGNATURE)
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
