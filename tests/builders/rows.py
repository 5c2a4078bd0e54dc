"""Rows that tests read."""

from __future__ import annotations

# The order of rows that were added and not changed since. Of two ids of one millisecond either may be the lower.
AS_WRITTEN = "ORDER BY xmin::text::bigint, cmin::text::bigint, id"
