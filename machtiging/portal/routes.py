"""All routes of the portal. Fixed paths come before `/machtigingen/{id}`."""

from __future__ import annotations

from fastapi import APIRouter

from machtiging.portal import accepting, apps, box, machtigingen, offering, overview, start, undelivered

router = APIRouter(include_in_schema=False)
for part in (start, offering, accepting, machtigingen, overview, apps, box, undelivered):
    router.include_router(part.router)
