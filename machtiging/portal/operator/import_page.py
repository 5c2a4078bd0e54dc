"""`/beheer/importeren`: a CSV file of organisations or administrators, first shown and then done.

The second press sends the same file again, in the form. What it does is planned anew and compared with what was shown.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.identity.csrf import CsrfProtected, UploadCsrfProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Operator
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, find_sentence, get_sentence
from machtiging.organisations.register_import.csv_lines import MAX_FILE_BYTES, MAX_FILE_LINES, read_register_file
from machtiging.organisations.register_import.execution import execute_import
from machtiging.organisations.register_import.plan import plan_import
from machtiging.organisations.register_import.rules import ImportEffect, ImportPlan
from machtiging.organisations.rules import ActingOperator
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH, FILE_FIELD, CONTENT_FIELD, DIGEST_FIELD = "/beheer/importeren", "bestand", "inhoud", "plan"
EFFECT_LABELS: Mapping[ImportEffect, str] = CatalogueLabels("operator.import.effect", ImportEffect)
_TONES = {
    ImportEffect.NEW: "new",
    ImportEffect.CHANGED: "waiting",
    ImportEffect.UNCHANGED: "paused",
    ImportEffect.REFUSED: "refused",
}


@router.get(PATH)
async def show_import_form(request: Request, _visitor: Operator, gedaan: str | None = None) -> HTMLResponse:
    """Ask for the file."""
    return _render_form(request, make_blank_form(request), is_done=gedaan == "ja")


@router.post(PATH)
async def show_import_plan(
    request: Request, _visitor: Operator, _: UploadCsrfProtected, session: Transaction
) -> Response:
    """Show what each line would do. Changes nothing."""
    content = await _read_upload(request)
    return await _plan(request, session, content)


@router.post(PATH + "/uitvoeren")
async def submit_import(request: Request, visitor: Operator, _: CsrfProtected, session: Transaction) -> Response:
    """Do what was shown, or show what it would do now."""
    services, sent = access_services(request), await read_submitted_form(request)
    try:
        content = base64.b64decode(sent.first_value(CONTENT_FIELD), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    operator, issuer = ActingOperator(visitor.person_id), identity_services(request).broker.issuer
    digest, at = sent.first_value(DIGEST_FIELD), services.clock.now()
    try:
        file = read_register_file(content)
        await execute_import(session, services.keyring, operator, file, issuer, digest, at=at)
    except InvalidInput as fault:
        sent.add_fault(FILE_FIELD, describe_refusal(fault))
        return _render_form(request, sent, status=400)
    except Conflict as refusal:  # caught here, so that the page shows the new plan
        return await _plan(request, session, content, note=describe_refusal(refusal))
    return RedirectResponse(f"{PATH}?gedaan=ja", 303)


async def _read_upload(request: Request) -> bytes:
    """Read the file of the form, one byte beyond the limit at most."""
    upload = (await request.form(max_files=1)).get(FILE_FIELD)
    return await upload.read(MAX_FILE_BYTES + 1) if isinstance(upload, UploadFile) else b""


async def _plan(request: Request, session: Transaction, content: bytes, *, note: str = "") -> Response:
    issuer, at = identity_services(request).broker.issuer, access_services(request).clock.now()
    try:
        plan = await plan_import(session, read_register_file(content), issuer, at=at)
    except InvalidInput as fault:
        sent = SubmittedForm()
        sent.add_fault(FILE_FIELD, describe_refusal(fault))
        return _render_form(request, sent, status=400)
    return _render_plan(request, plan, content, note)


def _render_form(request: Request, sent: SubmittedForm, *, status: int = 200, is_done: bool = False) -> HTMLResponse:
    return render_page(
        request,
        "operator_import.html",
        status=status,
        sent=sent,
        is_done=is_done,
        max_lines=MAX_FILE_LINES,
        max_kilobytes=MAX_FILE_BYTES // 1024,
    )


def _render_plan(request: Request, plan: ImportPlan, content: bytes, note: str) -> HTMLResponse:
    counts = [(EFFECT_LABELS[effect], plan.count(effect)) for effect in ImportEffect]
    lines = [
        {
            "number": line.number,
            "name": line.name or get_sentence("operator.import.no_name"),
            "effect": EFFECT_LABELS[line.effect],
            "tone": _TONES[line.effect],
            "why": find_sentence(line.message),
        }
        for line in plan.lines
    ]
    return render_page(
        request,
        "operator_import_plan.html",
        status=409 if note else 200,
        plan=plan,
        counts=counts,
        lines=lines,
        note=note,
        content=base64.b64encode(content).decode(),
    )
