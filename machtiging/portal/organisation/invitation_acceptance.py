"""`/uitnodiging`: what somebody with an invitation link sees, and the button that accepts it.

The link puts its token in a cookie, so that the login service and our own login row never see it. Opening a link
changes nothing: mail programs open links too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.rules import LoginRequest, build_login_path
from machtiging.identity.session import Citizen, OptionalVisitor, Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound, Refusal
from machtiging.message_catalogue import CatalogueLabels, describe_refusal
from machtiging.organisations.invitations.acceptance import (
    InvitedLogin,
    accept_invitation,
    preview_invitation,
)
from machtiging.organisations.invitations.mail import INVITATION_PATH
from machtiging.organisations.invitations.queries import LinkView, load_link
from machtiging.organisations.invitations.rules import LinkState
from machtiging.portal.forms import read_submitted_form
from machtiging.portal.organisation.invitations import LEVEL_LABELS
from machtiging.portal.organisation.office import ROLE_LABELS
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
INVITATION_COOKIE = "__Host-uitnodiging"
SHOWN_FIELD = "uitnodiging"
_COOKIE_SECONDS = 3600
_MAX_TOKEN_LENGTH = 128
TokenInPath = Annotated[str, Path(max_length=_MAX_TOKEN_LENGTH)]
_CLOSED_SENTENCES: Mapping[LinkState, str] = CatalogueLabels(
    "organisation.joining.closed", (LinkState.ACCEPTED, LinkState.EXPIRED, LinkState.WITHDRAWN)
)
# Another login may accept the invitation; the page offers it.
_OTHER_LOGIN = frozenset(
    {"uitnodiging_zonder_organisatie", "uitnodiging_andere_organisatie", "niveau_te_laag", "login_te_oud"}
)
# The cookie changed after the page was shown, by another link in another tab.
_NOT_SHOWN = "uitnodiging_niet_getoond"


@router.get(INVITATION_PATH + "/{token}")
async def show_link(
    request: Request, token: TokenInPath, visitor: OptionalVisitor, session: Transaction, _door: Public
) -> Response:
    """Show for which organisation a link is, and how to log in. Changes nothing."""
    at = identity_services(request).clock.now()
    link = await load_link(session, token, at=at)
    if link is None:
        return render_page(request, "invitation_unknown.html", status=404, visitor=visitor)
    if link.state is not LinkState.OPEN:
        reason = _CLOSED_SENTENCES[link.state]
        return render_page(request, "invitation_closed.html", status=410, visitor=visitor, reason=reason, login="")
    page = render_page(
        request,
        "invitation_link.html",
        visitor=visitor,
        link=link,
        level=LEVEL_LABELS[link.level],
        go_on=INVITATION_PATH if _fits(visitor, link) else _build_login(link.level),
    )
    page.set_cookie(
        INVITATION_COOKIE, token, max_age=_COOKIE_SECONDS, secure=True, httponly=True, samesite="lax", path="/"
    )
    return page


@router.get(INVITATION_PATH)
async def show_invitation(request: Request, visitor: Citizen, session: Transaction) -> Response:
    """Show who invites, for which organisation and with what roles. Changes nothing."""
    token = _read_token(request)
    if token is None:
        return render_page(request, "invitation_unknown.html", status=404)
    return await _render_offer(request, session, visitor, token)


@router.post(INVITATION_PATH)
async def submit_acceptance(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Become an employee by the invitation that was shown. A second press changes nothing.

    The link opens nothing any more.
    """
    services, token = identity_services(request), _read_token(request)
    if token is None:
        return render_page(request, "invitation_unknown.html", status=404)
    at, shown = services.clock.now(), _parse_id((await read_submitted_form(request)).first_value(SHOWN_FIELD))
    try:
        await accept_invitation(session, services.keyring, _make_login(visitor), token, at=at, shown=shown)
    except (Conflict, NotAllowed, NotFound) as refusal:  # caught here, so that the journal line is committed
        if refusal.code == _NOT_SHOWN:
            return await _render_offer(request, session, visitor, token, warning=describe_refusal(refusal))
        return await _render_refusal(request, session, token, refusal)
    return RedirectResponse(f"{INVITATION_PATH}/gelukt/welkom", 303)


@router.get(INVITATION_PATH + "/gelukt/welkom")
async def show_welcome(request: Request, visitor: Citizen) -> HTMLResponse:
    """Say that the visitor is an employee now, and what comes next."""
    return render_page(request, "invitation_welcome.html")


def _read_token(request: Request) -> str | None:
    token = request.cookies.get(INVITATION_COOKIE, "")
    return token if 0 < len(token) <= _MAX_TOKEN_LENGTH else None


def _make_login(visitor: Visitor) -> InvitedLogin:
    return InvitedLogin(visitor.person_id, visitor.organisation_kvk, visitor.assurance, visitor.authenticated_at)


def _parse_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _fits(visitor: Visitor | None, link: LinkView) -> bool:
    """Return True for a login of the organisation, high enough and newer than the link."""
    if visitor is None or link.organisation_kvk is None:
        return False
    if visitor.authenticated_at < link.sent_at:
        return False
    return visitor.organisation_kvk == link.organisation_kvk and visitor.assurance.is_at_least(link.level)


def _build_login(level: Assurance) -> str:
    """Build the link to a new login. The present one may be for another organisation."""
    return build_login_path(LoginRequest(INVITATION_PATH, level, None, reauthenticate=True))


async def _render_offer(
    request: Request, session: Transaction, visitor: Visitor, token: str, *, warning: str = ""
) -> HTMLResponse:
    services = identity_services(request)
    at = services.clock.now()
    try:
        offer = await preview_invitation(session, services.keyring, _make_login(visitor), token, at=at)
    except (Conflict, NotAllowed, NotFound) as refusal:
        return await _render_refusal(request, session, token, refusal)
    roles = [ROLE_LABELS[role] for role in sorted(offer.roles)]
    return render_page(
        request,
        "invitation.html",
        status=409 if warning else 200,
        offer=offer,
        roles=roles,
        warning=warning,
        shown_field=SHOWN_FIELD,
    )


async def _render_refusal(request: Request, session: Transaction, token: str, refusal: Refusal) -> HTMLResponse:
    if isinstance(refusal, NotFound):
        return render_page(request, "invitation_unknown.html", status=404)
    login = ""
    if refusal.code in _OTHER_LOGIN:
        link = await load_link(session, token, at=identity_services(request).clock.now())
        login = "" if link is None else _build_login(link.level)
    status = 409 if isinstance(refusal, Conflict) else 403
    return render_page(request, "invitation_closed.html", status=status, reason=describe_refusal(refusal), login=login)
