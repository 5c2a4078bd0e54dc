"""`/beheer`: the register of organisations, and the form for a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.rules import Sensitivity
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.rules import OPERATOR_ROLE
from machtiging.identity.session import Auditor, Operator
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.organisations.queries import OrganisationView
from machtiging.organisations.register import RegisterFilter, search_register
from machtiging.organisations.registration import register_organisation
from machtiging.organisations.rules import (
    ActingOperator,
    Ceiling,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionProposal,
    RecognitionStatus,
    describe_numbers,
)
from machtiging.portal.forms import EMPTY_IS_NONE, SubmittedForm, make_blank_form, read_submitted_form
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 25
KIND_LABELS: Mapping[OrganisationKind, str] = CatalogueLabels("operator.kind", OrganisationKind)
STATUS_LABELS: Mapping[RecognitionStatus, str] = CatalogueLabels("operator.status", RecognitionStatus)
SENSITIVITY_LABELS: Mapping[Sensitivity, str] = CatalogueLabels("operator.sensitivity", Sensitivity)
LEVEL_LABELS: Mapping[Assurance, str] = CatalogueLabels("operator.level", Assurance)
STATUS_TONES: Mapping[RecognitionStatus, str] = {
    RecognitionStatus.REQUESTED: "waiting",
    RecognitionStatus.RECOGNISED: "good",
    RecognitionStatus.SUSPENDED: "paused",
    RecognitionStatus.WITHDRAWN: "stopped",
    RecognitionStatus.REFUSED: "refused",
}
_DEFAULT_DAYS = "365"
# The field of the form to which a refusal belongs.
_FIELD_OF_CODE = {
    "nummer_ontbreekt": "kvk",
    "kvk_ongeldig": "kvk",
    "organisatie_bestaat_al": "kvk",
    "vestiging_ongeldig": "vestiging",
    "rsin_ongeldig": "rsin",
    "oin_ongeldig": "oin",
    "naam_ongeldig": "naam",
    "plafond_duur_ongeldig": "dagen",
    "grond_ongeldig": "grond",
    "besluitkenmerk_ongeldig": "besluitkenmerk",
}


class RegisterQuery(BaseModel):
    """The filter of the register, as in the addresses of its pages."""

    zoek: str = ""
    status: Annotated[RecognitionStatus | None, EMPTY_IS_NONE] = None
    wacht: Annotated[Literal["ja"] | None, EMPTY_IS_NONE] = None
    na: UUID | None = None

    def make_next_link(self, last: UUID) -> str:
        """Return the address of the next page."""
        values = {"zoek": self.zoek, "status": self.status, "wacht": self.wacht, "na": last}
        return "/beheer?" + urlencode({name: str(value) for name, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One organisation in the table."""

    view: OrganisationView
    kind: str
    numbers: str
    status: str
    tone: str


def describe_row(view: OrganisationView) -> RegisterRow:
    """Describe an organisation in words."""
    status = get_sentence("operator.status.none") if view.status is None else STATUS_LABELS[view.status]
    tone = "stopped" if view.status is None else STATUS_TONES[view.status]
    return RegisterRow(view, KIND_LABELS[OrganisationKind(view.kind)], describe_numbers(view), status, tone)


@router.get("/beheer")
async def show_register(
    request: Request, wanted: Annotated[RegisterQuery, Query()], visitor: Auditor, session: Transaction
) -> HTMLResponse:
    """List the organisations by name, with a search by name or number."""
    at = access_services(request).clock.now()
    register_filter = RegisterFilter(wanted.zoek[:200], wanted.status, is_waiting=wanted.wacht is not None)
    found = await search_register(session, register_filter, at=at, after=wanted.na, limit=PAGE_SIZE + 1)
    rows = [describe_row(view) for view in found[:PAGE_SIZE]]
    more = wanted.make_next_link(rows[-1].view.id) if len(found) > PAGE_SIZE else ""
    return render_page(
        request,
        "operator_register.html",
        rows=rows,
        wanted=wanted,
        statuses=[(status.value, label) for status, label in STATUS_LABELS.items()],
        newest="/beheer" if wanted.na else "",
        older=more,
        can_decide=OPERATOR_ROLE in visitor.roles,
    )


