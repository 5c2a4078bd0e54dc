"""Insert journal lines in the same transaction as the action they record.

Either both are committed or neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Insert, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.rules import CURRENT_FORMAT, LINE_COLUMNS
from machtiging.audit.state_facts import STATE, seal_states
from machtiging.audit.tables import JournalIntake
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import RowKeys, get_row_keys
from machtiging.storage.statement import Executor, Statement
from machtiging.web import correlation_ids

# The capacity of an operator. The operator's name is in the facts, as `beheerder`.
OPERATOR = "beheerder"
_INTAKE = table_of(JournalIntake)
_PARAMETERS = {name: bindparam(f"line_{name}", type_=_INTAKE.c[name].type) for name in LINE_COLUMNS}
_INSERT_LINE = insert(_INTAKE).values(_PARAMETERS)
_INSERT_STATEMENT = Statement(_INSERT_LINE)
# A statement of PostgreSQL has at most 32,767 parameters.
_LINES_PER_STATEMENT = 1_000


@dataclass(frozen=True, slots=True)
class NewJournalLine:
    """A new journal line: actor, capacity, person, action, object, machtiging, outcome and reason.

    `on_behalf_of`: the organisation for which the actor acted. The line also gets the trace-id of the request.

    People appear by their internal id. `facts` holds words, whole numbers, booleans and state (`audit.state_facts`);
    never a BSN, a name, a code, a subject or any text that a person typed, unless encrypted with that person's key.
    """

    act: JournalAct
    outcome: JournalOutcome
    reason: str
    actor_id: UUID | None = None
    capacity: str | None = None
    client_id: str | None = None
    for_person_id: UUID | None = None
    machtiging_id: UUID | None = None
    object_kind: str | None = None
    object_id: str | None = None
    policy_digest: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    on_behalf_of: UUID | None = None


def attribute_to_operator(line: NewJournalLine, operator_name: str | None) -> NewJournalLine:
    """Return the line attributed to this operator; unchanged if `operator_name` is None."""
    return (
        line
        if operator_name is None
        else replace(line, capacity=OPERATOR, facts={**line.facts, "beheerder": operator_name})
    )


async def record(executor: Executor, line: NewJournalLine, *, at: datetime, line_id: UUID | None = None) -> UUID:
    """Insert one line and return its id. It commits or rolls back with the caller's transaction.

    `line_id` is a new id unless given.
    """
    line_id = line_id or uuid7()
    keys = get_row_keys(executor) if STATE in line.facts else None
    await _INSERT_STATEMENT.execute(executor, build_journal_line_params(line, line_id, at, keys))
    return line_id


async def record_all(session: AsyncSession, lines: Sequence[tuple[NewJournalLine, UUID]], *, at: datetime) -> None:
    """Insert lines with these ids in their order, a thousand in one statement."""
    keys = get_row_keys(session) if any(STATE in line.facts for line, _ in lines) else None
    rows = [build_journal_line_params(line, line_id, at, keys) for line, line_id in lines]
    values = [{name: row[parameter.key] for name, parameter in _PARAMETERS.items()} for row in rows]
    for start in range(0, len(values), _LINES_PER_STATEMENT):
        await session.execute(insert(_INTAKE).values(values[start : start + _LINES_PER_STATEMENT]))


def build_journal_insert_cte(gate: FromClause) -> Insert:
    """Build a CTE that inserts a journal line for every row of `gate`. Values: `build_journal_line_params`."""
    parameters = [parameter.label(name) for name, parameter in _PARAMETERS.items()]
    return insert(_INTAKE).from_select(list(_PARAMETERS), select(*parameters).select_from(gate))


def build_journal_line_params(
    line: NewJournalLine, line_id: UUID, at: datetime, keys: RowKeys | None = None
) -> dict[str, Any]:
    """Return the bind values of a line for `build_journal_insert_cte`.

    `line_id` is a new `uuid7`. A line with state facts needs the row keys (`get_row_keys`), which seal them. Raises
    Fault `toestand_zonder_zegel` without.
    """
    facts = dict(line.facts)
    if STATE in facts:
        if keys is None:
            raise Fault("toestand_zonder_zegel", private=f"{line.act}: state facts need the row keys")
        facts = seal_states(keys, line_id, at, facts)
    return {
        "line_id": line_id,
        "line_occurred_at": at,
        "line_act": line.act.value,
        "line_outcome": line.outcome.value,
        "line_reason": line.reason,
        "line_actor_id": line.actor_id,
        "line_capacity": line.capacity,
        "line_client_id": line.client_id,
        "line_for_person_id": line.for_person_id,
        "line_machtiging_id": line.machtiging_id,
        "line_object_kind": line.object_kind,
        "line_object_id": line.object_id,
        "line_policy_digest": line.policy_digest,
        "line_request_id": correlation_ids.get_or_create_request_id(),
        "line_facts": facts,
        "line_format": CURRENT_FORMAT,
        "line_on_behalf_of": line.on_behalf_of,
        "line_trace_id": correlation_ids.get_or_create_trace_id(),
    }
