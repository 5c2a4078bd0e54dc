"""Doctor: check role, time limits and search path of new database connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from machtiging.cli.checks import Finding, Verdict
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings
from machtiging.storage.engine import Role, is_own_socket, make_engine

_SUBJECT = "connection"
_LOGIN = text("SELECT session_user::text, rolsuper FROM pg_roles WHERE rolname = session_user")


async def check_connections(settings: Settings) -> AsyncIterator[Finding]:
    """Connect as service and as sealer, and report the result for each role."""
    service = settings.database_url or ""
    for role, url in ((Role.SERVICE, service), (Role.SEALER, settings.sealer_database_url or service)):
        yield await _check_connection(url, role)


async def _check_connection(url: str, role: Role) -> Finding:
    engine = make_engine(url, role, pool_size=1)
    try:
        async with engine.connect() as connection:
            pooled = bool(connection.info["guard"].behind_pooler)
            login, is_superuser = (await connection.execute(_LOGIN)).one()
    except Fault as fault:
        return Finding(_SUBJECT, Verdict.WRONG, f"{role}: {fault.private} ({fault.code})", "See docs/operations.md.")
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        return Finding(_SUBJECT, Verdict.WRONG, f"{role}: cannot connect ({kind})", "Check the URL of its login.")
    finally:
        await engine.dispose()
    how = "through a pooler, set in each transaction" if pooled else "directly"
    if is_superuser and not is_own_socket(url):
        mend = "Give each role a login of its own: docs/operations.md, Logins for the database."
        return Finding(_SUBJECT, Verdict.ATTENTION, f"{role}: the login {login} is a superuser", mend)
    return Finding(_SUBJECT, Verdict.OK, f"{role}: role, time limits and search path hold, {how}")
