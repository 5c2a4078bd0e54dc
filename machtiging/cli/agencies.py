"""`machtiging agencies`: the catalogue of senders and their diensten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer
from rich.table import Column, Table

from machtiging.cli.database import named, service_sessions
from machtiging.cli.edges import err, out
from machtiging.cli.operator.who import operator
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.agencies.queries import AgencyView

app = typer.Typer(help="Sending agencies (afnemers) and their diensten.", no_args_is_help=True)


@app.command("list")
def show() -> None:
    """List the active agencies with their OIN and diensten."""
    with named(Settings()) as settings:
        found = asyncio.run(_all(settings))
    table = Table(Column("OIN", no_wrap=True), "agency", "dienst", "theme", "sensitivity")
    for agency in found:
        for dienst in agency.diensten:
            table.add_row(agency.oin, agency.name, dienst.code, dienst.theme, dienst.sensitivity)
    out.print(table)
    if not found:
        err.print("The catalogue is empty. Load it with: machtiging agencies load")


@app.command("load")
def load() -> None:
    """Load the practice catalogue (test OINs). Adds and updates entries; removes none. Safe to repeat."""
    with named(Settings()) as settings:
        count = asyncio.run(_load(settings))
    err.print(f"{count} agencies in the catalogue.")


async def _all(settings: Settings) -> list[AgencyView]:
    from machtiging.agencies.queries import all_agencies
    from machtiging.storage.unit_of_work import unit_of_work

    async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await all_agencies(session)


async def _load(settings: Settings) -> int:
    from machtiging.agencies.catalogue import load_catalogue
    from machtiging.agencies.queries import all_agencies
    from machtiging.audit.acts import JournalAct, Outcome
    from machtiging.audit.journal import Line, by_operator, record
    from machtiging.storage.unit_of_work import unit_of_work

    async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        await load_catalogue(session)
        line = by_operator(Line(JournalAct.CATALOGUS_GELADEN, Outcome.DONE, "geladen"), operator())
        await record(session, line, at=SystemClock().now())
        return len(await all_agencies(session))
