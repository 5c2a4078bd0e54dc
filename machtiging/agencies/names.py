"""Names of agencies for use in joins, also of agencies that are no longer active."""

from __future__ import annotations

from sqlalchemy import Table

from machtiging.agencies.tables import Agency
from machtiging.storage.columns import table_of


def agency_name_table() -> Table:
    """Return the agency table, to join on `oin` for the `name`.

    Use `agencies.queries` to check if an agency may send.
    """
    return table_of(Agency)
