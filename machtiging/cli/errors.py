"""Errors of commands: each becomes one sentence and an exit code, never a traceback.

Exit codes: 0 success; 1 refused, or a problem found; 2 wrong use of the command; 3 the machine or installation is not
ready (no database, no keys, a port in use).
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console

from machtiging.kernel.errors import Fault, InvalidInput, MachtigingError, Refusal
from machtiging.message_catalogue import DUTCH, ENGLISH, describe_fields, describe_refusal, get_sentence, has_message
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


def describe_error(error: Exception) -> tuple[str, ExitCode]:
    """Return the sentence and the exit code for an error that ends a command."""
    if isinstance(error, Fault):
        key = f"fault.{error.code}" if has_message(f"fault.{error.code}", ENGLISH) else "fault.other"
        return (f"{get_sentence(key, ENGLISH, code=error.code)} {error.private}".strip(), ExitCode.ENVIRONMENT)
    if isinstance(error, InvalidInput) and error.fields:
        details = "; ".join(f"{name}: {sentence}" for name, sentence in describe_fields(error).items())
        return (f"Refused ({error.code}). {details}", ExitCode.FINDING)
    if isinstance(error, Refusal):
        return (f"Refused ({error.code}). {_describe_refusal(error) or error.private}", ExitCode.FINDING)
    if isinstance(error, ValidationError):
        wrong = "; ".join(_describe_setting_error(dict(one)) for one in error.errors())
        return (f"A setting is wrong. {wrong}", ExitCode.ENVIRONMENT)
    return (_describe_other_error(error), ExitCode.ENVIRONMENT)


def print_failure(error: Exception) -> ExitCode:
    """Print the error that ends a command on stderr. Returns the exit code."""
    sentence, exit_code = describe_error(error)
    err.print(sentence, style="red", highlight=False, markup=False, soft_wrap=True)
    return exit_code


def log_service_failure(error: Exception) -> ExitCode:
    """Log the error that ends `machtiging serve`: its log holds nothing but JSON. Returns the exit code."""
    sentence, exit_code = describe_error(error)
    facts = {"code": error.code} if isinstance(error, MachtigingError) else {}
    structlog.get_logger(__name__).error("service_failed", detail=sentence, **facts)
    return exit_code


def _describe_refusal(error: Refusal) -> str:
    """Return the English sentence of a refusal, if there is one, else the Dutch sentence."""
    key = "" if error.message is None else error.message.key
    return describe_refusal(error, ENGLISH if has_message(key, ENGLISH) else DUTCH)


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
        reason = ": ".join(str(part) for part in (error.strerror, error.filename) if part)
        return f"This machine is in the way ({kind}). {reason} (machine_in_de_weg)".replace("  ", " ")
    detail = error_location(error)
    structlog.get_logger(__name__).error("unforeseen", code=UNEXPECTED_ERROR, detail=detail)
    return f"Something went wrong that was not foreseen ({UNEXPECTED_ERROR}). Please report it with this: {detail}"


def load_asyncpg_errors() -> tuple[type[Exception], ...]:
    """Return the error classes of asyncpg. Imported late: the import is slow."""
    import asyncpg

    return (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def parse_moment(text: str) -> datetime:
    """Parse a moment; UTC when it names no zone. Raises typer.BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("a date or a moment, such as 2027-01-04 or 2027-01-04T03:00+01:00") from None
