"""`machtiging keys`: make, list and rotate the key ring."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from machtiging.cli.database import named
from machtiging.cli.edges import Exit, err, out
from machtiging.crypto.manifest import Entry, Kind, State
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

app = typer.Typer(help="The key ring: make it, look at it, rotate it.", no_args_is_help=True)


@app.command("generate")
def generate() -> None:
    """Make the keys that are missing. Never replaces a key, so it is safe to repeat."""
    from machtiging.crypto import rotation

    directory = Settings().keys_dir
    with err.status("Making keys ..."):
        rotation.generate(directory)
    err.print(f"The key ring in {directory} is complete. Make a backup: without these keys no letter can be opened.")


@app.command("list")
def show() -> None:
    """Show every key with its kind, its state and its age; never a secret.

    With a database: how many data keys of citizens each key-encryption key wraps.
    """
    from machtiging.crypto import rotation

    entries = rotation.overview(Settings().keys_dir)
    wraps = _wraps(Settings())
    table = Table("key", "kind", "state", "made", "in use since", "retired", "may sign from", "data keys")
    for entry in entries:
        days = [
            at.strftime("%Y-%m-%d") if at else "" for at in (entry.created_at, entry.activated_at, entry.retired_at)
        ]
        days.append(_begins(entries, entry))
        count = "" if wraps is None or entry.kind is not Kind.KEK else str(wraps.get(entry.version, 0))
        table.add_row(entry.name, entry.kind, entry.state, *days, count)
    out.print(table)
    if wraps is None:
        err.print("The database cannot be asked how many data keys hang on which key.")


def _begins(entries: tuple[Entry, ...], entry: Entry) -> str:
    from machtiging.crypto import rotation

    begins = rotation.may_sign_from(entries, entry.kind) if entry.state is State.PUBLISHED else None
    return "" if begins is None else begins.strftime("%Y-%m-%d %H:%M")


def _wraps(settings: Settings) -> dict[int, int] | None:
    from machtiging.cli.data_keys import counted

    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        return None  # nobody wants a new database made to look at his keys
    with named(settings) as with_database:
        return asyncio.run(counted(with_database))


@app.command("rewrap")
def rewrap(
    *, batch: Annotated[int, typer.Option(min=1, max=10_000, help="Data keys in one transaction.")] = 500
) -> None:
    """Wrap every citizen's data key by the newest key-encryption key, after `keys rotate kek`.

    Running workers have taken that key within seconds; restart those that have their keys from the environment. It runs
    beside them, and can be stopped and run again. Exit 1 when some are left.
    """
    from machtiging.cli import data_keys

    with named(Settings()) as settings, Progress(console=err, transient=True) as bar:
        task = bar.add_task("Wrapping data keys", total=None)
        work = data_keys.rewrap(settings, batch, lambda done, of: bar.update(task, completed=done, total=of))
        outcome = asyncio.run(work)
    for sentence in data_keys.told(outcome):
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if outcome.left:
        raise typer.Exit(Exit.FINDING)


@app.command("rotate")
def rotate(
    kind: Annotated[Kind, typer.Argument(help="Which kind of key.")],
    *,
    at_once: Annotated[bool, typer.Option("--at-once", help="A key has leaked: do not wait for the others.")] = False,
) -> None:
    """Bring the next key of a kind into use; what the old one signed or wrapped stays good.

    A signing key has stood in the JWKS for an hour before it signs, and what signed before it stands there for a day
    after. Running workers take the new key by themselves within seconds, unless their keys come from the environment.
    """
    from machtiging.crypto import rotation

    entry = rotation.rotate(Settings().keys_dir, kind, SystemClock().now(), at_once=at_once)
    if entry.state is State.PUBLISHED:
        err.print(f"{entry.name} is published now. Bring it into use with the same command, in an hour or later.")
    else:
        err.print(f"{entry.name} is in use now; running workers take it within seconds.")
