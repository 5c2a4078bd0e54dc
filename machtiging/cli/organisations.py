"""`machtiging organisations`: register organisations, propose their recognition, hire and leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.table import Column, Table

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.cli.operator_name import get_operator_name
from machtiging.cli.registers.register_import import import_register
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import SystemClock
from machtiging.organisations.rules import (
    LONGEST_CEILING_DAYS,
    ActingOperator,
    Ceiling,
    EmployeeInvitation,
    EmployeeRole,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionProposal,
    RecognitionStatus,
    describe_numbers,
)
from machtiging.settings import Environment, Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from machtiging.crypto.keyring import KeyRing
    from machtiging.delegation.assignments.queries import AssignmentView
    from machtiging.delegation.handover.departure import Departure
    from machtiging.delegation.handover.queries import HandoverView
    from machtiging.organisations.queries import OrganisationView

app = typer.Typer(help="Organisations: their recognition and their employees.", no_args_is_help=True)
app.command("import")(import_register)
_Result = TypeVar("_Result")
_OrganisationArgument = Annotated[UUID, typer.Argument(help="The id, as in `organisations list`.")]
_NumberArgument = Annotated[int, typer.Argument(help="The number of the proposal, as in `organisations show`.")]
_GroundOption = Annotated[str, typer.Option(help="The ground, in one line. The journal keeps it.")]
_ReferenceOption = Annotated[str, typer.Option(help="The reference of the decision.")]
_PRACTICE_WORLD = (
    "This is the practice world: the command line confirms. In production another operator does, logged in."
)
_PROPOSAL_WITHOUT_PERSON = (
    "In production nobody can confirm it: it names no person. Drop it, and propose in a login session with "
    "POST /api/v1/organisaties/{organisatieId}/erkenningen."
)


@app.command("list")
def show_organisations(
    *, status: Annotated[RecognitionStatus | None, typer.Option(help="Only those with this recognition.")] = None
) -> None:
    """List the organisations with their recognition and open proposal."""
    found = _run(lambda session, _: _list_all(session, status))
    table = Table(Column("id", no_wrap=True), "name", "kind", "numbers", "recognition", "proposal", "epoch")
    for one in found:
        status_text = "-" if one.status is None else one.status.value
        proposal = "" if one.proposal is None else f"{one.proposal.number}: {one.proposal.status.value}"
        name = one.name if one.authentic else f"{one.name} (NOT SEALED: opens nothing)"
        table.add_row(str(one.id), name, one.kind, describe_numbers(one), status_text, proposal, str(one.epoch))
    out.print(table, markup=False)
    err.print(f"{len(found)} organisations.")


@app.command("show")
def show_organisation(organisation: _OrganisationArgument) -> None:
    """Show one organisation: numbers, ceiling, recognition, open proposal, employees."""
    view, employees = _run(lambda session, _: _load_details(session, organisation))
    ceiling = view.ceiling
    lines = {
        "name": view.name,
        "kind": view.kind,
        "numbers": describe_numbers(view),
        "recognition": "-" if view.status is None else view.status.value,
        "themes": "all" if ceiling.themes is None else " ".join(sorted(ceiling.themes)),
        "senders": "all" if ceiling.afzenders is None else " ".join(sorted(ceiling.afzenders)),
        "sensitivity": ceiling.sensitivity.value,
        "longest period": f"{ceiling.days} days",
        "minimum level": ceiling.minimum_level.value,
        "epoch": str(view.epoch),
        "sealed": "yes" if view.authentic else "NO: it opens nothing",
    }
    if view.proposal is not None:
        lines["proposal"] = f"{view.proposal.number}: {view.proposal.status.value} ({view.proposal.ground})"
    for name, value in lines.items():
        out.print(f"{name}: {value}", markup=False, soft_wrap=True)
    table = Table(Column("employee", no_wrap=True), "roles", "state", "invited (UTC)")
    for row in employees:
        table.add_row(str(row.id), " ".join(row.roles), row.state, f"{row.invited_at:%Y-%m-%d %H:%M}")
    out.print(table, markup=False)


@app.command("assignments")
def show_assignments(organisation: _OrganisationArgument) -> None:
    """Show the live assignments of one organisation: machtiging, employee or team, since, until, standing."""
    found = _run(lambda session, keyring: _list_assignments(session, keyring, organisation))
    heads = ("machtiging", "employee or team", "assigned (UTC)", "until (UTC)", "standing")
    table = Table(Column("assignment", no_wrap=True), *heads)
    for view in found:
        authority = view.authority
        ids = (authority.machtiging_id, authority.root.id, authority.leaf.employee_id or authority.leaf.team_id)
        times = (f"{each:%Y-%m-%d %H:%M}" for each in (view.assigned_at, authority.ends_at))
        table.add_row(*map(str, ids), *times, view.stop_code or "in force")
    out.print(table, markup=False)
    err.print(f"{len(found)} assignments.")


@app.command("handovers")
def show_handovers(organisation: _OrganisationArgument) -> None:
    """Show the hand-overs of one organisation: who left, when, and the clients who still wait."""
    found = _run(lambda session, _: _list_handovers(session, organisation))
    table = Table(Column("hand-over", no_wrap=True), "employee", "occasion", "opened (UTC)", "clients", "waiting")
    for one in found:
        opened = f"{one.opened_at:%Y-%m-%d %H:%M}"
        table.add_row(str(one.id), str(one.employee_id), one.occasion, opened, str(one.total), str(one.waiting))
    out.print(table, markup=False)
    err.print(f"{sum(one.waiting for one in found)} clients wait for a reader.")


@app.command("register")
def register_new_organisation(
    *,
    name: Annotated[str, typer.Option(help="The name, as in the trade register.")],
    kind: Annotated[OrganisationKind, typer.Option(help="The kind of organisation.")],
    ground: _GroundOption,
    reference: _ReferenceOption = "",
    kvk: Annotated[str | None, typer.Option(help="KvK number, eight digits.")] = None,
    vestiging: Annotated[str | None, typer.Option(help="Vestigingsnummer, twelve digits.")] = None,
    rsin: Annotated[str | None, typer.Option(help="RSIN, nine digits.")] = None,
    oin: Annotated[str | None, typer.Option(help="OIN, twenty digits.")] = None,
    theme: Annotated[list[Theme] | None, typer.Option(help="A theme that it may receive; all if none.")] = None,
    sender: Annotated[list[str] | None, typer.Option(help="The OIN of a sender; all if none.")] = None,
    sensitivity: Annotated[Sensitivity, typer.Option(help="The highest sensitivity.")] = Sensitivity.GEVOELIG,
    days: Annotated[int, typer.Option(min=1, max=LONGEST_CEILING_DAYS, help="The longest period.")] = 365,
    level: Annotated[Assurance, typer.Option(help="The lowest level of login of its employees.")] = (
        Assurance.SUBSTANTIAL
    ),
) -> None:
    """Register an organisation that asks for recognition. Prints its id. It may do nothing until it is recognised."""
    ceiling = Ceiling(_as_set(theme), _as_set(sender), sensitivity, days, level)
    numbers = OrganisationNumbers(kvk, vestiging, rsin, oin)
    registration = OrganisationRegistration(numbers, name, kind, ceiling)
    request = RecognitionProposal(RecognitionStatus.REQUESTED, ground, reference)

    async def act(session: AsyncSession, keyring: KeyRing) -> UUID:
        from machtiging.organisations.registration import register_organisation

        return await register_organisation(session, keyring, _operator(), registration, request, at=_now())

    print(_run(act))
    err.print("Registered. Two operators recognise it: one proposes, another confirms.")


@app.command("request")
def request_recognition(
    organisation: _OrganisationArgument,
    *,
    ground: _GroundOption,
    reference: _ReferenceOption = "",
    name: Annotated[str | None, typer.Option(help="A new name, as in the trade register; unchanged if absent.")] = None,
) -> None:
    """Ask for recognition of an organisation that never did.

    Such are afzenders, and businesses that got a letter.
    """
    request = RecognitionProposal(RecognitionStatus.REQUESTED, ground, reference)

    async def act(session: AsyncSession, _: KeyRing) -> None:
        from machtiging.organisations.registration import request_recognition as ask

        await ask(session, _operator(), organisation, request, name=name, at=_now())

    _run(act)
    err.print("Recognition is asked for.")


@app.command("propose")
def propose_status(
    organisation: _OrganisationArgument,
    status: Annotated[RecognitionStatus, typer.Argument(help="The proposed recognition.")],
    *,
    ground: _GroundOption,
    reference: _ReferenceOption = "",
) -> None:
    """Propose to recognise, refuse, suspend or withdraw. It counts only after another operator confirms it.

    In production two operators in login sessions do both: a proposal from here names no person.
    """
    proposal = RecognitionProposal(status, ground, reference)

    async def act(session: AsyncSession, _: KeyRing) -> int:
        from machtiging.organisations.recognition import propose_recognition

        return await propose_recognition(session, _operator(), organisation, proposal, at=_now())

    number = _run(act)
    err.print(f"Proposal {number}: {status.value}. Another operator confirms it, logged in.")
    if Settings().env is Environment.PRODUCTION:
        err.print(_PROPOSAL_WITHOUT_PERSON, style="yellow", soft_wrap=True)


@app.command("confirm")
def confirm_proposal(organisation: _OrganisationArgument, number: _NumberArgument) -> None:
    """Confirm a proposal, in the practice world only. In production another operator confirms it, logged in."""
    practice = Settings().env is not Environment.PRODUCTION

    async def act(session: AsyncSession, keyring: KeyRing) -> RecognitionStatus:
        from machtiging.organisations.recognition import confirm_recognition

        return await confirm_recognition(
            session, keyring, _operator(), organisation, number, practice=practice, at=_now()
        )

    status = _run(act)
    err.print(_PRACTICE_WORLD, style="yellow", soft_wrap=True)
    err.print(f"The recognition is now: {status.value}.")


@app.command("drop")
def drop_open_proposal(organisation: _OrganisationArgument, number: _NumberArgument) -> None:
    """Drop an open proposal."""

    async def act(session: AsyncSession, _: KeyRing) -> None:
        from machtiging.organisations.recognition import drop_proposal

        await drop_proposal(session, _operator(), organisation, number, at=_now())

    _run(act)
    err.print(f"Proposal {number} is dropped.")


@app.command("hire")
def hire_administrator(
    organisation: _OrganisationArgument,
    *,
    subject: Annotated[str, typer.Option(help="The subject of the employee at the login broker.")],
    name: Annotated[str, typer.Option(help="The name that clients see. Stored encrypted.")],
    issuer: Annotated[str | None, typer.Option(help="The login broker; that of this installation if absent.")] = None,
) -> None:
    """Invite the first organisatiebeheerder, who logs in within seven days and invites the others.

    The first one gets no other role; another organisatiebeheerder gives it later.
    """
    roles = frozenset({EmployeeRole.ADMINISTRATOR})
    invitation = EmployeeInvitation(issuer or Settings().broker_issuer, subject, name, roles)

    async def act(session: AsyncSession, keyring: KeyRing) -> UUID:
        from machtiging.organisations.employees import invite_employee

        return await invite_employee(session, keyring, _operator(), organisation, invitation, at=_now())

    print(_run(act))
    err.print("Invited: the first login for this organisation within seven days activates.")


@app.command("leave")
def record_departure(employee: Annotated[UUID, typer.Argument(help="The id, as in `organisations show`.")]) -> None:
    """Record that an employee left. Final, and at once; also for the last organisatiebeheerder."""

    async def act(session: AsyncSession, keyring: KeyRing) -> Departure:
        from machtiging.delegation.handover.departure import record_departure

        return await record_departure(session, keyring, _operator(), employee, at=_now())

    departure = _run(act)
    print(departure.waiting)
    err.print("The employee has left. The next request is refused.")
    err.print(f"{departure.ended} assignments ended. {departure.waiting} clients wait for a reader.")


def _run(act: Callable[[AsyncSession, KeyRing], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run an act in one transaction on the database of this installation."""

    async def run_act(settings: Settings) -> _Result:
        from machtiging.crypto.keyring import KeyRing
        from machtiging.storage.unit_of_work import unit_of_work

        async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
            return await act(session, KeyRing.load(settings.keys_dir))

    with provide_database(Settings()) as settings:
        return asyncio.run(run_act(settings))


