"""Acts of an administrator on invitations by a link: invite, send again, withdraw.

The acts of one organisation wait for each other: each locks the organisation first.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import sha256_digest
from machtiging.identity.data_keys import ensure_data_key
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import ROW_INVALID, Conflict, InvalidInput, NotAllowed, NotFound, TooMany
from machtiging.kernel.ids import uuid7
from machtiging.organisations.employees import lock_own_organisation
from machtiging.organisations.invitations.links import derive_link_token, encrypt_words, index_email
from machtiging.organisations.invitations.queries import INVITATION, IS_UNUSED
from machtiging.organisations.invitations.rules import (
    MAX_LINKS,
    MAX_OPEN_INVITATIONS,
    MAX_PER_ADDRESS_PER_DAY,
    MAX_PER_ORGANISATION_PER_DAY,
    LinkInvitation,
    LinkState,
    find_link_state,
    list_levels,
)
from machtiging.organisations.invitations.tables import SEALED_INVITATION_LINK
from machtiging.organisations.journal_lines import OrganisationAct, journal_act, journal_refusal
from machtiging.organisations.queries import OF_OTHERS, find_current_status
from machtiging.organisations.rules import INVITATION_LIFETIME, ActingEmployee, RecognitionStatus, find_work_level
from machtiging.storage.row_mac import reseal_changes, seal_row

_CLOSED = frozenset({RecognitionStatus.WITHDRAWN, RecognitionStatus.REFUSED})
_DAY = timedelta(days=1)


async def invite_by_link(
    session: AsyncSession, keyring: KeyRing, actor: ActingEmployee, invitation: LinkInvitation, *, at: datetime
) -> UUID:
    """Invite somebody by e-mail. The worker sends the link, which is open for seven days. Returns the id.

    Raises NotAllowed `alleen_voor_organisatiebeheerder` or `organisatie_opgeschort`, InvalidInput
    `niveau_niet_te_vragen`, and Conflict `organisatie_gesloten`, `al_uitgenodigd` or `te_veel_uitnodigingen`, and
    TooMany `te_vaak_uitgenodigd` or `te_veel_uitnodigingen_vandaag`. An earlier invitation of this address that
    expired is withdrawn.
    """
    act = _build_act(JournalAct.MEDEWERKER_UITGENODIGD, actor, invitation_id := uuid7(), at)
    index = index_email(keyring, actor.organisation_id, invitation.email)
    async with journal_refusal(session, act):
        organisation = await _lock_inviting_organisation(session, actor, at)
        if invitation.minimum_level not in list_levels(find_work_level(Assurance(organisation.minimum_level))):
            raise InvalidInput("niveau_niet_te_vragen")
        earlier = await _load_expired(session, actor.organisation_id, index, at)
        await _require_few_today(session, actor.organisation_id, index, at)
    for expired in earlier:
        await _update_invitation(session, expired, {"withdrawn_at": at})
    key = await ensure_data_key(session, keyring, actor.organisation_id)
    row = {
        "id": invitation_id,
        "organisation_id": actor.organisation_id,
        "invited_by": actor.employee_id,
        "email_index": index,
        **encrypt_words(key, invitation_id, invitation.email, invitation.display_name),
        "roles": sorted(invitation.roles),
        "minimum_level": invitation.minimum_level.value,
        "invited_at": at,
        **_make_link(keyring, invitation_id, 1, at),
    }
    await session.execute(insert(INVITATION).values(seal_row(session, SEALED_INVITATION_LINK, row)))
    facts = {"rollen": sorted(invitation.roles), "niveau": invitation.minimum_level.value}
    await journal_act(session, act, "met_link", [], facts=facts)
    return invitation_id


async def resend_invitation(
    session: AsyncSession, keyring: KeyRing, actor: ActingEmployee, invitation_id: UUID, *, at: datetime
) -> None:
    """Send a new link of seven days. The link before it opens nothing any more. Now the actor is the inviter.

    Raises as `invite_by_link`, NotFound `uitnodiging_onbekend`, and Conflict `uitnodiging_gebruikt`,
    `uitnodiging_ingetrokken` or `te_vaak_verstuurd`.
    """
    act = _build_act(JournalAct.MEDEWERKER_UITGENODIGD, actor, invitation_id, at)
    async with journal_refusal(session, act):
        await _lock_inviting_organisation(session, actor, at)
        row = await _lock_invitation(session, actor, invitation_id, at)
        require_unused(row, at)
        if row.link_number >= MAX_LINKS:
            raise Conflict("te_vaak_verstuurd")
    changes = {"invited_by": actor.employee_id, **_make_link(keyring, invitation_id, row.link_number + 1, at)}
    await _update_invitation(session, row, changes)
    await journal_act(session, act, "opnieuw_verstuurd", [])


async def withdraw_invitation(
    session: AsyncSession, actor: ActingEmployee, invitation_id: UUID, *, at: datetime
) -> None:
    """Withdraw an invitation. Its link opens nothing any more, also when the organisation is suspended.

    Raises NotAllowed `alleen_voor_organisatiebeheerder`, NotFound `uitnodiging_onbekend`, and Conflict
    `uitnodiging_gebruikt` or `uitnodiging_ingetrokken`.
    """
    act = _build_act(JournalAct.MEDEWERKER_UITNODIGING_INGETROKKEN, actor, invitation_id, at)
    async with journal_refusal(session, act):
        await lock_own_organisation(session, actor, actor.organisation_id, at)
        row = await _lock_invitation(session, actor, invitation_id, at)
        require_unused(row, at)
    await _update_invitation(session, row, {"withdrawn_at": at})
    await journal_act(session, act, "ingetrokken", [])


def require_unused(row: Row[Any], at: datetime) -> None:
    """Require an invitation that nobody used or withdrew.

    Raises Conflict `uitnodiging_gebruikt` or `uitnodiging_ingetrokken`.
    """
    match find_link_state(row, at):
        case LinkState.ACCEPTED:
            raise Conflict("uitnodiging_gebruikt")
        case LinkState.WITHDRAWN:
            raise Conflict("uitnodiging_ingetrokken")
        case _:
            return


async def require_open_organisation(session: AsyncSession, organisation: Row[Any], at: datetime) -> None:
    """Require an organisation that may hire.

    Raises Conflict `organisatie_gesloten` or NotAllowed `organisatie_opgeschort`.
    """
    status = await find_current_status(session, organisation, at=at)
    if status in _CLOSED:
        raise Conflict("organisatie_gesloten")
    if status is RecognitionStatus.SUSPENDED:
        raise NotAllowed("organisatie_opgeschort", message="organisatie_opgeschort.assignment")


async def _lock_inviting_organisation(session: AsyncSession, actor: ActingEmployee, at: datetime) -> Row[Any]:
    organisation, _ = await lock_own_organisation(session, actor, actor.organisation_id, at)
    await require_open_organisation(session, organisation, at)
    return organisation


async def _load_expired(
    session: AsyncSession, organisation_id: UUID, email_index: bytes, at: datetime
) -> list[Row[Any]]:
    """Load the expired invitation of an address. Raises Conflict `al_uitgenodigd` or `te_veel_uitnodigingen`."""
    query = select(INVITATION).where(INVITATION.c.organisation_id == organisation_id, *IS_UNUSED)
    unused = (await session.execute(query)).all()
    same = [row for row in unused if row.email_index == email_index]
    if any(find_link_state(row, at) is LinkState.OPEN for row in same):
        raise Conflict("al_uitgenodigd")
    if sum(find_link_state(row, at) is LinkState.OPEN for row in unused) >= MAX_OPEN_INVITATIONS:
        raise Conflict("te_veel_uitnodigingen", params={"limit": MAX_OPEN_INVITATIONS})
    return same


async def _require_few_today(session: AsyncSession, organisation_id: UUID, email_index: bytes, at: datetime) -> None:
    """Require few invitations in the last 24 hours. Used and withdrawn ones count: each was an e-mail.

    Raises TooMany `te_vaak_uitgenodigd` for the address, or `te_veel_uitnodigingen_vandaag` for the organisation.
    """
    recent = (INVITATION.c.organisation_id == organisation_id, INVITATION.c.invited_at > at - _DAY)
    query = select(INVITATION.c.email_index, INVITATION.c.invited_at).where(*recent).order_by(INVITATION.c.invited_at)
    every = (await session.execute(query)).all()
    same = [row for row in every if row.email_index == email_index]
    for code, rows, limit in (
        ("te_vaak_uitgenodigd", same, MAX_PER_ADDRESS_PER_DAY),
        ("te_veel_uitnodigingen_vandaag", every, MAX_PER_ORGANISATION_PER_DAY),
    ):
        if len(rows) >= limit:
            wait = math.ceil((rows[-limit].invited_at + _DAY - at).total_seconds())
            raise TooMany(code, params={"limit": limit}, retry_after=max(1, wait))


async def _lock_invitation(session: AsyncSession, actor: ActingEmployee, invitation_id: UUID, at: datetime) -> Row[Any]:
    """Load an invitation of this organisation FOR UPDATE. Raises NotFound `uitnodiging_onbekend`."""
    query = select(INVITATION).where(INVITATION.c.id == invitation_id).with_for_update()
    row = (await session.execute(query)).one_or_none()
    if row is None or row.organisation_id != actor.organisation_id:
        raise NotFound("uitnodiging_onbekend", private="" if row is None else OF_OTHERS)
    if not await authenticate_row(session, SEALED_INVITATION_LINK, row, at=at):
        raise NotAllowed(ROW_INVALID)
    return row


def _make_link(keyring: KeyRing, invitation_id: UUID, number: int, at: datetime) -> dict[str, Any]:
    """Return the columns of a new link, with an e-mail that is due now."""
    return {
        "link_number": number,
        "token_hash": sha256_digest(derive_link_token(keyring, invitation_id, number)),
        "expires_at": at + INVITATION_LIFETIME,
        "mail_tries": 0,
        "mail_next_at": at,
        "mail_sent_at": None,
        "mail_given_up_at": None,
    }


async def _update_invitation(session: AsyncSession, row: Row[Any], changes: dict[str, Any]) -> None:
    values = reseal_changes(session, SEALED_INVITATION_LINK, row, changes)
    await session.execute(update(INVITATION).where(INVITATION.c.id == row.id).values(values))


def _build_act(kind: JournalAct, actor: ActingEmployee, invitation_id: UUID, at: datetime) -> OrganisationAct:
    return OrganisationAct(kind, actor, actor.organisation_id, at, "uitnodiging", str(invitation_id))