@router.get("/beheer/nieuw")
async def show_new_organisation(request: Request, _visitor: Operator) -> HTMLResponse:
    """Ask for a new organisation."""
    blank = make_blank_form(
        request, dagen=_DEFAULT_DAYS, gevoeligheid=Sensitivity.GEVOELIG.value, niveau=Assurance.SUBSTANTIAL.value
    )
    return _render_new_organisation(request, blank)


@router.post("/beheer/nieuw")
async def submit_new_organisation(
    request: Request, visitor: Operator, _: CsrfProtected, session: Transaction
) -> Response:
    """Register an organisation that asks for recognition. It can do nothing until two operators recognise it."""
    services, sent = access_services(request), await read_submitted_form(request)
    parsed = _parse_registration(sent)
    if parsed is None:
        return _render_new_organisation(request, sent, status=400)
    operator, at = ActingOperator(visitor.person_id), services.clock.now()
    try:
        organisation_id = await register_organisation(session, services.keyring, operator, *parsed, at=at)
    except Conflict as refusal:
        sent.add_fault(_FIELD_OF_CODE[refusal.code], describe_refusal(refusal))
        return _render_new_organisation(request, sent, status=409)
    return RedirectResponse(f"/beheer/organisaties/{organisation_id}?gedaan=geregistreerd", 303)


def _parse_registration(sent: SubmittedForm) -> tuple[OrganisationRegistration, RecognitionProposal] | None:
    """Parse the form; None with all faults noted."""
    name = sent.read_text("naam", max_length=200, missing=get_sentence("operator.new.fault_name"))
    kind = sent.read_choice("soort", list(OrganisationKind), missing=get_sentence("operator.new.fault_kind"))
    ground = sent.read_text("grond", max_length=200, missing=get_sentence("operator.propose.fault_ground"))
    sensitivity = sent.read_choice(
        "gevoeligheid", list(Sensitivity), missing=get_sentence("operator.new.fault_ceiling")
    )
    level = sent.read_choice("niveau", list(LEVEL_LABELS), missing=get_sentence("operator.new.fault_level"))
    numbers = {name: sent.first_value(name).replace(" ", "") or None for name in ("kvk", "vestiging", "rsin", "oin")}
    days = sent.first_value("dagen")
    try:
        parsed_numbers = OrganisationNumbers(**numbers)
    except InvalidInput as fault:
        sent.add_fault(_FIELD_OF_CODE[fault.code], describe_refusal(fault))
    if not (days.isascii() and days.isdigit() and len(days) <= 4):
        sent.add_fault("dagen", get_sentence("operator.new.fault_days"))
    if sent.faults:
        return None
    try:
        ceiling = Ceiling(sensitivity=Sensitivity(sensitivity), days=int(days), minimum_level=Assurance(level))
        registration = OrganisationRegistration(parsed_numbers, name, OrganisationKind(kind), ceiling)
        reference = " ".join(sent.first_value("besluitkenmerk").split())
        return registration, RecognitionProposal(RecognitionStatus.REQUESTED, ground, reference)
    except InvalidInput as fault:
        sent.add_fault(_FIELD_OF_CODE[fault.code], describe_refusal(fault))
        return None


def _render_new_organisation(request: Request, sent: SubmittedForm, *, status: int = 200) -> HTMLResponse:
    return render_page(
        request,
        "operator_new.html",
        status=status,
        sent=sent,
        kinds=[(kind.value, label) for kind, label in KIND_LABELS.items()],
        sensitivities=[(one.value, label) for one, label in SENSITIVITY_LABELS.items()],
        levels=[(one.value, label) for one, label in LEVEL_LABELS.items()],
    )
