"""All routes of the portal. Fixed paths come before `/machtigingen/{id}`."""

from __future__ import annotations

from fastapi import APIRouter

from machtiging.portal import (
    acceptance,
    access_history,
    apps,
    machtigingen,
    mailbox,
    offers,
    start,
    undelivered_notifications,
)

router = APIRouter(include_in_schema=False)
for part in (start, offers, acceptance, machtigingen, access_history, apps, mailbox, undelivered_notifications):
    router.include_router(part.router)
