"""New versions of an agreement by its giver: narrower, or longer with the same scope.

The row of the machtiging changes with each version. So a token or open request that was decided before is decided anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.agreements import insert_agreement
from machtiging.delegation.amendments.rules import (
    Narrowing,
    extend_period,
    narrow_period,
    narrow_scope,
    require_extendable,
    require_something_left,
)
from machtiging.delegation.authority.chain import intersect_scopes
from machtiging.delegation.authority.holders import load_descendant_ids, load_holder_ids
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.locks import lock_giver_shared
from machtiging.delegation.offer import TEXT_VERSIONS, Giver
from machtiging.delegation.queries import load_machtiging, machtiging_table
from machtiging.delegation.renewals.answering import grant_waiting_question
from machtiging.delegation.rules import (
    FROM_REGISTER,
    Capacity,
    Channel,
    Machtiging,
    MachtigingLimits,
    MachtigingScope,
    MachtigingState,
    require_substantial_assurance,
)
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.statutory.precedence import require_no_measure
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING, AgreementRow
from machtiging.delegation.transition import lock_machtiging, notification_facts
from machtiging.kernel.errors import ROW_INVALID, Conflict, Fault, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, SealedTable, reseal_changes

_AGREEMENT, _MACHTIGING = table_of(AgreementRow), machtiging_table()
VersionRows = list[tuple[SealedTable, Mapping[str, Any]]]


async def narrow_machtiging(
    session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, narrowing: Narrowing, *, at: datetime
) -> Machtiging:
    """Take something away from a machtiging or offer, at once. Nothing to take away changes nothing.

    Raises NotFound `machtiging_onbekend`, NotAllowed `rij_ongeldig`, Conflict `machtiging_beeindigd` or
    `machtiging_verlopen`, InvalidInput `niets_over` or `einddatum_te_vroeg`. A refusal is journalled too.
    """
    authority = await load_own_machtiging(session, JournalAct.MACHTIGING_BEPERKT, machtiging_id, giver_id, at)
    before = authority.root
    try:
        if before.state is MachtigingState.ENDED:
            raise Conflict("machtiging_beeindigd")
        if at >= before.period.ends_at:
            raise Conflict("machtiging_verlopen")
        scope, period = narrow_scope(before.scope, narrowing), narrow_period(before.period, narrowing.last_day, at)
        require_something_left(scope, period)
    except Refusal as refusal:
        await journal_amendment(session, JournalAct.MACHTIGING_BEPERKT, authority, giver_id, refusal.code, at)
        raise
    if (scope, period) == (before.scope, before.period):
        return before
    rows = await insert_version(session, before, _scope_values(scope) | {"ends_at": period.ends_at}, giver_id, at)
    notices = NotificationKind.BEPERKT_DOOR_U, NotificationKind.BEPERKT
    return await finish_amendment(session, JournalAct.MACHTIGING_BEPERKT, authority, rows, notices, at)


async def extend_machtiging(
    session: AsyncSession,
    limits: MachtigingLimits,
    machtiging_id: MachtigingId,
    giver: Giver,
    last_day: date,
    *,
    at: datetime,
) -> Machtiging:
    """Let an accepted machtiging run up to a later day, with the same scope. Repeating it changes nothing.

    The assignments of an organisation that end with it are extended too, and its question to renew is answered.

    Raises NotAllowed `niveau_te_laag` or `rij_ongeldig`, NotFound `machtiging_onbekend`, InvalidInput
    `periode_te_lang`, Conflict as `rules.require_extendable` or `require_no_measure`. A refusal is
    journalled too.
    """
    await lock_giver_shared(session, giver.person_id)
    authority = await load_own_machtiging(session, JournalAct.MACHTIGING_VERLENGD, machtiging_id, giver.person_id, at)
    before = authority.root
    try:
        await require_no_measure(session, giver.person_id, before.capacity, before.scope, at=at)
        require_substantial_assurance(giver.assurance)
        require_extendable(before, at)
        period = extend_period(before.period, last_day, limits, at)
    except Refusal as refusal:
        await journal_amendment(session, JournalAct.MACHTIGING_VERLENGD, authority, giver.person_id, refusal.code, at)
        raise
    if period == before.period:
        return before
    agreed = _period_values(period) | {
        "assurance": giver.assurance,
        "channel": Channel.ONLINE,
        "text_version": TEXT_VERSIONS.get(before.capacity, "1"),
    }
    rows = await insert_version(session, before, agreed, giver.person_id, at)
    rows += await _extend_assignments(session, before, period, giver.person_id, at)
    await grant_waiting_question(session, before.id, giver.person_id, at=at)
    notices = NotificationKind.VERLENGD_DOOR_U, NotificationKind.VERLENGD
    return await finish_amendment(session, JournalAct.MACHTIGING_VERLENGD, authority, rows, notices, at)


async def _extend_assignments(
    session: AsyncSession, root: Machtiging, period: Period, giver_id: PersonId, at: datetime
) -> VersionRows:
    """Extend the links that end together with the root, each within the link above it."""
    rows: VersionRows = []
    scopes = {root.id: root.scope}
    for link_id in await load_descendant_ids(session, root.id):
        await lock_machtiging(session, link_id)
        link = await load_machtiging(session, link_id)
        if link is None or link.state is MachtigingState.ENDED or link.period.ends_at != root.period.ends_at:
            continue
        above = scopes.get(link.parent_id or root.id, root.scope)
        scopes[link.id] = intersect_scopes(link.scope, above)
        values = _scope_values(scopes[link.id]) | _period_values(period) | reader_values(root)
        rows += await insert_version(session, link, values, giver_id, at)
    return rows


async def load_own_machtiging(
    session: AsyncSession, act: JournalAct, machtiging_id: MachtigingId, giver_id: PersonId, at: datetime
) -> Authority:
    """Lock and load what this person gave. Raises NotFound `machtiging_onbekend`, NotAllowed `rij_ongeldig`."""
    await lock_machtiging(session, machtiging_id)
    authority = await load_authority(session, machtiging_id, at=at)
    if authority is None or authority.vertegenwoordigde_id != giver_id or len(authority.links) > 1:
        await journal_amendment(
            session, act, authority, giver_id, "bestaat_niet" if authority is None else "niet_van_u", at
        )
        raise NotFound("machtiging_onbekend")
    if not authority.is_authentic or authority.root.is_from_register:
        code = FROM_REGISTER if authority.is_authentic else ROW_INVALID
        await journal_amendment(session, act, authority, giver_id, code, at)
        raise NotAllowed(code)
    return authority


async def insert_version(
    session: AsyncSession, machtiging: Machtiging, changes: Mapping[str, Any], giver_id: PersonId, at: datetime
) -> VersionRows:
    """Insert the next version and let the machtiging point to it, under its MAC."""
    current = (_AGREEMENT.c.machtiging_id == machtiging.id, _AGREEMENT.c.number == machtiging.agreement_number)
    values = dict((await session.execute(select(_AGREEMENT).where(*current))).mappings().one())
    number = {"number": machtiging.agreement_number + 1, "agreed_by": giver_id, "agreed_at": at}
    del values[MAC_COLUMN]
    agreement = await insert_agreement(session, values | number | dict(changes))
    mine = _MACHTIGING.c.id == machtiging.id
    row = (await session.execute(select(_MACHTIGING).where(mine).with_for_update(key_share=True))).one()
    sealed = reseal_changes(session, SEALED_MACHTIGING, row, {"agreement_number": number["number"]})
    changed = update(_MACHTIGING).where(mine).values(sealed).returning(_MACHTIGING)
    return [
        (SEALED_MACHTIGING, (await session.execute(changed)).mappings().one()),
        (SEALED_AGREEMENT, agreement),
    ]


def _period_values(period: Period) -> dict[str, Any]:
    return {"starts_at": period.starts_at, "ends_at": period.ends_at}


def reader_values(machtiging: Machtiging) -> dict[str, Any]:
    """Return the choices of the giver about employees and teams, as columns of a version."""
    return {
        "only_employee_id": machtiging.only_employee_id,
        "excluded_team_ids": sorted(machtiging.excluded_team_ids),
    }


def _scope_values(scope: MachtigingScope) -> dict[str, Any]:
    def to_list(limit: frozenset[Any] | None) -> list[Any] | None:
        return None if limit is None else sorted(limit)

    return {
        "afzenders": to_list(scope.afzenders),
        "diensten": to_list(scope.diensten),
        "themes": to_list(scope.themes),
        "excluded_themes": to_list(scope.excluded_themes),
        "highest_sensitivity": scope.highest_sensitivity,
        "letters_from": scope.letters_from,
        "letters": to_list(scope.letters),
        "acts": to_list(scope.acts),
    }


async def finish_amendment(
    session: AsyncSession,
    act: JournalAct,
    authority: Authority,
    rows: VersionRows,
    notices: tuple[NotificationKind, NotificationKind],
    at: datetime,
) -> Machtiging:
    """Journal the new state of every row, notify both sides, and return the machtiging."""
    giver_id = authority.vertegenwoordigde_id
    facts = await describe_authentic_states(session, giver_id, rows)
    await journal_amendment(session, act, authority, giver_id, act.value.partition(":")[2], at, facts)
    after = await load_authority(session, authority.machtiging_id, at=at)
    if after is None:
        raise Fault("machtiging_ontbreekt", private="a changed machtiging cannot be read")
    holder_ids = await load_holder_ids(session, after, at=at)
    first = holder_ids[0] if holder_ids else None
    await enqueue_notification(session, giver_id, notices[0], notification_facts(after.root, first), at=at)
    for holder_id in holder_ids:
        await enqueue_notification(session, holder_id, notices[1], notification_facts(after.root, holder_id), at=at)
    return after.root


async def journal_amendment(
    session: AsyncSession,
    act: JournalAct,
    authority: Authority | None,
    giver_id: PersonId,
    reason: str,
    at: datetime,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Journal a change with the new state, or, without facts, a refusal."""
    mine = authority is not None and authority.vertegenwoordigde_id == giver_id
    line = NewJournalLine(
        act=act,
        outcome=JournalOutcome.REFUSED if facts is None else JournalOutcome.DONE,
        reason=reason,
        actor_id=giver_id,
        capacity=Capacity.SELF if mine else None,
        for_person_id=None if authority is None else authority.vertegenwoordigde_id,
        machtiging_id=None if authority is None else authority.machtiging_id,
        on_behalf_of=None if authority is None else authority.organisation_id,
        facts={} if facts is None else facts,
    )
    await record(session, line, at=at)
