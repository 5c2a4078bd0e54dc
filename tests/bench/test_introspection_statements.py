"""Introspection: the number of statements for a client in the cache."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_agency_metadata, make_client_assertion, make_client_keys
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
    # The statement on the old row, which wrote nothing; the load; the statement on the new row.
    assert counts == [3, 1, 1]


async def test_introspection_of_refresh_token_by_cached_client_takes_one_statement(oauth, database) -> None:
    app = await oauth.register_reading_app(grant_types=["authorization_code", "refresh_token"])
    tokens = await (await oauth.start_flow(app)).tokens()
    assert (await introspect(app, tokens["access_token"])).json()["active"] is True
    with record_queries(database) as heard:
        assert (await introspect(app, tokens["refresh_token"])).json()["active"] is True
        await asyncio.sleep(0)
    (statement,) = heard
    assert "INSERT INTO used_assertion" in statement
    assert "refresh_token" in statement


async def test_introspection_without_token_by_cached_client_consumes_its_assertion_and_is_journalled(
    oauth, cached_resource_server, database
) -> None:
    proof = make_client_assertion(cached_resource_server.keys, cached_resource_server.client_id, oauth.clock)
    with record_queries(database) as heard:
        first = await cached_resource_server.post("/introspect", {"client_assertion": proof})
        await asyncio.sleep(0)
    assert (first.status_code, first.json()["error"], len(heard)) == (400, "invalid_request", 2)
    again = await cached_resource_server.post("/introspect", {"client_assertion": proof})
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    (line,) = await oauth.lines("token:geweigerd")
    assert (line.reason, line.client_id) == ("token_ontbreekt", cached_resource_server.client_id)
