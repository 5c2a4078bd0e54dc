"""The service as it is in production, where a client that registers itself waits for an operator."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def in_earnest(oauth: Any) -> Any:
    oauth.service.state.practice = False
    yield oauth
    oauth.service.state.practice = True
