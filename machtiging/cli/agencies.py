"""`machtiging agencies`: the catalogue of senders and their diensten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer
from rich.table import Column, Table

from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.cli.operator_name import get_operator_name
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from machtiging.agencies.queries import AgencyView

app = typer.Typer(help="Sending agencies (afnemers) and their diensten.", no_args_is_help=True)


@app.command("list")
def list_agencies() -> None:
    """List the active agencies with their OIN and diensten."""
    with provide_database(Settings()) as settings:
        found = asyncio.run(_load_agencies(settings))
    table = Table(Column("OIN", no_wrap=True), "agency", "dienst", "theme", "sensitivity")
    for agency in found:
        for dienst in agency.diensten:
            table.add_row(agency.oin, agency.name, dienst.code, dienst.theme, dienst.sensitivity)
    out.print(table)
    if not found:
        err.print("The catalogue is empty. Load it with: machtiging agencies load")


@app.command("load")
def load_practice_catalogue() -> None:
    """Load the practice catalogue (test OINs). Adds and updates entries; removes none. Safe to repeat."""
    with provide_database(Settings()) as settings:
        count = asyncio.run(_load_catalogue(settings))
    err.print(f"{count} agencies in the catalogue.")


async def load_catalogue(session: AsyncSession, settings: Settings) -> None:
    """Load the practice catalogue, with an organisation for each afzender."""
    from machtiging.agencies.catalogue import upsert_catalogue
    from machtiging.crypto.keyring import KeyRing
    from machtiging.organisations.registration import register_afzenders
    from machtiging.organisations.rules import ActingOperator

    await upsert_catalogue(session)
    operator = ActingOperator(None, get_operator_name())
    await register_afzenders(session, KeyRing.load(settings.keys_dir), operator, at=SystemClock().now())


async def _load_agencies(settings: Settings) -> list[AgencyView]:
    from machtiging.agencies.queries import load_active_agencies
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await load_active_agencies(session)


async def _load_catalogue(settings: Settings) -> int:
    from machtiging.agencies.queries import load_active_agencies
    from machtiging.audit.acts import JournalAct, JournalOutcome
    from machtiging.audit.journal import NewJournalLine, attribute_to_operator, record
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        await load_catalogue(session, settings)
        line = attribute_to_operator(
            NewJournalLine(JournalAct.CATALOGUS_GELADEN, JournalOutcome.DONE, "geladen"), get_operator_name()
        )
        await record(session, line, at=SystemClock().now())
        return len(await load_active_agencies(session))
