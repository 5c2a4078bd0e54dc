"""`/controle`: an employee of an agency checks a machtiging with a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.queries import AgencyView
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.rules import Act, Capacity
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import AMSTERDAM, to_dutch_date
from machtiging.kernel.errors import InvalidInput, NotFound, TooMany
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal import labels
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.verification.code_pages import PURPOSE_LABELS
from machtiging.storage.unit_of_work import Transaction
from machtiging.verification.codes.queries import find_own_use, load_saved_answer, load_used_codes
from machtiging.verification.codes.rules import CodePurpose, VerificationCode
from machtiging.verification.employee_checks.answer import CodeQuestion, answer_code, parse_answer
from machtiging.verification.employee_checks.checkers import Checker, load_checker
from machtiging.verification.verify import VerificationContext
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/controle"
_MAX_CODE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class CheckLineView:
    """One own check of today: no name."""

    at: datetime
    dienst: str
    purpose: str
    is_yes: bool
    href: str


@router.get(PATH)
async def show_check_form(
    request: Request, visitor: Citizen, session: Transaction, dienst: str = "", doel: str = ""
) -> HTMLResponse:
    """Show the form, and the own checks of today. `dienst` and `doel`: those of the check before."""
    checker = await _load_checker(request, session, visitor)
    sent = make_blank_form(request, dienst=dienst, doel=doel or CodePurpose.COUNTER.value)
    return await _render_form(request, session, checker, sent)


@router.post(PATH)
async def submit_check(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Use the code, and show the answer. Pressed twice it shows the same answer."""
    services, sent = access_services(request), await read_submitted_form(request)
    at, checker = services.clock.now(), await _load_checker(request, session, visitor)
    code = sent.first_value("code")
    if not code or len(code) > _MAX_CODE_LENGTH:
        sent.add_fault("code", get_sentence("checks.check.code_missing" if not code else "helping.code.too_long"))
    diensten = {one.code: one for one in checker.agency.diensten}
    chosen = sent.read_choice("dienst", diensten, missing=get_sentence("checks.check.dienst_missing"))
    purpose = sent.read_choice("doel", set(CodePurpose), missing=get_sentence("checks.check.purpose_missing"))
    if sent.faults:
        return await _render_form(request, session, checker, sent, status=400)
    question = CodeQuestion(checker.asker, checker.agency, diensten[chosen], purpose)
    if (earlier := await find_own_use(session, services.keyring, checker.asker, code, chosen, at=at)) is not None:
        return RedirectResponse(f"{PATH}/{earlier}", 303)
    policy = services.policy
    context = VerificationContext(services.keyring, policy.decide, policy.digest, services.entitlements)
    try:
        code_id = await answer_code(session, context, question, code, at=at)
    except (InvalidInput, TooMany) as refusal:  # caught here, so that the try stays counted
        sent.add_fault("code", describe_refusal(refusal))
        status = 429 if isinstance(refusal, TooMany) else 400
        return await _render_form(request, session, checker, sent, status=status)
    return RedirectResponse(f"{PATH}/{code_id}", 303)


@router.get(PATH + "/{code_id}")
async def show_answer(request: Request, code_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show an own answer of today. Raises NotFound `controle_onbekend` for any other."""
    services = access_services(request)
    at, checker = services.clock.now(), await _load_checker(request, session, visitor)
    oin, since = checker.agency.oin, _begin_of_day(at)
    found = await load_saved_answer(session, services.keyring, code_id, visitor.person_id, oin, since)
    if found is None:
        raise NotFound("controle_onbekend")
    used, answer = found[0], parse_answer(found[1])
    again = urlencode({"dienst": used.used_dienst or "", "doel": used.purpose.value})
    return render_page(
        request,
        "check_answer.html",
        answer=answer,
        used=used,
        agency=checker.agency.name,
        purpose=PURPOSE_LABELS[used.purpose],
        acts=labels.label_acts(frozenset(map(Act, answer.acts))),
        capacity="" if answer.capacity is None else labels.CAPACITY_LABELS[Capacity(answer.capacity)],
        again=f"{PATH}?{again}",
    )


async def _load_checker(request: Request, session: AsyncSession, visitor: Visitor) -> Checker:
    return await load_checker(session, describe_login(visitor), at=access_services(request).clock.now())


def _begin_of_day(at: datetime) -> datetime:
    return datetime.combine(to_dutch_date(at), time.min, AMSTERDAM)


async def _render_form(
    request: Request, session: AsyncSession, checker: Checker, sent: SubmittedForm, *, status: int = 200
) -> HTMLResponse:
    at, asker = access_services(request).clock.now(), checker.asker
    used = []
    if asker.person_id is not None:
        used = await load_used_codes(session, asker.person_id, [asker.oin], _begin_of_day(at))
    names = {one.code: one.name for one in checker.agency.diensten}
    return render_page(
        request,
        "check_form.html",
        status=status,
        sent=sent,
        agency=checker.agency.name,
        diensten=_list_diensten(checker.agency),
        purposes=[(one.value, PURPOSE_LABELS[one]) for one in CodePurpose],
        lines=[_describe_check(one, names) for one in used],
        action=PATH,
    )


def _list_diensten(agency: AgencyView) -> list[tuple[str, str]]:
    return [(one.code, one.name) for one in agency.diensten]


def _describe_check(used: VerificationCode, names: Mapping[str, str]) -> CheckLineView:
    at = used.used_at or used.created_at
    dienst = names.get(used.used_dienst or "", "")
    return CheckLineView(at, dienst, PURPOSE_LABELS[used.purpose], bool(used.is_yes), f"{PATH}/{used.id}")
