"""`machtiging keys`: create, list, rotate and rewrap keys of the key ring."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from machtiging.audit.acts import JournalAct
from machtiging.cli.database import provide_database
from machtiging.cli.errors import ExitCode, err, out, parse_moment
from machtiging.cli.key_rotation.key_journal import has_database, journal_key_change
from machtiging.crypto.key_manifest import KeyEntry, KeyKind, KeyState, entries_at, is_scheduled
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

app = typer.Typer(help="The key ring: create, list and rotate its keys.", no_args_is_help=True)


@app.command("generate")
def generate_keys() -> None:
    """Create the keys that are missing. Replaces no key, so it is safe to repeat."""
    from machtiging.crypto import rotation

    directory = Settings().keys_dir
    with err.status("Making keys ..."):
        created = rotation.generate_key_ring(directory)
    if created:
        journal_key_change(JournalAct.SLEUTEL_GEMAAKT, "gemaakt", created)
    err.print(f"The key ring in {directory} is complete. Make a backup: without these keys no letter can be opened.")


@app.command("list")
def list_keys() -> None:
    """List every key with its kind, state and age. Shows no secret.

    With a database it also shows the number of data keys under each key-encryption key.
    """
    from machtiging.crypto import rotation

    entries = entries_at(rotation.read_key_entries(Settings().keys_dir), SystemClock().now())
    wraps = _count_wrapped_data_keys(Settings())
    table = Table("key", "kind", "state", "made", "in use since", "retired", "signs, or may sign, from", "data keys")
    for entry in entries:
        used = None if entry.state is KeyState.PUBLISHED else entry.activated_at
        days = [at.strftime("%Y-%m-%d") if at else "" for at in (entry.created_at, used, entry.retired_at)]
        days.append(_describe_signing_start(entries, entry))
        count = "" if wraps is None or entry.kind is not KeyKind.KEK else str(wraps.get(entry.version, 0))
        table.add_row(entry.name, entry.kind, entry.state, *days, count)
    out.print(table)
    if wraps is None:
        err.print("The database cannot be asked how many data keys hang on which key.")


def _describe_signing_start(entries: tuple[KeyEntry, ...], entry: KeyEntry) -> str:
    from machtiging.crypto import rotation

    if entry.state is not KeyState.PUBLISHED:
        return ""
    word = "from" if is_scheduled(entry) else "may from"
    return f"{word} {rotation.activation_time(entries, entry).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _count_wrapped_data_keys(settings: Settings) -> dict[int, int] | None:
    from machtiging.cli.key_rotation.data_keys import count_data_keys

    if not has_database(settings):
        return None
    with provide_database(settings) as with_database:
        return asyncio.run(count_data_keys(with_database))


@app.command("rewrap")
def rewrap_keys(
    *, batch: Annotated[int, typer.Option(min=1, max=10_000, help="Data keys in one transaction.")] = 500
) -> None:
    """Wrap every data key with the newest key after `keys rotate kek`. Seal rows again after `keys rotate row-mac`.

    Running workers load the newest key within seconds. Restart workers that have their keys from the environment. The
    command may run beside the service. It can be stopped and repeated. Exit 1 when some keys or rows remain.
    """
    from machtiging.cli.key_rotation import data_keys, sealed_rows

    with provide_database(Settings()) as settings, Progress(console=err, transient=True) as bar:
        task = bar.add_task("Wrapping data keys", total=None)
        work = data_keys.rewrap_data_keys(settings, batch, lambda done, of: bar.update(task, completed=done, total=of))
        outcome = asyncio.run(work)
        resealed = asyncio.run(sealed_rows.reseal_rows(settings))
    for sentence in (*data_keys.describe_rewrap(outcome), *sealed_rows.describe_reseal(resealed)):
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if outcome.remaining_count or resealed.remaining_count:
        raise typer.Exit(ExitCode.FINDING)


@app.command("seal-rows")
def seal_existing_rows(
    *, batch: Annotated[int, typer.Option(min=1, max=10_000, help="Rows in one transaction.")] = 500
) -> None:
    """Seal the rows from before an upgrade, and journal what each row is then.

    Run it once, after an upgrade that gives a table row MACs, when no worker of the version before runs. Until then
    these rows open nothing, and `ready` says so. It may run beside the service. It can be stopped and repeated; after
    it has finished it is refused. Exit 1 when rows remain, or do not verify.
    """
    from machtiging.cli.key_rotation import row_statement

    with provide_database(Settings()) as settings, Progress(console=err, transient=True) as bar:
        task = bar.add_task("Sealing rows", total=None)
        results = asyncio.run(
            row_statement.state_existing_rows(
                settings, batch, lambda name, done: bar.update(task, description=f"Sealing {name}", completed=done)
            )
        )
    for sentence in row_statement.describe_statement(results):
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if any(result.invalid or not result.finished for result in results.values()):
        raise typer.Exit(ExitCode.FINDING)


@app.command("rotate")
def rotate_key(
    kind: Annotated[KeyKind, typer.Argument(help="The kind of key.")],
    *,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Emergency, such as a leaked key: skip the waiting time.")
    ] = False,
    begins: Annotated[
        str | None,
        typer.Option("--from", help="Start at this date or moment, such as 2027-01-04T03:00+01:00."),
    ] = None,
) -> None:
    """Bring the next key of a kind into use. Signatures and wrapped keys of the old one stay valid.

    A signing key is in the JWKS for an hour before it signs. The old one stays in the JWKS for a day. Running workers
    load the new key within seconds, unless their keys come from the environment. `--from` schedules the moment (UTC
    unless a zone is given). Until then, repeat the command to change the moment, or omit `--from` to start now.
    """
    from machtiging.crypto import rotation

    moment = None if begins is None else parse_moment(begins)
    if at_once and moment is not None:
        raise typer.BadParameter("--at-once and --from are two different moments")
    entry = rotation.rotate_key(Settings().keys_dir, kind, SystemClock().now(), immediately=at_once, activate_at=moment)
    if is_scheduled(entry) and moment is not None:
        reason, message = "gepland", f"{entry.name} is published now, and signs from {moment:%Y-%m-%d %H:%M} UTC on."
    elif entry.state is KeyState.PUBLISHED:
        reason = "gepubliceerd"
        message = f"{entry.name} is published now. Bring it into use with the same command, in an hour or later."
    else:
        reason = "met_spoed_in_gebruik" if at_once else "in_gebruik"
        message = f"{entry.name} is in use now; running workers take it within seconds."
    err.print(message)
    if not journal_key_change(JournalAct.SLEUTEL_GEWISSELD, reason, [entry]):
        raise typer.Exit(ExitCode.FINDING)
