"""The policy that the service ships."""

import pytest

from machtiging.access.policy_engine import Policy
from tests.builders.applications import POLICIES


@pytest.fixture(scope="module")
def shipped_policy():
    return Policy.load(POLICIES)
