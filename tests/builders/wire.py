"""What the service says to the database, whichever way it says it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

# The tests' own pool asks whether a connection is still there before it lends it; the service's does not.
_PING = ["BEGIN;", ";", "ROLLBACK;"]


def without_ping(said: list[str]) -> list[str]:
    """What was said, without the question of the tests' own pool before it."""
    return said[3:] if said[:3] == _PING else list(said)


@contextmanager
def said_to_the_database(database: Any) -> Iterator[list[str]]:
    """Every statement of the service meanwhile: those of a session, and those said straight to the driver.

    A session's BEGIN and COMMIT are the driver's own business and not in it.
    """
    engine = database.service.sync_engine
    heard: list[str] = []
    listening: dict[int, Any] = {}

    def in_a_session(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        heard.append(statement)

    def to_the_driver(record: Any) -> None:
        # A connection whose isolation was once set names the usual one at every BEGIN after that.
        heard.append(record.query.replace("BEGIN ISOLATION LEVEL READ COMMITTED;", "BEGIN;"))

    def lent(connection: Any, _record: Any, _proxy: Any) -> None:
        driver = connection.driver_connection
        if id(driver) not in listening:
            listening[id(driver)] = driver
            driver.add_query_logger(to_the_driver)

    event.listen(engine, "before_cursor_execute", in_a_session)
    event.listen(engine, "checkout", lent)
    try:
        yield heard
    finally:
        event.remove(engine, "before_cursor_execute", in_a_session)
        event.remove(engine, "checkout", lent)
        for driver in listening.values():
            driver.remove_query_logger(to_the_driver)
