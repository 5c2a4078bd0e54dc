"""The portal on a database per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.builders.portal import Portal, a_portal


@pytest.fixture
async def portal(database, clock) -> AsyncIterator[Portal]:
    made = await a_portal(database, clock)
    yield made
    await made.close()
