"""Commands configure the logging of the process; every test here puts it back."""

from collections.abc import Iterator

import pytest

from tests.builders.logging_state import restored_logging


@pytest.fixture(autouse=True)
def logging_put_back() -> Iterator[None]:
    with restored_logging():
        yield
