"""Run a script of several statements: asyncpg accepts those only in its simple query protocol."""

from __future__ import annotations

from alembic import op


def run_script(sql: str) -> None:
    """Execute `sql` in the migration's own transaction."""
    adapted = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda driver: driver.execute(sql))  # type: ignore[union-attr]
