"""Narrow a machtiging: fewer senders or subjects, no attachments, an earlier last day."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.queries import AgencyView, load_active_agencies
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.amendments.rules import Narrowing
from machtiging.delegation.amendments.versions import narrow_machtiging
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import GRANTABLE_ACTS, Act, MachtigingScope
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal import labels
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form, split_date
from machtiging.portal.gemachtigden.cards import load_given_authority, load_given_card
from machtiging.portal.gemachtigden.detail import can_change, redirect_to_helper, render_helper, show_current_state
from machtiging.portal.labels import CompletedAction
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/helpers/{machtiging_id}/beperken"
NO_OLDER_LETTERS, NO_ATTACHMENTS, NO_SENSITIVE_LETTERS = "oudere", "bijlagen", "gevoelige"


@router.get(PATH)
@reserve_connection
async def show_narrowing(request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show what is agreed as ticked boxes. What is over cannot be changed, and is shown as it is."""
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    if not can_change(card):
        return await render_helper(request, session, visitor, card)
    agencies = await load_active_agencies(session)
    scope = authority.root.scope
    opened = make_blank_form(
        request,
        afzenders=[oin for oin, _ in _list_senders(scope, agencies)],
        themas=[theme for theme, _ in _list_themes(scope)],
        **split_date("einde", authority.root.period.last_day),
    )
    return _render_form(request, authority, agencies, opened)


@router.post(PATH)
@reserve_connection
async def submit_narrowing(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Take away what is not ticked any more, at once."""
    at = access_services(request).clock.now()
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    agencies, sent = await load_active_agencies(session), await read_submitted_form(request)
    narrowing = _read_narrowing(sent, authority.root.scope, agencies, to_dutch_date(at))
    if sent.faults or narrowing is None:
        return _render_form(request, authority, agencies, sent, status=400)
    try:
        await narrow_machtiging(session, authority.machtiging_id, visitor.person_id, narrowing, at=at)
    except InvalidInput as fault:  # caught here, so that the journal line is committed
        sent.add_fault("einde" if fault.code == "einddatum_te_vroeg" else "themas", describe_refusal(fault))
        return _render_form(request, authority, agencies, sent, status=400)
    except Conflict as refusal:
        return await show_current_state(request, session, visitor, machtiging_id, CompletedAction.NARROWED, refusal)
    return redirect_to_helper(machtiging_id, CompletedAction.NARROWED)


def _read_narrowing(
    sent: SubmittedForm, scope: MachtigingScope, agencies: list[AgencyView], today: date
) -> Narrowing | None:
    """Read what stays. None, with all faults noted, if something is invalid."""
    senders = {oin for oin, _ in _list_senders(scope, agencies)}
    themes = {theme for theme, _ in _list_themes(scope)}
    kept_senders = sent.read_choices("afzenders", senders, missing=get_sentence("helpers.narrow.no_sender"))
    kept_themes = sent.read_choices("themas", themes, missing=get_sentence("helpers.narrow.no_theme"))
    removed = sent.read_choices("zonder", {NO_OLDER_LETTERS, NO_ATTACHMENTS, NO_SENSITIVE_LETTERS})
    last_day = sent.read_date("einde", missing=get_sentence("helpers.narrow.no_last_day"))
    if sent.faults or last_day is None:
        return None
    return Narrowing(
        last_day=last_day,
        afzenders=None if kept_senders == senders else kept_senders,
        excluded_themes=frozenset(map(Theme, themes - kept_themes)),
        highest_sensitivity=Sensitivity.GEWOON if NO_SENSITIVE_LETTERS in removed else Sensitivity.VERTROUWELIJK,
        letters_from=today if NO_OLDER_LETTERS in removed else date.min + timedelta(days=1),
        acts=GRANTABLE_ACTS - {Act.DOWNLOAD} if NO_ATTACHMENTS in removed else GRANTABLE_ACTS,
    )


def _list_senders(scope: MachtigingScope, agencies: list[AgencyView]) -> list[tuple[str, str]]:
    """List the senders that the helper may read now."""
    return [(one.oin, one.name) for one in agencies if scope.afzenders is None or one.oin in scope.afzenders]


def _list_themes(scope: MachtigingScope) -> list[tuple[str, str]]:
    """List the subjects that the helper may read now."""
    open_themes = (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes
    return [(theme.value, word) for theme, word in labels.THEME_LABELS.items() if theme in open_themes]


def _list_takings(scope: MachtigingScope) -> list[tuple[str, str]]:
    """List what else can be taken away."""
    takings = [(NO_OLDER_LETTERS, True), (NO_ATTACHMENTS, Act.DOWNLOAD in scope.acts)]
    takings.append((NO_SENSITIVE_LETTERS, scope.highest_sensitivity is not Sensitivity.GEWOON))
    words = {
        NO_OLDER_LETTERS: get_sentence("helpers.narrow.without_older"),
        NO_ATTACHMENTS: get_sentence("helpers.narrow.without_attachments"),
        NO_SENSITIVE_LETTERS: get_sentence("helpers.narrow.without_sensitive"),
    }
    return [(value, words[value]) for value, is_there in takings if is_there]


def _render_form(
    request: Request, authority: Authority, agencies: list[AgencyView], sent: SubmittedForm, *, status: int = 200
) -> HTMLResponse:
    scope = authority.root.scope
    return render_page(
        request,
        "helpers_narrow.html",
        status=status,
        sent=sent,
        machtiging_id=authority.machtiging_id,
        senders=_list_senders(scope, agencies),
        themes=_list_themes(scope),
        takings=_list_takings(scope),
        last_day=authority.root.period.last_day,
    )
