"""Load invitations by a link. A row whose MAC fails counts as absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Table, literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.row_authentication import authenticate_row
from machtiging.audit.tables import JournalIntake, JournalLine
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_data_key
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.invitations.links import decrypt_email, decrypt_name, hash_link_token
from machtiging.organisations.invitations.rules import INVITATION_RETENTION, LinkState, find_link_state, find_sent_at
from machtiging.organisations.invitations.tables import SEALED_INVITATION_LINK, InvitationLink
from machtiging.organisations.queries import ORGANISATION
from machtiging.organisations.rules import EmployeeRole, find_work_level
from machtiging.organisations.tables import SEALED_ORGANISATION
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows

INVITATION = table_of(InvitationLink)
IS_UNUSED = (INVITATION.c.accepted_at.is_(None), INVITATION.c.withdrawn_at.is_(None))
# As literals: those of the indexes `ix_journal_invitation` and `ix_journal_intake_invitation`.
_STATE_ACTS: tuple[ColumnElement[str], ...] = (
    literal_column("'medewerker:uitgenodigd'"),
    literal_column("'medewerker:uitnodiging_ingetrokken'"),
)
EXPIRED_INVITATIONS: ExpiredRows = (INVITATION, INVITATION.c.expires_at < SWEEP_AT - INVITATION_RETENTION)


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation as administrators of the organisation see it. `is_returned`: its e-mail could not be delivered."""

    id: UUID
    name: str
    email: str
    roles: frozenset[EmployeeRole]
    minimum_level: Assurance
    invited_by: UUID
    expires_at: datetime
    state: LinkState
    is_sent: bool
    is_returned: bool


@dataclass(frozen=True, slots=True)
class LinkView:
    """The organisation and the level of the login, for anybody with the link."""

    organisation_name: str
    organisation_kvk: str | None
    level: Assurance
    sent_at: datetime
    expires_at: datetime
    state: LinkState


async def list_invitations(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, *, at: datetime
) -> Sequence[InvitationView]:
    """List the invitations that were not used or withdrawn, newest first. Expired ones too, until they are deleted."""
    query = select(INVITATION).where(INVITATION.c.organisation_id == organisation_id, *IS_UNUSED)
    rows = (await session.execute(query.order_by(INVITATION.c.id.desc()))).all()
    authentic = [row for row in rows if await authenticate_row(session, SEALED_INVITATION_LINK, row, at=at)]
    if not authentic:
        return []
    key = await load_data_key(session, keyring, organisation_id)
    return [
        InvitationView(
            id=row.id,
            name=decrypt_name(key, row),
            email=decrypt_email(key, row),
            roles=frozenset(map(EmployeeRole, row.roles)),
            minimum_level=Assurance(row.minimum_level),
            invited_by=row.invited_by,
            expires_at=row.expires_at,
            state=find_link_state(row, at),
            is_sent=row.mail_sent_at is not None,
            is_returned=row.mail_given_up_at is not None,
        )
        for row in authentic
    ]


async def load_link(session: AsyncSession, token: str, *, at: datetime) -> LinkView | None:
    """Load what anybody with the link may know; None for an unknown link."""
    row = await find_invitation(session, token, at=at)
    if row is None:
        return None
    organisation = (await session.execute(select(ORGANISATION).where(ORGANISATION.c.id == row.organisation_id))).one()
    if not await authenticate_row(session, SEALED_ORGANISATION, organisation, at=at):
        return None
    level = find_required_level(row, organisation)
    return LinkView(
        organisation.name, organisation.kvk, level, find_sent_at(row), row.expires_at, find_link_state(row, at)
    )


async def find_invitation(session: AsyncSession, token: str, *, at: datetime, lock: bool = False) -> Row[Any] | None:
    """Find the invitation of a link; None for an unknown one. With `lock` FOR UPDATE: lock the organisation first."""
    digest = hash_link_token(token)
    if digest is None:
        return None
    query = select(INVITATION).where(INVITATION.c.token_hash == digest)
    row = (await session.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_INVITATION_LINK, row, at=at):
        return None
    return row


async def has_later_line(session: AsyncSession, row: Row[Any]) -> bool:
    """Return True if the journal has a withdrawal or a link after this row.

    The row was put back in the database then: the MAC of an older row is valid, and the journal cannot be changed.
    """
    # One statement means one snapshot: a line that is sealed concurrently is in one of the tables.
    both = union_all(*(_select_acts(table_of(lines), row.id) for lines in (JournalLine, JournalIntake)))
    acts = (await session.scalars(both)).all()
    is_withdrawn = JournalAct.MEDEWERKER_UITNODIGING_INGETROKKEN in acts
    return acts.count(JournalAct.MEDEWERKER_UITGENODIGD) > row.link_number or (
        is_withdrawn and row.withdrawn_at is None
    )


def _select_acts(lines: Table, invitation_id: UUID) -> Select[Any]:
    about = (lines.c.object_kind == literal_column("'uitnodiging'"), lines.c.object_id == str(invitation_id))
    return select(lines.c.act).where(*about, lines.c.act.in_(_STATE_ACTS), lines.c.outcome == JournalOutcome.DONE.value)


def find_required_level(row: Row[Any], organisation: Row[Any]) -> Assurance:
    """Return the level of the login. It is never less than the organisation demands."""
    invited_level, minimum = Assurance(row.minimum_level), find_work_level(Assurance(organisation.minimum_level))
    return invited_level if invited_level.is_at_least(minimum) else minimum
