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

from machtiging.cli.database import require_database_url
from machtiging.health import MAX_CLOCK_SKEW
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.operator_content.help_contact import load_help_points
from machtiging.operator_content.service_changes import load_service_changes
from machtiging.settings import Environment, Settings

_TIMEOUT_SECONDS = 3.0
_MINIMUM_PYTHON = (3, 11)
_MINIMUM_POSTGRES = 150000
_REQUIRED_PACKAGES = ("fastapi", "sqlalchemy", "asyncpg", "authlib", "joserfc", "pycasbin", "cryptography", "uvicorn")


class FindingStatus(StrEnum):
    """The status of a finding."""

    OK = "ok"
    ATTENTION = "attention"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: subject, status, detail and remedy."""

    subject: str
    status: FindingStatus
    detail: str
    remedy: str = ""


def _ok_finding(subject: str, detail: str) -> Finding:
    return Finding(subject, FindingStatus.OK, detail)


def _wrong_finding(subject: str, detail: str, remedy: str) -> Finding:
    return Finding(subject, FindingStatus.WRONG, detail, remedy)


def _attention_finding(subject: str, detail: str, remedy: str) -> Finding:
    return Finding(subject, FindingStatus.ATTENTION, detail, remedy)


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Check that the Python version is supported."""
    found = ".".join(map(str, version))
    if version < _MINIMUM_PYTHON:
        return _wrong_finding("Python", found, "Install Python 3.11 or later and make the environment again.")
    return _ok_finding("Python", found)


def check_packages() -> Finding:
    """Check the required packages. Also reports `casbin`, the old namesake of pycasbin."""
    missing = [name for name in _REQUIRED_PACKAGES if _find_package_version(name) is None]
    if missing:
        return _wrong_finding("packages", f"missing: {', '.join(missing)}", "pip install -r requirements.txt")
    if _find_package_version("casbin") is not None:
        return _wrong_finding(
            "packages", "casbin is installed beside pycasbin", "pip uninstall casbin, then install pycasbin."
        )
    return _ok_finding(
        "packages", f"pycasbin {_find_package_version('pycasbin')}, authlib {_find_package_version('authlib')}"
    )


def _find_package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_key_ring(settings: Settings) -> Finding:
    """Check that the key ring is complete and readable only by this user."""
    from machtiging.crypto.keyring import KeyRing

    try:
        KeyRing.load(settings.keys_dir)
    except Fault as fault:
        return _wrong_finding(
            "keys", fault.private or fault.code, "Run machtiging keys generate, or restore your backup."
        )
    return _ok_finding("keys", f"complete in {settings.keys_dir}, not readable by others")


def check_policy(settings: Settings) -> Finding:
    """Check that the policy loads."""
    from machtiging.access.policy_engine import Policy

    try:
        loaded = Policy.load(settings.policies_dir)
    except Fault as fault:
        return _wrong_finding("policy", fault.private or fault.code, f"Mend the files in {settings.policies_dir}.")
    return _ok_finding("policy", f"loads, digest {loaded.digest[:12]}")


def check_operator_content(settings: Settings) -> Finding:
    """Check that the files with help points and with changes of the service load."""
    try:
        points = load_help_points(settings.help_points_file)
        changes = load_service_changes(settings.service_changes_file)
    except Fault as fault:
        return _wrong_finding("help for people", fault.private, "The service does not start before this is mended.")
    return _ok_finding("help for people", f"{len(points)} help points, {len(changes)} changes")


def check_environment(settings: Settings) -> Finding:
    """Check that practice settings are not used in production."""
    from machtiging.app import refuse_unsafe_settings

    try:
        refuse_unsafe_settings(settings)
    except Fault as fault:
        return _wrong_finding("environment", fault.private, "The service does not start before this is mended.")
    if settings.env is not Environment.PRODUCTION:
        return _attention_finding(
            "environment", settings.env, "Set MACHTIGING_ENV=production before real people use this installation."
        )
    return _ok_finding("environment", "production")


async def check_database(settings: Settings) -> AsyncIterator[Finding]:
    """Check the database: reachable, version, roles, schema and clock."""
    from machtiging.storage.engine import make_engine

    engine = make_engine(require_database_url(settings), None, pool_size=1)
    try:
        async with engine.connect() as connection:
            async for finding in _check_database_contents(connection):
                yield finding
    except Fault as fault:
        yield _wrong_finding("database", f"{fault.private} ({fault.code})", "See docs/operations.md, Poolers.")
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        yield _wrong_finding("database", f"cannot be reached ({kind})", "Start it, and check MACHTIGING_DATABASE_URL.")
    finally:
        await engine.dispose()


