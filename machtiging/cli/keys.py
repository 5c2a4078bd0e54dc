"""`machtiging keys`: make, list and rotate the key ring."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from machtiging.cli.edges import err, out
from machtiging.crypto.manifest import Kind
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
    """Show every key with its kind, its state and its age; never a secret."""
    from machtiging.crypto import rotation

    table = Table("key", "kind", "state", "made", "in use since", "retired")
    for entry in rotation.overview(Settings().keys_dir):
        days = [
            at.strftime("%Y-%m-%d") if at else "" for at in (entry.created_at, entry.activated_at, entry.retired_at)
        ]
        table.add_row(entry.name, entry.kind, entry.state, *days)
    out.print(table)


@app.command("rotate")
def rotate(
    kind: Annotated[Kind, typer.Argument(help="Which kind of key.")],
    *,
    at_once: Annotated[bool, typer.Option("--at-once", help="A key has leaked: do not wait for the others.")] = False,
) -> None:
    """Bring the next key of a kind into use; what the old one signed or wrapped stays good.

    Running workers take the new key at their next start.
    """
    from machtiging.crypto import rotation

    entry = rotation.rotate(Settings().keys_dir, kind, SystemClock().now(), at_once=at_once)
    err.print(f"{entry.name} is in use now. Restart the service to let it take the new key.")