async def _list_all(session: AsyncSession, status: RecognitionStatus | None) -> list[OrganisationView]:
    from machtiging.organisations.queries import MAX_PAGE_SIZE, list_organisations

    found: list[OrganisationView] = []
    while True:
        after = found[-1].id if found else None
        page = await list_organisations(session, at=_now(), status=status, after=after)
        found += page
        if len(page) < MAX_PAGE_SIZE:
            return found


async def _load_details(session: AsyncSession, organisation: UUID) -> tuple[OrganisationView, list[Any]]:
    from machtiging.organisations.queries import load_organisation_view, load_present_employees

    view = await load_organisation_view(session, organisation, at=_now())
    return view, await load_present_employees(session, organisation, at=_now())


async def _list_assignments(session: AsyncSession, keyring: KeyRing, organisation: UUID) -> list[AssignmentView]:
    from machtiging.delegation.assignments.queries import MAX_PAGE_SIZE, list_assignments
    from machtiging.organisations.queries import load_organisation_view

    await load_organisation_view(session, organisation, at=_now())
    found: list[AssignmentView] = []
    while True:
        after = found[-1].authority.machtiging_id if found else None
        page = await list_assignments(session, keyring, organisation, at=_now(), after=after)
        found += page
        if len(page) < MAX_PAGE_SIZE:
            return found


async def _list_handovers(session: AsyncSession, organisation: UUID) -> list[HandoverView]:
    from machtiging.delegation.handover.queries import MAX_PAGE_SIZE, list_handovers
    from machtiging.organisations.queries import load_organisation_view

    await load_organisation_view(session, organisation, at=_now())
    found: list[HandoverView] = []
    while True:
        after = found[-1].id if found else None
        page = await list_handovers(session, organisation, at=_now(), after=after)
        found += page
        if len(page) < MAX_PAGE_SIZE:
            return found


_Member = TypeVar("_Member")


def _as_set(values: list[_Member] | None) -> frozenset[_Member] | None:
    return frozenset(values) if values else None


def _operator() -> ActingOperator:
    return ActingOperator(None, get_operator_name())


def _now() -> Any:
    return SystemClock().now()
