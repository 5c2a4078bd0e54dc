"""The authorization server outside practice: a self-registered client waits for approval."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def production_oauth(oauth: Any) -> Any:
    oauth.service.state.practice = False
    yield oauth
    oauth.service.state.practice = True
