"""The routes of the public pages. A visitor who is logged in keeps the menu."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from machtiging.identity.form_recovery import FORM_LIFETIME
from machtiging.identity.session import OptionalVisitor
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.operator_content.help_contact import find_nearest_points
from machtiging.operator_content.service_changes import ChangeStatus, DeclineReason
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.public_pages.dependencies import portal_services
from machtiging.web.doors import Public
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
STATUS_LABELS: Mapping[ChangeStatus, str] = CatalogueLabels("public.changes.status", ChangeStatus)
REASON_LABELS: Mapping[DeclineReason, str] = CatalogueLabels("public.changes.reason", DeclineReason)
# The tone of a badge says the state by its colour and icon.
_STATUS_TONES = {
    ChangeStatus.DONE: "good",
    ChangeStatus.STARTED: "waiting",
    ChangeStatus.PLANNED: "waiting",
    ChangeStatus.DECLINED: "refused",
}
# The day of the statement and of the tests that it names. It is looked at again every year.
ACCESSIBILITY_STATEMENT_DATE = date(2026, 11, 29)
_MAX_POSTCODE_LENGTH = 20


@router.get("/hulp")
async def show_help(
    request: Request, _: Public, visitor: OptionalVisitor, postcode: Annotated[str | None, Query()] = None
) -> HTMLResponse:
    """Show telephone number, hours and help points; those near a postcode first."""
    points, sent = portal_services(request).help_contact.points, SubmittedForm()
    if postcode is not None:
        sent.values["postcode"] = [postcode[:_MAX_POSTCODE_LENGTH]]
        nearest = find_nearest_points(points, postcode)
        if nearest is None:
            sent.add_fault("postcode", get_sentence("public.help.no_postcode"))
        points = nearest or points
    status = 400 if sent.faults else 200
    is_sorted = postcode is not None and not sent.faults
    return render_page(
        request, "hulp.html", status=status, visitor=visitor, sent=sent, points=points, is_sorted=is_sorted
    )


@router.get("/toegankelijkheid")
async def show_accessibility(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show the accessibility statement (Besluit digitale toegankelijkheid overheid, Directive (EU) 2016/2102)."""
    issuer = portal_services(request).issuer
    return render_page(
        request, "toegankelijkheid.html", visitor=visitor, issuer=issuer, day=ACCESSIBILITY_STATEMENT_DATE
    )


@router.get("/privacy")
async def show_privacy(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show what is stored, how long and for whom, and people's rights (GDPR article 13)."""
    hours = int(FORM_LIFETIME.total_seconds()) // 3600
    return render_page(request, "privacy.html", visitor=visitor, form_hours=hours)


@router.get("/aanpassingen")
async def show_changes(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show what changes in the service, and what cannot and why."""
    changes = portal_services(request).service_changes
    declined = [one for one in changes if one.status is ChangeStatus.DECLINED]
    accepted = [one for one in changes if one.status is not ChangeStatus.DECLINED]
    labels: dict[str, Any] = {"statuses": STATUS_LABELS, "reasons": REASON_LABELS, "tones": _STATUS_TONES}
    return render_page(request, "aanpassingen.html", visitor=visitor, accepted=accepted, declined=declined, **labels)


@router.get("/leeshulp")
async def show_reading_aid(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show what the reading aid does, and what a browser can do without it."""
    return render_page(request, "leeshulp.html", visitor=visitor)


@router.get("/zo-werkt-het")
async def show_how_it_works(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show how one person lets another read the post."""
    return render_page(request, "zo_werkt_het.html", visitor=visitor)


@router.get("/veilig")
async def show_safety(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show how people stay safe: what we never ask, and how to stop."""
    return render_page(request, "veilig.html", visitor=visitor)
