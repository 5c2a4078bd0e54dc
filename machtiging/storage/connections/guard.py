"""Connection guard: configures and verifies each new connection, and discards stale ones.

Settings are made by statements, because PgBouncer refuses or drops start-up parameters. Behind a pooler they are set in
each transaction (SET LOCAL), because the next one may run on another server connection.
"""

from __future__ import annotations

import json
import ssl
import time
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

from machtiging.kernel.errors import Fault
from machtiging.kernel.sqlstate import read_sqlstate
from machtiging.storage.connections.database_url import DatabaseUrl

# Fault codes of a refused connection. A client sees each as an unreachable database.
CONNECTION_FAULTS = frozenset(
    {
        "databaserol_geweigerd",
        "databaserol_verkeerd",
        "databaseverbinding_verkeerd_ingesteld",
        "database_alleen_lezen",
        "pooler_ongeschikt",
        "database_url_ongeldig",
    }
)
# SQLSTATEs after which all connections of the pool are stale.
_STALE_POOL_SQLSTATES = frozenset(
    {
        "25006",  # read_only_sql_transaction: a fail-over made this server a standby
        "0A000",  # cached plan must not change result type: after a migration
        "26000",  # invalid_sql_statement_name: prepared statements were deallocated
        "42P05",  # duplicate_prepared_statement: the connection is shared
        "42P01",  # undefined_table: another search_path, or a migration
        "42703",  # undefined_column
        "42883",  # undefined_function
        "42704",  # undefined_object
        "3F000",  # invalid_schema_name
        "42501",  # insufficient_privilege: another role
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "57P05",  # idle_session_timeout
        "XX000",  # internal_error: cache lookup failed
    }
)
# SQLSTATEs (or their classes) after which only this connection is stale.
_STALE_CONNECTION_SQLSTATES = ("08", "25", "53", "57", "58", "XX", "55P03")
_SECONDS_BETWEEN_GENERATIONS = 0.005
# $1: for this transaction only. $2: names and values as a JSON object.
SET_CONFIG_SQL = "SELECT count(pg_catalog.set_config(key, value, $1)) FROM pg_catalog.json_each_text($2::text::json)"
SET_LOCAL = True
_BACKEND_PID_SQL = "SELECT pg_catalog.pg_backend_pid()"
_VERIFY_SQL = """
SELECT current_user::text AS role, pg_catalog.current_setting('search_path') AS search_path,
       extract(epoch FROM pg_catalog.current_setting('statement_timeout')::interval) * 1000 AS statement_timeout,
       extract(epoch FROM pg_catalog.current_setting('lock_timeout')::interval) * 1000 AS lock_timeout,
       pg_catalog.pg_is_in_recovery()
         OR pg_catalog.current_setting('default_transaction_read_only')::bool AS read_only
"""
# pg_temp last, so that a temporary table cannot shadow one of ours.
SEARCH_PATH = "public, pg_temp"


class PoolerDetected(Exception):
    """The first connection goes through a pooler: connect again in pooler mode."""


