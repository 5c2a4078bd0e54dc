"""`machtiging clients invitations` and `clients withdraw-invitation`: initial access tokens (RFC 7591)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from machtiging.cli.database import named, service_sessions
from machtiging.cli.edges import err, out
from machtiging.cli.operator.who import operator
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.oauth.registration.invitations import Invitation

_MOMENT = "%Y-%m-%d %H:%M"


def show() -> None:
    """List the invitations to register with their name, note and state. Shows no token."""
    with named(Settings()) as settings:
        found = asyncio.run(_all(settings))
    table = Table(Column("name", no_wrap=True), "note", "uses left", "made (UTC)", "good until (UTC)", "state")
    for one in found:
        days = (one.created_at.strftime(_MOMENT), one.expires_at.strftime(_MOMENT))
        table.add_row(one.name, one.note, str(one.uses_left), *days, one.fate)
    out.print(table, markup=False)
    err.print(f"{len(found)} invitations.")


def withdraw(name: Annotated[str, typer.Argument(help="The name, as in `clients invitations`.")]) -> None:
    """Withdraw an invitation. It registers no more clients. Clients registered with it stay."""
    with named(Settings()) as settings:
        gone = asyncio.run(_withdraw(settings, name))
    err.print(f"{gone.name} is withdrawn; it was good for {gone.uses_left} more client(s).")


async def _all(settings: Settings) -> list[Invitation]:
    from machtiging.oauth.registration.invitations import invitations
    from machtiging.storage.unit_of_work import unit_of_work

    async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await invitations(session, at=SystemClock().now())


async def _withdraw(settings: Settings, name: str) -> Invitation:
    from machtiging.oauth.registration.invitations import withdraw as take_back
    from machtiging.storage.unit_of_work import unit_of_work

    async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await take_back(session, name, operator(), at=SystemClock().now())
