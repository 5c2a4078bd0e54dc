"""The fixtures of the protocol tests: each is a service on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from machtiging.kernel.clock import SettableClock
from tests.builders import berichtenbox
from tests.builders.applications import replace_services
from tests.builders.bearer import Doorstep
from tests.builders.ciba import CibaCounter, a_counter
from tests.builders.database import Database
from tests.builders.exchange import Chain, a_chain
from tests.builders.oauth import OAuthWorld, an_oauth_world
from tests.builders.portal import Portal, a_portal


@pytest.fixture
async def oauth(database: Database, clock: SettableClock) -> AsyncIterator[OAuthWorld]:
    """The authorization server."""
    made = await an_oauth_world(database, clock)
    yield made
    await made.close()


@pytest.fixture
def production_oauth(oauth: OAuthWorld) -> Iterator[OAuthWorld]:
    """The authorization server in production mode: an operator approves each self-registered client."""
    replace_services(oauth.service, practice=False)
    yield oauth
    replace_services(oauth.service, practice=True)


@pytest.fixture
async def counter(oauth: OAuthWorld) -> CibaCounter:
    """A CIBA client (counter) at the authorization server."""
    return await a_counter(oauth)


@pytest.fixture
async def chain(oauth: OAuthWorld) -> Chain:
    """Clients that exchange each other's tokens."""
    return await a_chain(oauth)


@pytest.fixture
async def portal(database: Database, clock: SettableClock) -> AsyncIterator[Portal]:
    """The whole service, as people use it in a browser."""
    made = await a_portal(database, clock)
    yield made
    await made.close()


@pytest.fixture
async def world(database: Database, clock: SettableClock) -> berichtenbox.BerichtenboxWorld:
    """The API of the Berichtenbox, with a citizen and a helper."""
    return await berichtenbox.a_world(database, clock)


@pytest.fixture
async def doorstep(database: Database, clock: SettableClock) -> Doorstep:
    """Two routes with bearer tokens, and tokens for them."""
    return await Doorstep.build(database, clock)
