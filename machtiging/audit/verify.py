"""Verification of the journal: find changed, missing, inserted and unsigned lines.

It first compares the database protection of the journal with the baseline. It reads in batches, so a statement timeout
applies to one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, RowMapping, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from machtiging.audit.exact import exact_columns, reachable_instant
from machtiging.audit.protection.deviations import Deviation, deviations, load_protection
from machtiging.audit.rules import HEAD_TYPE, START, Place, Problem, ProblemKind, examine, head_claims, missing
from machtiging.audit.tables import JournalHead, JournalIntake, JournalLine
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import NotAuthenticated

# One damaged line can make a million later ones fail. The first problems show where to look.
MOST_PROBLEMS = 100

_intake = JournalIntake.__table__  # type: ignore[attr-defined]
_journal = JournalLine.__table__  # type: ignore[attr-defined]
_head = JournalHead.__table__  # type: ignore[attr-defined]
_LINES = select(*exact_columns(_journal)).order_by(_journal.c.seq)
_SIGNED_AT = reachable_instant(_head.c.signed_at).label("signed_at")
_HEADS = select(_head.c.seq, _head.c.hash, _SIGNED_AT, _head.c.signature).order_by(_head.c.seq)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a verification. Store `head` elsewhere: it later proves that nothing was cut off.

    `deviations`: differences between the database protection and the migrations. `head_compared`: an externally stored
    head was given. Without one, removal of the newest lines cannot be detected from inside.
    """

    lines: int
    heads: int
    waiting: int
    problems: tuple[Problem, ...]
    problems_found: int
    head: str | None
    deviations: tuple[Deviation, ...] = ()
    compared: bool = False

    @property
    def ok(self) -> bool:
        """True if no problem was found in lines and heads."""
        return self.problems_found == 0


@dataclass(slots=True)
class _Reading:
    """The state of a verification in progress."""

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
    start_head: str | None = None,
    progress: Progress | None = None,
    batch: int = 2000,
) -> Report:
    """Read the whole journal in one snapshot and report. Any role with read access will do.

    `expected_head` is a `VerificationReport.head` from an earlier time, stored outside this database. Without it, a
    tail cut off together with its heads leaves no trace. `start_head` is one too: lines up to it were verified before
    and are not read again. `progress` is called with the number of the last line read and the highest number.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        unprotected = tuple(deviations(await load_protection(connection)))
        reading, waiting = _Reading(keyring), 0
        absent = [one.subject for one in unprotected if one.found is None]
        if gone := [subject for subject in absent if subject.startswith("table journal")]:
            reading.complain(*(Problem(ProblemKind.MISSING, None, f"{subject}: is er niet.") for subject in gone))
        else:
            if start_head is not None:
                _start_after(reading, start_head)
            await _read_all(connection, reading, progress, batch)
            await _finish(connection, reading)
            for head in (start_head, expected_head):
                if head is not None:
                    await _compare(connection, reading, head)
            waiting = await connection.scalar(select(func.count()).select_from(_intake)) or 0
    compared = expected_head is not None or start_head is not None
    problems = tuple(reading.problems)
    return Report(reading.lines, reading.heads, waiting, problems, reading.found, reading.token, unprotected, compared)


def _start_after(reading: _Reading, start_head: str) -> None:
    """Start after a head that was verified before. Ignores a head with an invalid signature: then all is read."""
    claims = _claims_of(reading.keyring, start_head)
    if claims is not None:
        reading.at = reading.last_head = Place(claims["seq"], bytes.fromhex(claims["hash"]))
        reading.token = start_head.strip()


def _claims_of(keyring: KeyRing, head: str) -> dict[str, Any] | None:
    try:
        return keyring.verify_own_statement(head.strip(), typ=HEAD_TYPE)
    except NotAuthenticated:
        return None


async def _read_all(connection: AsyncConnection, reading: _Reading, progress: Progress | None, batch: int) -> None:
    # The highest number and not a count: counting a large journal would exceed the statement timeout.
    total = await connection.scalar(select(func.max(_journal.c.seq))) or 0
    lines = _LINES
    if reading.at.seq:
        lines = lines.where(or_(_journal.c.seq > reading.at.seq, _journal.c.seq.is_(None)))
    result = await connection.stream(lines.execution_options(yield_per=batch))
    async for some in result.mappings().partitions(batch):
        await _read(connection, reading, list(some))
        if progress:
            progress(reading.at.seq, total)


async def _read(connection: AsyncConnection, reading: _Reading, lines: list[RowMapping]) -> None:
    """Verify one batch of lines, with the heads between them."""
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
    """Verify that a head is signed by us, follows the previous one and matches the chain."""
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
    """Verify the end of the journal: heads beyond it, unsigned lines, and lines that cannot be sealed."""
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
    """Check that the journal still contains the line and hash of an earlier signed head."""
    try:
        claims = reading.keyring.verify_own_statement(expected_head.strip(), typ=HEAD_TYPE)
    except NotAuthenticated as error:
        text = f"De meegegeven kop is niet door ons ondertekend ({error.private})."
        reading.complain(Problem(ProblemKind.HEAD_FORGED, None, text))
        return
    seq: int = claims["seq"]
    last: int = await connection.scalar(select(func.max(_journal.c.seq))) or 0
    if seq > last:
        reading.complain(Problem(ProblemKind.CUT_OFF, last + 1, missing(last + 1, seq)))
        return
    standing = await connection.scalar(select(_journal.c.hash).where(_journal.c.seq == seq))
    if standing is None or standing.hex() != claims["hash"]:
        text = f"Regel {seq} is niet meer wat eerder ondertekend is: de regels tot en met {seq} zijn verdacht."
        reading.complain(Problem(ProblemKind.CHANGED, seq, text))
