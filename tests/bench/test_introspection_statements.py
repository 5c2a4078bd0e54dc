"""Introspection fast path: the number of statements for a client in the cache."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_agency_metadata, make_client_keys
from tests.builders.database import record_queries, seal_rows

RENAME_CLIENT = """
UPDATE oauth_client SET registration = registration || '{"client_name": "Ander magazijn"}' WHERE client_id = :client_id
"""


@pytest.fixture
async def token(oauth) -> str:
    flow = await oauth.start_flow()
    return (await flow.tokens())["access_token"]


@pytest.fixture
async def cached_resource_server(oauth, token):
    """A resource server that is in the client cache."""
    keys = make_client_keys()
    server = await oauth.add(make_agency_metadata(keys, client_name="Magazijn", scope="", resource_server=True), keys)
    assert (await introspect(server, token)).json()["active"] is True
    return server


async def introspect(app, token):
    return await app.post("/introspect", {"token": token})


async def test_introspection_by_cached_client_takes_one_statement(cached_resource_server, token, database) -> None:
    with record_queries(database) as heard:
        assert (await introspect(cached_resource_server, token)).json()["active"] is True
        await asyncio.sleep(0)  # asyncpg reports the query a moment later
    (statement,) = heard
    assert "INSERT INTO used_assertion" in statement
    for table in ("oauth_client", "issued_token", "oauth_grant", "machtiging"):
        assert table in statement


async def test_introspection_after_client_change_costs_one_extra_load(
    oauth, cached_resource_server, token, database
) -> None:
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text(RENAME_CLIENT), {"client_id": cached_resource_server.client_id})
        await seal_rows(session)
    counts = []
    for _ in range(3):
        with record_queries(database) as heard:
            assert (await introspect(cached_resource_server, token)).json()["active"] is True
            await asyncio.sleep(0)
        counts.append(len(heard))
    assert counts[0] > counts[1]
    assert (counts[1], counts[2]) == (2, 1)
