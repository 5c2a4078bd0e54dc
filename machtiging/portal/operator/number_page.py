"""`/beheer/organisaties/{id}/kvk`: add the KvK number of an afzender, so that its employees can log in."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Operator
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.message_catalogue import describe_refusal
from machtiging.organisations.queries import load_organisation_view
from machtiging.organisations.registration import add_kvk_number
from machtiging.organisations.rules import ActingOperator
from machtiging.portal.forms import make_blank_form, read_submitted_form
from machtiging.portal.operator.organisation_page import PATH, OperatorDone
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get(PATH + "/kvk")
async def show_number_form(
    request: Request, organisatie_id: UUID, _visitor: Operator, session: Transaction
) -> HTMLResponse:
    """Ask for the KvK number. Raises NotFound `organisatie_onbekend`."""
    view = await load_organisation_view(session, organisatie_id, at=access_services(request).clock.now())
    return render_page(request, "operator_kvk.html", view=view, sent=make_blank_form(request))


@router.post(PATH + "/kvk")
async def submit_number(
    request: Request, organisatie_id: UUID, visitor: Operator, _: CsrfProtected, session: Transaction
) -> Response:
    """Add the KvK number, once. Raises NotFound `organisatie_onbekend`."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    kvk = "".join(sent.first_value("kvk").split())
    try:
        await add_kvk_number(session, ActingOperator(visitor.person_id), organisatie_id, kvk, at=at)
    except (Conflict, InvalidInput) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault("kvk", describe_refusal(refusal))
        view = await load_organisation_view(session, organisatie_id, at=at)
        status = 409 if isinstance(refusal, Conflict) else 400
        return render_page(request, "operator_kvk.html", status=status, view=view, sent=sent)
    return RedirectResponse(f"/beheer/organisaties/{organisatie_id}?gedaan={OperatorDone.NUMBERED.value}", 303)
