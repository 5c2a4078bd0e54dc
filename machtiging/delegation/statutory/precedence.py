"""Precedence of a measure of the court over machtigingen that the citizen gives.

The row that holds at registration is written into the relation. So a relation explains itself, also after a change of
the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Theme
from machtiging.delegation.locks import lock_giver_shared
from machtiging.delegation.rules import SELECTABLE_CAPACITIES, Capacity, MachtigingScope
from machtiging.delegation.statutory.rules import StatutoryKind
from machtiging.delegation.tables import StatutoryRelation
from machtiging.kernel.errors import Conflict, Fault
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of

PRECEDENCE_FILE = "voorrang/maatregelen.csv"
PRECEDENCE_COLUMNS = ("id", "measure", "capacity", "theme", "because")
# The reason code of what a measure refuses.
MEASURE_CODES = {
    StatutoryKind.CURATELE: "onder_curatele",
    StatutoryKind.BEWIND: "onder_bewind",
    StatutoryKind.MENTORSCHAP: "onder_mentorschap",
    StatutoryKind.PARENTAL_AUTHORITY: "onder_ouderlijk_gezag",
}
_RELATION = table_of(StatutoryRelation)


@dataclass(frozen=True, slots=True)
class PrecedenceRow:
    """One row: a measure closes machtigingen in these capacities about these themes (None: any)."""

    id: str
    measure: StatutoryKind
    capacities: frozenset[Capacity]
    themes: frozenset[Theme] | None
    because: str


Precedence = Mapping[StatutoryKind, PrecedenceRow]


def read_precedence(policies_dir: Path) -> Precedence:
    """Read the rows of precedence, at most one for a measure. Raises Fault `beleid_onleesbaar`."""
    file = policies_dir / PRECEDENCE_FILE
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Fault("beleid_onleesbaar", private=f"{file}:1: {type(error).__name__}") from error
    numbered = [(f"{file}:{number}", line) for number, line in enumerate(lines, start=1)]
    rows = [(place, line) for place, line in numbered if line.strip() and not line.startswith("#")]
    if not rows or rows[0][1] != ",".join(PRECEDENCE_COLUMNS):
        raise _unreadable(f"{file}:1", f"the first line must be {','.join(PRECEDENCE_COLUMNS)}")
    found: dict[StatutoryKind, PrecedenceRow] = {}
    for place, line in rows[1:]:
        row = _parse_row(place, line)
        if row.measure in found or any(row.id == other.id for other in found.values()):
            raise _unreadable(place, "an id or a measure stands twice")
        found[row.measure] = row
    return found


def _parse_row(place: str, line: str) -> PrecedenceRow:
    cells = line.split(",", len(PRECEDENCE_COLUMNS) - 1)
    if len(cells) != len(PRECEDENCE_COLUMNS) or not all(cell.strip() for cell in cells):
        raise _unreadable(place, "a column is missing or empty")
    row_id, measure, capacities, themes, because = cells
    try:
        row = PrecedenceRow(
            row_id,
            StatutoryKind(measure),
            frozenset(map(Capacity, capacities.split(" "))),
            None if themes == "*" else frozenset(map(Theme, themes.split(" "))),
            because.strip(),
        )
    except ValueError as error:
        raise _unreadable(place, str(error)) from error
    if not row.capacities <= SELECTABLE_CAPACITIES:
        raise _unreadable(place, "a measure has precedence only over relative and professional")
    return row


def _unreadable(place: str, problem: str) -> Fault:
    return Fault("beleid_onleesbaar", private=f"{place}: {problem}")


def touches_closed_themes(scope: MachtigingScope, closed_themes: Iterable[str] | None) -> bool:
    """Return True unless the scope certainly leaves out every closed theme (None: all are closed)."""
    given_themes = (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes
    closed = frozenset(Theme) if closed_themes is None else frozenset(map(Theme, closed_themes))
    return not given_themes.isdisjoint(closed)


async def require_no_measure(
    session: AsyncSession, person_id: PersonId, capacity: Capacity, scope: MachtigingScope, *, at: datetime
) -> None:
    """Require that no measure closes what this person wants to give, until the transaction ends.

    A row that was tampered with counts. Raises Conflict with a code of `MEASURE_CODES`.
    """
    await lock_giver_shared(session, person_id)
    open_ones = or_(_RELATION.c.ends_at.is_(None), _RELATION.c.ends_at > at)
    hers = select(_RELATION.c.kind, _RELATION.c.closed_capacities, _RELATION.c.closed_themes)
    for row in await session.execute(hers.where(_RELATION.c.vertegenwoordigde_id == person_id, open_ones)):
        if capacity in row.closed_capacities and touches_closed_themes(scope, row.closed_themes):
            raise Conflict(MEASURE_CODES[StatutoryKind(row.kind)])
