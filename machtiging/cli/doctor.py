"""`machtiging doctor`: find the problems of an installation and their remedies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from machtiging.cli.database import provide_database
from machtiging.cli.errors import ExitCode, out
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.cli.doctor_checks.installation import Finding

_COLOURS = {"ok": "green", "attention": "yellow", "wrong": "red"}


def run_doctor() -> None:
    """Check this installation and say how to repair each problem. Exit 1 when something is wrong."""
    findings = asyncio.run(_print_findings(Settings()))
    wrong = sum(finding.status == "wrong" for finding in findings)
    out.print(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    if wrong:
        raise typer.Exit(ExitCode.FINDING)


async def _print_findings(settings: Settings) -> list[Finding]:
    findings = []
    async for finding in _run_checks(settings):
        findings.append(finding)
        out.print(f"[{_COLOURS[finding.status]}]{finding.status:<10}[/] {finding.subject:<14}", end="")
        out.print(finding.detail, markup=False, highlight=False, soft_wrap=True)
        if finding.remedy:
            out.print(f"{'':<25}{finding.remedy}", markup=False, highlight=False, soft_wrap=True)
    return findings


async def _check_data_keys(settings: Settings) -> AsyncIterator[Finding]:
    """Check the data keys. Yields nothing when key ring or database is unreadable: another check reports that."""
    from machtiging.cli.key_rotation import data_keys
    from machtiging.crypto.keyring import KeyRing

    by_version = await data_keys.count_data_keys(settings)
    with suppress(Fault):
        versions = KeyRing.load(settings.keys_dir).kek_versions
        if by_version is not None:
            yield data_keys.check_data_keys(by_version, versions)


async def _check_sealed_rows(settings: Settings) -> AsyncIterator[Finding]:
    """Check the sealed rows. Yields nothing when key ring or database is unreadable: another check reports that."""
    from machtiging.cli.key_rotation import sealed_rows

    with suppress(Fault):
        yield await sealed_rows.check_sealed_rows(settings)


async def _run_checks(settings: Settings) -> AsyncIterator[Finding]:
    from machtiging.cli import notifications
    from machtiging.cli.doctor_checks import installation, journal
    from machtiging.cli.doctor_checks.connections import check_connections
    from machtiging.cli.doctor_checks.journalled_rows import check_journalled_rows
    from machtiging.cli.doctor_checks.rate_limits import check_rate_limits
    from machtiging.cli.doctor_checks.workers import check_workers

    for finding in (
        installation.check_python(),
        installation.check_packages(),
        installation.check_environment(settings),
    ):
        yield finding
    for look in (installation.check_key_ring, installation.check_policy, installation.check_operator_content):
        yield look(settings)
    for finding in check_rate_limits(settings):
        yield finding
    try:
        with provide_database(settings) as with_database:
            async for finding in installation.check_database(with_database):
                yield finding
            for look_inside in (
                check_connections,
                _check_data_keys,
                _check_sealed_rows,
                check_journalled_rows,
                journal.check_journal,
                check_workers,
            ):
                async for finding in look_inside(with_database):
                    yield finding
            with suppress(Fault):  # check_database has already reported it
                yield await notifications.check_undelivered(with_database)
    except Fault as fault:
        embedded = settings.database_url is None
        mend = "Name a PostgreSQL of your own: MACHTIGING_DATABASE_URL." if embedded else "See docs/operations.md."
        yield installation.Finding("database", installation.FindingStatus.WRONG, fault.private, mend)
    for probe in (installation.check_port, installation.check_broker, installation.check_smtp_server):
        yield await probe(settings)
