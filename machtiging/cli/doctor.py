"""`machtiging doctor`: find the problems of an installation and their remedies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from machtiging.cli.database import named
from machtiging.cli.edges import Exit, out
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.cli.checks import Finding

_COLOURS = {"ok": "green", "attention": "yellow", "wrong": "red"}


def doctor() -> None:
    """Check this installation and say how to repair each problem. Exit 1 when something is wrong."""
    findings = asyncio.run(_all(Settings()))
    wrong = sum(finding.verdict == "wrong" for finding in findings)
    out.print(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    if wrong:
        raise typer.Exit(Exit.FINDING)


async def _all(settings: Settings) -> list[Finding]:
    findings = []
    async for finding in _look(settings):
        findings.append(finding)
        out.print(f"[{_COLOURS[finding.verdict]}]{finding.verdict:<10}[/] {finding.subject:<14}", end="")
        out.print(finding.what, markup=False, highlight=False, soft_wrap=True)
        if finding.mend:
            out.print(f"{'':<25}{finding.mend}", markup=False, highlight=False, soft_wrap=True)
    return findings


async def _data_keys(settings: Settings) -> AsyncIterator[Finding]:
    """Check the data keys. Yields nothing when key ring or database is unreadable: another check reports that."""
    from machtiging.cli import data_keys
    from machtiging.crypto.keyring import KeyRing

    by_version = await data_keys.counted(settings)
    with suppress(Fault):
        versions = KeyRing.load(settings.keys_dir).kek_versions
        if by_version is not None:
            yield data_keys.finding(by_version, versions)


async def _sealed_rows(settings: Settings) -> AsyncIterator[Finding]:
    """Check the sealed rows. Yields nothing when key ring or database is unreadable: another check reports that."""
    from machtiging.cli.operator import sealed_rows

    with suppress(Fault):
        yield await sealed_rows.check_sealed_rows(settings)


async def _look(settings: Settings) -> AsyncIterator[Finding]:
    from machtiging.cli import checks
    from machtiging.cli.operator import journal, notifications
    from machtiging.cli.operator.connections import check_connections
    from machtiging.cli.operator.rate_limits import rate_limits

    for finding in (checks.python(), checks.packages(), checks.environment(settings)):
        yield finding
    for look in (checks.keys, checks.policy):
        yield look(settings)
    for finding in rate_limits(settings):
        yield finding
    try:
        with named(settings) as with_database:
            async for finding in checks.database(with_database):
                yield finding
            for look_inside in (check_connections, _data_keys, _sealed_rows, journal.check_journal):
                async for finding in look_inside(with_database):
                    yield finding
            with suppress(Fault):  # check_database has already reported it
                yield await notifications.check_undelivered(with_database)
    except Fault as fault:
        embedded = settings.database_url is None
        mend = "Name a PostgreSQL of your own: MACHTIGING_DATABASE_URL." if embedded else "See docs/operations.md."
        yield checks.Finding("database", checks.Verdict.WRONG, fault.private, mend)
    for probe in (checks.port, checks.broker, checks.mail):
        yield await probe(settings)
