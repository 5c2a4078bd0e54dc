"""Count the letters that a helper did not open, for many machtigingen in one statement.

A number tells no more than the list of the same machtiging, which is one click away. The box is not opened: no subject
and no sender is read, and no mark changes. So there is no journal line.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.access.listing_preview import ListingPreview, find_listing_limits
from machtiging.berichtenbox.bericht_list import first_instant, pairs_in_scope
from machtiging.berichtenbox.queries import BERICHT, READER_MARK, in_box_conditions

# The most letters that are counted under one machtiging; more is shown as "99+".
MAX_COUNT = 100
_LIMITS = (
    func.jsonb_to_recordset(bindparam("limits", type_=JSONB))
    .table_valued(
        column("machtiging_id", Uuid()),
        column("owner_id", Uuid()),
        column("pairs", ARRAY(Text)),
        column("afzenders", ARRAY(Text)),
        column("diensten", ARRAY(Text)),
        column("letters", ARRAY(Uuid())),
        column("since", DateTime(timezone=True)),
    )
    .render_derived("limits", with_types=True)
)


def _is_free_or_in(limit: Any, value: Any) -> Any:
    return or_(limit.is_(None), value == any_(limit))


def _build_count() -> Any:
    """Build the count, with the conditions of `bericht_list.permit_conditions` from columns. A test compares both."""
    marked = exists().where(READER_MARK.c.bericht_id == BERICHT.c.id, READER_MARK.c.person_id == bindparam("reader"))
    new: Select[Any] = select(literal_column("1")).where(
        *in_box_conditions(bindparam("at")),
        BERICHT.c.ontvanger_id == _LIMITS.c.owner_id,
        BERICHT.c.published_at >= _LIMITS.c.since,
        (BERICHT.c.theme + "/" + BERICHT.c.sensitivity) == any_(_LIMITS.c.pairs),
        _is_free_or_in(_LIMITS.c.afzenders, BERICHT.c.afzender_oin),
        _is_free_or_in(_LIMITS.c.diensten, BERICHT.c.afzender_oin + "/" + BERICHT.c.dienst_code),
        _is_free_or_in(_LIMITS.c.letters, BERICHT.c.id),
        ~marked,
    )
    limited = new.correlate(_LIMITS).limit(MAX_COUNT).subquery("new")
    counted = select(func.count()).select_from(limited).correlate(_LIMITS).scalar_subquery()
    return select(_LIMITS.c.machtiging_id, counted.label("number")).select_from(_LIMITS)


_COUNT = _build_count()


async def count_unread(
    session: AsyncSession, policy: Policy, helpers: Sequence[Actor], *, at: datetime
) -> dict[UUID, int]:
    """Count the listed letters that a helper did not open, by machtiging.

    At most `MAX_COUNT` each. `helpers` are one person under several machtigingen. Those that would be
    refused a list have no number.
    """
    limits = [
        _describe_limits(actor, found)
        for actor in helpers
        if (found := find_listing_limits(policy, actor, at)) is not None
    ]
    if not limits:
        return {}
    params = {"limits": limits, "reader": helpers[0].person_id, "at": at}
    return {row.machtiging_id: row.number for row in await session.execute(_COUNT, params)}


def _describe_limits(actor: Actor, found: ListingPreview) -> dict[str, Any]:
    scope = found.scope
    return {
        "machtiging_id": str(actor.machtiging_id),
        "owner_id": str(actor.vertegenwoordigde_id),
        "pairs": ["/".join(pair) for pair in pairs_in_scope(found.allowed_pairs, scope)],
        "afzenders": _list_or_none(scope.afzenders),
        "diensten": _list_or_none(scope.diensten),
        "letters": _list_or_none(scope.letters),
        "since": first_instant(scope).isoformat(),
    }


def _list_or_none(values: Collection[Any] | None) -> list[str] | None:
    return None if values is None else sorted(map(str, values))
