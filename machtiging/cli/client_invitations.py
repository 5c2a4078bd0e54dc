"""`machtiging clients invitations` and `clients withdraw-invitation`: initial access tokens (RFC 7591)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.cli.operator_name import get_operator_name
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.oauth.invitations.administration import Invitation

_TIME_FORMAT = "%Y-%m-%d %H:%M"


def show_invitations() -> None:
    """List the invitations to register with their name, note and state. Shows no token."""
    with provide_database(Settings()) as settings:
        found = asyncio.run(_load_invitations(settings))
    table = Table(Column("name", no_wrap=True), "note", "uses left", "made (UTC)", "good until (UTC)", "state")
    for one in found:
        days = (one.created_at.strftime(_TIME_FORMAT), one.expires_at.strftime(_TIME_FORMAT))
        table.add_row(one.name, one.note, str(one.uses_left), *days, one.status)
    out.print(table, markup=False)
    err.print(f"{len(found)} invitations.")


def withdraw_invitation(name: Annotated[str, typer.Argument(help="The name, as in `clients invitations`.")]) -> None:
    """Withdraw an invitation. It registers no more clients. Clients registered with it stay."""
    with provide_database(Settings()) as settings:
        withdrawn = asyncio.run(_withdraw_invitation(settings, name))
    err.print(f"{withdrawn.name} is withdrawn; it was good for {withdrawn.uses_left} more client(s).")


async def _load_invitations(settings: Settings) -> list[Invitation]:
    from machtiging.oauth.invitations.administration import list_invitations
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await list_invitations(session, at=SystemClock().now())


async def _withdraw_invitation(settings: Settings, name: str) -> Invitation:
    from machtiging.oauth.invitations.administration import withdraw_invitation as take_back
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await take_back(session, name, get_operator_name(), at=SystemClock().now())