async def _check_database_contents(connection: AsyncConnection) -> AsyncIterator[Finding]:
    from machtiging.storage.engine import DatabaseRole

    number = int(await connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    if number < _MINIMUM_POSTGRES:
        yield _wrong_finding("database", f"PostgreSQL {number // 10000}", "Use PostgreSQL 15 or later.")
    else:
        yield _ok_finding("database", f"PostgreSQL {number // 10000}, reachable")
    names = [role.value for role in DatabaseRole]
    there = set(await connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:n)"), {"n": names}))
    if missing := sorted(set(names) - there):
        yield _wrong_finding("roles", f"missing: {', '.join(missing)}", "Run machtiging migrate.")
    else:
        yield _ok_finding("roles", ", ".join(sorted(there)))
    yield await _check_schema(connection)
    yield _check_clock(await connection.scalar(text("SELECT clock_timestamp()")))


async def _check_schema(connection: AsyncConnection) -> Finding:
    from machtiging.storage.migration_runner import newest_revision

    wanted = newest_revision()
    has_version_table = await connection.scalar(text("SELECT to_regclass('public.alembic_version') IS NOT NULL"))
    found = await connection.scalar(text("SELECT version_num FROM alembic_version")) if has_version_table else None
    if found == wanted:
        return _ok_finding("schema", f"at {found}")
    return _wrong_finding("schema", f"at {found or 'nothing'}, this version needs {wanted}", "Run machtiging migrate.")


def _check_clock(database_time: datetime | None, local_time: datetime | None = None) -> Finding:
    """Compare the clock of the database with ours. A machtiging ends at an instant, so both must agree."""
    skew = abs(database_time - (local_time or SystemClock().now())) if database_time else None
    if skew is None or skew > MAX_CLOCK_SKEW:
        return _wrong_finding("clock", f"differs {skew} from the database's", "Run NTP (chrony) on both machines.")
    return _ok_finding("clock", "agrees with the database's")


async def check_port(settings: Settings) -> Finding:
    """Check that the port is free or that our own service listens there."""
    from machtiging.cli.errors import describe_error
    from machtiging.cli.processes.servers import bind_socket

    try:
        bind_socket(settings.host, settings.port).close()
    except Fault as fault:
        if fault.code != "poort_bezet":
            return _wrong_finding("port", describe_error(fault)[0], "Set MACHTIGING_HOST and MACHTIGING_PORT.")
        holders = fault.private
    else:
        return _ok_finding("port", f"{settings.port} is free")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    found = await _fetch_json(f"http://{host}:{settings.port}/.well-known/oauth-authorization-server")
    if found.get("issuer") == settings.issuer:
        return _ok_finding("port", f"{settings.port}: the service is running")
    return _wrong_finding("port", holders, "Stop it, or set MACHTIGING_PORT.")


async def check_broker(settings: Settings) -> Finding:
    """Check that the login provider answers with its own issuer."""
    found = await _fetch_json(f"{settings.broker_issuer}/.well-known/openid-configuration")
    if found.get("issuer") == settings.broker_issuer:
        return _ok_finding("login", f"{settings.broker_issuer} answers")
    if settings.env is not Environment.PRODUCTION:
        return _attention_finding(
            "login", f"{settings.broker_issuer} does not answer", "machtiging demo starts a stand-in."
        )
    return _wrong_finding("login", f"{settings.broker_issuer} does not answer", "Check MACHTIGING_BROKER_ISSUER.")


async def _fetch_json(url: str) -> dict[str, Any]:
    """Fetch a JSON object. Returns an empty dict when there is no answer or no JSON object."""
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
            found = (await client.get(url)).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


async def check_smtp_server(settings: Settings) -> Finding:
    """Check that the SMTP server greets with code 220."""
    place = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(settings.smtp_host, settings.smtp_port)
            try:
                greeting = await reader.readline()
            finally:
                writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError, UnicodeError):
        greeting = b""
    if greeting.startswith(b"220"):
        return _ok_finding("mail", f"{place} answers")
    if settings.env is not Environment.PRODUCTION:
        return _attention_finding("mail", f"{place} does not answer", "machtiging demo starts a catcher.")
    return _wrong_finding("mail", f"{place} does not answer", "Check MACHTIGING_SMTP_HOST and MACHTIGING_SMTP_PORT.")
