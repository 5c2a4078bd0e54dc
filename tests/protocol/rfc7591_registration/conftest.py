"""The authorization server outside practice: a self-registered client waits for approval."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.applications import replace_services


@pytest.fixture
def production_oauth(oauth: Any) -> Any:
    replace_services(oauth.service, practice=False)
    yield oauth
    replace_services(oauth.service, practice=True)
