"""Names of agencies for a join: a letter keeps its sender's name when the sender is no longer active."""

from __future__ import annotations

from sqlalchemy import Table

from machtiging.agencies.tables import Agency


def agency_names() -> Table:
    """The table, to join on `oin` for its `name`; whether an agency may send is for `queries`."""
    table: Table = Agency.__table__  # type: ignore[attr-defined]
    return table
