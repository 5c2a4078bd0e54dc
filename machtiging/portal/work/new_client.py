"""Requests to a new client in the room: template, letters, check and code."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.bundles import Bundle, find_current_bundle
from machtiging.agencies.queries import AgencyView
from machtiging.delegation.assignments.acting_employee import describe_login, load_requesting_employee, require_helping
from machtiging.delegation.authority.holders import EmployeeAuthority
from machtiging.delegation.help_requests.bundles import list_bundles_within
from machtiging.delegation.help_requests.creation import (
    RequestedHelp,
    create_organisation_request,
    format_request_code,
    withdraw_help_request,
)
from machtiging.delegation.help_requests.queries import find_assigned, list_own_requests, load_own_request
from machtiging.delegation.help_requests.rules import HelpRequestState
from machtiging.delegation.rules import Capacity
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import add_years, end_of_day
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refusal, TooMany
from machtiging.kernel.period import Period
from machtiging.message_catalogue import describe_refusal
from machtiging.organisations.rules import Ceiling
from machtiging.portal import labels, views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.giving.answers import GivingFacts
from machtiging.portal.giving.draft_pages import load_facts
from machtiging.portal.help_requests.list_page import (
    CODE_FORM,
    STATE_LABELS,
    STATE_TONES,
    describe_request,
    draw_code,
)
from machtiging.portal.organisation.office import KEY_FIELD, read_key
from machtiging.portal.work.parameters import CLIENTS_PATH
from machtiging.portal.work.request_form import (
    BUNDLE_FIELD,
    OWN_DAY,
    TEMPLATE_LABELS,
    TEMPLATE_TEXTS,
    RequestTemplate,
    add_refusal,
    describe_duration,
    list_bundle_letters,
    list_durations,
    list_templates,
    list_themes,
    prefill,
    read_content,
)
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/werk/nieuwe-client"
FORM_PATH = f"{PATH}/vraag"
# The button that was pressed on the form or on the check page.
STEP_FIELD, CHECK, CHANGE, MAKE = "stap", "controle", "wijzig", "maken"
RequestIdInPath = Annotated[UUID, Path(alias="verzoekId")]


class _FormContext(NamedTuple):
    """The employee who asks, and what the answers are checked against."""

    acting: EmployeeAuthority
    facts: GivingFacts
    agencies: list[AgencyView]
    bundle: Bundle | None = None

    @property
    def ceiling(self) -> Ceiling:
        """The ceiling of the organisation."""
        return self.acting.organisation.ceiling


@router.get(PATH)
async def show_templates(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Offer the templates, and list the requests of the visitor. Raises as `load_requesting_employee`."""
    services, at = access_services(request), access_services(request).clock.now()
    acting = await _load_acting(session, visitor, at)
    organisation_id = acting.organisation.id
    found = await list_own_requests(session, services.keyring, visitor.person_id, organisation_id=organisation_id)
    return render_page(
        request,
        "work_new_client.html",
        templates=[
            (f"{FORM_PATH}?sjabloon={one}", TEMPLATE_LABELS[one], TEMPLATE_TEXTS[one])
            for one in list_templates(acting.organisation.ceiling)
        ],
        bundles=[
            (f"{FORM_PATH}?bundel={one.code}", one.name, len(one.diensten), one.version)
            for one in await list_bundles_within(session, acting.organisation.ceiling)
        ],
        problem=_describe_problem(acting, at),
        requests=[(one, one.state_at(at)) for one in found],
        state_labels=STATE_LABELS,
        tones=STATE_TONES,
        root=PATH,
    )


