"""Reading a line exactly as the database keeps it, for hashing: nothing passes through a type that could round it.

Sealer and verifier share this, since they must see the same. It holds for every value that the columns can take, so
that no line, however odd, can stop the sealer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, FromClause, Text, cast, extract, func, literal

# PostgreSQL knows years before Christ, and infinity. A day from each end every zone can still show the instant.
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
INSTANT = DateTime(timezone=True)


def reachable_instant(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The instant in a column, moved to the edge of what Python can hold when it lies beyond."""
    return cast(func.least(func.greatest(column, literal(EARLIEST, INSTANT)), literal(LATEST, INSTANT)), INSTANT)


def exact_columns(table: FromClause) -> list[ColumnElement[Any]]:
    """All columns: times as seconds since 1970 with six decimals, documents in PostgreSQL's one canonical form."""
    return [_exact(table.c[name]) for name in table.c.keys()]  # noqa: SIM118 - a collection of columns, not a dict


def _exact(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if column.key == "occurred_at":
        return cast(extract("epoch", column), Text).label("occurred_at")
    return cast(column, Text).label("facts") if column.key == "facts" else column
