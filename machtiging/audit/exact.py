"""Canonical form of journal lines for hashing, read from the database without rounding.

The sealer and the verifier share it, since both must hash the same text. It works for every value of the columns, so
that no unusual line can stop the sealer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, FromClause, Text, cast, extract, func, literal

# PostgreSQL has years before Christ, and infinity. One day from the limits, every time zone can show the instant.
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
INSTANT = DateTime(timezone=True)


def reachable_instant(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Clamp the instant in a column to the range of Python's datetime."""
    return cast(func.least(func.greatest(column, literal(EARLIEST, INSTANT)), literal(LATEST, INSTANT)), INSTANT)


def exact_columns(table: FromClause) -> list[ColumnElement[Any]]:
    """Return all columns in canonical form.

    Times are seconds since 1970 with six decimals; documents are PostgreSQL's canonical text of jsonb.
    """
    return [_exact(table.c[name]) for name in table.c.keys()]  # noqa: SIM118 - a collection of columns, not a dict


def _exact(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if column.key == "occurred_at":
        return cast(extract("epoch", column), Text).label("occurred_at")
    return cast(column, Text).label("facts") if column.key == "facts" else column
