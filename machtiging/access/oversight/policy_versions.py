"""The policies that this installation decided with, and since when.

A policy is written down when the service starts with another one than the last. So the table says what changed when,
and the journal line beside it proves the digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from machtiging.access.policy_file import COLUMN_ENUMS, PolicyContent, PolicyRow
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.secrets import constant_time_equals
from machtiging.kernel.errors import NotFound
from machtiging.storage import columns
from machtiging.storage.columns import table_of

# An advisory lock of the transaction: of several processes that start at once, one writes.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('machtiging.policy_version', 0))")


class PolicyVersion(SQLModel, table=True):
    """A policy from the moment that the service began to decide with it. Never changed."""

    __tablename__ = "policy_version"

    number: int = Field(primary_key=True)
    digest: str = columns.text_column()
    model: str = columns.text_column()
    rows: dict[str, Any] = columns.jsonb_column()
    started_at: datetime = columns.timestamp_column()


_VERSION = table_of(PolicyVersion)


@dataclass(frozen=True, slots=True)
class ChangedPolicyRow:
    """A row of the policy before and after. `before` is None if it is new, `after` if it is gone."""

    before: PolicyRow | None
    after: PolicyRow | None


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One version of the policy, and its differences with the version before.

    `authentic`: False if the stored rows do not give the stored digest. `added`, `removed` and `changed` are in the
    order of the ids. The first version added all of its rows.
    """

    number: int
    digest: str
    started_at: datetime
    authentic: bool
    model_changed: bool
    added: tuple[ChangedPolicyRow, ...]
    removed: tuple[ChangedPolicyRow, ...]
    changed: tuple[ChangedPolicyRow, ...]


async def record_policy_version(session: AsyncSession, content: PolicyContent, *, at: datetime) -> bool:
    """Write this policy down if the last one was another. Returns True if it did."""
    digest = content.compute_digest()
    await session.execute(_LOCK)
    last = (await session.execute(_select_newest(1))).one_or_none()
    if last is not None and constant_time_equals(last.digest, digest):
        return False
    number = 1 if last is None else last.number + 1
    rows = {row.id: _pack_row(row) for row in content.rows}
    values = {"number": number, "digest": digest, "model": content.model, "rows": rows, "started_at": at}
    await session.execute(insert(_VERSION).values(values))
    line = NewJournalLine(
        act=JournalAct.BELEID_GELADEN,
        outcome=JournalOutcome.DONE,
        reason="beleid_geladen",
        object_kind="beleid",
        object_id=str(number),
        policy_digest=digest,
        facts={"rijen": len(rows)},
    )
    await record(session, line, at=at)
    return True


async def list_policy_changes(session: AsyncSession, *, before: int | None = None, limit: int) -> list[PolicyChange]:
    """List the newest versions with what each changed; with `before`, those with a lower number."""
    chosen = _select_newest(limit + 1)
    if before is not None:
        chosen = chosen.where(_VERSION.c.number < before)
    rows = (await session.execute(chosen)).all()
    earlier: Sequence[Row[Any] | None] = [*rows[1:], None]
    return [_compare(row, earlier[place]) for place, row in enumerate(rows[:limit])]


async def load_policy_change(session: AsyncSession, number: int) -> PolicyChange:
    """Load one version. Raises NotFound `beleid_onbekend`."""
    found = await list_policy_changes(session, before=number + 1, limit=1)
    if not found or found[0].number != number:
        raise NotFound("beleid_onbekend")
    return found[0]


def _select_newest(limit: int) -> Select[Any]:
    return select(_VERSION).order_by(_VERSION.c.number.desc()).limit(limit)


def _compare(row: Row[Any], earlier: Row[Any] | None) -> PolicyChange:
    new, old = unpack_policy_rows(row), {} if earlier is None else unpack_policy_rows(earlier)
    both = sorted(new.keys() & old.keys())
    return PolicyChange(
        number=row.number,
        digest=row.digest,
        started_at=row.started_at,
        authentic=constant_time_equals(PolicyContent(row.model, tuple(new.values())).compute_digest(), row.digest),
        model_changed=earlier is not None and earlier.model != row.model,
        added=tuple(ChangedPolicyRow(None, new[key]) for key in sorted(new.keys() - old.keys())),
        removed=tuple(ChangedPolicyRow(old[key], None) for key in sorted(old.keys() - new.keys())),
        changed=tuple(ChangedPolicyRow(old[key], new[key]) for key in both if old[key] != new[key]),
    )


def _pack_row(row: PolicyRow) -> dict[str, Any]:
    words = {column: sorted(row.column_values(column)) for column in COLUMN_ENUMS}
    return {"eft": row.eft, "because": row.because, **words}


def unpack_policy_rows(version: Row[Any]) -> dict[str, PolicyRow]:
    """Return the rows of a version. They may hold words that the code no longer knows."""
    return {id_: _unpack_row(id_, packed) for id_, packed in version.rows.items()}


def _unpack_row(id_: str, packed: Mapping[str, Any]) -> PolicyRow:
    words = {column: frozenset(packed[column]) for column in COLUMN_ENUMS}
    return PolicyRow(id=id_, eft=packed["eft"], because=packed["because"], **words)
