"""The journalled tables: every act writes the whole changed row into the journal.

`machtiging keys seal-rows` states the rows from before once. The row check and `machtiging doctor` compare the rows
with the journal. A table belongs here as soon as all its acts use `audit.state_facts`.
"""

from __future__ import annotations

from machtiging.audit.row_states.journalled_table import JournalledTable

JOURNALLED_TABLES: tuple[JournalledTable, ...] = ()
