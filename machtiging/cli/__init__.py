"""The command line of the service. One module per group of commands.

Commands import heavy packages inside their functions, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import typer

from machtiging.cli import (
    agencies,
    audit,
    client_invitations,
    clients,
    database,
    keys,
    notifications,
    organisations,
    policy,
    serve,
    sessions,
)
from machtiging.cli.doctor import run_doctor
from machtiging.cli.errors import ExitCode, log_service_failure, print_failure
from machtiging.cli.registers import register_events

app = typer.Typer(
    name="machtiging",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Machtigingen on the Berichtenbox: let somebody you trust read part of your government post.\n\n"
        "New here? `machtiging demo` starts everything on this machine. Its people and letters are invented. It shows "
        "each step. `machtiging doctor` checks an installation and says how to repair it.\n\n"
        "Settings are environment variables that begin with MACHTIGING_ (for example MACHTIGING_DATABASE_URL). "
        "Exit codes: 0 success, 1 refused or a problem found, 2 wrong use, 3 the installation is not ready."
    ),
)
app.command("serve")(serve.run_service)
app.command("work")(serve.run_worker)
app.command("demo")(serve.run_demo)
app.command("story")(serve.run_story)
app.command("migrate")(database.migrate_database)
app.command("doctor")(run_doctor)
app.add_typer(keys.app, name="keys")
clients.app.command("invitations")(client_invitations.show_invitations)
clients.app.command("withdraw-invitation")(client_invitations.withdraw_invitation)
app.add_typer(clients.app, name="clients")
app.add_typer(sessions.app, name="sessions")
app.add_typer(notifications.app, name="notifications")
app.add_typer(agencies.app, name="agencies")
app.add_typer(organisations.app, name="organisations")
app.add_typer(register_events.app, name="register-events")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")


@cache
def _build_click_command() -> Any:
    return typer.main.get_command(app)


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Exceptions become a sentence on stderr, or a log line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the terminal cannot show must not end the command
            stream.reconfigure(errors="backslashreplace")
    try:
        _build_click_command().main(args=list(arguments), prog_name="machtiging")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.OK
    except Exception as error:  # noqa: BLE001 (outermost handler: the user sees no traceback)
        return log_service_failure(error) if arguments[:1] in (["serve"], ["work"]) else print_failure(error)
    return ExitCode.OK
