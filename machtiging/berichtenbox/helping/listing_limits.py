"""The limits of many lists, as rows of one query: one row for each machtiging.

The conditions are those of `bericht_list.permit_conditions`, from columns. A test compares both.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, DateTime, Text, Uuid, any_, bindparam, column, func, or_
from sqlalchemy.dialects.postgresql import JSONB

from machtiging.access.actor import Actor
from machtiging.access.listing_preview import ListingPreview
from machtiging.berichtenbox.bericht_list import first_instant, pairs_in_scope
from machtiging.berichtenbox.queries import BERICHT, in_box_conditions

LIMITS = (
    func.jsonb_to_recordset(bindparam("limits", type_=JSONB))
    .table_valued(
        column("machtiging_id", Uuid()),
        column("owner_id", Uuid()),
        column("pairs", ARRAY(Text)),
        column("afzenders", ARRAY(Text)),
        column("diensten", ARRAY(Text)),
        column("letters", ARRAY(Uuid())),
        column("since", DateTime(timezone=True)),
        column("ends_at", DateTime(timezone=True)),
    )
    .render_derived("limits", with_types=True)
)


def _is_free_or_in(limit: Any, value: Any) -> Any:
    return or_(limit.is_(None), value == any_(limit))


def listed_conditions(at: Any, limits: Any = LIMITS) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a letter that is listed under a row of `limits`.

    That is `LIMITS`, or a table with the same columns.
    """
    return (
        *in_box_conditions(at),
        BERICHT.c.ontvanger_id == limits.c.owner_id,
        BERICHT.c.published_at >= limits.c.since,
        (BERICHT.c.theme + "/" + BERICHT.c.sensitivity) == any_(limits.c.pairs),
        _is_free_or_in(limits.c.afzenders, BERICHT.c.afzender_oin),
        _is_free_or_in(limits.c.diensten, BERICHT.c.afzender_oin + "/" + BERICHT.c.dienst_code),
        _is_free_or_in(limits.c.letters, BERICHT.c.id),
    )


def describe_limits(actor: Actor, found: ListingPreview) -> dict[str, Any]:
    """Return the row of `LIMITS` of this helper."""
    scope = found.scope
    return {
        "machtiging_id": str(actor.machtiging_id),
        "owner_id": str(actor.vertegenwoordigde_id),
        "pairs": ["/".join(pair) for pair in pairs_in_scope(found.allowed_pairs, scope)],
        "afzenders": _list_or_none(scope.afzenders),
        "diensten": _list_or_none(scope.diensten),
        "letters": _list_or_none(scope.letters),
        "since": first_instant(scope).isoformat(),
        "ends_at": None if actor.authority is None else actor.authority.ends_at.isoformat(),
    }


def _list_or_none(values: Collection[Any] | None) -> list[str] | None:
    return None if values is None else sorted(map(str, values))
