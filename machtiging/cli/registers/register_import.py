"""`machtiging organisations import`: show what a CSV file would do, then do it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.cli.operator_name import get_operator_name
from machtiging.kernel.clock import SystemClock
from machtiging.message_catalogue import ENGLISH, find_sentence
from machtiging.organisations.rules import ActingOperator
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.organisations.register_import.rules import ImportPlan


def import_register(
    file: Annotated[Path, typer.Argument(help="The CSV file.", exists=True, dir_okay=False)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do. Changes nothing.")] = False,
    confirm: Annotated[str, typer.Option(help="The code that --dry-run printed. Does what was shown.")] = "",
) -> None:
    """Import organisations or first administrators from CSV. First with --dry-run, then with --confirm CODE."""
    if dry_run == bool(confirm):
        raise typer.BadParameter("use --dry-run, and then --confirm with the code that it printed")
    from machtiging.notifications.texts import normalise_name_line
    from machtiging.organisations.register_import.csv_lines import MAX_FILE_BYTES

    with file.open("rb") as opened:
        content = opened.read(MAX_FILE_BYTES + 1)
    with provide_database(Settings()) as settings:
        plan = asyncio.run(_run_import(settings, content, confirm))
    table = Table("line", "effect", "name", "why")
    for line in plan.lines:
        table.add_row(
            str(line.number), line.effect.value, normalise_name_line(line.name), find_sentence(line.message, ENGLISH)
        )
    out.print(table, markup=False)
    if dry_run:
        print(plan.digest)
        err.print("Nothing was changed. Repeat the command with --confirm and this code.")
    else:
        err.print("Done. A recognition waits for another operator.")


async def _run_import(settings: Settings, content: bytes, confirmed: str) -> ImportPlan:
    from machtiging.crypto.keyring import KeyRing
    from machtiging.organisations.register_import.csv_lines import read_register_file
    from machtiging.organisations.register_import.execution import execute_import
    from machtiging.organisations.register_import.plan import plan_import
    from machtiging.storage.unit_of_work import unit_of_work

    file, at = read_register_file(content), SystemClock().now()
    issuer = settings.broker_issuer
    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        if not confirmed:
            return await plan_import(session, file, issuer, at=at)
        operator, keyring = ActingOperator(None, get_operator_name()), KeyRing.load(settings.keys_dir)
        return await execute_import(session, keyring, operator, file, issuer, confirmed, at=at)