@router.get(FORM_PATH)
async def show_request_form(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    sjabloon: Annotated[RequestTemplate, Query()] = RequestTemplate.OWN,
    bundel: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """Show the form of a template or a bundle, within the ceiling of the organisation."""
    context = await _load_form_context(request, session, visitor, bundel)
    return _render_form(request, context, make_blank_form(request, **prefill(sjabloon, context.ceiling)))


@router.post(FORM_PATH)
async def submit_request_form(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Check the form, or make the request, once. Nothing is stored before."""
    sent = await read_submitted_form(request)
    context = await _load_form_context(request, session, visitor, sent.first_value(BUNDLE_FIELD).split("/")[0])
    if sent.has_value(STEP_FIELD, CHANGE):
        return _render_form(request, context, sent)
    content = read_content(sent, context.facts, context.ceiling, context.bundle, context.agencies)
    if content is None:
        return _render_form(request, context, sent, status=400)
    if not sent.has_value(STEP_FIELD, MAKE):
        return await _render_check(request, session, context, sent, content)
    services, login = access_services(request), describe_login(visitor)
    try:
        made_id = await create_organisation_request(
            session, services.keyring, services.delegation_limits, login, content, read_key(sent), at=context.facts.at
        )
    except InvalidInput as refusal:  # caught here, so that the journal line is committed
        add_refusal(sent, refusal)
        return _render_form(request, context, sent, status=400)
    except (Conflict, TooMany) as refusal:
        return await _render_check(request, session, context, sent, content, refusal)
    return RedirectResponse(f"{PATH}/{made_id}", 303)


@router.get(PATH + "/{verzoekId}")
async def show_request(
    request: Request, verzoek_id: RequestIdInPath, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Show one request: its code while it waits, and the client after a yes. Raises NotFound `hulpvraag_onbekend`."""
    services, at = access_services(request), access_services(request).clock.now()
    acting = await _load_acting(session, visitor, at)
    organisation_id = acting.organisation.id
    found = await load_own_request(
        session, services.keyring, verzoek_id, visitor.person_id, organisation_id=organisation_id
    )
    if found is None:
        raise NotFound("hulpvraag_onbekend")
    state = found.state_at(at)
    code = format_request_code(found) if state is HelpRequestState.WAITING else ""
    address, assigned = identity_services(request).issuer + CODE_FORM, await find_assigned(session, found, at=at)
    waits = assigned is not None and assigned.awaits_second_person
    return render_page(
        request,
        "work_request.html",
        found=found,
        state=state,
        state_label=STATE_LABELS[state],
        tone=STATE_TONES[state],
        code=code,
        address=address,
        qr=draw_code(f"{address}#{code}") if code else "",
        said=describe_request(found, await views.load_agency_names(session), found.created_at),
        client=None if assigned is None or waits else f"{CLIENTS_PATH}/{assigned.machtiging_id}",
        waits=waits,
        problem=_describe_problem(acting, at),
        root=PATH,
    )


@router.post(PATH + "/{verzoekId}/intrekken")
async def submit_withdrawal(
    request: Request, verzoek_id: RequestIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Withdraw a request. What was answered or expired meanwhile is shown as it is."""
    services, at = access_services(request), access_services(request).clock.now()
    organisation_id = (await _load_acting(session, visitor, at)).organisation.id
    with suppress(Conflict):  # caught here, so that the journal line is committed
        await withdraw_help_request(
            session, services.keyring, verzoek_id, visitor.person_id, at=at, organisation_id=organisation_id
        )
    return RedirectResponse(f"{PATH}/{verzoek_id}", 303)


async def _load_acting(session: AsyncSession, visitor: Visitor, at: datetime) -> EmployeeAuthority:
    return await load_requesting_employee(session, describe_login(visitor), at=at)


async def _load_form_context(
    request: Request, session: AsyncSession, visitor: Visitor, bundle_code: str
) -> _FormContext:
    """Load the employee with the agencies that may be asked, and the bundle.

    Raises NotAllowed as `require_helping`, NotFound `bundel_onbekend`.
    """
    facts, agencies = await load_facts(request, session)
    acting = await _load_acting(session, visitor, facts.at)
    require_helping(acting, facts.at)
    most = acting.organisation.ceiling.afzenders
    bundle = await find_current_bundle(session, bundle_code) if bundle_code else None
    if bundle_code and bundle is None:
        raise NotFound("bundel_onbekend")
    return _FormContext(acting, facts, [one for one in agencies if most is None or one.oin in most], bundle)


def _describe_problem(acting: EmployeeAuthority, at: datetime) -> str:
    """Say why this employee can ask nobody now; "" if possible."""
    try:
        require_helping(acting, at)
    except NotAllowed as refusal:
        return describe_refusal(refusal)
    return ""


def _render_form(request: Request, context: _FormContext, sent: SubmittedForm, *, status: int = 200) -> HTMLResponse:
    options: dict[str, Any] = {
        "senders": [(agency.oin, agency.name) for agency in context.agencies],
        "themes": [(theme.value, labels.THEME_LABELS[theme]) for theme in list_themes(context.ceiling)],
        "durations": [(value, describe_duration(value)) for value in list_durations(context.ceiling)],
    }
    return render_page(
        request,
        "work_request_form.html",
        status=status,
        sent=sent,
        action=FORM_PATH,
        own_day=OWN_DAY,
        year_ago=add_years(context.facts.today, -1),
        root=PATH,
        check=CHECK,
        bundle=context.bundle,
        bundle_letters=None if context.bundle is None else list_bundle_letters(context.bundle, context.agencies),
        **options,
    )


async def _render_check(
    request: Request,
    session: AsyncSession,
    context: _FormContext,
    sent: SubmittedForm,
    content: RequestedHelp,
    refusal: Refusal | None = None,
) -> HTMLResponse:
    """Show what will be asked. The key makes two presses one request."""
    sent.values[KEY_FIELD] = [read_key(sent)]
    period = Period(context.facts.at, end_of_day(content.last_day))
    names = await views.load_agency_names(session)
    status = 429 if isinstance(refusal, TooMany) else 409
    return render_page(
        request,
        "work_request_check.html",
        status=200 if refusal is None else status,
        sent=sent,
        action=FORM_PATH,
        words=content.words,
        bundle=content.bundle,
        organisation=context.acting.organisation.name,
        said=views.describe_agreement(Capacity.PROFESSIONAL, content.words.purpose, content.scope, period, names),
        problem="" if refusal is None else describe_refusal(refusal),
        step=STEP_FIELD,
        make=MAKE,
        change=CHANGE,
    )
