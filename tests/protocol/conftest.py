"""The authorization server for the protocol tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest


@pytest.fixture
async def oauth(database: Any, clock: Any) -> AsyncIterator[Any]:
    """The authorization server on a database of its own (tests/builders/oauth.py)."""
    from tests.builders.oauth import an_oauth_world  # only the OAuth tests pay for loading it)

    made = await an_oauth_world(database, clock)
    yield made
    await made.close()
