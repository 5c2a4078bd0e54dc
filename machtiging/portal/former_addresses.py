"""Addresses of before: old links and bookmarks lead to the pages of now."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse

from machtiging.access.dependencies import access_services
from machtiging.delegation.authority.queries import load_authority
from machtiging.identity.session import Citizen
from machtiging.kernel.ids import MachtigingId
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False)


@router.get("/machtigingen")
async def redirect_list(_: Public) -> RedirectResponse:
    """Redirect to the list of the giver."""
    return RedirectResponse("/helpers", 308)


@router.get("/machtigingen/{machtiging_id}")
async def redirect_machtiging(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction
) -> RedirectResponse:
    """Redirect to the page of the giver, or else to that of the helper.

    That page refuses an id that is not the visitor's, as it does for one that does not exist.
    """
    at = access_services(request).clock.now()
    found = await load_authority(session, MachtigingId(machtiging_id), at=at)
    is_giver = found is not None and found.vertegenwoordigde_id == visitor.person_id
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{'/helpers' if is_giver else '/ik-help'}/{machtiging_id}{query}", 308)


@router.get("/machtigingen/{machtiging_id}/intrekken")
async def redirect_withdrawal(machtiging_id: UUID, _: Public) -> RedirectResponse:
    """Redirect to the question of the giver."""
    return RedirectResponse(f"/helpers/{machtiging_id}/intrekken", 308)


@router.get("/machtigingen/{machtiging_id}/teruggeven")
async def redirect_give_back(machtiging_id: UUID, _: Public) -> RedirectResponse:
    """Redirect to the question of the helper."""
    return RedirectResponse(f"/ik-help/{machtiging_id}/teruggeven", 308)
