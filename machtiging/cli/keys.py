"""`machtiging keys`: make, list and rotate the key ring."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from machtiging.audit.acts import JournalAct
from machtiging.cli.database import named
from machtiging.cli.edges import Exit, err, out
from machtiging.cli.operator.key_lines import has_database, write_down
from machtiging.crypto.manifest import Entry, Kind, State, as_of, scheduled
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

app = typer.Typer(help="The key ring: make it, look at it, rotate it.", no_args_is_help=True)


@app.command("generate")
def generate() -> None:
    """Make the keys that are missing. Never replaces a key, so it is safe to repeat."""
    from machtiging.crypto import rotation

    directory = Settings().keys_dir
    with err.status("Making keys ..."):
        made = rotation.generate(directory)
    if made:
        write_down(JournalAct.SLEUTEL_GEMAAKT, "gemaakt", made)
    err.print(f"The key ring in {directory} is complete. Make a backup: without these keys no letter can be opened.")


@app.command("list")
def show() -> None:
    """Show every key with its kind, its state and its age; never a secret.

    With a database: how many data keys of citizens each key-encryption key wraps.
    """
    from machtiging.crypto import rotation

    entries = as_of(rotation.overview(Settings().keys_dir), SystemClock().now())
    wraps = _wraps(Settings())
    table = Table("key", "kind", "state", "made", "in use since", "retired", "signs, or may sign, from", "data keys")
    for entry in entries:
        used = None if entry.state is State.PUBLISHED else entry.activated_at
        days = [at.strftime("%Y-%m-%d") if at else "" for at in (entry.created_at, used, entry.retired_at)]
        days.append(_begins(entries, entry))
        count = "" if wraps is None or entry.kind is not Kind.KEK else str(wraps.get(entry.version, 0))
        table.add_row(entry.name, entry.kind, entry.state, *days, count)
    out.print(table)
    if wraps is None:
        err.print("The database cannot be asked how many data keys hang on which key.")


def _begins(entries: tuple[Entry, ...], entry: Entry) -> str:
    from machtiging.crypto import rotation

    if entry.state is not State.PUBLISHED:
        return ""
    word = "from" if scheduled(entry) else "may from"
    return f"{word} {rotation.signs_from(entries, entry).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _wraps(settings: Settings) -> dict[int, int] | None:
    from machtiging.cli.data_keys import counted

    if not has_database(settings):
        return None
    with named(settings) as with_database:
        return asyncio.run(counted(with_database))


@app.command("rewrap")
def rewrap(
    *, batch: Annotated[int, typer.Option(min=1, max=10_000, help="Data keys in one transaction.")] = 500
) -> None:
    """Wrap every citizen's data key by the newest key, after `keys rotate kek`; seal rows anew, after `row-mac`.

    Running workers have taken that key within seconds; restart those that have their keys from the environment. It runs
    beside them, and can be stopped and run again. Exit 1 when some are left.
    """
    from machtiging.cli import data_keys
    from machtiging.cli.operator import sealed_rows

    with named(Settings()) as settings, Progress(console=err, transient=True) as bar:
        task = bar.add_task("Wrapping data keys", total=None)
        work = data_keys.rewrap(settings, batch, lambda done, of: bar.update(task, completed=done, total=of))
        outcome = asyncio.run(work)
        resealed = asyncio.run(sealed_rows.reseal_all(settings))
    for sentence in (*data_keys.told(outcome), *sealed_rows.describe_reseal(resealed)):
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if outcome.left or resealed.left:
        raise typer.Exit(Exit.FINDING)


@app.command("rotate")
def rotate(
    kind: Annotated[Kind, typer.Argument(help="Which kind of key.")],
    *,
    at_once: Annotated[bool, typer.Option("--at-once", help="A key has leaked: do not wait for the others.")] = False,
    begins: Annotated[
        str | None,
        typer.Option("--from", help="Not now but from this date or moment on, such as 2027-01-04T03:00+01:00."),
    ] = None,
) -> None:
    """Bring the next key of a kind into use; what the old one signed or wrapped stays good.

    A signing key has stood in the JWKS for an hour before it signs, and what signed before it stands there for a day
    after. Running workers take the new key by themselves within seconds, unless their keys come from the environment.
    With `--from` they do so at that moment (without a zone: UTC); until then the same command changes the moment, or
    without `--from` brings the key into use now.
    """
    from machtiging.crypto import rotation

    moment = None if begins is None else _moment(begins)
    if at_once and moment is not None:
        raise typer.BadParameter("--at-once and --from are two different moments")
    entry = rotation.rotate(Settings().keys_dir, kind, SystemClock().now(), at_once=at_once, begins=moment)
    if scheduled(entry) and moment is not None:
        reason, told = "gepland", f"{entry.name} is published now, and signs from {moment:%Y-%m-%d %H:%M} UTC on."
    elif entry.state is State.PUBLISHED:
        reason = "gepubliceerd"
        told = f"{entry.name} is published now. Bring it into use with the same command, in an hour or later."
    else:
        reason = "met_spoed_in_gebruik" if at_once else "in_gebruik"
        told = f"{entry.name} is in use now; running workers take it within seconds."
    err.print(told)
    if not write_down(JournalAct.SLEUTEL_GEWISSELD, reason, [entry]):
        raise typer.Exit(Exit.FINDING)


def _moment(text: str) -> datetime:
    """A moment in UTC. Raises typer.BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("a date or a moment, such as 2027-01-04 or 2027-01-04T03:00+01:00") from None
