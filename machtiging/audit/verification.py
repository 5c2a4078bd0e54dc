"""Verification of the journal: find changed, missing, inserted and unsigned lines.

It first compares the database protection of the journal with the baseline. It reads in batches, so a statement timeout
applies to one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, RowMapping, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from machtiging.audit.canonical import canonical_columns, clamp_instant
from machtiging.audit.protection.deviations import ProtectionDeviation, find_deviations, load_protection
from machtiging.audit.rules import (
    CHAIN_START,
    HEAD_TYPE,
    ChainPosition,
    JournalProblem,
    JournalProblemKind,
    check_line,
    describe_missing_lines,
    head_claims,
)
from machtiging.audit.tables import JournalHead, JournalIntake, JournalLine
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import NotAuthenticated
from machtiging.storage.columns import table_of

# One damaged line can make a million later ones fail. The first problems show where to look.
MAX_PROBLEMS = 100

_intake = table_of(JournalIntake)
_journal = table_of(JournalLine)
_head = table_of(JournalHead)
_LINES = select(*canonical_columns(_journal)).order_by(_journal.c.seq)
_SIGNED_AT = clamp_instant(_head.c.signed_at).label("signed_at")
_HEADS = select(_head.c.seq, _head.c.hash, _SIGNED_AT, _head.c.signature).order_by(_head.c.seq)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The result of a verification. Store `head` elsewhere: it later proves that nothing was cut off.

    `deviations`: differences between the database protection and the migrations. `head_compared`: an externally stored
    head was given. Without one, removal of the newest lines cannot be detected from inside.
    """

    lines: int
    heads: int
    waiting: int
    problems: tuple[JournalProblem, ...]
    problem_count: int
    head: str | None
    deviations: tuple[ProtectionDeviation, ...] = ()
    head_compared: bool = False

    @property
    def ok(self) -> bool:
        """True if no problem was found in lines and heads."""
        return self.problem_count == 0


@dataclass(slots=True)
class _VerificationState:
    """The state of a verification in progress."""

    keyring: KeyRing
    position: ChainPosition = CHAIN_START
    lines: int = 0
    heads: int = 0
    last_head: ChainPosition = CHAIN_START
    head_token: str | None = None
    problems: list[JournalProblem] = field(default_factory=list)
    problem_count: int = 0

    def add_problems(self, *problems: JournalProblem) -> None:
        self.problem_count += len(problems)
        self.problems.extend(problems[: max(0, MAX_PROBLEMS - len(self.problems))])

    def to_report(
        self, waiting: int, deviations: tuple[ProtectionDeviation, ...], *, head_compared: bool
    ) -> VerificationReport:
        """Build the report of what was verified. `waiting`: the lines that are not sealed yet."""
        return VerificationReport(
            lines=self.lines,
            heads=self.heads,
            waiting=waiting,
            problems=tuple(self.problems),
            problem_count=self.problem_count,
            head=self.head_token,
            deviations=deviations,
            head_compared=head_compared,
        )


