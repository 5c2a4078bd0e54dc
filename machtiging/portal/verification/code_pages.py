"""`/controleren`: a citizen or helper makes a code for one agency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.queries import AgencyView, load_active_agencies
from machtiging.delegation.authority.holders import load_employee_authority
from machtiging.delegation.authority.queries import list_authorities_of_person, load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput, NotFound, TooMany
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.portal import labels, views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.organisation.office import KEY_FIELD, read_key
from machtiging.storage.unit_of_work import Transaction
from machtiging.verification.codes.creation import (
    CodeMaker,
    create_code,
    find_maker_stop,
    list_covered_diensten,
    withdraw_code,
)
from machtiging.verification.codes.queries import list_codes_of_person, load_own_code
from machtiging.verification.codes.rules import (
    CodeLife,
    CodePurpose,
    CodeRequest,
    CodeState,
    VerificationCode,
    format_code,
)
from machtiging.verification.employee_checks.answer import shorten_name
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/controleren"
PURPOSE_LABELS: Mapping[CodePurpose, str] = CatalogueLabels("checks.purpose", CodePurpose)
_STEPS: CatalogueLabels[CodePurpose] = CatalogueLabels("checks.step", CodePurpose)
LIFE_LABELS: Mapping[CodeLife, str] = CatalogueLabels("checks.life", CodeLife)
STATE_LABELS: Mapping[CodeState, str] = CatalogueLabels("checks.state", CodeState)
_TONES: Mapping[CodeState, str] = {
    CodeState.OPEN: "good",
    CodeState.USED: "waiting",
    CodeState.WITHDRAWN: "stopped",
    CodeState.EXPIRED: "stopped",
}
_ANSWERS: Mapping[bool, str] = {True: "checks.list.answer_yes", False: "checks.list.answer_no"}


@dataclass(frozen=True, slots=True)
class CodeLineView:
    """One code in the list. `href` is the page of an own open code, with its text."""

    agency: str
    purpose: str
    about: str
    state: CodeState
    state_label: str
    tone: str
    is_own: bool
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    answer: str
    href: str


def describe_maker(visitor: Visitor) -> CodeMaker:
    """Describe the login of a visitor as that of a maker."""
    return CodeMaker(visitor.person_id, visitor.organisation_kvk, visitor.assurance)


@router.get(PATH)
async def show_codes(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show for which machtigingen a code can be made, and the codes until now.

    An employee has many clients: the page of the client leads to the form.
    """
    services = access_services(request)
    at = services.clock.now()
    authorities: list[Authority] = []
    if not visitor.is_work_login:
        authorities = await list_authorities_of_person(session, visitor.person_id, at=at)
    people = views.PersonNames(session, services.keyring)
    await people.preload(authorities, visitor, at)
    names = await views.load_agency_names(session)
    cards = {
        one.machtiging_id: await views.build_machtiging_card(one, visitor, people, names, at) for one in authorities
    }
    makeable = [cards[one.machtiging_id] for one in authorities if _can_make(one, visitor, at)]
    organisation_id = await _find_organisation_id(session, visitor, at)
    codes = await list_codes_of_person(session, visitor.person_id, organisation_id)
    lines = [_describe_code(code, visitor, cards, names, at) for code in codes]
    return render_page(
        request,
        "codes_list.html",
        cards=makeable,
        open_codes=[line for line in lines if line.state is CodeState.OPEN],
        earlier=[line for line in lines if line.state is not CodeState.OPEN],
        root=PATH,
    )


async def _find_organisation_id(session: AsyncSession, visitor: Visitor, at: datetime) -> UUID | None:
    if visitor.organisation_kvk is None:
        return None
    found = await load_employee_authority(session, visitor.person_id, visitor.organisation_kvk, at=at)
    return None if found is None else found.organisation.id


def _can_make(authority: Authority, visitor: Visitor, at: datetime) -> bool:
    try:
        return find_maker_stop(authority, describe_maker(visitor), at) is None
    except NotFound:
        return False


def _describe_code(
    code: VerificationCode,
    visitor: Visitor,
    cards: Mapping[MachtigingId, views.MachtigingCard],
    names: views.AgencyNames,
    at: datetime,
) -> CodeLineView:
    state, card, is_own = code.state_at(at), cards.get(code.machtiging_id), code.maker_id == visitor.person_id
    return CodeLineView(
        agency=names.agency_name(code.oin),
        purpose=PURPOSE_LABELS[code.purpose],
        about="" if card is None else card.other,
        state=state,
        state_label=STATE_LABELS[state],
        tone=_TONES[state],
        is_own=is_own,
        created_at=code.created_at,
        expires_at=code.expires_at,
        used_at=code.used_at,
        answer="" if code.is_yes is None else get_sentence(_ANSWERS[code.is_yes]),
        href=f"{PATH}/{code.id}" if is_own and state is CodeState.OPEN else "",
    )


