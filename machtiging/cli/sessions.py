"""`machtiging sessions`: list the sessions of a person, or end them on her request."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.table import Table

from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.cli.operator_name import get_operator_name
from machtiging.identity.rules import SessionEndReason
from machtiging.kernel.bsn import Bsn, parse_bsn
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from machtiging.identity.session_end import ActiveSession
    from machtiging.kernel.ids import PersonId
    from machtiging.oauth.grant_management.operator_session_end import SessionEndCounts

app = typer.Typer(help="List and end the sessions of a person.", no_args_is_help=True)
_TIME_FORMAT = "%Y-%m-%d %H:%M"
_PersonReference = UUID | Bsn
_PERSON_OPTION = typer.Option(
    help="The person id, as in the journal. Without it the command reads a BSN: hidden on the terminal, or as one line "
    "on standard input. Other users and the shell history can see a command line, so a BSN is never an argument."
)


@app.command("list")
def list_sessions(*, person: Annotated[str | None, _PERSON_OPTION] = None) -> None:
    """List where a person is logged in, and until when. The journal records this, and she can see that."""
    whom = _parse_person(person)
    with provide_database(Settings()) as settings:
        person_id, found = asyncio.run(_load_sessions(settings, whom))
    table = Table("logged in (UTC)", "level", "last seen", "ends when idle at", "ends at the latest")
    for one in found:
        moments = (moment.strftime(_TIME_FORMAT) for moment in (one.last_seen_at, one.idle_expires_at, one.expires_at))
        table.add_row(one.started_at.strftime(_TIME_FORMAT), one.assurance, *moments)
    out.print(table)
    err.print(f"{len(found)} sessions of person {person_id}.", soft_wrap=True)


@app.command("end")
def end_sessions(
    *,
    reason: Annotated[SessionEndReason, typer.Option(help="The reason. The journal keeps it with your name.")],
    person: Annotated[str | None, _PERSON_OPTION] = None,
    consents: Annotated[
        bool, typer.Option("--consents", help="Also end the consents for apps, given by her or in her name.")
    ] = False,
) -> None:
    """Log a person out everywhere. Also ends what depends on it: codes, tokens and logins in apps.

    The apps and the person are notified. She can log in again. If her DigiD is misused, DigiD must block it.
    """
    whom = _parse_person(person)
    with provide_database(Settings()) as settings:
        ended = asyncio.run(_end_sessions(settings, whom, reason, consents=consents))
    err.print(f"{ended.sessions} sessions and {ended.consents} consents of apps have ended.")
    if not ended.sessions + ended.consents:
        err.print("There was nothing to end, so she is not told.")


def _parse_person(person: str | None) -> _PersonReference:
    """Parse the person id, or read a BSN. Raises InvalidInput `bsn_ongeldig`, typer.BadParameter; neither quotes it."""
    if person is None:
        is_interactive = sys.stdin.isatty()
        typed = typer.prompt("BSN", hide_input=True, err=True) if is_interactive else sys.stdin.readline()
        return parse_bsn(typed)
    try:
        return UUID(person)
    except ValueError:
        raise typer.BadParameter("an id as in the journal; a BSN is asked for when --person is left out") from None


async def _load_sessions(settings: Settings, reference: _PersonReference) -> tuple[PersonId, list[ActiveSession]]:
    from machtiging.audit.acts import JournalAct, JournalOutcome
    from machtiging.audit.journal import OPERATOR, NewJournalLine, record
    from machtiging.identity.rules import SessionLimits
    from machtiging.identity.session_end import load_active_sessions
    from machtiging.storage.unit_of_work import unit_of_work

    limits = SessionLimits(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
    at, facts = SystemClock().now(), {"beheerder": get_operator_name()}
    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        person_id = await _find_person(session, settings, reference)
        act = JournalAct.SESSIE_BEKEKEN
        line = NewJournalLine(
            act, JournalOutcome.DONE, "bekeken", capacity=OPERATOR, for_person_id=person_id, facts=facts
        )
        await record(session, line, at=at)
        return person_id, await load_active_sessions(session, person_id, limits, at=at)


async def _end_sessions(
    settings: Settings, reference: _PersonReference, reason: SessionEndReason, *, consents: bool
) -> SessionEndCounts:
    from machtiging.berichtenbox.authorization_details.handler import BerichtenboxHandler
    from machtiging.oauth.grant_management.operator_session_end import SessionEndOrder, end_sessions_for_person
    from machtiging.storage.unit_of_work import unit_of_work

    order = SessionEndOrder(get_operator_name(), reason, consents)
    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        person_id = await _find_person(session, settings, reference)
        return await end_sessions_for_person(session, BerichtenboxHandler(), person_id, order, at=SystemClock().now())


async def _find_person(session: AsyncSession, settings: Settings, reference: _PersonReference) -> PersonId:
    """Find the person. Raises NotFound `persoon_onbekend`."""
    from machtiging.crypto.keyring import KeyRing
    from machtiging.identity.people import find_by_bsn
    from machtiging.identity.session_end import require_person

    if isinstance(reference, UUID):
        return await require_person(session, reference)
    return await find_by_bsn(session, KeyRing.load(settings.keys_dir), reference)
