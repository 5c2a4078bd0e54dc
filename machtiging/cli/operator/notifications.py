"""`machtiging notifications undelivered`: count the notifications that could not be mailed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from machtiging.cli.checks import Finding, Verdict
from machtiging.cli.database import named, service_sessions
from machtiging.cli.edges import err, out
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.notifications.undelivered import UndeliveredCount

app = typer.Typer(help="Notifications by e-mail.", no_args_is_help=True)
DAYS = 30


@app.callback()
def _group() -> None:
    """Make `undelivered` a subcommand of its group."""


@app.command("undelivered")
def show_undelivered(
    days: Annotated[int, typer.Option(min=1, max=3650, help="The number of days to look back.")] = DAYS,
) -> None:
    """Count the undelivered notifications by reason. The people concerned read them at /meldingen."""
    with named(Settings()) as settings:
        found = asyncio.run(count_undelivered_of(settings, days))
    table = Table(Column("reason", no_wrap=True), "notifications", "people", "last (UTC)")
    for one in found:
        last = one.last_given_up_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(one.reason, str(one.notifications), str(one.people), last)
    out.print(table, markup=False)
    err.print(f"{sum(one.notifications for one in found)} notifications given up in {days} days.")


async def count_undelivered_of(settings: Settings, days: int = DAYS) -> list[UndeliveredCount]:
    """Count the notifications given up in the last `days` days, by reason."""
    from machtiging.notifications.undelivered import count_undelivered
    from machtiging.storage.unit_of_work import unit_of_work

    async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await count_undelivered(session, since=SystemClock().now() - timedelta(days=days))


async def check_undelivered(settings: Settings) -> Finding:
    """Doctor: report recently undelivered notifications. Raises Fault when the database cannot be reached."""
    found = await count_undelivered_of(settings)
    if not found:
        return Finding("notifications", Verdict.OK, f"none given up in {DAYS} days")
    what = ", ".join(f"{one.notifications} {one.reason}" for one in found)
    mend = "Look at machtiging notifications undelivered. The people read them in the portal at /meldingen."
    return Finding("notifications", Verdict.ATTENTION, f"given up in {DAYS} days: {what}", mend)
