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
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.notifications import delivery_failures
from machtiging.notifications.delivery_failures import UndeliveredNotification
from machtiging.notifications.texts import EmailText, MailContact, NotificationKind, render_message
from machtiging.oauth.dependencies import oauth_services
from machtiging.portal import views
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)

_REASON_TEXTS: Mapping[str, str] = CatalogueLabels(
    "notices.reason", ("geen_adres", "adres_ongeldig", "smtputf8_ontbreekt")
)


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
    names = views.PersonNames(session, services.keyring)
    found = await delivery_failures.load_undelivered(session, visitor.person_id, at=services.clock.now())
    unseen = await delivery_failures.count_unread_undelivered(session, visitor.person_id, at=services.clock.now())
    contact = MailContact(services.issuer, services.help_contact)
    mails = [await _build_notification_view(names, each, contact) for each in found]
    return render_page(request, "meldingen.html", mails=mails, unseen=unseen)


@router.post("/meldingen/gelezen")
async def submit_notifications_read(
    request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> RedirectResponse:
    """Mark the visitor's notifications as read, so that pages stop mentioning them."""
    await delivery_failures.mark_undelivered_read(session, visitor.person_id, at=oauth_services(request).clock.now())
    return RedirectResponse("/meldingen", 303)


async def _build_notification_view(
    names: views.PersonNames, one: UndeliveredNotification, contact: MailContact
) -> NotificationView:
    try:
        others = {role: await _load_name(names, one.facts, f"{role}_id") for role in ("giver", "helper")}
        text = render_message(NotificationKind(one.kind), one.facts, others, contact)
    except (ValueError, KeyError):  # written by an older version
        text = EmailText(get_sentence("notices.unknown.subject"), get_sentence("notices.unknown.text"))
    reason = _REASON_TEXTS[one.reason] if one.reason in _REASON_TEXTS else get_sentence("notices.reason.other")
    return NotificationView(text.subject, text.body.strip().split("\n\n"), one.created_at, reason)


async def _load_name(names: views.PersonNames, facts: Mapping[str, Any], key: str) -> str:
    return await names.load_name(PersonId(UUID(facts[key]))) if facts.get(key) else ""
