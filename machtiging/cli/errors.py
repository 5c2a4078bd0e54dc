"""Errors of commands: each becomes one sentence and an exit code, never a traceback.

Exit codes: 0 success; 1 refused, or a problem found; 2 wrong use of the command; 3 the machine or installation is not
ready (no database, no keys, a port in use).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import structlog
from pydantic import ValidationError
from rich.console import Console

from machtiging.kernel.errors import Fault, InvalidInput, Refusal
from machtiging.supervision import UNEXPECTED_ERROR, error_location


class ExitCode(IntEnum):
    """The exit codes of the command line."""

    OK = 0
    FINDING = 1
    USAGE = 2
    ENVIRONMENT = 3


out = Console()
# Only the result goes to stdout, so that it can be piped. Everything else goes to stderr.
err = Console(stderr=True)

_MESSAGE_BY_FAULT = {
    "sleutelbos_ontbreekt": "There are no keys yet. Make them with: machtiging keys generate",
    "opslag_niet_bereikbaar": "The database cannot be reached. Ask `machtiging doctor` what is wrong.",
    "ingebouwde_database_start_niet": "The embedded PostgreSQL does not start.",
    "ingebouwde_database_loopt_nog": "The embedded PostgreSQL that was killed is not wholly gone yet. Wait a moment.",
    "beleid_leeg": "The policy has no rows, and without rows nothing may be served.",
    "beleid_onleesbaar": "The policy cannot be read.",
    "oefenomgeving_in_productie": "The demo, the story and the login stand-in do not run in production.",
    "oefenomgeving_open_voor_anderen": "The demo and the story run only where nobody else can reach them.",
    "instellingen_onveilig": "These settings are not safe.",
    "dienst_start_niet": "The service does not come up. The log says why; `machtiging doctor` may know more.",
    "poort_bezet": "The port is taken.",
    "poort_niet_toegestaan": "This user may not listen on that port. Choose one above 1023: MACHTIGING_PORT.",
    "adres_niet_van_deze_machine": "That address is not one of this machine. Set MACHTIGING_HOST.",
    "adres_leidt_niet_hierheen": "Set MACHTIGING_ISSUER and MACHTIGING_BROKER_ISSUER to where the service listens.",
    "adres_onbekend": "There is no such address. Set MACHTIGING_HOST.",
    "database_url_ongeldig": "A database URL is wrong.",
    "databaserol_geweigerd": "The database does not give the role that is needed.",
    "databaserol_verkeerd": "The database connection has another role than it must have.",
    "databaseverbinding_verkeerd_ingesteld": "The database connection does not keep its settings.",
    "database_alleen_lezen": "The database takes no writes.",
    "pooler_ongeschikt": "The pooler in front of the database does not fit.",
    "ingebouwde_database_weg": "The embedded PostgreSQL ended and could not be started again.",
    "extra_demo_ontbreekt": "The extra `demo` is not installed.",
    "postbus_start_niet": "The mail catcher cannot listen on its port.",
}


def describe_error(error: Exception) -> tuple[str, ExitCode]:
    """Return the sentence and the exit code for an error that ends a command."""
    if isinstance(error, Fault):
        sentence = _MESSAGE_BY_FAULT.get(error.code, f"This installation is not fit to run ({error.code}).")
        return (f"{sentence} {error.private}".strip(), ExitCode.ENVIRONMENT)
    if isinstance(error, InvalidInput) and error.fields:
        details = "; ".join(f"{name}: {sentence}" for name, sentence in error.fields.items())
        return (f"Refused ({error.code}). {details}", ExitCode.FINDING)
    if isinstance(error, Refusal):
        return (f"Refused ({error.code}). {error.public or error.private}", ExitCode.FINDING)
    if isinstance(error, ValidationError):
        wrong = "; ".join(_describe_setting_error(dict(one)) for one in error.errors())
        return (f"A setting is wrong. {wrong}", ExitCode.ENVIRONMENT)
    return (_describe_other_error(error), ExitCode.ENVIRONMENT)


def _describe_setting_error(details: dict[str, Any]) -> str:
    """Name a setting and its error without its value. A database URL may hold a password."""
    name = "_".join(map(str, details["loc"])).upper()
    value, message = details.get("input"), str(details["msg"])
    quotes = isinstance(value, str) and any(part in message for part in {value, *value.split(",")} if part.strip())
    return f"MACHTIGING_{name}: {'this value is not possible' if quotes else message}"


def _describe_other_error(error: Exception) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    # Only the class: the text of a database error quotes parameters.
    kind = type(error).__name__
    if isinstance(error, (SQLAlchemyError, *load_asyncpg_errors())):
        return f"The database refused or cannot be reached ({kind}). Ask `machtiging doctor`. (opslag_niet_bereikbaar)"
    if isinstance(error, OSError):
        told = ": ".join(str(part) for part in (error.strerror, error.filename) if part)
        return f"This machine is in the way ({kind}). {told} (machine_in_de_weg)".replace("  ", " ")
    detail = error_location(error)
    structlog.get_logger(__name__).error("unforeseen", code=UNEXPECTED_ERROR, detail=detail)
    return f"Something went wrong that was not foreseen ({UNEXPECTED_ERROR}). Please report it with this: {detail}"


def load_asyncpg_errors() -> tuple[type[Exception], ...]:
    """Return the error classes of asyncpg. Imported late: the import is slow."""
    import asyncpg

    return (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
