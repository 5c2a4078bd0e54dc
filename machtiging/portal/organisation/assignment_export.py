"""`/organisatie/wie-heeft-wat.csv`: which employee has which client now, as a file. No BSN and no letter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.clients import OrganisationClient, list_organisation_clients
from machtiging.delegation.assignments.oversight import LOG_READERS, journal_exported_assignments, load_overseer
from machtiging.delegation.rules import EffectiveState, effective_state
from machtiging.identity.session import Citizen
from machtiging.kernel.clock import to_dutch_date
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.organisations.employee_names import EmployeeView, load_employee_views
from machtiging.portal.access_history.export import MEDIA_TYPES, ExportFormat, write_csv
from machtiging.portal.labels import STANDING_LABELS
from machtiging.portal.organisation.clients import describe_birth_date
from machtiging.portal.organisation.office import ROLE_LABELS, STATE_LABELS
from machtiging.portal.views import name_of_profile
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import format_day

router = APIRouter(include_in_schema=False)
EXPORT_PATH = "/organisatie/wie-heeft-wat.csv"
MAX_CLIENTS, MAX_ROWS = 10_000, 100_000
_COLUMN_LABELS = CatalogueLabels(
    "organisation.export.column", ("employee", "roles", "state", "client", "born", "purpose", "until", "standing")
)


@router.get(EXPORT_PATH)
async def download_assignments(request: Request, visitor: Citizen, session: Transaction) -> Response:
    """Send who has what as CSV, for organisatiebeheerder and toezicht. Journalled, also a refusal.

    Raises as `load_overseer`.
    """
    keyring, at = access_services(request).keyring, access_services(request).clock.now()
    viewer = await load_overseer(session, describe_login(visitor), LOG_READERS, at=at)
    organisation_id = viewer.organisation.id
    employees = await load_employee_views(session, keyring, organisation_id, at=at)
    page = await list_organisation_clients(session, keyring, organisation_id, at=at, limit=MAX_CLIENTS)
    # In a thread: many rows take seconds, and other requests go on meanwhile.
    rows = await asyncio.to_thread(lambda: list(islice(_build_rows(page.clients, employees, at), MAX_ROWS + 1)))
    await journal_exported_assignments(session, viewer, len(page.clients), at=at)
    notes = [get_sentence("organisation.export.made", name=viewer.organisation.name, day=format_day(at))]
    if page.total > len(page.clients) or len(rows) > MAX_ROWS:
        notes.append(get_sentence("organisation.export.cut", clients=MAX_CLIENTS, rows=MAX_ROWS))
    table = [tuple(_COLUMN_LABELS.values()), *rows[:MAX_ROWS], (" ".join(notes),)]
    content = await asyncio.to_thread(write_csv, table)
    name = f"{get_sentence('organisation.export.file')}-{to_dutch_date(at):%Y-%m-%d}.csv"
    disposition = f'attachment; filename="{name}"'
    return Response(content, media_type=MEDIA_TYPES[ExportFormat.CSV], headers={"Content-Disposition": disposition})


def _build_rows(
    clients: Sequence[OrganisationClient], employees: Mapping[UUID, EmployeeView], at: datetime
) -> Iterator[Sequence[str]]:
    """Build the rows, one for each employee and client.

    An employee without clients has a row too, and so has a client without a reader.
    """
    by_reader: dict[UUID | None, list[OrganisationClient]] = {}
    for client in clients:
        for reader in client.reader_ids or (None,):
            by_reader.setdefault(reader, []).append(client)
    described = {client.authority.machtiging_id: _describe_client(client, at) for client in clients}
    for employee in employees.values():
        head, own = _describe_employee(employee), by_reader.pop(employee.id, [])
        for client in own:
            yield (*head, *described[client.authority.machtiging_id])
        if not own:
            yield (*head, *[""] * (len(_COLUMN_LABELS) - len(head)))
    for reader, others in by_reader.items():  # nobody, or an employee whose row is forged
        name = get_sentence("organisation.export.nobody" if reader is None else "organisation.employee.unknown")
        for client in others:
            yield (name, "", "", *described[client.authority.machtiging_id])


def _describe_employee(employee: EmployeeView) -> tuple[str, str, str]:
    roles = ", ".join(ROLE_LABELS[role] for role in sorted(employee.roles))
    return employee.name or get_sentence("organisation.employee.unknown"), roles, STATE_LABELS[employee.state]


def _describe_client(client: OrganisationClient, at: datetime) -> tuple[str, str, str, str, str]:
    """Describe a client. Of a forged row nothing is told but the name."""
    authority = client.authority
    state = effective_state(authority.root, at)
    return (
        name_of_profile(client.profile),
        describe_birth_date(client.profile),
        authority.root.purpose if authority.is_authentic else "",
        f"{to_dutch_date(authority.ends_at):%Y-%m-%d}" if authority.is_authentic else "",
        "" if state is EffectiveState.IN_FORCE else STANDING_LABELS[state],
    )
