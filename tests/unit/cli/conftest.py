"""Restore the logging of the process after each test: commands configure it."""

from collections.abc import Iterator

import pytest

from tests.builders.command_line import preserve_logging


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    with preserve_logging():
        yield
