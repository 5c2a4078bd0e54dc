"""Restore the logging of the process after each test: commands configure it."""

from collections.abc import Iterator

import pytest

from tests.builders.logging_state import restored_logging


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    with restored_logging():
        yield
