"""Reseal rows with a MAC after a key rotation, and verify them for the doctor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.cli.checks import Finding, Verdict
from machtiging.cli.database import service_sessions
from machtiging.cli.operator.who import operator
from machtiging.cli.sealed_tables import SEALED_TABLES
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.manifest import Kind, name_of
from machtiging.identity.tables import SEALED_SESSION
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings
from machtiging.storage.row_mac import MAC, SealedTable
from machtiging.storage.row_mac import name_of as name_of_row
from machtiging.storage.unit_of_work import unit_of_work

_BATCH = 500
_NAMED = 5
Sessions = async_sessionmaker[AsyncSession]


def _row_key_matches(sealed: SealedTable, row: Any) -> list[ColumnElement[bool]]:
    return [sealed.table.c[name] == row[name] for name in sealed.key]


async def _batches(
    sessions: Sessions, sealed: SealedTable, which: Sequence[ColumnElement[bool]], *, lock: bool
) -> AsyncIterator[tuple[AsyncSession, list[Any]]]:
    """Read the rows that match in order of their primary key, one batch per transaction."""
    table = sealed.table
    after: list[Any] | None = None
    key = [table.c[name] for name in sealed.key]
    while True:
        wanted = select(*(table.c[name] for name in sealed.columns)).where(*which).order_by(*key).limit(_BATCH)
        if after is not None:
            wanted = wanted.where(tuple_(*key) > tuple_(*(literal(v, k.type) for v, k in zip(after, key, strict=True))))
        if lock:
            wanted = wanted.with_for_update(skip_locked=True, key_share=True)
        async with unit_of_work(sessions) as session:
            rows = list((await session.execute(wanted)).mappings())
            yield session, rows
        if len(rows) < _BATCH:
            return
        after = [rows[-1][name] for name in sealed.key]


@dataclass
class Reseal:
    """The result of resealing: rows done, rows not verified, rows under an older key."""

    count: int = 0
    broken: list[str] = field(default_factory=list)
    left: int = 0
    newest: int = 0


async def reseal_all(settings: Settings) -> Reseal:
    """Reseal every row under an older key. An interrupted run can be repeated safely."""
    keys, outcome = KeyRing.load(settings.keys_dir), Reseal()
    outcome.newest = keys.row_mac_version
    async with service_sessions(settings) as sessions:
        for sealed in SEALED_TABLES:
            older = [_sealed_live(sealed), _version(sealed.table) != _prefix(keys.row_mac_version)]
            async for session, rows in _batches(sessions, sealed, older, lock=True):
                await _reseal(session, keys, sealed, rows, outcome)
            async with unit_of_work(sessions) as session:
                counted = select(func.count()).select_from(sealed.table).where(*older)
                outcome.left += await session.scalar(counted) or 0
    return outcome


async def _reseal(session: AsyncSession, keys: KeyRing, sealed: SealedTable, rows: list[Any], outcome: Reseal) -> None:
    done = 0
    for row in rows:
        message = sealed.encode(row)
        if not keys.row_mac_verifies(row[MAC], message):
            outcome.broken.append(f"{sealed.table.name} {name_of_row(sealed, row)}")
            continue
        # Optimistic lock: write only if the MAC is unchanged, so that no concurrent change is lost.
        mine = [*_row_key_matches(sealed, row), sealed.table.c[MAC] == row[MAC]]
        await session.execute(update(sealed.table).where(*mine).values({MAC: keys.row_mac(message)}))
        done += 1
    outcome.count += done
    if done:
        facts = {"sleutel": keys.row_mac_version, "rijen": done, "beheerder": operator()}
        line = Line(JournalAct.SLEUTEL_GEWISSELD, Outcome.DONE, "rijen_opnieuw_verzegeld", facts=facts)
        await record(session, line, at=SystemClock().now())


def _version(table: Table) -> ColumnElement[bytes]:
    return func.substring(table.c[MAC], 1, 4, type_=table.c[MAC].type)


def _prefix(version: int) -> bytes:
    return version.to_bytes(4, "big")


def _sealed_live(sealed: SealedTable) -> ColumnElement[bool]:
    """Select rows that still grant something. Sessions ended by the upgrade were never sealed."""
    if sealed is SEALED_SESSION:
        session = sealed.table.c
        return session.ended_at.is_(None) & (session.last_seen_at >= session.created_at)
    return sealed.table.c[MAC].is_not(None)


def describe_reseal(outcome: Reseal) -> list[str]:
    """Describe the result in sentences for the operator."""
    newest = name_of(Kind.ROW_MAC, outcome.newest)
    said = [f"{outcome.count} rows sealed by {newest}."]
    if outcome.broken:
        some = ", ".join(outcome.broken[:_NAMED])
        said.append(f"{len(outcome.broken)} rows do not verify, open nothing and stay as they are: {some}.")
    if outcome.left > len(outcome.broken):
        said.append(f"{outcome.left - len(outcome.broken)} rows were in use or came in meanwhile. Run this again.")
    if not outcome.left:
        said.append(f"No row names an older key than {newest}. Keep the older ones for a day: people who are logged in")
        said.append("are found by it, and have to log in again without it.")
    return said


async def check_sealed_rows(settings: Settings) -> Finding:
    """Doctor: verify every usable row, and report rows under an older key. Raises Fault."""
    keys, count, older = KeyRing.load(settings.keys_dir), 0, 0
    forged: list[str] = []
    async with service_sessions(settings) as sessions:
        for sealed in SEALED_TABLES:
            async for _, rows in _batches(sessions, sealed, [_sealed_live(sealed)], lock=False):
                count += len(rows)
                older += sum(row[MAC][:4] != _prefix(keys.row_mac_version) for row in rows)
                forged += [
                    f"{sealed.table.name} {name_of_row(sealed, row)}"
                    for row in rows
                    if not keys.row_mac_verifies(row[MAC], sealed.encode(row))
                ]
    if forged:
        mend = "Somebody changed them in the database. They open nothing; find out who, and delete or restore them."
        some = f"{len(forged)} of {count} do not verify: {', '.join(forged[:_NAMED])}"
        return Finding("sealed rows", Verdict.WRONG, some, mend)
    if older:
        what = f"{older} of {count} under an older key than {name_of(Kind.ROW_MAC, keys.row_mac_version)}"
        return Finding("sealed rows", Verdict.ATTENTION, what, "Run machtiging keys rewrap.")
    return Finding("sealed rows", Verdict.OK, f"{count}, all as they were written")