@router.get(PATH + "/nieuw/{machtiging_id}")
async def show_code_form(request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Ask for which organisation and purpose, and how long. Raises NotFound `machtiging_onbekend`."""
    authority = await _load_makeable(request, session, visitor, machtiging_id)
    sent = make_blank_form(request, duur=CodeLife.DAY.value)
    sent.values.setdefault(KEY_FIELD, [read_key(sent)])
    return await _render_form(request, session, visitor, authority, sent)


@router.post(PATH + "/nieuw/{machtiging_id}")
async def submit_code_form(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Make the code. Pressed twice it is made once."""
    services, sent = access_services(request), await read_submitted_form(request)
    authority = await _load_makeable(request, session, visitor, machtiging_id)
    wanted = _read_request(sent)
    sent.values[KEY_FIELD] = [read_key(sent)]
    if wanted is None:
        return await _render_form(request, session, visitor, authority, sent, status=400)
    maker, key, at = describe_maker(visitor), sent.first_value(KEY_FIELD), services.clock.now()
    try:
        code_id = await create_code(session, services.keyring, maker, authority.machtiging_id, wanted, key, at=at)
    except (Conflict, InvalidInput, TooMany) as refusal:  # caught here, so that the journal line is committed
        sent.add_fault("afzender", describe_refusal(refusal))
        status = 409 if isinstance(refusal, Conflict) else 429 if isinstance(refusal, TooMany) else 400
        return await _render_form(request, session, visitor, authority, sent, status=status)
    return RedirectResponse(f"{PATH}/{code_id}", 303)


def _read_request(sent: SubmittedForm) -> CodeRequest | None:
    """Read the form; None with all faults noted."""
    oin = sent.first_value("afzender")
    if not oin:
        sent.add_fault("afzender", get_sentence("checks.new.agency_missing"))
    purpose = sent.read_choice("doel", set(CodePurpose), missing=get_sentence("checks.new.purpose_missing"))
    life = sent.read_choice("duur", set(CodeLife), missing=get_sentence("checks.new.life_missing"))
    return None if sent.faults else CodeRequest(oin, CodePurpose(purpose), CodeLife(life))


async def _load_makeable(request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: UUID) -> Authority:
    """Load a machtiging of this giver or holder. Raises NotFound `machtiging_onbekend` for any other."""
    at = access_services(request).clock.now()
    found = await load_authority(session, MachtigingId(machtiging_id), at=at)
    if found is None:
        raise NotFound("machtiging_onbekend")
    find_maker_stop(found, describe_maker(visitor), at)
    return found


async def _render_form(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    authority: Authority,
    sent: SubmittedForm,
    *,
    status: int = 200,
) -> HTMLResponse:
    services = access_services(request)
    at, people = services.clock.now(), views.PersonNames(session, services.keyring)
    agencies = await load_active_agencies(session)
    return render_page(
        request,
        "codes_new.html",
        status=status,
        sent=sent,
        is_giver=authority.vertegenwoordigde_id == visitor.person_id,
        name=await _name_other(people, authority, visitor, at),
        is_in_force=_can_make(authority, visitor, at),
        agencies=_list_agencies(authority, agencies, at),
        purposes=[(one.value, PURPOSE_LABELS[one]) for one in CodePurpose],
        lives=[(one.value, LIFE_LABELS[one]) for one in CodeLife],
        action=f"{PATH}/nieuw/{authority.machtiging_id}",
        root=PATH,
    )


def _list_agencies(authority: Authority, agencies: Sequence[AgencyView], at: datetime) -> list[tuple[str, str]]:
    """List the agencies of which the machtiging covers a dienst."""
    return [(one.oin, one.name) for one in agencies if list_covered_diensten(authority, one, at)]


async def _name_other(people: views.PersonNames, authority: Authority, visitor: Visitor, at: datetime) -> str:
    if authority.vertegenwoordigde_id != visitor.person_id:
        return await people.load_name(authority.vertegenwoordigde_id)
    return await people.join_holder_names(authority, await people.load_holder_ids(authority, at))


@router.get(PATH + "/{code_id}")
async def show_code(request: Request, code_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show an own code, or what became of it. Raises NotFound `controlecode_onbekend`."""
    return await _render_code(request, session, visitor, code_id)


@router.post(PATH + "/{code_id}/intrekken")
async def submit_withdrawal(
    request: Request, code_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Withdraw an own code. A late press shows what became of it."""
    services = access_services(request)
    try:
        await withdraw_code(session, services.keyring, code_id, visitor.person_id, at=services.clock.now())
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await _render_code(request, session, visitor, code_id, note=describe_refusal(refusal))
    return RedirectResponse(f"{PATH}/{code_id}", 303)


async def _render_code(
    request: Request, session: AsyncSession, visitor: Visitor, code_id: UUID, *, note: str = ""
) -> HTMLResponse:
    services = access_services(request)
    at, people = services.clock.now(), views.PersonNames(session, services.keyring)
    found = await load_own_code(session, services.keyring, code_id, visitor.person_id)
    authority = None if found is None else await load_authority(session, found.machtiging_id, at=at)
    if found is None or authority is None:
        raise NotFound("controlecode_onbekend")
    state, names = found.state_at(at), await views.load_agency_names(session)
    client = await people.load_name(authority.vertegenwoordigde_id)
    helper = None if authority.holder_id is None else shorten_name(await people.load_name(authority.holder_id))
    return render_page(
        request,
        "codes_code.html",
        status=409 if note else 200,
        note=note,
        found=found,
        state=state,
        state_label=STATE_LABELS[state],
        tone=_TONES[state],
        text=format_code(found.code) if found.code is not None and state is CodeState.OPEN else "",
        agency=names.agency_name(found.oin),
        step=_STEPS.format(found.purpose, agency=names.agency_name(found.oin)),
        helper=helper or authority.organisation_name or "",
        client=shorten_name(client),
        organisation=authority.organisation_name,
        capacity=labels.CAPACITY_LABELS[authority.capacity],
        acts=labels.label_acts(authority.acts),
        ends_at=authority.ends_at,
        answer="" if found.is_yes is None else get_sentence(_ANSWERS[found.is_yes]),
        root=PATH,
    )
