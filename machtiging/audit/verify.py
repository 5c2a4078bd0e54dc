"""Verifying the journal: reads every line and every head, and says which are changed, missing, inserted or unsigned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from machtiging.audit.exact import exact_columns
from machtiging.audit.rules import HEAD_TYPE, START, Place, Problem, ProblemKind, examine, head_claims, missing
from machtiging.audit.tables import JournalHead, JournalIntake, JournalLine
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import NotAuthenticated

# One damaged place can set a million lines askew; the first ones say where to look.
MOST_PROBLEMS = 100

_intake = JournalIntake.__table__  # type: ignore[attr-defined]
_journal = JournalLine.__table__  # type: ignore[attr-defined]
_head = JournalHead.__table__  # type: ignore[attr-defined]
_LINES = select(*exact_columns(_journal)).order_by(_journal.c.seq)
_HEADS = select(_head).order_by(_head.c.seq)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What was read and what is wrong. Keep `head` somewhere else: it proves later that nothing was cut off."""

    lines: int
    heads: int
    waiting: int
    problems: tuple[Problem, ...]
    problems_found: int
    head: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problems_found == 0


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    keyring: KeyRing
    at: Place = START
    lines: int = 0
    heads: int = 0
    last_head: Place = START
    token: str | None = None
    problems: list[Problem] = field(default_factory=list)
    found: int = 0

    def complain(self, *problems: Problem) -> None:
        self.found += len(problems)
        self.problems.extend(problems[: max(0, MOST_PROBLEMS - len(self.problems))])


async def verify(
    engine: AsyncEngine,
    keyring: KeyRing,
    *,
    expected_head: str | None = None,
    progress: Progress | None = None,
    batch: int = 2000,
) -> Report:
    """Read the whole journal in one snapshot and report. Any role that may read the journal will do.

    `expected_head` is a `Report.head` of an earlier time, kept outside this database: without one, a tail that was cut
    off together with its heads leaves no trace. `progress` is called with lines read and lines in all.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        total = await connection.scalar(select(func.count()).select_from(_journal)) or 0
        reading = _Reading(keyring)
        result = await connection.stream(_LINES.execution_options(yield_per=batch))
        async for lines in result.mappings().partitions(batch):
            await _read(connection, reading, list(lines))
            if progress:
                progress(reading.lines, total)
        await _finish(connection, reading)
        if expected_head is not None:
            await _compare(connection, reading, expected_head)
        waiting = await connection.scalar(select(func.count()).select_from(_intake)) or 0
    return Report(reading.lines, reading.heads, waiting, tuple(reading.problems), reading.found, reading.token)


async def _read(connection: AsyncConnection, reading: _Reading, lines: list[RowMapping]) -> None:
    """One batch of lines, with the heads that stand among them."""
    numbers = [line["seq"] for line in lines if line["seq"] is not None]
    among = _HEADS.where(_head.c.seq > reading.at.seq, _head.c.seq <= max(numbers, default=0))
    heads = {head.seq: head for head in await connection.execute(among)}
    for line in lines:
        reading.lines += 1
        problems = examine(reading.at, line)
        reading.complain(*problems)
        if any(problem.kind is ProblemKind.DOUBLE for problem in problems):
            continue
        # Heads for lines that are missing; the gap itself has been reported.
        for seq in [seq for seq in heads if seq < line["seq"]]:
            _examine_head(reading, heads.pop(seq), None)
        reading.at = Place(line["seq"], line["hash"] or b"")
        if line["seq"] in heads:
            _examine_head(reading, heads.pop(line["seq"]), reading.at)


def _examine_head(reading: _Reading, head: Row[tuple[int, bytes, object, str]], place: Place | None) -> None:
    """A head must be signed by us, follow on the head before it, and say what the chain says."""
    reading.heads += 1
    seq = head.seq
    try:
        claims = reading.keyring.verify_own_statement(head.signature, typ=HEAD_TYPE)
    except NotAuthenticated as error:
        text = f"De ondertekening van kop {seq} klopt niet ({error.private})."
        reading.complain(Problem(ProblemKind.HEAD_FORGED, seq, text))
        return
    previous: Any = claims.get("previous")
    if claims != head_claims(seq, head.hash, previous, head.signed_at):
        text = f"Kop {seq} is niet wat ondertekend is."
        reading.complain(Problem(ProblemKind.HEAD_FORGED, seq, text))
        return
    if previous != reading.last_head.seq:
        text = f"Tussen kop {reading.last_head.seq} en kop {seq} ontbreekt er een."
        reading.complain(Problem(ProblemKind.HEAD_MISSING, seq, text))
    if place is not None and head.hash != place.hash:
        text = f"Regel {seq} is niet de ondertekende. Kijk naar de regels {reading.last_head.seq + 1} tot en met {seq}."
        reading.complain(Problem(ProblemKind.CHANGED, seq, text))
    reading.last_head, reading.token = Place(seq, head.hash), head.signature


async def _finish(connection: AsyncConnection, reading: _Reading) -> None:
    """What the end of the journal tells: heads beyond it, lines without a signature, lines that cannot be sealed."""
    end = reading.at.seq
    if reading.last_head.seq < end:
        text = f"De regels {reading.last_head.seq + 1} tot en met {end} zijn niet ondertekend."
        reading.complain(Problem(ProblemKind.UNSIGNED, reading.last_head.seq + 1, text))
    for head in await connection.execute(_HEADS.where(_head.c.seq > end)):
        reading.complain(Problem(ProblemKind.CUT_OFF, end + 1, f"Kop {head.seq}: {missing(end + 1, head.seq)}"))
        _examine_head(reading, head, None)
    stray = select(_intake.c.id).where(select(_journal.c.id).where(_journal.c.id == _intake.c.id).exists())
    for row in await connection.execute(stray.limit(MOST_PROBLEMS)):
        text = f"De wachtende regel met id {row.id} staat ook in het journaal."
        reading.complain(Problem(ProblemKind.STRAY, None, text))


async def _compare(connection: AsyncConnection, reading: _Reading, expected_head: str) -> None:
    """Does what was signed at an earlier time still stand?"""
    try:
        claims = reading.keyring.verify_own_statement(expected_head.strip(), typ=HEAD_TYPE)
    except NotAuthenticated as error:
        text = f"De meegegeven kop is niet door ons ondertekend ({error.private})."
        reading.complain(Problem(ProblemKind.HEAD_FORGED, None, text))
        return
    seq: int = claims["seq"]
    if seq > reading.at.seq:
        reading.complain(Problem(ProblemKind.CUT_OFF, reading.at.seq + 1, missing(reading.at.seq + 1, seq)))
        return
    standing = await connection.scalar(select(_journal.c.hash).where(_journal.c.seq == seq))
    if standing is None or standing.hex() != claims["hash"]:
        text = f"Regel {seq} is niet meer wat eerder ondertekend is: de regels tot en met {seq} zijn verdacht."
        reading.complain(Problem(ProblemKind.CHANGED, seq, text))
