"""Employees of an organisation: invitation, activation at the first login, roles, leave and departure.

The roles live here and never in the login session. An employee who left never returns: a return is a new row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.audit.row_authentication import authenticate_row
from machtiging.audit.state_facts import PersonalWords
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_keys import ensure_data_key
from machtiging.identity.rules import VerifiedLogin
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.organisations.journal_lines import (
    OrganisationAct,
    journal_act,
    journal_refusal,
    journal_refused_caller,
)
from machtiging.organisations.queries import (
    EMPLOYEE,
    OF_OTHERS,
    ORGANISATION,
    find_current_status,
    find_employee_of_login,
    find_organisation_of_employee,
    load_present_employees,
    lock_employee,
    lock_organisation,
    works_or_left_since,
)
from machtiging.organisations.rules import (
    ActingEmployee,
    ActingOperator,
    EmployeeInvitation,
    EmployeeRole,
    EmployeeState,
    OrganisationActor,
    RecognitionStatus,
    is_invitation_open,
    require_minimum_level,
)
from machtiging.organisations.tables import SEALED_EMPLOYEE
from machtiging.storage.row_mac import reseal_changes, seal_row

_CLOSED = frozenset({RecognitionStatus.WITHDRAWN, RecognitionStatus.REFUSED})


def encrypt_display_name(key: DataKey, employee_id: UUID, name: str) -> bytes:
    """Encrypt the name of an employee with the data key of the organisation."""
    return key.encrypt(name.encode(), *_name_context(employee_id))


def decrypt_display_name(key: DataKey, row: Any) -> str:
    """Decrypt the name of an employee row; empty if it has none. Raises Fault `versleuteling_klopt_niet`."""
    if row.display_name_sealed is None:
        return ""
    return key.decrypt(row.display_name_sealed, *_name_context(row.id)).decode()


def _name_context(employee_id: UUID) -> tuple[str, str, str]:
    return ("employee", str(employee_id), "weergavenaam")


async def load_administrator(
    session: AsyncSession,
    act: JournalAct,
    person_id: PersonId,
    kvk: str | None,
    assurance: Assurance,
    *,
    at: datetime,
) -> ActingEmployee:
    """Load the active organisatiebeheerder who is logged in for this organisation.

    Raises NotAllowed `geen_medewerker` for anybody else, LevelTooLow as `require_minimum_level`, and NotAllowed
    `alleen_voor_organisatiebeheerder` for an employee without the role. `act` is journalled as refused then.
    """
    row = await find_employee_of_login(session, person_id, kvk, at=at)
    async with journal_refused_caller(session, act, person_id, None if row is None else row.organisation_id, at=at):
        if row is None or row.state != EmployeeState.ACTIVE.value:
            raise NotAllowed("geen_medewerker")
        require_minimum_level(Assurance(row.o_minimum_level), assurance)
        if EmployeeRole.ADMINISTRATOR.value not in row.roles:
            raise NotAllowed("alleen_voor_organisatiebeheerder")
    return ActingEmployee(person_id, row.id, row.organisation_id)


async def invite_employee(
    session: AsyncSession,
    keyring: KeyRing,
    actor: OrganisationActor,
    organisation_id: UUID,
    invitation: EmployeeInvitation,
    *,
    at: datetime,
    practice: bool = False,
) -> UUID:
    """Invite an employee, who becomes active at the first login within seven days. Returns the id.

    An operator invites the first organisatiebeheerder only, without other roles except in the practice world
    (`practice`). Raises NotFound `organisatie_onbekend`, NotAllowed `alleen_eerste_beheerder` or
    `beheerder_met_andere_rol`, Conflict `organisatie_gesloten` after a recognition was refused or withdrawn, and
    Conflict `al_medewerker`. An earlier invitation that expired ends.
    """
    employee_id = uuid7()
    act = OrganisationAct(JournalAct.MEDEWERKER_UITGENODIGD, actor, organisation_id, at, "medewerker", str(employee_id))
    async with journal_refusal(session, act):
        organisation, present = await lock_own_organisation(session, actor, organisation_id, at)
        if await find_current_status(session, organisation, at=at) in _CLOSED:
            raise Conflict("organisatie_gesloten")
        await _require_no_suspension(session, actor, organisation, at)
        if isinstance(actor, ActingOperator):
            require_first_administrator(invitation, present, at, practice=practice)
        same = [row for row in present if _has_account(row, invitation.broker_issuer, invitation.broker_subject)]
        if any(not _is_expired(row, at) for row in same):
            raise Conflict("al_medewerker")
    ended = [await _update_employee(session, row, _departure(row, at)) for row in same]
    sealed = await _insert_invitation(session, keyring, (organisation_id, employee_id), invitation, at)
    await _journal_employees(session, keyring, act, "uitgenodigd", *ended, sealed)
    return employee_id


async def _insert_invitation(
    session: AsyncSession, keyring: KeyRing, ids: tuple[UUID, UUID], invitation: EmployeeInvitation, at: datetime
) -> dict[str, Any]:
    """Insert an invited employee; `ids` are those of organisation and employee. Returns the sealed row."""
    organisation_id, employee_id = ids
    key = await ensure_data_key(session, keyring, organisation_id)
    row = {
        "id": employee_id,
        "organisation_id": organisation_id,
        "broker_issuer": invitation.broker_issuer,
        "broker_subject": invitation.broker_subject,
        "display_name_sealed": encrypt_display_name(key, employee_id, invitation.display_name),
        "roles": sorted(invitation.roles),
        "state": EmployeeState.INVITED.value,
        "starts_at": at,
        "invited_at": at,
    }
    sealed = seal_row(session, SEALED_EMPLOYEE, row)
    await session.execute(insert(EMPLOYEE).values(sealed))
    return sealed


async def change_roles(
    session: AsyncSession,
    keyring: KeyRing,
    actor: ActingEmployee,
    employee_id: UUID,
    roles: frozenset[EmployeeRole],
    *,
    at: datetime,
) -> None:
    """Change the roles of an employee. Nobody adds a role to himself: a colleague does.

    Raises NotFound `medewerker_onbekend`, NotAllowed `eigen_rollen_uitbreiden` and Conflict `laatste_beheerder`.
    """
    act = _build_act(JournalAct.MEDEWERKER_GEWIJZIGD, actor, actor.organisation_id, employee_id, at)
    async with journal_refusal(session, act):
        row, present = await _lock_present_employee(session, actor, actor.organisation_id, employee_id, at)
        if not roles <= set(row.roles):
            organisation = await lock_organisation(session, actor.organisation_id, at=at)
            await _require_no_suspension(session, actor, organisation, at)
        if EmployeeRole.ADMINISTRATOR not in roles:
            _require_other_administrator(actor, row, present)
        if row.id == actor.employee_id and not roles <= set(row.roles):
            raise NotAllowed("eigen_rollen_uitbreiden")
    changed = await _update_employee(session, row, {"roles": sorted(roles)})
    await _journal_employees(session, keyring, act, "rollen", changed)


async def suspend_employee(
    session: AsyncSession, keyring: KeyRing, actor: OrganisationActor, employee_id: UUID, *, at: datetime
) -> None:
    """Put an active employee on non-active. Every request from now on is refused.

    Raises NotFound `medewerker_onbekend`, Conflict `medewerker_niet_actief` and Conflict `laatste_beheerder`.
    """
    await _change_state(session, keyring, actor, employee_id, (EmployeeState.ACTIVE, EmployeeState.SUSPENDED), at)


async def resume_employee(
    session: AsyncSession, keyring: KeyRing, actor: OrganisationActor, employee_id: UUID, *, at: datetime
) -> None:
    """Make a suspended employee active again. Raises as `suspend_employee`, with `medewerker_niet_op_non_actief`."""
    await _change_state(session, keyring, actor, employee_id, (EmployeeState.SUSPENDED, EmployeeState.ACTIVE), at)


async def _change_state(
    session: AsyncSession,
    keyring: KeyRing,
    actor: OrganisationActor,
    employee_id: UUID,
    states: tuple[EmployeeState, EmployeeState],
    at: datetime,
) -> None:
    organisation_id = await _find_organisation(session, actor, employee_id)
    act = _build_act(JournalAct.MEDEWERKER_GEWIJZIGD, actor, organisation_id, employee_id, at)
    async with journal_refusal(session, act):
        row, present = await _lock_present_employee(session, actor, organisation_id, employee_id, at)
        if row.state != states[0].value:
            suspending = states[0] is EmployeeState.ACTIVE
            raise Conflict("medewerker_niet_actief" if suspending else "medewerker_niet_op_non_actief")
        if states[0] is EmployeeState.ACTIVE:
            _require_other_administrator(actor, row, present)
        else:
            organisation = await lock_organisation(session, row.organisation_id, at=at)
            await _require_no_suspension(session, actor, organisation, at)
    changed = await _update_employee(session, row, {"state": states[1].value})
    await _journal_employees(session, keyring, act, states[1].value, changed)


async def end_employment(
    session: AsyncSession,
    keyring: KeyRing,
    actor: OrganisationActor,
    employee_id: UUID,
    *,
    at: datetime,
    organisation_id: UUID | None = None,
) -> UUID:
    """Record that an employee left, and return the organisation. `handover.departure` is the act around it.

    Final: after the answer no request that starts later succeeds.

    Only an operator lets the last organisatiebeheerder leave, and may name the organisation (`organisation_id`).
    Raises NotFound `medewerker_onbekend`, Conflict `al_vertrokken` and Conflict `laatste_beheerder`.
    """
    works_at = await _find_organisation(session, actor, employee_id)
    act = _build_act(JournalAct.MEDEWERKER_VERTROKKEN, actor, organisation_id or works_at, employee_id, at)
    async with journal_refusal(session, act):
        if organisation_id not in (None, works_at):
            raise NotFound("medewerker_onbekend", private="" if works_at is None else OF_OTHERS)
        row, present = await _lock_present_employee(session, actor, works_at, employee_id, at)
        _require_other_administrator(actor, row, present)
    departed = await _update_employee(session, row, _departure(row, at))
    await _journal_employees(session, keyring, act, "vertrokken", departed)
    left: UUID = departed["organisation_id"]
    return left


async def activate_employee(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, login: VerifiedLogin, *, at: datetime
) -> None:
    """Activate an invited employee at the first login for the organisation, within seven days.

    A login that fits no open invitation changes nothing. An invitation of somebody who works there, also under
    another login, or who left after it, stays as it is.
    """
    if login.kvk is None:
        return
    invited = (
        ORGANISATION.c.kvk == login.kvk,
        EMPLOYEE.c.broker_issuer == login.issuer,
        EMPLOYEE.c.broker_subject == login.subject,
        EMPLOYEE.c.state == EmployeeState.INVITED.value,
    )
    joined = EMPLOYEE.join(ORGANISATION, EMPLOYEE.c.organisation_id == ORGANISATION.c.id)
    found = select(EMPLOYEE).select_from(joined).where(*invited)
    for row in (await session.execute(found.with_for_update(of=EMPLOYEE, key_share=True))).all():
        if not await authenticate_row(session, SEALED_EMPLOYEE, row, at=at) or _is_expired(row, at):
            continue
        if await works_or_left_since(session, keyring, person_id, row.organisation_id, row.invited_at, at=at):
            continue
        changes = {"person_id": person_id, "state": EmployeeState.ACTIVE.value}
        active = await _update_employee(session, row, changes)
        actor = ActingEmployee(person_id, row.id, row.organisation_id)
        act = _build_act(JournalAct.MEDEWERKER_GEACTIVEERD, actor, row.organisation_id, row.id, at)
        await _journal_employees(session, keyring, act, "eerste_login", active)


async def _journal_employees(
    session: AsyncSession, keyring: KeyRing, act: OrganisationAct, reason: str, *rows: dict[str, Any]
) -> None:
    """Journal an act with the whole new state of employees. The account at the broker is encrypted."""
    organisation_id: UUID = rows[0]["organisation_id"]
    personal = PersonalWords(organisation_id, await ensure_data_key(session, keyring, organisation_id))
    await journal_act(session, act, reason, [(SEALED_EMPLOYEE, row) for row in rows], personal)


def _build_act(
    kind: JournalAct, actor: OrganisationActor, organisation_id: UUID | None, employee_id: UUID, at: datetime
) -> OrganisationAct:
    return OrganisationAct(kind, actor, organisation_id, at, "medewerker", str(employee_id))


async def _find_organisation(session: AsyncSession, actor: OrganisationActor, employee_id: UUID) -> UUID | None:
    """Find the organisation of the act: that of an acting employee, else of the employee."""
    if isinstance(actor, ActingEmployee):
        return actor.organisation_id
    return await find_organisation_of_employee(session, employee_id)


async def lock_own_organisation(
    session: AsyncSession, actor: OrganisationActor, organisation_id: UUID, at: datetime
) -> tuple[Row[Any], list[Row[Any]]]:
    """Lock the organisation, so that the acts on its employees wait for each other. Returns it and who work there.

    Raises NotFound `organisatie_onbekend`, also for that of others, and NotAllowed `alleen_voor_organisatiebeheerder`
    for somebody who is no longer organisatiebeheerder.
    """
    if isinstance(actor, ActingEmployee) and actor.organisation_id != organisation_id:
        raise NotFound("organisatie_onbekend", private=OF_OTHERS)
    organisation = await lock_organisation(session, organisation_id, at=at)
    present = await load_present_employees(session, organisation_id, at=at)
    if isinstance(actor, ActingEmployee) and not any(
        row.id == actor.employee_id and _is_administrator(row) for row in present
    ):
        raise NotAllowed("alleen_voor_organisatiebeheerder")
    return organisation, present


async def _lock_present_employee(
    session: AsyncSession, actor: OrganisationActor, organisation_id: UUID | None, employee_id: UUID, at: datetime
) -> tuple[Row[Any], list[Row[Any]]]:
    """Lock an employee who has not left, and the organisation. Returns the employee and all who work there.

    Raises NotFound `medewerker_onbekend`, and Conflict `al_vertrokken`.
    """
    if organisation_id is None:
        raise NotFound("medewerker_onbekend")
    _, present = await lock_own_organisation(session, actor, organisation_id, at)
    row = await lock_employee(session, employee_id, organisation_id, at=at)
    if row.state == EmployeeState.DEPARTED.value:
        raise Conflict("al_vertrokken")
    return row, present


async def _require_no_suspension(
    session: AsyncSession, actor: OrganisationActor, organisation: Row[Any], at: datetime
) -> None:
    """Require that the organisation is not suspended, unless an operator acts. Taking away needs no recognition.

    Raises NotAllowed `organisatie_opgeschort`.
    """
    suspended = await find_current_status(session, organisation, at=at) is RecognitionStatus.SUSPENDED
    if suspended and isinstance(actor, ActingEmployee):
        raise NotAllowed("organisatie_opgeschort", message="organisatie_opgeschort.assignment")


def _require_other_administrator(actor: OrganisationActor, row: Row[Any], present: list[Row[Any]]) -> None:
    """Require that another active organisatiebeheerder remains, unless an operator acts.

    Raises Conflict `laatste_beheerder`.
    """
    if isinstance(actor, ActingOperator) or not _is_administrator(row):
        return
    if not any(other.id != row.id and _is_administrator(other) for other in present):
        raise Conflict("laatste_beheerder")


def _is_administrator(row: Row[Any]) -> bool:
    return row.state == EmployeeState.ACTIVE.value and EmployeeRole.ADMINISTRATOR.value in row.roles


def require_first_administrator(
    invitation: EmployeeInvitation, present: list[Row[Any]], at: datetime, *, practice: bool = False
) -> None:
    """Require that an operator invites the first organisatiebeheerder, with that role alone.

    Else one operator could give an account of his own the whole organisation. Raises NotAllowed
    `alleen_eerste_beheerder` or `beheerder_met_andere_rol`.
    """
    occupied = any(EmployeeRole.ADMINISTRATOR.value in row.roles and not _is_expired(row, at) for row in present)
    if occupied or EmployeeRole.ADMINISTRATOR not in invitation.roles:
        raise NotAllowed("alleen_eerste_beheerder")
    if len(invitation.roles) > 1 and not practice:
        raise NotAllowed("beheerder_met_andere_rol")


def _has_account(row: Row[Any], issuer: str, subject: str) -> bool:
    return (row.broker_issuer, row.broker_subject) == (issuer, subject)


def _is_expired(row: Row[Any], at: datetime) -> bool:
    return row.state == EmployeeState.INVITED.value and not is_invitation_open(row.invited_at, at)


def _departure(row: Row[Any], at: datetime) -> dict[str, Any]:
    return {"state": EmployeeState.DEPARTED.value, "ends_at": max(at, row.starts_at)}


async def _update_employee(session: AsyncSession, row: Row[Any], changes: dict[str, Any]) -> dict[str, Any]:
    values = reseal_changes(session, SEALED_EMPLOYEE, row, changes)
    changed = update(EMPLOYEE).where(EMPLOYEE.c.id == row.id).values(values).returning(*EMPLOYEE.c)
    return {**(await session.execute(changed)).mappings().one()}
