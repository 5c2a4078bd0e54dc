"""The SQLSTATE of a database error (SQL standard; PostgreSQL manual, appendix A)."""

from __future__ import annotations


def find_sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error of SQLAlchemy; None if the server sent none.

    SQLAlchemy keeps the driver's error in `orig`.
    """
    return read_sqlstate(getattr(error, "orig", None))


def read_sqlstate(driver_error: BaseException | None) -> str | None:
    """Return the SQLSTATE of an error of the driver; None if the server sent none."""
    # Not documented by SQLAlchemy: its asyncpg dialect copies the attribute of asyncpg's errors to its own.
    found: str | None = getattr(driver_error, "sqlstate", None)
    return found
