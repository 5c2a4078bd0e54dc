"""Accept a machtiging: the code and the giver's birth date, then exactly what is offered, then yes or no.

Who hands in a code a second time is led to what became of it.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.delegation.accept import Helper, accept, preview
from machtiging.delegation.code_check import CheckAnswer
from machtiging.delegation.end import refuse
from machtiging.delegation.rules import EndReason, Machtiging, State
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import InvalidInput, NotAllowed
from machtiging.portal import views
from machtiging.portal.forms import Filled, blank, filled
from machtiging.portal.words import Done
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
_LONGEST_TYPED = 200


@router.get("/machtigingen/aannemen")
async def ask(request: Request, visitor: Citizen) -> HTMLResponse:
    """The form for the code."""
    return page(request, "aannemen.html", sent=blank(request))


@router.post("/machtigingen/aannemen")
async def look(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Show what would be accepted. Nothing changes yet, but a wrong try counts."""
    sent = await filled(request)
    typed = _typed(sent)
    if typed is None:
        return page(request, "aannemen.html", status=400, sent=sent)
    state = request.app.state
    try:
        found = await preview(session, state.keyring, _helper(visitor), *typed, at=state.clock.now())
    except (InvalidInput, NotAllowed) as refusal:
        return _again(request, sent, refusal)
    if found.state is not State.OFFERED:
        return _outcome(found)
    giver = await views.Names(session, state.keyring).of(found.vertegenwoordigde_id)
    said = views.agreed(found, await views.catalogue(session))
    return page(request, "aannemen_controle.html", sent=sent, giver=giver, said=said)


@router.post("/machtigingen/aannemen/besluit")
async def decide(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Accept or refuse; the code is used up either way."""
    sent = await filled(request)
    typed = _typed(sent)
    choice = sent.choice("besluit", {"aannemen", "weigeren"}, missing="Kies aannemen of weigeren.")
    if typed is None or sent.faults:
        return page(request, "aannemen.html", status=400, sent=sent)
    state = request.app.state
    act = accept if choice == "aannemen" else refuse
    try:
        machtiging = await act(session, state.keyring, _helper(visitor), *typed, at=state.clock.now())
    except (InvalidInput, NotAllowed) as refusal:
        return _again(request, sent, refusal)
    return _outcome(machtiging)


def _outcome(machtiging: Machtiging) -> RedirectResponse:
    """Lead to what is so now, also who clicks twice or goes back; the message only while it is true."""
    if machtiging.end_reason is EndReason.REFUSED:
        return RedirectResponse(f"/machtigingen?gedaan={Done.REFUSED}", 303)
    done = f"?gedaan={Done.ACCEPTED}" if machtiging.state is State.ACTIVE else ""
    return RedirectResponse(f"/machtigingen/{machtiging.id}{done}", 303)


def _helper(visitor: Visitor) -> Helper:
    return Helper(visitor.person_id, visitor.assurance, visitor.organisation_kvk)


def _typed(sent: Filled) -> tuple[str, CheckAnswer] | None:
    """The code as it was typed or pasted, and what the helper knows of the giver; None when either is missing."""
    code, word = sent.one("code"), sent.one("woord")
    born = sent.partial_date("geboren")
    if not code:
        sent.wrong("code", "Vul de machtigingscode in.")
    elif len(code) > _LONGEST_TYPED:
        sent.wrong("code", "Dit is te lang voor een machtigingscode.")
    if born is None and not word:
        sent.wrong("geboren", "Vul de geboortedatum in van degene die u de code gaf, of het controlewoord.")
    return None if sent.faults else (code, CheckAnswer(born, word))


def _again(request: Request, sent: Filled, refusal: InvalidInput | NotAllowed) -> HTMLResponse:
    # The refusal is caught here, so the transaction commits as usual and the used-up try stays counted.
    sent.wrong("code", refusal.public)
    status = 400 if isinstance(refusal, InvalidInput) else 403
    return page(request, "aannemen.html", status=status, sent=sent)
