"""Tasks of an organisation: how far each is, and the result of each client."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.assignment_tasks.cancellation import cancel_task
from machtiging.delegation.assignment_tasks.viewing import list_visible_tasks, load_visible_task
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.clients import MAX_CLIENTS_PER_PAGE, load_organisation_clients
from machtiging.delegation.assignments.proposals import find_proposed
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal.organisation.office import Office, open_office
from machtiging.portal.views import name_of_profile
from machtiging.storage.unit_of_work import Transaction
from machtiging.tasks.queries import TaskItemView, list_items
from machtiging.tasks.rules import MAX_ITEMS_PER_TASK, TaskItemState
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/organisatie/taken"
TaskIdInPath = Annotated[UUID, Path(alias="taakId")]


@dataclass(frozen=True, slots=True)
class TaskLine:
    """The result of one client in words. `tone` is that of its badge."""

    name: str
    result: str
    tone: str
    reason: str


@router.get(PATH)
async def show_tasks(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """List the newest tasks that the visitor may see."""
    services, at = access_services(request), access_services(request).clock.now()
    office = await open_office(session, services.keyring, visitor, at=at)
    tasks = await list_visible_tasks(session, office.leader, at=at)
    lines = [(one, office.name_employee(one.employee_id)) for one in tasks]
    return render_page(request, "organisation_tasks.html", office=office, tasks=lines)


@router.get(PATH + "/{taakId}")
async def show_task(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    taak_id: TaskIdInPath,
    na: Annotated[int | None, Query(ge=0, lt=MAX_ITEMS_PER_TASK)] = None,
    toon: str = "",
) -> HTMLResponse:
    """Show how far a task is, and the result of each client. `toon=geweigerd`: only those that were refused."""
    services, at = access_services(request), access_services(request).clock.now()
    office = await open_office(session, services.keyring, visitor, at=at)
    task = await load_visible_task(session, office.leader, taak_id, at=at)
    only = TaskItemState.REFUSED if toon == TaskItemState.REFUSED else None
    found = await list_items(session, task.id, at=at, after=na, limit=MAX_CLIENTS_PER_PAGE + 1, only=only)
    shown = found[:MAX_CLIENTS_PER_PAGE]
    here = f"{PATH}/{task.id}"
    base = f"{here}?toon={TaskItemState.REFUSED.value}" if only else here
    older = ""
    if len(found) > len(shown):
        older = f"{base}{'&' if only else '?'}na={shown[-1].number}"
    return render_page(
        request,
        "organisation_task.html",
        office=office,
        task=task,
        asker=office.name_employee(task.employee_id),
        lines=await _describe_items(request, session, office, shown),
        only_refused=only is not None,
        here=here,
        refused_path=f"{here}?toon={TaskItemState.REFUSED.value}",
        newest=base if na is not None else "",
        older=older,
    )


@router.get(PATH + "/{taakId}/stoppen")
async def show_cancel_question(
    request: Request, visitor: Citizen, session: Transaction, taak_id: TaskIdInPath
) -> Response:
    """Ask whether the rest of the task is left, with the number that is done. Raises NotFound `taak_onbekend`."""
    services, at = access_services(request), access_services(request).clock.now()
    office = await open_office(session, services.keyring, visitor, at=at)
    task = await load_visible_task(session, office.leader, taak_id, at=at)
    if task.finished_at is not None:
        return RedirectResponse(f"{PATH}/{task.id}", 303)
    return render_page(request, "organisation_task_cancel.html", office=office, task=task, here=f"{PATH}/{task.id}")


@router.post(PATH + "/{taakId}/stoppen")
async def submit_cancel(
    request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction, taak_id: TaskIdInPath
) -> Response:
    """Cancel what waits. A second press changes nothing. Raises NotFound `taak_onbekend`."""
    at = access_services(request).clock.now()
    task = await cancel_task(session, describe_login(visitor), taak_id, at=at)
    return RedirectResponse(f"{PATH}/{task.id}", 303)


async def _describe_items(
    request: Request, session: AsyncSession, office: Office, items: list[TaskItemView]
) -> list[TaskLine]:
    """Describe the items of one page with the names of the clients."""
    services, at = access_services(request), access_services(request).clock.now()
    ids = {one.subject_id for one in items}
    clients = await load_organisation_clients(session, services.keyring, office.leader.organisation.id, ids, at=at)
    names = {key: name_of_profile(one.profile) for key, one in clients.items()}
    proposed = await find_proposed(session, [one.result_id for one in items if one.result_id is not None])
    return [_describe_item(one, names, proposed) for one in items]


def _describe_item(item: TaskItemView, names: Mapping[UUID, str], proposed: Collection[UUID]) -> TaskLine:
    name = names.get(item.subject_id) or name_of_profile(None)
    if item.is_cancelled:
        return TaskLine(name, get_sentence("organisation.task.cancelled"), "paused", "")
    if item.refusal is not None:
        return TaskLine(name, get_sentence("organisation.task.refused"), "refused", describe_refusal(item.refusal))
    if item.state is TaskItemState.WAITING:
        return TaskLine(name, get_sentence("organisation.task.waits"), "waiting", "")
    if item.result_id in proposed:
        return TaskLine(name, get_sentence("organisation.results.waits"), "waiting", "")
    return TaskLine(name, get_sentence("organisation.task.assigned"), "good", "")
