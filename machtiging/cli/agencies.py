"""`machtiging agencies`: the catalogue of senders and their diensten."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.cli.operator_name import get_operator_name
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from machtiging.agencies.bundles import Bundle
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


@app.command("bundles")
def list_bundles() -> None:
    """List the latest version of each bundle of diensten."""
    with provide_database(Settings()) as settings:
        found = asyncio.run(_load_bundles(settings))
    table = Table(Column("code", no_wrap=True), "version", "name", "diensten")
    for bundle in found:
        table.add_row(bundle.code, str(bundle.version), bundle.name, ", ".join(sorted(bundle.diensten)))
    out.print(table)


@app.command("publish-bundles")
def publish_bundles(
    file: Annotated[Path, typer.Argument(help="YAML: a list of code, name and diensten (OIN/code).")],
) -> None:
    """Publish the next version of each bundle in a file, all or none. What did not change stays as it is."""
    with provide_database(Settings()) as settings:
        found = asyncio.run(_publish_bundles(settings, file))
    for bundle in found:
        err.print(f"{bundle.code}: version {bundle.version}, {len(bundle.diensten)} diensten.")


async def load_catalogue(session: AsyncSession, settings: Settings) -> None:
    """Load the practice catalogue, with an organisation for each afzender."""
    from machtiging.agencies.catalogue import publish_practice_bundles, upsert_catalogue
    from machtiging.crypto.keyring import KeyRing
    from machtiging.organisations.registration import register_afzenders
    from machtiging.organisations.rules import ActingOperator

    at = SystemClock().now()
    await upsert_catalogue(session)
    await publish_practice_bundles(session, at=at)
    operator = ActingOperator(None, get_operator_name())
    await register_afzenders(session, KeyRing.load(settings.keys_dir), operator, at=at)


async def _load_agencies(settings: Settings) -> list[AgencyView]:
    from machtiging.agencies.queries import load_active_agencies
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await load_active_agencies(session)


async def _load_bundles(settings: Settings) -> list[Bundle]:
    from machtiging.agencies.bundles import load_current_bundles
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await load_current_bundles(session)


async def _publish_bundles(settings: Settings, file: Path) -> list[Bundle]:
    from machtiging.agencies.bundles import publish_bundle
    from machtiging.audit.acts import JournalAct, JournalOutcome
    from machtiging.audit.journal import NewJournalLine, attribute_to_operator, record
    from machtiging.cli.registers.bundle_file import read_bundles
    from machtiging.storage.unit_of_work import unit_of_work

    contents, at, found = read_bundles(file), SystemClock().now(), []
    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        for content in contents:
            bundle = await publish_bundle(session, content, at=at)
            found.append(bundle)
            if bundle.published_at == at:
                line = NewJournalLine(JournalAct.BUNDEL_GEPUBLICEERD, JournalOutcome.DONE, "gepubliceerd")
                await record(session, attribute_to_operator(line, get_operator_name()), at=at)
    return found


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
