"""The fixtures of the tests that count statements: those of the protocol tests."""

from tests.protocol.conftest import counter, doorstep, oauth, world

__all__ = ["counter", "doorstep", "oauth", "world"]
