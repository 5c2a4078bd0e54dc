"""The authorization server as its protocol tests meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest


@pytest.fixture
async def oauth(database: Any, clock: Any) -> AsyncIterator[Any]:
    """The service with its authorization server on a database of this test's own; see tests/builders/oauth.py."""
    from tests.builders.oauth import an_oauth_world  # only the OAuth tests pay for loading it)

    made = await an_oauth_world(database, clock)
    yield made
    await made.close()
