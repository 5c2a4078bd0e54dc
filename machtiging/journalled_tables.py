"""The journalled tables: every act writes the whole changed row into the journal.

`machtiging keys seal-rows` states the rows from before once. The row check and `machtiging doctor` compare the rows
with the journal. A table belongs here as soon as all its acts use `audit.state_facts`.
"""

from __future__ import annotations

from machtiging.audit.row_states.journalled_table import JournalledTable
from machtiging.delegation.tables import (
    SEALED_AGREEMENT,
    SEALED_ASSIGNMENT,
    SEALED_EMERGENCY_STOP,
    SEALED_HANDOVER,
    SEALED_HANDOVER_ITEM,
    SEALED_MACHTIGING,
    SEALED_REGISTER_EVENT,
    SEALED_STATUTORY_RELATION,
)
from machtiging.organisations.tables import (
    SEALED_EMPLOYEE,
    SEALED_FOUR_EYES_PROPOSAL,
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    SEALED_STAND_IN,
    SEALED_TEAM,
    SEALED_TEAM_MEMBERSHIP,
)

JOURNALLED_TABLES: tuple[JournalledTable, ...] = (
    JournalledTable(SEALED_ORGANISATION),
    JournalledTable(SEALED_RECOGNITION),
    JournalledTable(SEALED_FOUR_EYES_PROPOSAL),
    JournalledTable(SEALED_EMPLOYEE, data_key_column="organisation_id"),
    JournalledTable(SEALED_TEAM),
    JournalledTable(SEALED_TEAM_MEMBERSHIP),
    JournalledTable(SEALED_STAND_IN),
    JournalledTable(
        SEALED_MACHTIGING,
        person_column="vertegenwoordigde_id",
        machtiging_column="id",
        data_key_column="vertegenwoordigde_id",
    ),
    JournalledTable(SEALED_AGREEMENT, machtiging_column="machtiging_id"),
    JournalledTable(SEALED_ASSIGNMENT, machtiging_column="machtiging_id"),
    JournalledTable(SEALED_EMERGENCY_STOP, person_column="person_id"),
    JournalledTable(SEALED_HANDOVER),
    JournalledTable(SEALED_HANDOVER_ITEM, machtiging_column="machtiging_id"),
    JournalledTable(SEALED_STATUTORY_RELATION, person_column="vertegenwoordigde_id"),
    JournalledTable(SEALED_REGISTER_EVENT, person_column="vertegenwoordigde_id"),
)
