"""The fixtures of the tests that count statements: those of the protocol tests."""

from tests.protocol.conftest import bearer_world, ciba_desk, oauth, world

__all__ = ["bearer_world", "ciba_desk", "oauth", "world"]
