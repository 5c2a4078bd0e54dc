"""`machtiging notifications undelivered`: count the notifications that could not be mailed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.doctor_checks.installation import Finding, FindingStatus
from machtiging.cli.errors import err, out
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.notifications.delivery_failures import UndeliveredCount

app = typer.Typer(help="Notifications by e-mail.", no_args_is_help=True)
DEFAULT_DAYS = 30


@app.callback()
def _group_commands() -> None:
    """Make `undelivered` a subcommand of its group."""


@app.command("undelivered")
def show_undelivered(
    days: Annotated[int, typer.Option(min=1, max=3650, help="The number of days to look back.")] = DEFAULT_DAYS,
) -> None:
    """Count the undelivered notifications by reason. The people concerned read them at /meldingen."""
    with provide_database(Settings()) as settings:
        found = asyncio.run(load_undelivered_counts(settings, days))
    table = Table(Column("reason", no_wrap=True), "notifications", "people", "last (UTC)")
    for one in found:
        last = one.last_given_up_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(one.reason, str(one.notifications), str(one.people), last)
    out.print(table, markup=False)
    err.print(f"{sum(one.notifications for one in found)} notifications given up in {days} days.")


async def load_undelivered_counts(settings: Settings, days: int = DEFAULT_DAYS) -> list[UndeliveredCount]:
    """Count the notifications given up in the last `days` days, by reason."""
    from machtiging.notifications.delivery_failures import count_undelivered
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await count_undelivered(session, since=SystemClock().now() - timedelta(days=days))


async def check_undelivered(settings: Settings) -> Finding:
    """Doctor: report recently undelivered notifications. Raises Fault when the database cannot be reached."""
    found = await load_undelivered_counts(settings)
    if not found:
        return Finding("notifications", FindingStatus.OK, f"none given up in {DEFAULT_DAYS} days")
    what = ", ".join(f"{one.notifications} {one.reason}" for one in found)
    mend = "Look at machtiging notifications undelivered. The people read them in the portal at /meldingen."
    return Finding("notifications", FindingStatus.ATTENTION, f"given up in {DEFAULT_DAYS} days: {what}", mend)
