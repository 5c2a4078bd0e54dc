"""Machtigingen with and without an organisation, each with the organisations that it was not accepted for."""

from __future__ import annotations

from typing import Any

import pytest

KVK, OTHER_KVK = "90000001", "90000002"


@pytest.fixture(params=[(KVK, OTHER_KVK), (KVK, None), (None, KVK)], ids=["other", "none", "relative"])
def pair(request: pytest.FixtureRequest) -> Any:
    """The organisation for which the machtiging was accepted, and another for which it is used."""
    return request.param
