"""Past policy: the policy that was in force at an instant.

It is used only if its rows give its digest, and the journal line of that version names the same digest. A built policy
is an exact value that never changes, so some are kept.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Text, cast, exists, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.oversight.policy_versions import PolicyVersion, unpack_policy_rows
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import COLUMN_ENUMS, PolicyContent
from machtiging.audit.acts import JournalAct
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.crypto.secrets import constant_time_equals
from machtiging.kernel.errors import NotInForce
from machtiging.storage.columns import table_of

# The reason code of every answer for which the policy of then is not known.
PAST_POLICY_UNKNOWN = "beleid_van_toen_onbekend"
_MAX_KEPT = 8
_VERSION = table_of(PolicyVersion)
_JOURNAL_TABLES = (table_of(JournalLine), table_of(JournalIntake))
# A word without a separator of `PolicyRow.canonical_text`: rows with other words could share a digest.
_WORD = re.compile(r"[^;\s]+")


async def load_policy_at(session: AsyncSession, at: datetime) -> Policy:
    """Load the policy that was in force at an instant, in one statement.

    Raises NotInForce `beleid_van_toen_onbekend` if there was none, or if it is not what the journal says.
    """
    row = (await session.execute(_select_version(at))).one_or_none()
    if row is None:
        raise NotInForce(PAST_POLICY_UNKNOWN, private="no version at that instant")
    content = _read_authentic_content(row)
    if content is None:
        raise NotInForce(PAST_POLICY_UNKNOWN, private=f"version {row.number} is not authentic")
    return _build_policy(content)


def _select_version(at: datetime) -> Any:
    """Select the version of then, with every digest in its journal lines.

    `is_late`: an earlier version began later, so somebody put this one in between.
    """
    earlier = _VERSION.alias("earlier")
    is_late = exists().where(earlier.c.number < _VERSION.c.number, earlier.c.started_at > _VERSION.c.started_at)
    newest = (_VERSION.c.started_at.desc(), _VERSION.c.number.desc())
    columns = (*_VERSION.c, is_late.label("is_late"), _select_journalled_digests().label("journalled"))
    return select(*columns).where(_VERSION.c.started_at <= at).order_by(*newest).limit(1)


def _select_journalled_digests() -> ColumnElement[Any]:
    lines = union_all(
        *(
            select(table.c.policy_digest)
            .where(
                table.c.act == JournalAct.BELEID_GELADEN.value,
                table.c.object_id == cast(_VERSION.c.number, Text),
                table.c.occurred_at == _VERSION.c.started_at,
            )
            .correlate(_VERSION)
            for table in _JOURNAL_TABLES
        )
    ).subquery()
    return select(func.array_agg(lines.c.policy_digest)).scalar_subquery()


def _read_authentic_content(row: Row[Any]) -> PolicyContent | None:
    """Return model and rows if digest and journal name them; else None."""
    if row.is_late or row.journalled != [row.digest]:
        return None
    try:
        content = PolicyContent(row.model, tuple(unpack_policy_rows(row).values()))
        is_authentic = constant_time_equals(content.compute_digest(), row.digest)
    except (AttributeError, KeyError, TypeError):  # no rows of a policy
        return None
    return content if is_authentic and _is_unambiguous(content) else None


def _is_unambiguous(content: PolicyContent) -> bool:
    """Return True if no other rows or model have this digest."""
    words = [
        word
        for row in content.rows
        for word in (row.id, row.eft, *(one for column in COLUMN_ENUMS for one in row.column_values(column)))
    ]
    return ";" not in content.model and all(_WORD.fullmatch(word) for word in words)


@lru_cache(maxsize=_MAX_KEPT)
def _build_policy(content: PolicyContent) -> Policy:
    return Policy(content.model, content.rows)
