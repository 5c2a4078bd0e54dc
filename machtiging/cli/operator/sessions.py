"""`machtiging sessions`: list the sessions of a person, or end them on her request."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.table import Table

from machtiging.cli.database import named, service_sessions
from machtiging.cli.edges import err, out
from machtiging.cli.operator.who import operator
from machtiging.identity.over.rules import Why
from machtiging.kernel.bsn import Bsn, parse_bsn
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from machtiging.identity.over.of_person import Shown
    from machtiging.kernel.ids import PersonId
    from machtiging.oauth.manage.end_for_person import Ended

app = typer.Typer(help="List and end the sessions of a person.", no_args_is_help=True)
_MOMENT = "%Y-%m-%d %H:%M"
_Whom = UUID | Bsn
_PERSON = typer.Option(
    help="The person id, as in the journal. Without it the command reads a BSN: hidden on the terminal, or as one line "
    "on standard input. Other users and the shell history can see a command line, so a BSN is never an argument."
)


@app.command("list")
def show(*, person: Annotated[str | None, _PERSON] = None) -> None:
    """List where a person is logged in, and until when. The journal records this, and she can see that."""
    whom = _whom(person)
    with named(Settings()) as settings:
        person_id, found = asyncio.run(_looked(settings, whom))
    table = Table("logged in (UTC)", "level", "last seen", "ends when idle at", "ends at the latest")
    for one in found:
        moments = (moment.strftime(_MOMENT) for moment in (one.seen_at, one.idle_at, one.ends_at))
        table.add_row(one.began_at.strftime(_MOMENT), one.assurance, *moments)
    out.print(table)
    err.print(f"{len(found)} sessions of person {person_id}.", soft_wrap=True)


@app.command("end")
def end(
    *,
    reason: Annotated[Why, typer.Option(help="The reason. The journal keeps it with your name.")],
    person: Annotated[str | None, _PERSON] = None,
    consents: Annotated[
        bool, typer.Option("--consents", help="Also end the consents for apps, given by her or in her name.")
    ] = False,
) -> None:
    """Log a person out everywhere. Also ends what depends on it: codes, tokens and logins in apps.

    The apps and the person are notified. She can log in again. If her DigiD is misused, DigiD must block it.
    """
    whom = _whom(person)
    with named(Settings()) as settings:
        ended = asyncio.run(_ended(settings, whom, reason, consents=consents))
    err.print(f"{ended.sessions} sessions and {ended.consents} consents of apps have ended.")
    if not ended.sessions + ended.consents:
        err.print("There was nothing to end, so she is not told.")


def _whom(person: str | None) -> _Whom:
    """Parse the person id, or read a BSN. Raises InvalidInput `bsn_ongeldig`, typer.BadParameter; neither quotes it."""
    if person is None:
        asked = sys.stdin.isatty()
        typed = typer.prompt("BSN", hide_input=True, err=True) if asked else sys.stdin.readline()
        return parse_bsn(typed)
    try:
        return UUID(person)
    except ValueError:
        raise typer.BadParameter("an id as in the journal; a BSN is asked for when --person is left out") from None


async def _looked(settings: Settings, whom: _Whom) -> tuple[PersonId, list[Shown]]:
    from machtiging.audit.acts import JournalAct, Outcome
    from machtiging.audit.journal import OPERATOR, Line, record
    from machtiging.identity.over.of_person import sessions_of
    from machtiging.identity.rules import SessionLimits
    from machtiging.storage.unit_of_work import unit_of_work

    limits = SessionLimits(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
    at, facts = SystemClock().now(), {"beheerder": operator()}
    async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        person_id = await _found(session, settings, whom)
        act = JournalAct.SESSIE_BEKEKEN
        line = Line(act, Outcome.DONE, "bekeken", capacity=OPERATOR, for_person_id=person_id, facts=facts)
        await record(session, line, at=at)
        return person_id, await sessions_of(session, person_id, limits, at=at)


async def _ended(settings: Settings, whom: _Whom, why: Why, *, consents: bool) -> Ended:
    from machtiging.oauth.manage.end_for_person import Order, end_for_person
    from machtiging.storage.unit_of_work import unit_of_work

    order = Order(operator(), why, consents)
    async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        person_id = await _found(session, settings, whom)
        return await end_for_person(session, person_id, order, at=SystemClock().now())


async def _found(session: AsyncSession, settings: Settings, whom: _Whom) -> PersonId:
    """Find the person. Raises NotFound `persoon_onbekend`."""
    from machtiging.crypto.keyring import KeyRing
    from machtiging.identity.over.of_person import check_known
    from machtiging.identity.people import find_by_bsn

    if isinstance(whom, UUID):
        return await check_known(session, whom)
    return await find_by_bsn(session, KeyRing.load(settings.keys_dir), whom)
