"""Record the SQL statements that the service sends, through a session or directly to the driver."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event


@contextmanager
def record_queries(database: Any) -> Iterator[list[str]]:
    """Collect the statements that the service sends meanwhile.

    BEGIN and COMMIT of a session are sent by the driver itself and are not in it.
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
