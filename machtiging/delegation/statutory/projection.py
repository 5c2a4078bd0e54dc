"""Machtigingen from a register: made by a relation, and ended by a register.

Nobody but these acts ends it: `delegation.rules.resolve_transition` refuses both parties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.agreements import insert_agreement
from machtiging.delegation.authority.holders import load_holder_ids
from machtiging.delegation.authority.queries import load_authorities, load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.caseload.search_index import index_client
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import (
    GRANTABLE_ACTS,
    Channel,
    EndReason,
    MachtigingRole,
    MachtigingState,
    MachtigingTransition,
)
from machtiging.delegation.state_lines import describe_authentic_states, describe_states
from machtiging.delegation.statutory.precedence import touches_closed_themes
from machtiging.delegation.statutory.rules import (
    CAPACITY_BY_KIND,
    LEGAL_GROUND_BY_KIND,
    RegisterEvent,
    resolve_end,
    start_of_day,
)
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING
from machtiging.delegation.transition import apply_transition, lock_machtiging, notification_facts
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.storage.row_mac import seal_row

_MACHTIGING = machtiging_table()
# A representative needs older letters too: debts and decisions from before the measure.
_LETTERS_FROM = date(1900, 1, 1)
_TEXT_VERSION = "register-1"


@dataclass(frozen=True, slots=True)
class _Ending:
    """An end by a register: its reason and the notices to both sides."""

    reason: EndReason
    to_giver: NotificationKind
    to_helper: NotificationKind


_BY_REGISTER = _Ending(
    EndReason.REGISTER, NotificationKind.WETTELIJK_GEEINDIGD, NotificationKind.WETTELIJK_GEEINDIGD_BIJ_U
)
_BY_MEASURE = _Ending(
    EndReason.SUPERSEDED, NotificationKind.VERVALLEN_DOOR_MAATREGEL, NotificationKind.VERVALLEN_DOOR_MAATREGEL_BIJ_U
)


async def insert_projection(
    session: AsyncSession, keyring: KeyRing, event: RegisterEvent, *, at: datetime
) -> MachtigingId:
    """Insert the machtiging of a begin or change, journal it and notify both sides."""
    machtiging_id = MachtigingId(uuid7())
    values = _build_machtiging(machtiging_id, event, at)
    inserting = insert(_MACHTIGING).values(seal_row(session, SEALED_MACHTIGING, values)).returning(_MACHTIGING)
    row = (await session.execute(inserting)).mappings().one()
    agreement = await insert_agreement(session, _build_agreement(machtiging_id, event, at))
    if event.is_organisation and event.vertegenwoordiger_id is not None:
        client_id = event.vertegenwoordigde_id
        await index_client(session, keyring, event.vertegenwoordiger_id, machtiging_id, client_id)
    rows = [(SEALED_MACHTIGING, row), (SEALED_AGREEMENT, agreement)]
    facts = await describe_states(session, event.vertegenwoordigde_id, rows)
    line = NewJournalLine(
        act=JournalAct.MACHTIGING_GEREGISTREERD,
        outcome=JournalOutcome.DONE,
        reason=event.kind,
        for_person_id=event.vertegenwoordigde_id,
        machtiging_id=machtiging_id,
        on_behalf_of=event.vertegenwoordiger_id if event.is_organisation else None,
        facts=facts,
    )
    await record(session, line, at=at)
    await _notify_begin(session, machtiging_id, at)
    return machtiging_id


def _build_machtiging(machtiging_id: MachtigingId, event: RegisterEvent, at: datetime) -> dict[str, Any]:
    return {
        "id": machtiging_id,
        "vertegenwoordigde_id": event.vertegenwoordigde_id,
        "gemachtigde_id": event.vertegenwoordiger_id,
        "capacity": CAPACITY_BY_KIND[event.kind],
        "purpose": event.kind.value.replace("_", " "),
        "legal_ground": LEGAL_GROUND_BY_KIND[event.kind],
        "state": MachtigingState.ACTIVE,
        "accepted_assurance": Assurance.HIGH,
        "accepted_at": at,
        "offered_at": at,
        "agreement_number": 1,
    }


def _build_agreement(machtiging_id: MachtigingId, event: RegisterEvent, at: datetime) -> dict[str, Any]:
    return {
        "machtiging_id": machtiging_id,
        "number": 1,
        "themes": None if event.themes is None else sorted(event.themes),
        "excluded_themes": [],
        "highest_sensitivity": "vertrouwelijk",
        "letters_from": _LETTERS_FROM,
        "acts": sorted(GRANTABLE_ACTS),
        "assurance": Assurance.HIGH,
        "starts_at": start_of_day(event.effective_on),
        "ends_at": resolve_end(event),
        "excluded_team_ids": [],
        "channel": Channel.REGISTER,
        "text_version": _TEXT_VERSION,
        "agreed_by": None,
        "agreed_at": at,
        "needs_confirmation": False,
        "represented_born_on": event.born_on,
    }


async def _notify_begin(session: AsyncSession, machtiging_id: MachtigingId, at: datetime) -> None:
    authority = await load_authority(session, machtiging_id, at=at)
    if authority is None:
        return
    holders = await load_holder_ids(session, authority, at=at)
    kinds = NotificationKind.WETTELIJK_BEGONNEN, NotificationKind.WETTELIJK_BEGONNEN_BIJ_U
    await _notify_both(session, authority, holders, kinds, at)


async def _notify_both(
    session: AsyncSession,
    authority: Authority,
    holder_ids: Sequence[PersonId],
    kinds: tuple[NotificationKind, NotificationKind],
    at: datetime,
) -> None:
    first = holder_ids[0] if holder_ids else None
    giver_id, root = authority.vertegenwoordigde_id, authority.root
    if authority.represented_organisation is None:  # a business has no e-mail address of its own
        await enqueue_notification(session, giver_id, kinds[0], notification_facts(root, first), at=at)
    for holder_id in holder_ids:
        await enqueue_notification(session, holder_id, kinds[1], notification_facts(root, holder_id), at=at)


async def end_projection(session: AsyncSession, machtiging_id: MachtigingId, *, at: datetime) -> None:
    """End the machtiging of a relation. One that has ended stays as it is."""
    await lock_machtiging(session, machtiging_id)
    authority = await load_authority(session, machtiging_id, at=at)
    if authority is not None:
        await _end_by_register(session, authority, _BY_REGISTER, at)


async def end_superseded(
    session: AsyncSession,
    person_id: PersonId,
    closed_capacities: Sequence[str],
    closed_themes: Sequence[str] | None,
    *,
    at: datetime,
) -> list[MachtigingId]:
    """End what this person gave herself and a measure now closes, offers too (BW 3:72). Returns their ids.

    The caller holds `locks.lock_giver`.
    """
    hers = (_MACHTIGING.c.vertegenwoordigde_id == person_id, _MACHTIGING.c.parent_id.is_(None))
    open_ones = select(_MACHTIGING.c.id).where(*hers, _MACHTIGING.c.state != MachtigingState.ENDED.value)
    ids = sorted((await session.scalars(open_ones)).all())
    for machtiging_id in ids:  # in order of id: two transactions cannot deadlock
        await lock_machtiging(session, machtiging_id)
    ended = []
    for authority in await load_authorities(session, _MACHTIGING.c.id.in_(ids), at=at):
        root = authority.root
        closes = root.capacity in closed_capacities and touches_closed_themes(root.scope, closed_themes)
        if closes and not root.is_from_register and await _end_by_register(session, authority, _BY_MEASURE, at):
            ended.append(root.id)
    return ended


async def _end_by_register(session: AsyncSession, authority: Authority, ending: _Ending, at: datetime) -> bool:
    """End one machtiging, journal it and notify both sides. False if it had ended."""
    before = authority.root
    if before.state is MachtigingState.ENDED:
        return False
    holders = await load_holder_ids(session, authority, at=at)
    transition = MachtigingTransition(MachtigingRole.REGISTER, MachtigingState.ENDED, ending.reason)
    result = await apply_transition(session, before, transition, {}, at=at)
    if result is None:
        return False
    await _journal_end(session, authority, ending, result.row, at)
    if authority.is_authentic:
        await _notify_both(session, authority, holders, (ending.to_giver, ending.to_helper), at)
    return True


async def _journal_end(
    session: AsyncSession, authority: Authority, ending: _Ending, row: Mapping[str, Any], at: datetime
) -> None:
    giver_id = authority.vertegenwoordigde_id
    line = NewJournalLine(
        act=JournalAct.MACHTIGING_VERVALLEN,
        outcome=JournalOutcome.DONE,
        reason=ending.reason,
        for_person_id=giver_id,
        machtiging_id=authority.machtiging_id,
        on_behalf_of=authority.organisation_id,
        facts=await describe_authentic_states(session, giver_id, [(SEALED_MACHTIGING, row)]),
    )
    await record(session, line, at=at)
