"""The first page of a director: the business, its letters and its entry."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.delegation.businesses.directors import describe_director_login, find_director
from machtiging.delegation.statutory.relations import load_register_evidence
from machtiging.identity.session import Citizen
from machtiging.portal.business.machtigingen import list_given_views
from machtiging.portal.helping.paths import BUSINESS_ROOT
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get(BUSINESS_ROOT)
async def show_business(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """Show the business that the visitor directs, or say that there is none."""
    at = access_services(request).clock.now()
    director = await find_director(session, describe_director_login(visitor), at=at)
    if director is None:
        return render_page(request, "business_none.html")
    evidence = await load_register_evidence(session, director.authority.machtiging_id)
    return render_page(
        request,
        "business_home.html",
        on_behalf_of=director.business_name,
        evidence=evidence,
        given=await list_given_views(session, director, at),
        is_offered=gedaan == "aangeboden",
        root=BUSINESS_ROOT + "/helpers",
        letters=f"{BUSINESS_ROOT}/{director.authority.machtiging_id}/brieven",
    )
