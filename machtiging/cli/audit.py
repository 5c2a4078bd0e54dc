"""`machtiging audit`: number and sign the journal, and find out whether anybody changed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from machtiging.cli.database import named, sealer_engine
from machtiging.cli.edges import Exit, err, out
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.audit.verify import Report

app = typer.Typer(help="The journal: seal it, verify it.", no_args_is_help=True)


@app.command("seal")
def seal() -> None:
    """Number, chain and sign the lines that wait. The service does this by itself every second."""
    with named(Settings()) as settings:
        count = asyncio.run(_seal(settings))
    err.print(f"{count} lines sealed.")


@app.command("verify")
def verify(
    head: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A signed head that you kept elsewhere: does it still stand?"),
    ] = None,
) -> None:
    """Read the whole journal and name every line that was changed, taken out, put in or moved. Exit 1 when any was."""
    expected = head.read_text(encoding="ascii") if head else None
    with named(Settings()) as settings, Progress(console=err, transient=True) as bar:
        task = bar.add_task("Reading the journal", total=None)
        report = asyncio.run(_verify(settings, expected, lambda done, of: bar.update(task, completed=done, total=of)))
    for problem in report.problems:
        out.print(problem.text, style="red", markup=False, highlight=False)
    if report.head:
        err.print(
            "Keep this signed head outside the database; `--head FILE` later proves that nothing was cut off:",
            soft_wrap=True,
        )
        print(report.head)
    out.print(f"{report.lines} lines read: " + ("the journal is whole." if report.ok else "the journal is NOT whole."))
    if not report.ok:
        raise typer.Exit(Exit.FINDING)


async def _seal(settings: Settings) -> int:
    from machtiging.audit.seal import seal_waiting
    from machtiging.crypto.keyring import KeyRing

    async with sealer_engine(settings) as engine:
        return await seal_waiting(engine, KeyRing.load(settings.keys_dir), SystemClock())


async def _verify(settings: Settings, expected_head: str | None, progress: Callable[[int, int], None]) -> Report:
    from machtiging.audit.verify import verify as read
    from machtiging.crypto.keyring import KeyRing

    async with sealer_engine(settings) as engine:
        return await read(engine, KeyRing.load(settings.keys_dir), expected_head=expected_head, progress=progress)
