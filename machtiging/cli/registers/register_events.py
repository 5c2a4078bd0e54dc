"""`machtiging register-events`: import a signed file of a register about representation by law or court."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.registers.intake import EventResult
    from machtiging.registers.signed_file import SignedEvents

app = typer.Typer(help="Events of registers about representation by law or court.", no_args_is_help=True)


@app.callback()
def describe_group() -> None:
    """Keep `import` a command of its own."""


@app.command("import")
def import_events(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The signed file (JWS).")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show each result and store nothing.")] = False,
) -> None:
    """Import the events of a signed file, and print the result of each.

    The register signed it with a key of MACHTIGING_REGISTER_KEYS_FILE. Importing the same file again changes nothing.
    Exit 1 when an event is refused.
    """
    from machtiging.registers.signed_file import read_register_keys, verify_signed_file

    settings = Settings()
    if settings.register_keys_file is None:
        raise Fault("registersleutels_onleesbaar", private="MACHTIGING_REGISTER_KEYS_FILE is not set")
    signed = verify_signed_file(file.read_bytes(), read_register_keys(settings.register_keys_file))
    with provide_database(settings) as served:
        results = asyncio.run(_import_all(served, signed, dry_run=dry_run))
    table = Table(Column("event", no_wrap=True), "result", "code")
    for one in results:
        table.add_row(one.event_id or "-", one.outcome.value, one.code or "")
    out.print(table, markup=False)
    refused = sum(one.code is not None for one in results)
    what = "nothing is stored (dry run)" if dry_run else "stored"
    err.print(f"{len(results)} events of register {signed.oin}, {refused} refused; {what}.")
    if refused:
        raise typer.Exit(1)


async def _import_all(settings: Settings, signed: SignedEvents, *, dry_run: bool) -> list[EventResult]:
    """Take in each event in its own transaction. A dry run rolls all of them back."""
    from machtiging.crypto.keyring import KeyRing
    from machtiging.delegation.statutory.application import EventContext
    from machtiging.delegation.statutory.precedence import read_precedence
    from machtiging.registers.intake import DEFAULT_KINDS, EventSource, read_register_kinds, take_in_event

    keyring, clock, results = KeyRing.load(settings.keys_dir), SystemClock(), []
    context = EventContext(keyring, read_precedence(settings.policies_dir))
    kinds = read_register_kinds(settings.register_kinds).get(signed.oin, DEFAULT_KINDS)
    source = EventSource(signed.oin, kinds=kinds)
    async with open_service_sessions(settings, keyring) as sessions, sessions() as session:
        for item in signed.items:
            results.append(await take_in_event(session, context, source, item, at=clock.now()))
            if not dry_run:
                await session.commit()
        await session.rollback()
    return results
