"""`/beheer/afnemers`: the agencies, and what each may ask about machtigingen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import AccessServices
from machtiging.access.entitlements.policy_rows import EntitlementRow
from machtiging.access.entitlements.rules import IdentifierKind, Purpose, VerificationQuestion
from machtiging.agencies.queries import find_active_agency, load_active_agencies
from machtiging.dependencies import request_services
from machtiging.identity.session import Auditor
from machtiging.kernel.errors import NotFound
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal.labels import THEME_LABELS
from machtiging.portal.operator.register_page import SENSITIVITY_LABELS
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/beheer/afnemers"
_Word = TypeVar("_Word", bound=StrEnum)
QUESTION_LABELS: Mapping[VerificationQuestion, str] = CatalogueLabels(
    "operator.agencies.question", VerificationQuestion
)
PURPOSE_LABELS: Mapping[Purpose, str] = CatalogueLabels("operator.agencies.purpose", Purpose)
IDENTIFIER_LABELS: Mapping[IdentifierKind, str] = CatalogueLabels("identifier", IdentifierKind)


@dataclass(frozen=True, slots=True)
class EntitlementRowView:
    """One row of the entitlements in words. `allows`: False for a row that forbids."""

    id: str
    allows: bool
    questions: str
    diensten: str
    purposes: str
    identifiers: str
    because: str


def describe_entitlement_row(row: EntitlementRow, names: Mapping[str, str]) -> EntitlementRowView:
    """Describe a row in words. `names`: the names of diensten, by code."""
    every = get_sentence("operator.agencies.every_dienst")
    diensten = every if row.diensten is None else ", ".join(names.get(code, code) for code in sorted(row.diensten))
    return EntitlementRowView(
        id=row.id,
        allows=row.eft == "allow",
        questions=_join(row.questions, QUESTION_LABELS),
        diensten=diensten,
        purposes=_join(row.purposes, PURPOSE_LABELS),
        identifiers=_join(row.identifiers, IDENTIFIER_LABELS),
        because=row.because,
    )


def _join(words: frozenset[str], labels: Mapping[_Word, str]) -> str:
    return ", ".join(label for word, label in labels.items() if word in words)


@router.get(PATH)
async def show_agencies(request: Request, _visitor: Auditor, session: Transaction) -> HTMLResponse:
    """Show every active agency, with the number of diensten and rows."""
    entitlements = request_services(request, AccessServices).entitlements
    agencies = [(one, len(entitlements.rows_of(one.oin))) for one in await load_active_agencies(session)]
    return render_page(request, "operator_agencies.html", agencies=agencies, root=PATH, digest=entitlements.digest)


@router.get(PATH + "/{oin}")
async def show_agency(request: Request, oin: str, _visitor: Auditor, session: Transaction) -> HTMLResponse:
    """Show the diensten of one agency and the rows about it. Raises NotFound `afnemer_onbekend`."""
    agency = await find_active_agency(session, oin)
    if agency is None:
        raise NotFound("afnemer_onbekend")
    entitlements = request_services(request, AccessServices).entitlements
    names = {one.code: one.name for one in agency.diensten}
    return render_page(
        request,
        "operator_agency.html",
        agency=agency,
        diensten=[(one, THEME_LABELS[one.theme], SENSITIVITY_LABELS[one.sensitivity]) for one in agency.diensten],
        rows=[describe_entitlement_row(row, names) for row in entitlements.rows_of(oin)],
        root=PATH,
        digest=entitlements.digest,
    )
