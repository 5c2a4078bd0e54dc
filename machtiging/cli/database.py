"""The database of a command: the configured one, or an embedded PostgreSQL for its duration."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from machtiging.cli.demo.optional_packages import require_demo_extra
from machtiging.cli.errors import err
from machtiging.kernel.errors import Fault, NotAllowed
from machtiging.settings import Environment, Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

    from machtiging.crypto.keyring import KeyRing
    from machtiging.storage.embedded_postgres import EmbeddedPostgres

_OWN_DATABASE = "Or name a PostgreSQL of your own in MACHTIGING_DATABASE_URL."


class LazyKeyRing:
    """A key ring that is loaded at its first use.

    Most commands seal or verify no row, and loading the ring takes longer than they do.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @cached_property
    def _key_ring(self) -> KeyRing:
        from machtiging.crypto.keyring import KeyRing

        return KeyRing.load(self._directory)

    def row_mac(self, message: bytes) -> bytes:
        """Compute a row MAC as `KeyRing.row_mac`. Like the other methods it raises Fault for an unreadable ring."""
        return self._key_ring.row_mac(message)

    def row_mac_verifies(self, mac: bytes, message: bytes) -> bool:
        """Verify a row MAC as `KeyRing.row_mac_verifies`."""
        return self._key_ring.row_mac_verifies(mac, message)

    def bearer_hash(self, token: str) -> bytes:
        """Hash a bearer token as `KeyRing.bearer_hash`."""
        return self._key_ring.bearer_hash(token)

    def bearer_hashes(self, token: str) -> list[bytes]:
        """Hash a bearer token under every key version as `KeyRing.bearer_hashes`."""
        return self._key_ring.bearer_hashes(token)


@contextmanager
def provide_database(settings: Settings, *, serving: bool = False) -> Iterator[Settings]:
    """Yield settings with a database URL. Starts or joins an embedded server if none is configured.

    `serving`: restart the embedded server when it dies. Raises Fault `ingebouwde_database_weg`, or
    `extra_demo_ontbreekt` when the embedded server is not installed.
    """
    check_database_urls(settings)
    if settings.database_url is not None:
        yield settings
        return
    require_demo_extra("The embedded PostgreSQL", otherwise=_OWN_DATABASE)
    from machtiging.storage.embedded_postgres import EmbeddedPostgres

    server = EmbeddedPostgres(settings.data_dir / "postgres")
    with err.status("Starting the embedded PostgreSQL ..."):
        url = server.start()
    watch = _watch_database(server, settings) if serving else nullcontext()
    try:
        with watch:
            yield settings.model_copy(update={"database_url": url})
    finally:
        server.stop()


def _watch_database(server: EmbeddedPostgres, settings: Settings) -> AbstractContextManager[None]:
    from machtiging.cli.processes.database_watch import DatabaseWatch

    return DatabaseWatch(server, (settings.data_dir / "postgres").resolve())


def check_database_urls(settings: Settings) -> None:
    """Parse every database URL of the settings. Raises Fault `database_url_ongeldig` with the setting's name."""
    from machtiging.storage.connections.database_url import parse_database_url

    for name in ("database_url", "owner_database_url", "sealer_database_url"):
        url = getattr(settings, name)
        try:
            if url is not None:
                parse_database_url(url)
        except Fault as fault:
            raise Fault(fault.code, private=f"MACHTIGING_{name.upper()}: {fault.private}") from fault


def require_database_url(settings: Settings) -> str:
    """Return the database URL from the settings. Raises ValueError if unset."""
    if settings.database_url is None:
        raise ValueError("the settings name no database")
    return settings.database_url


async def migrate_schema(settings: Settings, target: str = "head", *, seal_existing_rows: bool = False) -> None:
    """Migrate the schema to the newest revision, or to `target`.

    The revision that adds row MACs seals existing rows. In production it does so only with `seal_existing_rows`, and
    else raises Fault `rijen_niet_verzegeld`.
    """
    from machtiging.cli.sealed_tables import mark_tables_without_rows, seal_unsealed_rows
    from machtiging.storage.migration_runner import migrate_schema as upgrade

    allowed = seal_existing_rows or settings.env is not Environment.PRODUCTION

    async def seal_rows(connection: AsyncConnection) -> None:
        await seal_unsealed_rows(connection, LazyKeyRing(settings.keys_dir), allowed=allowed)

    url = settings.owner_database_url or require_database_url(settings)
    await upgrade(url, target, seal_rows, mark_tables_without_rows)


@asynccontextmanager
async def open_service_sessions(
    settings: Settings, keyring: KeyRing | None = None
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Open sessions in the database role of the service.

    Without a key ring it is loaded when a row needs it. Texts for people in the database need a loaded one.
    """
    from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions

    engine = make_engine(require_database_url(settings), DatabaseRole.SERVICE, pool_size=2)
    try:
        yield make_sessions(engine, keyring or LazyKeyRing(settings.keys_dir))
    finally:
        await engine.dispose()


@asynccontextmanager
async def open_sealer_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Open an engine in the database role that seals and reads the journal."""
    from machtiging.storage.engine import DatabaseRole, make_engine

    url = settings.sealer_database_url or require_database_url(settings)
    engine = make_engine(url, DatabaseRole.SEALER, pool_size=2, statement_timeout_ms=600_000, command_timeout=None)
    try:
        yield engine
    finally:
        await engine.dispose()


async def _check_downgrade(settings: Settings, target: str, confirmed_database: str | None) -> None:
    """Refuse a downgrade that drops tables unless it is confirmed. Raises NotAllowed `terugdraaien_...`."""
    from machtiging.storage.migration_runner import find_database_to_downgrade

    name = await find_database_to_downgrade(settings.owner_database_url or require_database_url(settings), target)
    if name is None:
        return
    if settings.env is Environment.PRODUCTION:
        raise NotAllowed("terugdraaien_in_productie", params={"target": target, "name": name})
    if confirmed_database is None and sys.stdin.isatty():
        confirmed_database = typer.prompt(
            f"Going back to {target} drops tables and what is in them. Database", err=True
        )
    if confirmed_database != name:
        raise NotAllowed("terugdraaien_niet_bevestigd", params={"target": target, "name": name})


def migrate_database(
    target: Annotated[str, typer.Argument(help="The target: head, a revision such as 0005, or base.")] = "head",
    *,
    yes_drop: Annotated[
        str | None,
        typer.Option("--yes-drop", metavar="NAME", help="For a downgrade: the name of the database that loses tables."),
    ] = None,
    seal_existing_rows: Annotated[
        bool,
        typer.Option(
            "--seal-existing-rows", help="In production: allow sealing at the upgrade that adds row MACs. Use it once."
        ),
    ] = False,
) -> None:
    """Migrate the database to the newest schema and create its three roles.

    The first run needs a login that may create roles. A downgrade loses the data of newer revisions (`base`: all
    letters and the journal). It is refused in production. Elsewhere you confirm it with the name of the database.
    """
    from alembic.util.exc import CommandError

    with provide_database(Settings()) as settings:
        try:
            asyncio.run(_check_downgrade(settings, target, yes_drop))
            with err.status(f"Migrating to {target} ..."):
                asyncio.run(migrate_schema(settings, target, seal_existing_rows=seal_existing_rows))
        except CommandError as error:
            raise typer.BadParameter(f"{error}") from error
    err.print(f"The database is at {target}.")
