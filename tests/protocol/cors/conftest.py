"""The assembled service with one browser-based client."""

from __future__ import annotations

import pytest

from machtiging.oauth.register_client import register_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_app_metadata

ORIGIN = "https://app.voorbeeld.example"


@pytest.fixture
def add_client(portal):
    """Register a client; without keys it is a public one."""

    async def added(*redirect_uris, keys=None, practice=True, **changes):
        metadata = make_app_metadata(keys, redirect_uris=list(redirect_uris), **changes)
        async with unit_of_work(portal.app.state.services.sessions) as session:
            return await register_client(
                session, metadata, detail_type="berichtenbox", oin=None, at=portal.clock.now(), practice=practice
            )

    return added


@pytest.fixture
async def browser_app(add_client):
    return await add_client(ORIGIN + "/terug")
