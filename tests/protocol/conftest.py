"""The fixtures of the protocol tests. Each is a service on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from machtiging.kernel.clock import SettableClock
from tests.builders.applications import replace_services
from tests.builders.bearer import BearerWorld
from tests.builders.ciba import CibaDesk, register_ciba_desk
from tests.builders.database import Database
from tests.builders.flow import OAuthWorld, make_oauth_world
from tests.builders.letters import BerichtenboxWorld, make_api_world
from tests.builders.portal import Portal, make_portal
from tests.builders.tokens import ExchangeChain, make_exchange_chain, open_oauth_world


@pytest.fixture
async def oauth(database: Database, clock: SettableClock) -> AsyncIterator[OAuthWorld]:
    """The authorization server."""
    made = await make_oauth_world(database, clock)
    yield made
    await made.close()


@pytest.fixture
def production_oauth(oauth: OAuthWorld) -> Iterator[OAuthWorld]:
    """The authorization server in production mode: an operator approves each self-registered client."""
    replace_services(oauth.service, practice=False)
    yield oauth
    replace_services(oauth.service, practice=True)


@pytest.fixture
async def ciba_desk(oauth: OAuthWorld) -> CibaDesk:
    """A CIBA client (the desk of an agency) at the authorization server."""
    return await register_ciba_desk(oauth)


@pytest.fixture
async def exchanging_clients(oauth: OAuthWorld) -> ExchangeChain:
    """Clients that exchange each other's tokens."""
    return await make_exchange_chain(oauth)


@pytest.fixture
async def portal(database: Database, clock: SettableClock) -> AsyncIterator[Portal]:
    """The whole service, as people use it in a browser."""
    made = await make_portal(database, clock)
    yield made
    await made.close()


@pytest.fixture
async def world(database: Database, clock: SettableClock) -> BerichtenboxWorld:
    """The API of the Berichtenbox, with a citizen and a helper."""
    return await make_api_world(database, clock)


@pytest.fixture
async def bearer_world(database: Database, clock: SettableClock) -> BearerWorld:
    """Two routes with bearer tokens, and tokens for them."""
    return await BearerWorld.build(database, clock)


@pytest.fixture
async def portal_oauth(portal: Portal) -> AsyncIterator[OAuthWorld]:
    """The authorization server in the whole service of `portal`."""
    made = open_oauth_world(portal)
    yield made
    await made.close()


@pytest.fixture
def offline_bearer_world(clock: SettableClock) -> BearerWorld:
    """The bearer routes without a database: a refusal here is made before any lookup."""
    return BearerWorld.without_database(clock)
