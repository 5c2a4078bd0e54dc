"""Accept an invitation by a link, in a login for the organisation.

The person is known by the login alone, never by the e-mail address: a link that was forwarded makes no other employee
than somebody whom the login service lets act for this organisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.audit.state_facts import PersonalWords
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import are_same_person, load_data_key
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import ROW_INVALID, Conflict, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.employee_names import load_named_employees
from machtiging.organisations.employees import encrypt_display_name
from machtiging.organisations.invitations.administration import require_open_organisation, require_unused
from machtiging.organisations.invitations.links import decrypt_name
from machtiging.organisations.invitations.queries import (
    INVITATION,
    find_invitation,
    find_required_level,
    has_later_line,
)
from machtiging.organisations.invitations.rules import LinkState, find_link_state, find_sent_at
from machtiging.organisations.invitations.tables import SEALED_INVITATION_LINK
from machtiging.organisations.journal_lines import OrganisationAct, journal_act
from machtiging.organisations.queries import (
    EMPLOYEE,
    ORGANISATION,
    find_employee_of_person,
    load_departed_since,
    load_present_employees,
    lock_organisation,
)
from machtiging.organisations.rules import (
    ActingEmployee,
    EmployeeRole,
    EmployeeState,
    require_minimum_level,
)
from machtiging.organisations.tables import SEALED_EMPLOYEE, SEALED_ORGANISATION
from machtiging.storage.row_mac import reseal_changes, seal_row


@dataclass(frozen=True, slots=True)
class InvitedLogin:
    """The login of somebody with a link."""

    person_id: PersonId
    kvk: str | None
    assurance: Assurance
    authenticated_at: datetime


@dataclass(frozen=True, slots=True)
class InvitationOffer:
    """The content of an invitation, for the login that may accept it. `inviter` is "" if the name is unknown."""

    id: UUID
    organisation_name: str
    inviter: str
    name: str
    roles: frozenset[EmployeeRole]


async def preview_invitation(
    session: AsyncSession, keyring: KeyRing, login: InvitedLogin, token: str, *, at: datetime
) -> InvitationOffer:
    """Load what the link offers. Changes nothing. Raises and journals as `accept_invitation`."""
    row = await find_invitation(session, token, at=at)
    if row is None:
        raise NotFound("uitnodiging_onbekend")
    organisation = (await session.execute(select(ORGANISATION).where(ORGANISATION.c.id == row.organisation_id))).one()
    try:
        if not await authenticate_row(session, SEALED_ORGANISATION, organisation, at=at):
            raise NotAllowed(ROW_INVALID)
        await _require_acceptable(session, keyring, login, row, organisation, at)
    except Refusal as refusal:
        await _journal_refusal(session, JournalAct.MEDEWERKER_UITNODIGING_BEKEKEN, login, row, refusal, at)
        raise
    inviters = await load_named_employees(session, keyring, organisation.id, [row.invited_by], at=at)
    inviter = inviters[row.invited_by].name if row.invited_by in inviters else ""
    name = decrypt_name(await load_data_key(session, keyring, organisation.id), row)
    return InvitationOffer(row.id, organisation.name, inviter, name, frozenset(map(EmployeeRole, row.roles)))


async def accept_invitation(
    session: AsyncSession, keyring: KeyRing, login: InvitedLogin, token: str, *, at: datetime, shown: UUID | None
) -> None:
    """Make the person of this login an employee. The same person again changes nothing.

    `shown`: the invitation that the person saw. Raises NotFound `uitnodiging_onbekend`, NotAllowed
    `uitnodiging_zonder_organisatie`, `uitnodiging_andere_organisatie`, `login_te_oud`, `eigen_uitnodiging` or
    `organisatie_opgeschort`, LevelTooLow `niveau_te_laag`, and Conflict `uitnodiging_niet_getoond`,
    `uitnodiging_gebruikt`, `uitnodiging_ingetrokken`, `uitnodiging_verlopen`, `uitnodiger_weg`, `organisatie_gesloten`,
    `al_medewerker` or `vertrokken_na_uitnodiging`. A refusal of a link that exists is journalled.
    """
    found = await find_invitation(session, token, at=at)
    if found is None:
        raise NotFound("uitnodiging_onbekend")
    organisation = await lock_organisation(session, found.organisation_id, at=at)
    row = await find_invitation(session, token, at=at, lock=True)
    if row is None:  # another link was sent meanwhile
        raise NotFound("uitnodiging_onbekend")
    try:
        if row.id != shown:
            raise Conflict("uitnodiging_niet_getoond")
        if await _has_accepted(session, login, row, at):
            return
        await _require_acceptable(session, keyring, login, row, organisation, at)
    except Refusal as refusal:
        await _journal_refusal(session, JournalAct.MEDEWERKER_GEACTIVEERD, login, row, refusal, at)
        raise
    key = await load_data_key(session, keyring, organisation.id)
    employee = await _insert_employee(session, key, login, row, at)
    changes = {"accepted_at": at, "employee_id": employee["id"]}
    values = reseal_changes(session, SEALED_INVITATION_LINK, row, changes)
    await session.execute(update(INVITATION).where(INVITATION.c.id == row.id).values(values))
    actor = ActingEmployee(login.person_id, employee["id"], organisation.id)
    act = OrganisationAct(
        JournalAct.MEDEWERKER_GEACTIVEERD, actor, organisation.id, at, "medewerker", str(employee["id"])
    )
    personal = PersonalWords(organisation.id, key)
    facts = {"uitnodiging": str(row.id)}
    await journal_act(session, act, "uitnodiging", [(SEALED_EMPLOYEE, employee)], personal, facts)
    await _tell_both(session, login, row, organisation, at)


async def _require_acceptable(
    session: AsyncSession, keyring: KeyRing, login: InvitedLogin, row: Row[Any], organisation: Row[Any], at: datetime
) -> None:
    """Require a login that may accept this invitation now. First the login: others learn nothing of the invitation."""
    if login.kvk is None:
        raise NotAllowed("uitnodiging_zonder_organisatie")
    if login.kvk != organisation.kvk:
        raise NotAllowed("uitnodiging_andere_organisatie")
    require_minimum_level(find_required_level(row, organisation), login.assurance)
    require_unused(row, at)
    if await has_later_line(session, row):
        raise NotAllowed(ROW_INVALID)
    if await session.scalar(select(EMPLOYEE.c.id).where(EMPLOYEE.c.id == derive_employee_id(row.id))) is not None:
        raise Conflict("uitnodiging_gebruikt")  # the invitation was put back in the database
    if find_link_state(row, at) is LinkState.EXPIRED:
        raise Conflict("uitnodiging_verlopen")
    if login.authenticated_at < find_sent_at(row):
        raise NotAllowed("login_te_oud")
    await require_open_organisation(session, organisation, at)
    await _require_new_colleague(session, keyring, login, row, at)


def derive_employee_id(invitation_id: UUID) -> UUID:
    """Derive the id of the employee (RFC 9562 section 5.5).

    So an invitation makes one, also if a writer in the database undoes its use.
    """
    return uuid5(invitation_id, "medewerker")


async def _require_new_colleague(
    session: AsyncSession, keyring: KeyRing, login: InvitedLogin, row: Row[Any], at: datetime
) -> None:
    """Require a person who does not work there, and has not left since the invitation.

    Another login of the person counts too. Everybody who invited or sent the link again either works there or left
    since then. Raises Conflict `uitnodiger_weg`, `al_medewerker` or `vertrokken_na_uitnodiging`, and NotAllowed
    `eigen_uitnodiging`.
    """
    present = await load_present_employees(session, row.organisation_id, at=at)
    inviter = next((one for one in present if one.id == row.invited_by), None)
    if inviter is None or not _is_active_administrator(inviter):
        raise Conflict("uitnodiger_weg")
    if any(one.person_id == login.person_id for one in present):
        raise Conflict("al_medewerker")
    if await are_same_person(session, keyring, PersonId(inviter.person_id), login.person_id):
        raise NotAllowed("eigen_uitnodiging")
    if await find_employee_of_person(session, keyring, login.person_id, present) is not None:
        raise Conflict("al_medewerker", message="al_medewerker.other_login")
    departed = await load_departed_since(session, row.organisation_id, row.invited_at)
    if await find_employee_of_person(session, keyring, login.person_id, departed) is not None:
        raise Conflict("vertrokken_na_uitnodiging")


def _is_active_administrator(row: Row[Any]) -> bool:
    return row.state == EmployeeState.ACTIVE.value and EmployeeRole.ADMINISTRATOR.value in row.roles


async def _has_accepted(session: AsyncSession, login: InvitedLogin, row: Row[Any], at: datetime) -> bool:
    """Return True if this person used the link and still works there."""
    if row.employee_id is None:
        return False
    present = await load_present_employees(session, row.organisation_id, at=at)
    return any(one.id == row.employee_id and one.person_id == login.person_id for one in present)


async def _insert_employee(
    session: AsyncSession, key: DataKey, login: InvitedLogin, row: Row[Any], at: datetime
) -> dict[str, Any]:
    """Insert the employee of an invitation. Returns the sealed row."""
    employee_id = derive_employee_id(row.id)
    employee = {
        "id": employee_id,
        "organisation_id": row.organisation_id,
        "person_id": login.person_id,
        "display_name_sealed": encrypt_display_name(key, employee_id, decrypt_name(key, row)),
        "roles": list(row.roles),
        "state": EmployeeState.ACTIVE.value,
        "starts_at": at,
        "invited_at": row.invited_at,
    }
    sealed = seal_row(session, SEALED_EMPLOYEE, employee)
    inserted = insert(EMPLOYEE).values(sealed).returning(*EMPLOYEE.c)
    return {**(await session.execute(inserted)).mappings().one()}


async def _journal_refusal(
    session: AsyncSession, act: JournalAct, login: InvitedLogin, row: Row[Any], refusal: Refusal, at: datetime
) -> None:
    line = NewJournalLine(
        act=act,
        outcome=JournalOutcome.REFUSED,
        reason=refusal.code,
        actor_id=login.person_id,
        object_kind="uitnodiging",
        object_id=str(row.id),
        on_behalf_of=row.organisation_id,
    )
    await record(session, line, at=at)


async def _tell_both(
    session: AsyncSession, login: InvitedLogin, row: Row[Any], organisation: Row[Any], at: datetime
) -> None:
    """Tell the new employee and the inviter by e-mail."""
    facts = {"organisation": organisation.name, "helper_id": str(login.person_id)}
    await enqueue_notification(session, login.person_id, NotificationKind.MEDEWERKER_GEWORDEN, facts, at=at)
    inviter = await session.scalar(select(EMPLOYEE.c.person_id).where(EMPLOYEE.c.id == row.invited_by))
    person_id = None if inviter is None else PersonId(inviter)
    await enqueue_notification(session, person_id, NotificationKind.UITNODIGING_AANGENOMEN, facts, at=at)
