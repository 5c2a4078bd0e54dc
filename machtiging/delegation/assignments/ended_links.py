"""End links of a chain in bulk, each with its journal line and notification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import EndReason, MachtigingState
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.tables import SEALED_MACHTIGING
from machtiging.delegation.transition import notification_facts
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.storage.row_mac import reseal_changes

LINK = machtiging_table()
PARENT = LINK.alias("parent_of_ended")


async def lock_live_links(session: AsyncSession, condition: ColumnElement[bool]) -> list[Row[Any]]:
    """Lock the live links that satisfy a condition on `LINK` and `PARENT`, with `root_id`."""
    columns: list[Any] = [*LINK.c, func.coalesce(PARENT.c.parent_id, PARENT.c.id).label("root_id")]
    query = select(*columns).join(PARENT, PARENT.c.id == LINK.c.parent_id).order_by(LINK.c.id)
    live = query.where(condition, LINK.c.state != MachtigingState.ENDED.value)
    return [*(await session.execute(live.with_for_update(of=LINK, key_share=True))).all()]


async def end_links(session: AsyncSession, links: Sequence[Row[Any]], line: NewJournalLine, *, at: datetime) -> None:
    """End these locked links. `line` is the line of the act without link, client and state.

    Each client is told who does not read any more. The employee gets no mail about each.
    """
    if not links:
        return
    authorities = await load_authorities(session, LINK.c.id.in_([link.id for link in links]), at=at)
    by_id = {one.machtiging_id: one for one in authorities}
    for link, row in zip(links, await _write_ends(session, links, at), strict=True):
        facts = await describe_authentic_states(session, link.vertegenwoordigde_id, [(SEALED_MACHTIGING, row)])
        named = replace(line, for_person_id=link.vertegenwoordigde_id, machtiging_id=link.id, object_id=str(link.id))
        await record(session, replace(named, facts={**line.facts, **facts}), at=at)
        await _notify_client(session, by_id.get(link.id), at=at)


async def _write_ends(session: AsyncSession, links: Sequence[Row[Any]], at: datetime) -> list[dict[str, Any]]:
    """Write the end into each row with its MAC. Returns the new rows, in the same order."""
    changes = {
        "state": MachtigingState.ENDED.value,
        "paused_at": None,
        "ended_at": at,
        "end_reason": EndReason.WITHDRAWN.value,
    }
    rows = []
    for link in links:
        before = {column.name: getattr(link, column.name) for column in LINK.c}
        rows.append(before | reseal_changes(session, SEALED_MACHTIGING, link, changes))
    changing = update(LINK).where(LINK.c.id == bindparam("link_id")).values(**changes, mac=bindparam("new_mac"))
    await session.execute(changing, [{"link_id": row["id"], "new_mac": row["mac"]} for row in rows])
    return rows


async def _notify_client(session: AsyncSession, authority: Authority | None, *, at: datetime) -> None:
    """Tell the client who does not read any more. Not of a forged row, nor of what waited for a second person."""
    if authority is None or not authority.is_authentic or authority.leaf.needs_confirmation:
        return
    facts = notification_facts(authority.leaf, authority.holder_id)
    if authority.organisation is not None:
        facts["organisation"] = authority.organisation.name
    kind = NotificationKind.TOEWIJZING_GESTOPT
    await enqueue_notification(session, authority.vertegenwoordigde_id, kind, facts, at=at)
