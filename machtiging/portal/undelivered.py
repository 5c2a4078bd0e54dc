"""Notifications that could not be mailed, for reading on the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse

from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.ids import PersonId
from machtiging.notifications import undelivered
from machtiging.notifications.texts import Kind, Message, message
from machtiging.notifications.undelivered import UndeliveredNotification
from machtiging.oauth.dependencies import oauth_services
from machtiging.portal import views
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)

_REASON = {
    "geen_adres": "Wij hebben geen e-mailadres van u.",
    "adres_ongeldig": "Het e-mailadres dat wij van u kregen, klopt niet.",
    "smtputf8_ontbreekt": "In uw e-mailadres staan letters die wij niet kunnen gebruiken.",
}
_REFUSED = "De e-mail kwam niet aan op uw e-mailadres."
_UNKNOWN = Message("Er is iets veranderd", "Kijk bij /machtigingen hoe het nu zit.\n")


@dataclass(frozen=True, slots=True)
class NotificationView:
    """One notification as its mail would read, and the reason for non-delivery."""

    subject: str
    paragraphs: list[str]
    created_at: datetime
    reason: str


@router.get("/meldingen")
async def show_undelivered(request: Request, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """List the visitor's notifications that could not be mailed, newest first."""
    services = oauth_services(request)
    names = views.Names(session, services.keyring)
    found = await undelivered.load_undelivered(session, visitor.person_id, at=services.clock.now())
    unseen = await undelivered.count_unseen_undelivered(session, visitor.person_id, at=services.clock.now())
    mails = [await _compose(names, each) for each in found]
    return page(request, "meldingen.html", mails=mails, unseen=unseen)


@router.post("/meldingen/gelezen")
async def confirm_read(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> RedirectResponse:
    """Mark the visitor's notifications as read, so that pages stop mentioning them."""
    await undelivered.mark_undelivered_seen(session, visitor.person_id, at=oauth_services(request).clock.now())
    return RedirectResponse("/meldingen", 303)


async def _compose(names: views.Names, one: UndeliveredNotification) -> NotificationView:
    try:
        others = {role: await _name(names, one.facts, f"{role}_id") for role in ("giver", "helper")}
        text = message(Kind(one.kind), one.facts, others)
    except (ValueError, KeyError):  # written by an older version
        text = _UNKNOWN
    return NotificationView(
        text.subject, text.body.strip().split("\n\n"), one.created_at, _REASON.get(one.reason, _REFUSED)
    )


async def _name(names: views.Names, facts: Mapping[str, Any], key: str) -> str:
    return await names.of(PersonId(UUID(facts[key]))) if facts.get(key) else ""
