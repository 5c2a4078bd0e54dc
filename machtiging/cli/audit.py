"""`machtiging audit`: seal and verify the journal, show a row at an instant."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from machtiging.cli.database import open_sealer_engine, open_service_sessions, provide_database
from machtiging.cli.errors import ExitCode, err, out, parse_moment
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.audit.row_states.row_history import RowHistory
    from machtiging.audit.verification import VerificationReport

app = typer.Typer(help="The journal: seal it, verify it, and ask it what a row was.", no_args_is_help=True)


@app.command("seal")
def seal_journal() -> None:
    """Number, chain and sign the waiting journal lines. The service does this every second."""
    with provide_database(Settings()) as settings:
        count = asyncio.run(_seal_waiting_lines(settings))
    err.print(f"{count} lines sealed.")


@app.command("verify")
def verify_journal(
    head: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A signed head kept elsewhere. The journal must contain it. Default: MACHTIGING_JOURNAL_HEAD_FILE.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="A signed head from an earlier verification."),
    ] = None,
) -> None:
    """Verify the journal. Lists lines that were changed, removed, inserted or moved, and missing protections.

    Exit 1 when it finds any. `--from` reads only the lines after a head that was verified before.
    """
    from machtiging.audit.head_anchor import read_head

    with provide_database(Settings()) as settings, Progress(console=err, transient=True) as bar:
        task = bar.add_task("Reading the journal", total=None)
        heads = _SignedHeads(_read_expected_head(settings, head), None if start is None else read_head(start))
        report = asyncio.run(
            _read_and_verify(settings, heads, lambda done, of: bar.update(task, completed=done, total=of))
        )
    for line in [*(problem.text for problem in report.problems), *map(str, report.deviations)]:
        out.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    if report.head:
        err.print(
            "Keep this signed head outside the database; `--head FILE` later proves that nothing was cut off:",
            soft_wrap=True,
        )
        print(report.head)
    _print_verification_limits(report)
    out.print(f"{report.lines} lines read: " + ("the journal is whole." if report.ok else "the journal is NOT whole."))
    if report.deviations:
        out.print(f"{len(report.deviations)} things that protect the journal are not as they were made.")
    if not report.ok or report.deviations:
        raise typer.Exit(ExitCode.FINDING)


@app.command("state")
def show_row_state(
    key: Annotated[str, typer.Argument(help="Table and primary key, such as organisation:0198c5e2-...")],
    at: Annotated[str, typer.Option(help="The instant, such as 2026-11-29T12:00+01:00 (UTC unless a zone is given).")],
) -> None:
    """Show the content of a row at a past instant, as JSON.

    It comes from the journal alone. Before the first line about the row its content is not known: exit 1. Words of a
    person stay encrypted.
    """
    from machtiging.audit.state_facts import describe_state

    instant = parse_moment(at)
    with provide_database(Settings()) as settings:
        history = asyncio.run(_load_row_history(settings, key))
    if history.invalid_count:
        what = f"{history.invalid_count} lines do not count: somebody added them by SQL, or their key is gone."
        err.print(what, style="red", soft_wrap=True)
    described = describe_state(history.lines, key, instant)
    if described is None:
        err.print("Not known: no journal line about this row is older.", soft_wrap=True)
        raise typer.Exit(ExitCode.FINDING)
    print(json.dumps(described, indent=2, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class _SignedHeads:
    """Signed heads from outside the database: the expected one and the starting point."""

    expected: str | None
    start: str | None


def _read_expected_head(settings: Settings, head_option: Path | None) -> str | None:
    """Read the expected head: from the option, else from the file of the sealer."""
    from machtiging.audit.head_anchor import read_head

    head_file = settings.journal_head_file
    file = head_option or (head_file if head_file is not None and head_file.exists() else None)
    return None if file is None else read_head(file)


def _print_verification_limits(report: VerificationReport) -> None:
    if not report.head_compared:
        err.print(
            "Without a head that was kept elsewhere nobody can know whether the newest lines, or all of them, were cut "
            "off together with their heads. Set MACHTIGING_JOURNAL_HEAD_FILE, or give --head.",
            soft_wrap=True,
        )


async def _load_row_history(settings: Settings, key: str) -> RowHistory:
    from machtiging.audit.row_states.row_history import load_row_history
    from machtiging.crypto.keyring import KeyRing
    from machtiging.storage.unit_of_work import unit_of_work

    keyring = KeyRing.load(settings.keys_dir)
    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await load_row_history(session, keyring, key)


async def _seal_waiting_lines(settings: Settings) -> int:
    from machtiging.app import build_head_keeper, build_outbound
    from machtiging.audit.seal import anchor_last_head, seal_intake
    from machtiging.crypto.keyring import KeyRing

    keyring = KeyRing.load(settings.keys_dir)
    keeper = build_head_keeper(settings, keyring, build_outbound(settings))
    async with open_sealer_engine(settings) as engine:
        sealed = await seal_intake(engine, keyring, SystemClock())
        if keeper is not None:
            await anchor_last_head(engine, keeper)
        return sealed


async def _read_and_verify(
    settings: Settings, heads: _SignedHeads, progress: Callable[[int, int], None]
) -> VerificationReport:
    from machtiging.audit.verification import verify_journal as read
    from machtiging.crypto.keyring import KeyRing

    async with open_sealer_engine(settings) as engine:
        keyring = KeyRing.load(settings.keys_dir)
        return await read(engine, keyring, expected_head=heads.expected, start_head=heads.start, progress=progress)