async def verify_journal(
    engine: AsyncEngine,
    keyring: KeyRing,
    *,
    expected_head: str | None = None,
    start_head: str | None = None,
    progress: Progress | None = None,
    batch: int = 2000,
) -> VerificationReport:
    """Read the whole journal in one snapshot and report. Any role with read access will do.

    `expected_head` is a `VerificationReport.head` from an earlier time, stored outside this database. Without it, a
    tail cut off together with its heads leaves no trace. `start_head` is one too: lines up to it were verified before
    and are not read again. `progress` is called with the number of the last line read and the highest number.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        deviations = tuple(find_deviations(await load_protection(connection)))
        state, waiting = _VerificationState(keyring), 0
        missing = _find_missing_tables(deviations)
        state.add_problems(*missing)
        if not missing:
            if start_head is not None:
                _skip_to_head(state, start_head)
            await _verify_lines(connection, state, progress, batch)
            await _verify_end(connection, state)
            for head in (start_head, expected_head):
                if head is not None:
                    await _compare_with_head(connection, state, head)
            waiting = await connection.scalar(select(func.count()).select_from(_intake)) or 0
    return state.to_report(waiting, deviations, head_compared=expected_head is not None or start_head is not None)


def _find_missing_tables(deviations: Sequence[ProtectionDeviation]) -> list[JournalProblem]:
    """Return a problem for each journal table that does not exist."""
    absent = [one.subject for one in deviations if one.found is None]
    return [
        JournalProblem(JournalProblemKind.MISSING, None, f"{subject}: is er niet.")
        for subject in absent
        if subject.startswith("table journal")
    ]


def _skip_to_head(state: _VerificationState, start_head: str) -> None:
    """Start after a head that was verified before. Ignores a head with an invalid signature: then all is read."""
    claims = _read_head_claims(state.keyring, start_head)
    if claims is not None:
        state.position = state.last_head = ChainPosition(claims["seq"], bytes.fromhex(claims["hash"]))
        state.head_token = start_head.strip()


def _read_head_claims(keyring: KeyRing, head: str) -> dict[str, Any] | None:
    try:
        return keyring.verify_own_statement(head.strip(), typ=HEAD_TYPE)
    except NotAuthenticated:
        return None


async def _verify_lines(
    connection: AsyncConnection, state: _VerificationState, progress: Progress | None, batch: int
) -> None:
    # The highest number and not a count: counting a large journal would exceed the statement timeout.
    total = await connection.scalar(select(func.max(_journal.c.seq))) or 0
    lines = _LINES
    if state.position.seq:
        lines = lines.where(or_(_journal.c.seq > state.position.seq, _journal.c.seq.is_(None)))
    result = await connection.stream(lines.execution_options(yield_per=batch))
    async for some in result.mappings().partitions(batch):
        await _verify_batch(connection, state, list(some))
        if progress:
            progress(state.position.seq, total)


async def _verify_batch(connection: AsyncConnection, state: _VerificationState, lines: list[RowMapping]) -> None:
    """Verify one batch of lines, with the heads between them."""
    numbers = [line["seq"] for line in lines if line["seq"] is not None]
    among = _HEADS.where(_head.c.seq > state.position.seq, _head.c.seq <= max(numbers, default=0))
    heads = {head.seq: head for head in await connection.execute(among)}
    for line in lines:
        state.lines += 1
        problems = check_line(state.position, line)
        state.add_problems(*problems)
        if any(problem.kind is JournalProblemKind.DOUBLE for problem in problems):
            continue
        # Heads for lines that are missing; the gap itself has been reported.
        for seq in [seq for seq in heads if seq < line["seq"]]:
            _verify_head(state, heads.pop(seq), None)
        state.position = ChainPosition(line["seq"], line["hash"] or b"")
        if line["seq"] in heads:
            _verify_head(state, heads.pop(line["seq"]), state.position)


def _verify_head(state: _VerificationState, head: Row[int, bytes, object, str], position: ChainPosition | None) -> None:
    """Verify the signature of a head, its place after the previous one, and the chain."""
    state.heads += 1
    seq = head.seq
    try:
        claims = state.keyring.verify_own_statement(head.signature, typ=HEAD_TYPE)
    except NotAuthenticated as error:
        text = f"De ondertekening van kop {seq} klopt niet ({error.private})."
        state.add_problems(JournalProblem(JournalProblemKind.HEAD_FORGED, seq, text))
        return
    previous: Any = claims.get("previous")
    if claims != head_claims(seq, head.hash, previous, head.signed_at):
        text = f"Kop {seq} is niet wat ondertekend is."
        state.add_problems(JournalProblem(JournalProblemKind.HEAD_FORGED, seq, text))
        return
    if previous != state.last_head.seq:
        text = f"Tussen kop {state.last_head.seq} en kop {seq} ontbreekt er een."
        state.add_problems(JournalProblem(JournalProblemKind.HEAD_MISSING, seq, text))
    if position is not None and head.hash != position.hash:
        text = f"Regel {seq} is niet de ondertekende. Kijk naar de regels {state.last_head.seq + 1} tot en met {seq}."
        state.add_problems(JournalProblem(JournalProblemKind.CHANGED, seq, text))
    state.last_head, state.head_token = ChainPosition(seq, head.hash), head.signature


async def _verify_end(connection: AsyncConnection, state: _VerificationState) -> None:
    """Verify the end of the journal: heads beyond it, unsigned lines and unsealable lines."""
    end = state.position.seq
    if state.last_head.seq < end:
        text = f"De regels {state.last_head.seq + 1} tot en met {end} zijn niet ondertekend."
        state.add_problems(JournalProblem(JournalProblemKind.UNSIGNED, state.last_head.seq + 1, text))
    for head in await connection.execute(_HEADS.where(_head.c.seq > end)):
        state.add_problems(
            JournalProblem(
                JournalProblemKind.CUT_OFF, end + 1, f"Kop {head.seq}: {describe_missing_lines(end + 1, head.seq)}"
            )
        )
        _verify_head(state, head, None)
    stray = select(_intake.c.id).where(select(_journal.c.id).where(_journal.c.id == _intake.c.id).exists())
    for row in await connection.execute(stray.limit(MAX_PROBLEMS)):
        text = f"De wachtende regel met id {row.id} staat ook in het journaal."
        state.add_problems(JournalProblem(JournalProblemKind.STRAY, None, text))


async def _compare_with_head(connection: AsyncConnection, state: _VerificationState, expected_head: str) -> None:
    """Check that the journal still contains the line and hash of an earlier signed head."""
    try:
        claims = state.keyring.verify_own_statement(expected_head.strip(), typ=HEAD_TYPE)
    except NotAuthenticated as error:
        text = f"De meegegeven kop is niet door ons ondertekend ({error.private})."
        state.add_problems(JournalProblem(JournalProblemKind.HEAD_FORGED, None, text))
        return
    seq: int = claims["seq"]
    last: int = await connection.scalar(select(func.max(_journal.c.seq))) or 0
    if seq > last:
        state.add_problems(JournalProblem(JournalProblemKind.CUT_OFF, last + 1, describe_missing_lines(last + 1, seq)))
        return
    standing = await connection.scalar(select(_journal.c.hash).where(_journal.c.seq == seq))
    if standing is None or standing.hex() != claims["hash"]:
        text = f"Regel {seq} is niet meer wat eerder ondertekend is: de regels tot en met {seq} zijn verdacht."
        state.add_problems(JournalProblem(JournalProblemKind.CHANGED, seq, text))
