"""How the tests run: what is passed over, what is told, and where what they borrow comes from."""

from __future__ import annotations

import gc
import signal
import threading
from pathlib import Path

import hypothesis
import pytest
from _pytest.runner import runtestprotocol

# No test asserts a time, hypothesis neither: a busy machine is no counterexample.
# `make test` asks for thirty examples, `make test-whole` for a hundred.
hypothesis.settings.register_profile("machtiging", deadline=None, max_examples=30)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=100)
hypothesis.settings.load_profile("machtiging")
# All that thousands of tests import stays to the end; to look through it for garbage took a fifth of the time.
gc.set_threshold(100_000, 50, 50)
# Folders of which every test is `whole` (pyproject.toml says what that is): they start a server or an installation.
WHOLE = ("tests/interop/", "tests/journeys/", "tests/protocol/black_box/")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """To read what is passed over anyway takes a second in every process."""
    passed_over = _without_the_whole(config) and f"{collection_path.as_posix()}/".endswith(WHOLE)
    return True if passed_over else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(WHOLE):
            item.add_marker(pytest.mark.whole)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A process that was handed its tests says one thing of each: what it came to, or what else of it went wrong.

    Six things is the usual, of which the others say that it began, was set up, was cleared away and ended; to write
    and to read them took longer than many a test.
    """
    if not _was_handed_tests(item.config) or item.config.option.durations is not None:
        return None
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def _without_the_whole(config: pytest.Config) -> bool:
    return "not whole" in config.option.markexpr


def _was_handed_tests(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _hands_tests_out(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "numprocesses", None)) and not _was_handed_tests(config)


def _interrupted(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def pytest_configure(config: pytest.Config) -> None:
    if not _hands_tests_out(config):
        from tests.builders import database

        config.pluginmanager.register(database)
        if _without_the_whole(config):
            from tests.builders.crypto import with_small_rsa_keys

            with_small_rsa_keys()
    # With Python's own handler asyncio puts another in its place for every fixture and every test, and on the way has
    # the task before read out to the last field of its result: an exception quotes it, and is thrown away.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupted)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
