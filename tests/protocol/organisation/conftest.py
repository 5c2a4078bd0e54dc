"""Pairs of the accepting organisation and another one, each possibly none."""

from __future__ import annotations

from typing import Any

import pytest

KVK, OTHER_KVK = "90000001", "90000002"


@pytest.fixture(params=[(KVK, OTHER_KVK), (KVK, None), (None, KVK)], ids=["other", "none", "relative"])
def organisation_pair(request: pytest.FixtureRequest) -> Any:
    """The organisation that accepted the machtiging, and another that uses it."""
    return request.param
