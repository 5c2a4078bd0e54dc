"""Open the box of another person on the portal: its actor and its owner's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.access.actor import Actor, build_helper_actor
from machtiging.access.bearer import MACHTIGING_PATH_PARAM, read_addressed_machtiging
from machtiging.access.session_lookup import authorize_session_row, session_params, session_query
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.rules import Authority
from machtiging.identity.people import profile_from_row, select_profile
from machtiging.identity.session import Visitor
from machtiging.kernel.errors import NotFound, NotInForce
from machtiging.message_catalogue import describe_refusal
from machtiging.portal import views
from machtiging.portal.helping.paths import box_root
from machtiging.web.pages import render_page

MachtigingIdInPath = Annotated[str, Path(alias=MACHTIGING_PATH_PARAM)]
# The name is loaded beside the authority, so that a list page needs no statement more for the band.
_LOAD_WITH_GIVER = session_query(lambda held: select_profile(held.c.m_vertegenwoordigde_id), for_share=True)


@dataclass(frozen=True, slots=True)
class HelpedBox:
    """The box that the path names: the actor, and the name of its owner.

    The name is shown only after the guard has allowed something, or if `find_hidden_reason` is None.
    """

    actor: Actor
    owner_name: str


async def open_helped_box(
    request: Request, session: AsyncSession, keyring: KeyRing, visitor: Visitor, *, at: datetime
) -> HelpedBox:
    """Load the authority in the path, locked FOR SHARE, and the owner's name.

    An authority that the visitor does not hold is left out of the actor: the guard refuses it as unknown.
    """
    params = session_params(visitor.session_id, read_addressed_machtiging(request))
    row = await _LOAD_WITH_GIVER.one_or_none(session, params)
    authority = await authorize_session_row(session, row, visitor, at=at)
    actor = build_helper_actor(visitor, authority, request.path_params[MACHTIGING_PATH_PARAM])
    profile = None if authority is None else profile_from_row(row, keyring, authority.vertegenwoordigde_id)
    return HelpedBox(actor, views.name_of_profile(profile))


def require_visible_authority(box: HelpedBox, visitor: Visitor, at: datetime) -> Authority:
    """Return the authority if this login may see the other party and the terms.

    It may be paused or over. Raises NotFound `machtiging_onbekend` otherwise.
    """
    authority = box.actor.authority
    if authority is None or views.find_hidden_reason(authority, visitor, at) is not None:
        raise NotFound("machtiging_onbekend")
    return authority


async def answer_or_say_not_now(
    request: Request, answer: Callable[[], Awaitable[Response]], *, typed: str = ""
) -> Response:
    """Return the answer; or, if the machtiging gives nothing now, a page that says why.

    The refusal is caught, so that its journal line is committed. `typed`: what the helper wrote, shown to be copied.
    """
    try:
        return await answer()
    except NotInForce as refusal:
        values = {"root": box_root(request), "reason": describe_refusal(refusal), "typed": typed}
        return render_page(request, "helping_not_now.html", status=403, **values)
