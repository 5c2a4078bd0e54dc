"""Reseal rows with a MAC after a key rotation, and verify them for the doctor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging import journalled_tables
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_states.journalled_table import JournalledRow, load_journalled_rows
from machtiging.audit.state_facts import format_row_key, resealed_facts
from machtiging.cli.database import open_service_sessions
from machtiging.cli.doctor_checks.installation import Finding, FindingStatus
from machtiging.cli.operator_name import get_operator_name
from machtiging.cli.sealed_tables import SEALED_TABLES
from machtiging.crypto.key_manifest import KeyKind, key_name
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.tables import SEALED_SESSION
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings
from machtiging.storage.row_mac import MAC_COLUMN, SealedTable
from machtiging.storage.row_mac import format_primary_key as name_of_row
from machtiging.storage.unit_of_work import unit_of_work

_BATCH_SIZE = 500
_MAX_ROWS_NAMED = 5
SessionFactory = async_sessionmaker[AsyncSession]


def _match_primary_key(sealed: SealedTable, row: Any) -> list[ColumnElement[bool]]:
    return [sealed.table.c[name] == row[name] for name in sealed.key]


async def _read_batches(
    sessions: SessionFactory, sealed: SealedTable, conditions: Sequence[ColumnElement[bool]], *, lock: bool
) -> AsyncIterator[tuple[AsyncSession, list[Any]]]:
    """Read the rows that match in order of their primary key, one batch per transaction."""
    table = sealed.table
    after: list[Any] | None = None
    key = [table.c[name] for name in sealed.key]
    while True:
        wanted = (
            select(*(table.c[name] for name in sealed.columns)).where(*conditions).order_by(*key).limit(_BATCH_SIZE)
        )
        if after is not None:
            wanted = wanted.where(tuple_(*key) > tuple_(*(literal(v, k.type) for v, k in zip(after, key, strict=True))))
        if lock:
            wanted = wanted.with_for_update(skip_locked=True, key_share=True)
        async with unit_of_work(sessions) as session:
            rows = list((await session.execute(wanted)).mappings())
            yield session, rows
        if len(rows) < _BATCH_SIZE:
            return
        after = [rows[-1][name] for name in sealed.key]


@dataclass
class ResealResult:
    """The result of resealing: rows done, rows not verified, rows under an older key."""

    count: int = 0
    unverified: list[str] = field(default_factory=list)
    remaining_count: int = 0
    newest: int = 0


async def reseal_rows(settings: Settings) -> ResealResult:
    """Reseal every row under an older key. An interrupted run can be repeated safely."""
    keys, outcome = KeyRing.load(settings.keys_dir), ResealResult()
    outcome.newest = keys.row_mac_key_version
    async with open_service_sessions(settings) as sessions:
        for sealed in SEALED_TABLES:
            older = [
                _usable_row_condition(sealed),
                _mac_key_version(sealed.table) != _encode_version(keys.row_mac_key_version),
            ]
            async for session, rows in _read_batches(sessions, sealed, older, lock=True):
                await _reseal_batch(session, keys, sealed, rows, outcome)
            async with unit_of_work(sessions) as session:
                counted = select(func.count()).select_from(sealed.table).where(*older)
                outcome.remaining_count += await session.scalar(counted) or 0
    return outcome


async def _reseal_batch(
    session: AsyncSession, keys: KeyRing, sealed: SealedTable, rows: list[Any], outcome: ResealResult
) -> None:
    resealed = []
    lines = await _load_newest_lines(session, sealed, rows)
    for row in rows:
        message = sealed.encode_row(row)
        journalled = lines.get(format_row_key(sealed, row))
        # A row that was put back to older content stays as it is: a new MAC in a new line would hide that.
        reverted = journalled is not None and journalled.find_problem(keys) is not None
        if reverted or not keys.row_mac_verifies(row[MAC_COLUMN], message):
            outcome.unverified.append(f"{sealed.table.name} {name_of_row(sealed, row)}")
            continue
        # Optimistic lock: write only if the MAC is unchanged, so that no concurrent change is lost.
        mine = [*_match_primary_key(sealed, row), sealed.table.c[MAC_COLUMN] == row[MAC_COLUMN]]
        mac = keys.row_mac(message)
        await session.execute(update(sealed.table).where(*mine).values({MAC_COLUMN: mac}))
        resealed.append({**row, MAC_COLUMN: mac})
    outcome.count += len(resealed)
    if resealed:
        facts = {"sleutel": keys.row_mac_key_version, "rijen": len(resealed), "beheerder": get_operator_name()}
        if lines:
            facts |= resealed_facts((sealed, row) for row in resealed if format_row_key(sealed, row) in lines)
        line = NewJournalLine(JournalAct.SLEUTEL_GEWISSELD, JournalOutcome.DONE, "rijen_opnieuw_verzegeld", facts=facts)
        await record(session, line, at=SystemClock().now())


async def _load_newest_lines(session: AsyncSession, sealed: SealedTable, rows: list[Any]) -> dict[str, JournalledRow]:
    """Load the locked rows of a journalled table that have a line, by their key. Others wait for `keys seal-rows`."""
    if not rows or all(table.sealed is not sealed for table in journalled_tables.JOURNALLED_TABLES):
        return {}
    among = [[row[name] for name in sealed.key] for row in rows]
    found = await load_journalled_rows(session, sealed, limit=len(rows), among=among)
    return {one.key: one for one in found if one.line is not None}


def _mac_key_version(table: Table) -> ColumnElement[bytes]:
    return func.substring(table.c[MAC_COLUMN], 1, 4, type_=table.c[MAC_COLUMN].type)


def _encode_version(version: int) -> bytes:
    return version.to_bytes(4, "big")


def _usable_row_condition(sealed: SealedTable) -> ColumnElement[bool]:
    """Select rows that still grant something. Sessions ended by the upgrade were never sealed."""
    if sealed is SEALED_SESSION:
        session = sealed.table.c
        return session.ended_at.is_(None) & (session.last_seen_at >= session.created_at)
    return sealed.table.c[MAC_COLUMN].is_not(None)


def describe_reseal(outcome: ResealResult) -> list[str]:
    """Describe the result in sentences for the operator."""
    newest = key_name(KeyKind.ROW_MAC, outcome.newest)
    lines = [f"{outcome.count} rows sealed by {newest}."]
    if outcome.unverified:
        some = ", ".join(outcome.unverified[:_MAX_ROWS_NAMED])
        lines.append(f"{len(outcome.unverified)} rows do not verify, open nothing and stay as they are: {some}.")
    if outcome.remaining_count > len(outcome.unverified):
        missed = outcome.remaining_count - len(outcome.unverified)
        lines.append(f"{missed} rows were in use or came in meanwhile. Run this again.")
    if not outcome.remaining_count:
        lines.append(
            f"No row names an older key than {newest}. Keep the older ones for a day: people who are logged in"
        )
        lines.append("are found by it, and have to log in again without it.")
    return lines


async def check_sealed_rows(settings: Settings) -> Finding:
    """Doctor: verify every usable row, and report rows under an older key. Raises Fault."""
    keys, count, older = KeyRing.load(settings.keys_dir), 0, 0
    forged: list[str] = []
    async with open_service_sessions(settings) as sessions:
        for sealed in SEALED_TABLES:
            async for _, rows in _read_batches(sessions, sealed, [_usable_row_condition(sealed)], lock=False):
                count += len(rows)
                older += sum(row[MAC_COLUMN][:4] != _encode_version(keys.row_mac_key_version) for row in rows)
                forged += [
                    f"{sealed.table.name} {name_of_row(sealed, row)}"
                    for row in rows
                    if not keys.row_mac_verifies(row[MAC_COLUMN], sealed.encode_row(row))
                ]
    if forged:
        mend = "Somebody changed them in the database. They open nothing; find out who, and delete or restore them."
        some = f"{len(forged)} of {count} do not verify: {', '.join(forged[:_MAX_ROWS_NAMED])}"
        return Finding("sealed rows", FindingStatus.WRONG, some, mend)
    if older:
        what = f"{older} of {count} under an older key than {key_name(KeyKind.ROW_MAC, keys.row_mac_key_version)}"
        return Finding("sealed rows", FindingStatus.ATTENTION, what, "Run machtiging keys rewrap.")
    return Finding("sealed rows", FindingStatus.OK, f"{count}, all as they were written")
