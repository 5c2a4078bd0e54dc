"""Checks of `machtiging doctor` on the installation itself. Each returns findings; none changes anything."""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from machtiging.cli.database import url_of
from machtiging.health import LARGEST_CLOCK_SKEW
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings

_SECONDS = 3.0
_OLDEST_PYTHON = (3, 11)
_OLDEST_POSTGRES = 150000
_PACKAGES = ("fastapi", "sqlalchemy", "asyncpg", "authlib", "joserfc", "pycasbin", "cryptography", "uvicorn")


class Verdict(StrEnum):
    """The status of a finding."""

    OK = "ok"
    ATTENTION = "attention"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: subject, status, detail and remedy."""

    subject: str
    verdict: Verdict
    what: str
    mend: str = ""


def _ok(subject: str, what: str) -> Finding:
    return Finding(subject, Verdict.OK, what)


def _wrong(subject: str, what: str, mend: str) -> Finding:
    return Finding(subject, Verdict.WRONG, what, mend)


def _attention(subject: str, what: str, mend: str) -> Finding:
    return Finding(subject, Verdict.ATTENTION, what, mend)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Check that the Python version is supported."""
    found = ".".join(map(str, version))
    if version < _OLDEST_PYTHON:
        return _wrong("Python", found, "Install Python 3.11 or later and make the environment again.")
    return _ok("Python", found)


def packages() -> Finding:
    """Check the required packages. Also reports `casbin`, the old namesake of pycasbin."""
    missing = [name for name in _PACKAGES if _version(name) is None]
    if missing:
        return _wrong("packages", f"missing: {', '.join(missing)}", "pip install -r requirements.txt")
    if _version("casbin") is not None:
        return _wrong("packages", "casbin is installed beside pycasbin", "pip uninstall casbin, then install pycasbin.")
    return _ok("packages", f"pycasbin {_version('pycasbin')}, authlib {_version('authlib')}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def keys(settings: Settings) -> Finding:
    """Check that the key ring is complete and readable only by this user."""
    from machtiging.crypto.keyring import KeyRing

    try:
        KeyRing.load(settings.keys_dir)
    except Fault as fault:
        return _wrong("keys", fault.private or fault.code, "Run machtiging keys generate, or restore your backup.")
    return _ok("keys", f"complete in {settings.keys_dir}, not readable by others")


def policy(settings: Settings) -> Finding:
    """Check that the policy loads."""
    from machtiging.access.engine import Policy

    try:
        loaded = Policy.load(settings.policies_dir)
    except Fault as fault:
        return _wrong("policy", fault.private or fault.code, f"Mend the files in {settings.policies_dir}.")
    return _ok("policy", f"loads, digest {loaded.digest[:12]}")


def environment(settings: Settings) -> Finding:
    """Check that practice settings are not used in production."""
    from machtiging.app import refuse_unsafe

    try:
        refuse_unsafe(settings)
    except Fault as fault:
        return _wrong("environment", fault.private, "The service does not start before this is mended.")
    if settings.env is not Environment.PRODUCTION:
        return _attention(
            "environment", settings.env, "Set MACHTIGING_ENV=production before real people use this installation."
        )
    return _ok("environment", "production")


async def database(settings: Settings) -> AsyncIterator[Finding]:
    """Check the database: reachable, version, roles, schema and clock."""
    from machtiging.storage.engine import make_engine

    engine = make_engine(url_of(settings), None, pool_size=1)
    try:
        async with engine.connect() as connection:
            async for finding in _look_inside(connection):
                yield finding
    except Fault as fault:
        yield _wrong("database", f"{fault.private} ({fault.code})", "See docs/operations.md, Poolers.")
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        yield _wrong("database", f"cannot be reached ({kind})", "Start it, and check MACHTIGING_DATABASE_URL.")
    finally:
        await engine.dispose()


async def _look_inside(connection: AsyncConnection) -> AsyncIterator[Finding]:
    from machtiging.storage.engine import Role

    number = int(await connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    if number < _OLDEST_POSTGRES:
        yield _wrong("database", f"PostgreSQL {number // 10000}", "Use PostgreSQL 15 or later.")
    else:
        yield _ok("database", f"PostgreSQL {number // 10000}, reachable")
    names = [role.value for role in Role]
    there = set(await connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:n)"), {"n": names}))
    if missing := sorted(set(names) - there):
        yield _wrong("roles", f"missing: {', '.join(missing)}", "Run machtiging migrate.")
    else:
        yield _ok("roles", ", ".join(sorted(there)))
    yield await _schema(connection)
    yield _clock(await connection.scalar(text("SELECT clock_timestamp()")))


async def _schema(connection: AsyncConnection) -> Finding:
    from machtiging.storage.migrate import newest_revision

    wanted = newest_revision()
    known = await connection.scalar(text("SELECT to_regclass('public.alembic_version') IS NOT NULL"))
    found = await connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    if found == wanted:
        return _ok("schema", f"at {found}")
    return _wrong("schema", f"at {found or 'nothing'}, this version needs {wanted}", "Run machtiging migrate.")


def _clock(there: datetime | None, here: datetime | None = None) -> Finding:
    """Compare the clock of the database with ours. A machtiging ends at an instant, so both must agree."""
    skew = abs(there - (here or SystemClock().now())) if there else None
    if skew is None or skew > LARGEST_CLOCK_SKEW:
        return _wrong("clock", f"differs {skew} from the database's", "Run NTP (chrony) on both machines.")
    return _ok("clock", "agrees with the database's")


async def port(settings: Settings) -> Finding:
    """Check that the port is free or that our own service listens there."""
    from machtiging.cli.edges import explain
    from machtiging.cli.servers import listen

    try:
        listen(settings.host, settings.port).close()
    except Fault as fault:
        if fault.code != "poort_bezet":
            return _wrong("port", explain(fault)[0], "Set MACHTIGING_HOST and MACHTIGING_PORT.")
        holders = fault.private
    else:
        return _ok("port", f"{settings.port} is free")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    found = await _json(f"http://{host}:{settings.port}/.well-known/oauth-authorization-server")
    if found.get("issuer") == settings.issuer:
        return _ok("port", f"{settings.port}: the service is running")
    return _wrong("port", holders, "Stop it, or set MACHTIGING_PORT.")


async def broker(settings: Settings) -> Finding:
    """Check that the login provider answers with its own issuer."""
    found = await _json(f"{settings.broker_issuer}/.well-known/openid-configuration")
    if found.get("issuer") == settings.broker_issuer:
        return _ok("login", f"{settings.broker_issuer} answers")
    if settings.env is not Environment.PRODUCTION:
        return _attention("login", f"{settings.broker_issuer} does not answer", "machtiging demo starts a stand-in.")
    return _wrong("login", f"{settings.broker_issuer} does not answer", "Check MACHTIGING_BROKER_ISSUER.")


async def _json(url: str) -> dict[str, Any]:
    """Fetch a JSON object. Returns an empty dict when there is no answer or no JSON object."""
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            found = (await client.get(url)).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


async def mail(settings: Settings) -> Finding:
    """Check that the SMTP server greets with code 220."""
    place = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(settings.smtp_host, settings.smtp_port)
            try:
                greeting = await reader.readline()
            finally:
                writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError, UnicodeError):
        greeting = b""
    if greeting.startswith(b"220"):
        return _ok("mail", f"{place} answers")
    if settings.env is not Environment.PRODUCTION:
        return _attention("mail", f"{place} does not answer", "machtiging demo starts a catcher.")
    return _wrong("mail", f"{place} does not answer", "Check MACHTIGING_SMTP_HOST and MACHTIGING_SMTP_PORT.")
