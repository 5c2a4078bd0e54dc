"""The statements of one message read, counted in the database driver."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import event

from tests.bench.rounds import MeasurementFailed

_TABLES = re.compile(r'\b(?:FROM|INTO|JOIN|UPDATE) \(*"?(?!(?:OF|SKIP|NULL)\b)([a-z_]+)"?', re.IGNORECASE)
# Words after FROM that are no tables: CTEs of the statement itself.
_CTES = re.compile(r'(?:WITH|,) "?(\w+)"? AS', re.IGNORECASE)


def short(query: str) -> str:
    """The verb and the tables of a statement."""
    query = " ".join(query.split())
    ctes = {name.lower() for name in _CTES.findall(query)}
    tables = list(
        dict.fromkeys(name for name in _TABLES.findall(query) if name.lower() not in {*ctes, "select", "lateral"})
    )
    first = "INSERT + SELECT" if "INSERT INTO" in query.upper() else "SELECT"
    verb = first if query.upper().startswith("WITH") else query.split(" ", 1)[0].rstrip(";").upper()
    lock = " FOR SHARE" if "FOR SHARE" in query else ""
    return f"{verb} {' + '.join(tables)}".strip() + lock


def _listen(app: FastAPI) -> list[str]:
    """Everything that is said from now on. Prepared statements, and BEGIN and COMMIT, which asyncpg says by itself."""
    heard: list[str] = []
    engine = app.state.services.engines[0].sync_engine

    def to_the_driver(record: Any) -> None:
        heard.append(record.query)

    def lent(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.driver_connection.add_query_logger(to_the_driver)  # the same one twice is one

    def executed(*arguments: Any) -> None:
        heard.append(arguments[2])

    event.listen(engine, "checkout", lent)
    event.listen(engine, "after_cursor_execute", executed)
    return heard


async def of_one_request(app: FastAPI, path: str, token: str) -> tuple[list[str], list[str]]:
    """The statements of the first read of a letter, and of any later read. Each is one round trip."""
    heard = _listen(app)
    runs: list[list[str]] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=app.state.services.issuer) as client:
        for _ in range(4):
            heard.clear()
            answer = await client.get(path, headers={"authorization": f"Bearer {token}"})
            if answer.status_code != httpx.codes.OK:
                raise MeasurementFailed(f"{path}: {answer.status_code} {answer.text[:500]}")
            await asyncio.sleep(0)  # the driver tells what it was told a moment later
            runs.append([short(query) for query in heard if not query.startswith("SET ")])
    await dispose(app)
    return runs[0], runs[-1]


async def of_posts(app: FastAPI, wires: list[str]) -> list[str]:
    """The statements of the last of these requests, which are all of one kind. The first ones warm up."""
    heard = _listen(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=app.state.services.issuer) as client:
        for wire in wires:
            head, _, body = wire.partition("\r\n\r\n")
            first, *lines = head.split("\r\n")
            heard.clear()
            headers = dict(line.split(": ", 1) for line in lines)
            answer = await client.post(first.split(" ")[1], content=body, headers=headers)
            if answer.status_code != httpx.codes.OK:
                raise MeasurementFailed(f"{answer.status_code} {answer.text[:500]}")
            await asyncio.sleep(0)
    return [short(query) for query in heard if not query.startswith("SET ")]


async def dispose(app: FastAPI) -> None:
    """Close what the application opened."""
    for engine in app.state.services.engines:
        await engine.dispose()
