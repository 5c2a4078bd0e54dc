"""Pages of the mail catcher: the mails it caught, for people and for programs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from machtiging.simulators.dependencies import simulator_services
from machtiging.simulators.postbus import Mail, Postbus
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)


def _newest_first(request: Request) -> list[Mail]:
    postbus: Postbus = simulator_services(request).postbus
    return list(reversed(postbus.mails))


@router.get("/post")
async def show(request: Request) -> Response:
    """Show the e-mails, newest first."""
    return page(request, "post.html", mails=_newest_first(request))


@router.get("/post.json")
async def as_json(request: Request) -> list[dict[str, Any]]:
    """Return the e-mails as JSON, newest first."""
    return [
        {"aan": mail.recipients, "onderwerp": mail.subject, "tekst": mail.body, "ontvangenOp": mail.received_at}
        for mail in _newest_first(request)
    ]
