"""Plan an import against the register as it is now. Changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.errors import ROW_INVALID, Conflict, InvalidInput, Message, NotAllowed, Refusal
from machtiging.organisations.employees import require_first_administrator
from machtiging.organisations.queries import (
    ORGANISATION,
    build_ceiling,
    build_number_condition,
    find_current_status,
    load_present_employees,
)
from machtiging.organisations.register_import.csv_lines import CsvLine, FileKind, RegisterFile
from machtiging.organisations.register_import.rules import (
    AdministratorLine,
    ImportEffect,
    ImportPlan,
    OrganisationLine,
    PlannedLine,
    build_plan,
    parse_administrator_line,
    parse_organisation_line,
)
from machtiging.organisations.rules import Ceiling, OrganisationNumbers, RecognitionStatus
from machtiging.organisations.tables import SEALED_ORGANISATION

_CLOSED = frozenset({RecognitionStatus.WITHDRAWN, RecognitionStatus.REFUSED})


async def plan_import(session: AsyncSession, file: RegisterFile, broker_issuer: str, *, at: datetime) -> ImportPlan:
    """Plan what each line would do now. A line that repeats a number of an earlier line is refused."""
    lines: list[PlannedLine] = []
    first_lines: dict[str, int] = {}
    for line in file.lines:
        name = line.values.get("naam", "")
        try:
            planned = await _plan_line(session, file.kind, line, broker_issuer, first_lines, at)
        except Refusal as refusal:
            planned = PlannedLine(line.number, name, ImportEffect.REFUSED, refusal.message)
        lines.append(planned)
    return build_plan(lines)


async def _plan_line(
    session: AsyncSession,
    kind: FileKind,
    line: CsvLine,
    broker_issuer: str,
    first_lines: dict[str, int],
    at: datetime,
) -> PlannedLine:
    if line.fault is not None:
        return PlannedLine(line.number, line.values.get("naam", ""), ImportEffect.REFUSED, line.fault)
    if kind is FileKind.ORGANISATIONS:
        organisation = parse_organisation_line(line)
        _require_first(line, _list_keys(organisation.registration.numbers), first_lines)
        return await _plan_organisation(session, line, organisation, at)
    administrator = parse_administrator_line(line, broker_issuer)
    account = administrator.invitation.broker_subject
    key = " ".join(_list_keys(administrator.numbers))
    _require_first(line, [f"{key} {account}"], first_lines)
    return await _plan_administrator(session, line, administrator, key, first_lines, at)


def _list_keys(numbers: OrganisationNumbers) -> list[str]:
    """Return each number by which an organisation is found."""
    kvk = None if numbers.kvk is None else f"kvk {numbers.kvk} {numbers.vestiging or ''}"
    rsin = None if numbers.rsin is None or numbers.vestiging is not None else f"rsin {numbers.rsin}"
    oin = None if numbers.oin is None else f"oin {numbers.oin}"
    return [key for key in (kvk, rsin, oin) if key is not None]


def _require_first(line: CsvLine, keys: list[str], first_lines: dict[str, int]) -> None:
    """Require that no earlier line has one of these keys. Raises Conflict `regel_dubbel`."""
    for key in keys:
        if first_lines.setdefault(key, line.number) != line.number:
            raise Conflict("regel_dubbel", params={"line": first_lines[key]})


async def _plan_organisation(
    session: AsyncSession, line: CsvLine, wanted: OrganisationLine, at: datetime
) -> PlannedLine:
    """Plan one organisation. Raises Conflict for a difference that an import does not make."""
    registration = wanted.registration
    planned = PlannedLine(line.number, registration.name, ImportEffect.NEW, Message("import_vraagt_erkenning"), wanted)
    row = await _find_organisation(session, registration.numbers, at)
    if row is None:
        return planned
    numbers = registration.numbers
    sent = {name: getattr(numbers, name) for name in ("kvk", "vestiging", "rsin", "oin")}
    if any(value is not None and value != getattr(row, name) for name, value in sent.items()):
        raise Conflict("nummers_wijzigen_niet")
    if row.kind != registration.kind.value:
        raise Conflict("soort_wijzigt_niet")
    current = build_ceiling(row)
    ceiling = replace(registration.ceiling, themes=current.themes, afzenders=current.afzenders)
    if not ceiling.is_within(current):
        raise Conflict("plafond_wordt_ruimer")
    changed = replace(planned, effect=ImportEffect.CHANGED, organisation_id=row.id)
    if row.recognition_number is None:
        return changed
    if row.name != registration.name:
        raise Conflict("naam_wijzigt_niet")
    if ceiling != current:
        return replace(changed, message=Message("import_verlaagt_plafond"))
    return replace(changed, effect=ImportEffect.UNCHANGED, message=None)


async def _find_organisation(session: AsyncSession, numbers: OrganisationNumbers, at: datetime) -> Row[Any] | None:
    """Find the one organisation with these numbers. Raises Conflict `nummers_van_verschillende`."""
    rows = (await session.execute(select(ORGANISATION).where(or_(build_number_condition(numbers))))).all()
    if len(rows) > 1:
        raise Conflict("nummers_van_verschillende")
    if not rows:
        return None
    if not await authenticate_row(session, SEALED_ORGANISATION, rows[0], at=at):
        raise NotAllowed(ROW_INVALID)
    return rows[0]


async def _plan_administrator(
    session: AsyncSession,
    line: CsvLine,
    wanted: AdministratorLine,
    key: str,
    first_lines: dict[str, int],
    at: datetime,
) -> PlannedLine:
    """Plan one employee. An operator invites the first administrator, and the organisation all others."""
    row, invitation = await _find_organisation(session, wanted.numbers, at), wanted.invitation
    if row is None:
        raise InvalidInput("organisatie_onbekend")
    planned = PlannedLine(
        line.number, invitation.display_name, ImportEffect.NEW, Message("import_nodigt_uit"), wanted, row.id
    )
    present = await load_present_employees(session, row.id, at=at)
    account = (invitation.broker_issuer, invitation.broker_subject)
    for one in present:
        if (one.broker_issuer, one.broker_subject) == account:
            if frozenset(one.roles) != invitation.roles:
                raise NotAllowed("rollen_van_organisatie")
            return replace(planned, effect=ImportEffect.UNCHANGED, message=None)
    require_first_administrator(invitation, present, at)
    if await find_current_status(session, row, at=at) in _CLOSED:
        raise Conflict("organisatie_gesloten")
    _require_first(line, [f"beheerder {key}"], first_lines)
    return planned


def narrow_to(line: OrganisationLine, current: Ceiling) -> Ceiling:
    """Return the ceiling of a line, with the present themes and senders."""
    return replace(line.registration.ceiling, themes=current.themes, afzenders=current.afzenders)
