"""End links of a chain in bulk, each with its journal line and notification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.journal import NewJournalLine, record_all
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import EndReason, MachtigingState
from machtiging.delegation.state_lines import describe_each_state
from machtiging.delegation.tables import SEALED_MACHTIGING
from machtiging.delegation.transition import notification_facts
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notifications
from machtiging.storage.row_mac import reseal_changes

LINK = machtiging_table()
PARENT = LINK.alias("parent_of_ended")


async def lock_live_links(session: AsyncSession, condition: ColumnElement[bool]) -> list[Row[Any]]:
    """Lock the live links that satisfy a condition on `LINK` and `PARENT`, with `root_id`.

    A link before those below it, as every other act: else two acts would wait for each other.
    """
    columns: list[Any] = [*LINK.c, func.coalesce(PARENT.c.parent_id, PARENT.c.id).label("root_id")]
    query = select(*columns).join(PARENT, PARENT.c.id == LINK.c.parent_id)
    live = query.where(condition, LINK.c.state != MachtigingState.ENDED.value)
    live = live.order_by(PARENT.c.parent_id.nulls_first(), LINK.c.id)
    return [*(await session.execute(live.with_for_update(of=LINK, key_share=True))).all()]


async def end_links(
    session: AsyncSession,
    links: Sequence[Row[Any]],
    line: NewJournalLine,
    *,
    at: datetime,
    tells_clients: bool = True,
) -> None:
    """End these locked links. `line` is the line of the act without link, client and state.

    As many statements for a thousand as for one. Each client is told who does not read any more, unless the caller
    tells them. The employee gets no mail about each.
    """
    if not links:
        return
    by_id: dict[UUID, Authority] = {}
    if tells_clients:
        found = await load_authorities(session, LINK.c.id.in_([link.id for link in links]), at=at)
        by_id = {one.machtiging_id: one for one in found}
    rows = [(row["vertegenwoordigde_id"], row) for row in await _write_ends(session, links, at)]
    states, lines = await describe_each_state(session, SEALED_MACHTIGING, rows), []
    for link, facts in zip(links, states, strict=True):
        named = replace(line, for_person_id=link.vertegenwoordigde_id, machtiging_id=link.id, object_id=str(link.id))
        lines.append((replace(named, facts={**line.facts, **facts}), uuid7()))
    await record_all(session, lines, at=at)
    # One for each client and employee: who read by two links stopped once.
    notices = {
        (one.root.id, one.holder_id): notice
        for link in links
        if (one := by_id.get(link.id)) is not None and (notice := _describe_notice(one)) is not None
    }
    await enqueue_notifications(session, NotificationKind.TOEWIJZING_GESTOPT, [*notices.values()], at=at)


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


def _describe_notice(authority: Authority) -> tuple[PersonId, dict[str, Any]] | None:
    """Describe who does not read any more. None of a forged row, and of what waited for a second person."""
    if not authority.is_authentic or authority.leaf.needs_confirmation:
        return None
    facts = notification_facts(authority.leaf, authority.holder_id)
    if authority.organisation is not None:
        facts["organisation"] = authority.organisation.name
    return authority.vertegenwoordigde_id, facts
