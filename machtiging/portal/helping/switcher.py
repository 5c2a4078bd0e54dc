"""The people that a visitor helps, by name, in the switcher of the header.

A cookie says that this visitor helps somebody. It saves the statement for everybody else, and gives no right: each
page asks what may be shown now.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.authority.helped_people import list_helped_people
from machtiging.delegation.authority.rules import Authority
from machtiging.identity.session import OptionalVisitor, Visitor
from machtiging.portal import views
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.frame.navigation import HELPED_PEOPLE_STATE, HelpedPeople, PlaceLink

COOKIE = "__Host-helpt"
MAX_NAMES = 5
# More machtigingen are read than names are shown: one person may have given several.
_MAX_READ = 4 * MAX_NAMES
# These pages load what the visitor holds themselves.
_OWN_LOADERS = frozenset({"/", "/ik-help"})
AnyResponse = TypeVar("AnyResponse", bound=Response)


async def load_switcher(request: Request, visitor: OptionalVisitor, session: Transaction) -> None:
    """Load the names for the header of this page, in one statement. Nothing for who helps nobody."""
    path = request.url.path
    if visitor is None or COOKIE not in request.cookies or request.method != "GET":
        return
    if path in _OWN_LOADERS or path.endswith((".pdf", ".csv")) or "/bijlagen/" in path:
        return
    services = access_services(request)
    at = services.clock.now()
    found = await list_helped_people(session, services.keyring, visitor.person_id, limit=_MAX_READ + 1, at=at)
    named = [(one.authority, views.name_of_profile(one.profile)) for one in found]
    show_helped_people(request, visitor, named, at)


def show_helped_people(
    request: Request, visitor: Visitor, named: Iterable[tuple[Authority, str]], at: datetime
) -> None:
    """Put the people whose post this login may read now into the header, each once."""
    names: dict[object, PlaceLink] = {}
    path = request.url.path
    for authority, name in named:
        if views.find_hidden_reason(authority, visitor, at) is not None or authority.stop_reason(at) is not None:
            continue
        below = f"/ik-help/{authority.machtiging_id}"
        is_current = path == below or path.startswith(below + "/")
        if is_current or authority.vertegenwoordigde_id not in names:
            names[authority.vertegenwoordigde_id] = PlaceLink(name, f"{below}/brieven", is_current)
    links = list(names.values())
    setattr(request.state, HELPED_PEOPLE_STATE, HelpedPeople(links[:MAX_NAMES], has_more=len(links) > MAX_NAMES))


def remember_helping(response: AnyResponse, *, helps: bool) -> AnyResponse:
    """Keep for this browser session whether the visitor helps somebody."""
    if helps:
        response.set_cookie(COOKIE, "1", secure=True, httponly=True, samesite="lax", path="/")
    return response
