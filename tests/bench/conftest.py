"""The fixtures of the tests that count statements: those of the protocol tests."""

from tests.protocol.conftest import bearer_world, counter, oauth, world

__all__ = ["bearer_world", "counter", "oauth", "world"]
