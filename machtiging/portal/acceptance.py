"""Accept a machtiging: enter the code and birth date, review the offer, accept or refuse.

A code that was already used leads to the resulting machtiging.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.delegation.acceptance import CodeHolder, accept_offer, preview_offer
from machtiging.delegation.code_check import CheckAnswer
from machtiging.delegation.rules import EndReason, Machtiging, MachtigingState
from machtiging.delegation.termination import refuse_offer
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, OptionalVisitor, Visitor
from machtiging.kernel.errors import InvalidInput, NotAllowed
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.oauth.dependencies import oauth_services
from machtiging.portal import views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.labels import CompletedAction
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
_MAX_CODE_LENGTH = 200


@router.get("/machtigingen/aannemen")
async def redirect_accept_form(_: Public) -> RedirectResponse:
    """Redirect the former address of the form."""
    return RedirectResponse("/ik-help/code", 308)


@router.get("/code")
async def show_code_start(request: Request, _: Public, visitor: OptionalVisitor) -> Response:
    """Show what a code is for, and lead to the form. A scanned QR code opens this page."""
    # Browsers keep the fragment over a redirect here, but it must not go along to the login service.
    if visitor is not None:
        return RedirectResponse("/ik-help/code", 303)
    return render_page(request, "code_begin.html", visitor=None)


@router.get("/ik-help/code")
async def show_accept_form(request: Request, visitor: Citizen) -> HTMLResponse:
    """Show the form for the code."""
    return render_page(request, "aannemen.html", sent=make_blank_form(request))


@router.post("/ik-help/code")
async def show_offer_preview(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Show the offer for review. Changes nothing, but a wrong attempt is counted."""
    sent = await read_submitted_form(request)
    typed = _read_code_and_check(sent)
    if typed is None:
        return render_page(request, "aannemen.html", status=400, sent=sent)
    services = oauth_services(request)
    try:
        found = await preview_offer(session, services.keyring, _make_helper(visitor), *typed, at=services.clock.now())
    except (InvalidInput, NotAllowed) as refusal:
        return _show_form_again(request, sent, refusal)
    if found.state is not MachtigingState.OFFERED:
        return _redirect_to_outcome(found)
    giver = await views.PersonNames(session, services.keyring).load_name(found.vertegenwoordigde_id)
    description = views.describe_machtiging(found, await views.load_agency_names(session))
    return render_page(request, "aannemen_controle.html", sent=sent, giver=giver, said=description)


@router.post("/ik-help/code/besluit")
async def submit_decision(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Accept or refuse; both consume the code."""
    sent = await read_submitted_form(request)
    typed = _read_code_and_check(sent)
    choice = sent.read_choice("besluit", {"aannemen", "weigeren"}, missing=get_sentence("helping.code.choose"))
    if typed is None or sent.faults:
        return render_page(request, "aannemen.html", status=400, sent=sent)
    services = oauth_services(request)
    act = accept_offer if choice == "aannemen" else refuse_offer
    try:
        machtiging = await act(session, services.keyring, _make_helper(visitor), *typed, at=services.clock.now())
    except (InvalidInput, NotAllowed) as refusal:
        return _show_form_again(request, sent, refusal)
    return _redirect_to_outcome(machtiging)


def _redirect_to_outcome(machtiging: Machtiging) -> RedirectResponse:
    """Redirect to the current state, also after a repeated click. The message only if still true."""
    if machtiging.end_reason is EndReason.REFUSED:
        return RedirectResponse(f"/ik-help?gedaan={CompletedAction.REFUSED}", 303)
    query = f"?gedaan={CompletedAction.ACCEPTED}" if machtiging.state is MachtigingState.ACTIVE else ""
    return RedirectResponse(f"/ik-help/{machtiging.id}{query}", 303)


def _make_helper(visitor: Visitor) -> CodeHolder:
    return CodeHolder(visitor.person_id, visitor.assurance, visitor.organisation_kvk)


def _read_code_and_check(sent: SubmittedForm) -> tuple[str, CheckAnswer] | None:
    """Read the code and the check answer; None, with faults noted, if one is missing."""
    code, word = sent.first_value("code"), sent.first_value("woord")
    born = sent.read_partial_date("geboren")
    if not code:
        sent.add_fault("code", get_sentence("helping.code.fill_code"))
    elif len(code) > _MAX_CODE_LENGTH:
        sent.add_fault("code", get_sentence("helping.code.too_long"))
    if born is None and not word:
        sent.add_fault("geboren", get_sentence("helping.code.fill_born"))
    return None if sent.faults else (code, CheckAnswer(born, word))


def _show_form_again(request: Request, sent: SubmittedForm, refusal: InvalidInput | NotAllowed) -> HTMLResponse:
    # Caught here, so that the transaction commits and the failed attempt stays counted.
    sent.add_fault("code", describe_refusal(refusal))
    status = 400 if isinstance(refusal, InvalidInput) else 403
    return render_page(request, "aannemen.html", status=status, sent=sent)
