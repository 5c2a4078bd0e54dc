"""A CIBA client (counter) at the authorization server."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
async def counter(oauth: Any) -> Any:
    from tests.builders.ciba import a_counter

    return await a_counter(oauth)
