"""Accept a machtiging: enter the code and birth date, review the offer, accept or refuse.

A code that was already used leads to the resulting machtiging.
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
from machtiging.oauth.dependencies import oauth_services
from machtiging.portal import views
from machtiging.portal.forms import Filled, blank, filled
from machtiging.portal.words import Done
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
_LONGEST_TYPED = 200


@router.get("/machtigingen/aannemen")
async def ask(request: Request, visitor: Citizen) -> HTMLResponse:
    """Show the form for the code."""
    return page(request, "aannemen.html", sent=blank(request))


@router.post("/machtigingen/aannemen")
async def look(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Show the offer for review. Changes nothing, but a wrong attempt is counted."""
    sent = await filled(request)
    typed = _typed(sent)
    if typed is None:
        return page(request, "aannemen.html", status=400, sent=sent)
    services = oauth_services(request)
    try:
        found = await preview(session, services.keyring, _helper(visitor), *typed, at=services.clock.now())
    except (InvalidInput, NotAllowed) as refusal:
        return _again(request, sent, refusal)
    if found.state is not State.OFFERED:
        return _outcome(found)
    giver = await views.Names(session, services.keyring).of(found.vertegenwoordigde_id)
    said = views.agreed(found, await views.catalogue(session))
    return page(request, "aannemen_controle.html", sent=sent, giver=giver, said=said)


@router.post("/machtigingen/aannemen/besluit")
async def decide(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Accept or refuse; both consume the code."""
    sent = await filled(request)
    typed = _typed(sent)
    choice = sent.choice("besluit", {"aannemen", "weigeren"}, missing="Kies aannemen of weigeren.")
    if typed is None or sent.faults:
        return page(request, "aannemen.html", status=400, sent=sent)
    services = oauth_services(request)
    act = accept if choice == "aannemen" else refuse
    try:
        machtiging = await act(session, services.keyring, _helper(visitor), *typed, at=services.clock.now())
    except (InvalidInput, NotAllowed) as refusal:
        return _again(request, sent, refusal)
    return _outcome(machtiging)


def _outcome(machtiging: Machtiging) -> RedirectResponse:
    """Redirect to the current state, also after a repeated click; the message only if still true."""
    if machtiging.end_reason is EndReason.REFUSED:
        return RedirectResponse(f"/machtigingen?gedaan={Done.REFUSED}", 303)
    done = f"?gedaan={Done.ACCEPTED}" if machtiging.state is State.ACTIVE else ""
    return RedirectResponse(f"/machtigingen/{machtiging.id}{done}", 303)


def _helper(visitor: Visitor) -> Helper:
    return Helper(visitor.person_id, visitor.assurance, visitor.organisation_kvk)


def _typed(sent: Filled) -> tuple[str, CheckAnswer] | None:
    """Read the code and the check answer; None, with faults noted, if one is missing."""
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
    # Caught here, so that the transaction commits and the failed attempt stays counted.
    sent.wrong("code", refusal.public)
    status = 400 if isinstance(refusal, InvalidInput) else 403
    return page(request, "aannemen.html", status=status, sent=sent)