class ConnectionGuard:
    """Opens and verifies the connections of one engine, and marks stale ones.

    `behind_pooler` is known after the first connection: a pooler reports a process id other than the server's.
    """

    def __init__(
        self, address: DatabaseUrl, role: str | None, statement_timeout_ms: int, command_timeout: float | None
    ) -> None:
        self._address = address
        self._role = role
        self._command_timeout = command_timeout
        self.settings = {
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": str(max(1, statement_timeout_ms // 3)),
            "idle_in_transaction_session_timeout": "60000",
            "timezone": "UTC",
            "search_path": SEARCH_PATH,
        }
        self.settings_text = json.dumps({"role": role, **self.settings} if role else self.settings)
        self.behind_pooler = False
        self.generation = 0
        self._generation_started_at = 0.0

    def install(self, engine: AsyncEngine) -> None:
        """Register the guard on the events of this engine."""
        sync = engine.sync_engine
        event.listen(sync, "do_connect", self._on_connect)
        event.listen(sync, "checkout", self._on_checkout)
        event.listen(sync, "begin", self._on_begin)
        event.listen(sync, "handle_error", self._on_error)

    def should_discard(self, sqlstate: str | None, info: dict[str, Any]) -> bool:
        """Return True if this connection must not be reused; may also expire its whole pool."""
        if sqlstate is None:
            return False
        if sqlstate in _STALE_POOL_SQLSTATES:
            self._start_generation(info)
            return True
        return sqlstate.startswith(_STALE_CONNECTION_SQLSTATES)

    def _start_generation(self, info: dict[str, Any]) -> None:
        # Once for many simultaneous failures, and rate-limited for a fault that new connections have too.
        now = time.monotonic()
        if (
            info.get("generation") == self.generation
            and now - self._generation_started_at >= _SECONDS_BETWEEN_GENERATIONS
        ):
            self.generation += 1
            self._generation_started_at = now

    def _on_connect(self, dialect: Any, record: Any, _arguments: Any, _parameters: Any) -> Any:
        record.info.update(guard=self, generation=self.generation)
        try:
            return self._connect_with_dialect(dialect)
        except PoolerDetected:
            self.behind_pooler = True
            return self._connect_with_dialect(dialect)

    def _connect_with_dialect(self, dialect: Any) -> Any:
        if not self.behind_pooler:
            return dialect.connect(async_creator_fn=self.open_connection)
        # Unnamed statements, prepared each time: a named one would stay on a connection shared with others.
        return dialect.connect(
            async_creator_fn=self.open_connection, prepared_statement_cache_size=0, prepared_statement_name_func=str
        )

    def _on_checkout(self, _connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get("generation") != self.generation:
            raise DisconnectionError("of an older generation")

    def _on_begin(self, connection: Connection) -> None:
        if self.behind_pooler:
            connection.exec_driver_sql(SET_CONFIG_SQL, (SET_LOCAL, self.settings_text))

    def _on_error(self, context: ExceptionContext) -> None:
        if context.connection is None or context.connection.invalidated:
            return
        if self.should_discard(read_sqlstate(context.original_exception), context.connection.info):
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False

    async def open_connection(self) -> asyncpg.Connection:
        """Open a verified connection. Raises Fault (one of `CONNECTION_FAULTS`), or asyncpg's errors."""
        # The statement of an authority is longer than the driver's limit of 15 KiB. Not kept, it would be planned anew
        # for each request, which costs several times the request.
        cache = {"statement_cache_size": 0} if self.behind_pooler else {"max_cacheable_statement_size": 0}
        name = {"application_name": self._address.application_name}
        arguments = self._address.driver_arguments() | {"command_timeout": self._command_timeout}
        try:
            connection = await asyncpg.connect(**arguments, **cache, server_settings=name)
        except (asyncpg.InterfaceError, ssl.SSLError, ValueError) as error:
            if isinstance(error, asyncpg.PostgresError | OSError) and not isinstance(error, ssl.SSLError):
                raise
            raise Fault("database_url_ongeldig", private=_describe_connect_error(error)) from error
        is_fit = False
        try:
            await self._configure_and_verify(connection)
            is_fit = True
        finally:
            if not is_fit:
                connection.terminate()
        return connection

    async def _configure_and_verify(self, connection: asyncpg.Connection) -> None:
        try:
            async with connection.transaction():
                there = (await _fetch_unnamed(connection, _BACKEND_PID_SQL))[0]
                if there != connection.get_server_pid() and not self.behind_pooler:
                    raise PoolerDetected
                if self.behind_pooler:
                    await _fetch_unnamed(connection, SET_CONFIG_SQL, SET_LOCAL, self.settings_text)
                    self._verify_settings(await _fetch_unnamed(connection, _VERIFY_SQL))
            if not self.behind_pooler:
                await _fetch_unnamed(connection, SET_CONFIG_SQL, not SET_LOCAL, self.settings_text)
                self._verify_settings(await _fetch_unnamed(connection, _VERIFY_SQL))
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
            raise Fault("databaserol_geweigerd", private=self._describe_missing_grant()) from error
        except (asyncpg.ProtocolViolationError, asyncpg.ConnectionDoesNotExistError) as error:
            if "pooling" not in str(error):  # PgBouncer: transaction blocks not allowed in statement pooling mode
                raise
            raise Fault("pooler_ongeschikt", private=_POOL_MODE_HINT) from error

    def _describe_missing_grant(self) -> str:
        return (
            f"The login may not be {self._role}, or that role is not there. Run machtiging migrate, then: "
            f"GRANT {self._role} TO the login."
        )

    def _verify_settings(self, found: asyncpg.Record) -> None:
        if self._role is not None and found["role"] != self._role:
            raise Fault(
                "databaserol_verkeerd", private=f"After connecting the role is not {self._role}. {_SET_DROPPED_HINT}"
            )
        for name in ("statement_timeout", "lock_timeout"):
            if int(found[name]) != int(self.settings[name]):
                raise Fault(
                    "databaseverbinding_verkeerd_ingesteld", private=f"{name} does not hold. {_SET_DROPPED_HINT}"
                )
        if found["search_path"] != SEARCH_PATH:
            raise Fault(
                "databaseverbinding_verkeerd_ingesteld", private=f"search_path does not hold. {_SET_DROPPED_HINT}"
            )
        if found["read_only"]:
            raise Fault("database_alleen_lezen", private=_READ_ONLY_HINT)


_SET_DROPPED_HINT = "Something between the service and PostgreSQL drops SET: see docs/operations.md, Poolers."
_POOL_MODE_HINT = "It does not let transactions through. With PgBouncer set pool_mode to session or transaction."
_READ_ONLY_HINT = (
    "The server is a standby or default_transaction_read_only is on. Name the primary, or list all servers with "
    "target_session_attrs=read-write."
)


async def _fetch_unnamed(connection: asyncpg.Connection, sql: str, *values: object) -> asyncpg.Record:
    """Fetch one row by an unnamed statement. A named one would stay on a shared connection."""
    statement = await connection.prepare(sql, name="")
    return await statement.fetchrow(*values)


def _describe_connect_error(error: Exception) -> str:
    """Describe a connect error by its kind only: the text may quote the address."""
    if isinstance(error, ssl.SSLError):
        return f"TLS does not come about ({type(error).__name__}). Look at sslmode, sslrootcert, sslcert and sslkey."
    return f"The driver does not take this address ({type(error).__name__}). Look at its words after the ?."
