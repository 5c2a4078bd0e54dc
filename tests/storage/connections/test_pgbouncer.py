"""Role, timeouts and search path behind PgBouncer. Set in each transaction, in session and transaction mode."""

import asyncio
from contextlib import ExitStack
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url, text

from machtiging.kernel.errors import Fault
from machtiging.storage.autocommit import autocommit_connection
from machtiging.storage.connections.guard import SEARCH_PATH
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.migration_runner import migrate_schema, newest_revision
from tests.builders.database import run_as_superuser, url_of_database
from tests.storage.connections.pgbouncer import pgbouncer

pytestmark = pytest.mark.whole
SESSION_SETTINGS_QUERY = "SELECT current_user, current_setting('statement_timeout'), current_setting('search_path')"
PASSWORD = uuid4().hex


class Logins:
    """A database and its logins, reached through PgBouncers."""

    def __init__(self, url, names):
        self.url, self.names, self._running = url, names, ExitStack()

    def through(self, **settings):
        port = self._running.enter_context(
            pgbouncer(self.url, dict.fromkeys(self.names.values(), PASSWORD), **settings)
        )
        name = make_url(self.url).database
        return {role: f"postgresql://{login}:{PASSWORD}@127.0.0.1:{port}/{name}" for role, login in self.names.items()}

    def close(self):
        self._running.close()


async def some_logins(url, names, members):
    for login in set(names.values()):
        await run_as_superuser(url, f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'")
        for role in members[login]:
            await run_as_superuser(url, f"GRANT {role} TO {login}")


@pytest.fixture(params=["own logins", "one login"])
async def logins(request, database):
    mark = uuid4().hex[:8]
    one = request.param == "one login"
    names = {role: f"m_{mark}" if one else f"m_{role.name.lower()}_{mark}" for role in DatabaseRole}
    members = {login: [role.value for role, name in names.items() if name == login] for login in names.values()}
    await some_logins(database.url, names, members)
    made = Logins(database.url, names)
    yield made
    made.close()
    for login in set(names.values()):
        await run_as_superuser(database.url, f"DROP ROLE {login}")


@pytest.fixture(params=["session", "transaction"])
def engines(request, logins):
    # One server connection for all: in transaction mode each client reuses the connection of another.
    urls = logins.through(pool_mode=request.param, default_pool_size=1 if request.param == "transaction" else 10)
    return {role: make_engine(urls[role], role, pool_size=3) for role in (DatabaseRole.SERVICE, DatabaseRole.SEALER)}


async def in_a_session(sessions):
    async with sessions() as session, session.begin():
        return tuple((await session.execute(text(SESSION_SETTINGS_QUERY))).one())


async def in_autocommit(sessions):
    async with autocommit_connection(sessions) as work:
        return tuple(await work.fetchrow(SESSION_SETTINGS_QUERY + " WHERE $1::int = 1", 1))


async def test_settings_behind_pgbouncer_apply_in_every_transaction(engines):
    for _ in range(3):
        asked = []
        for role, engine in engines.items():
            sessions = make_sessions(engine)
            asked += [(role, ask(sessions)) for ask in (in_a_session, in_autocommit) for _ in range(3)]
        answers = await asyncio.gather(*(answer for _, answer in asked))
        assert answers == [(role.value, "15s", SEARCH_PATH) for role, _ in asked]
    for engine in engines.values():
        await engine.dispose()


async def test_journal_delete_behind_pgbouncer_is_rejected(engines):
    sessions = make_sessions(engines[DatabaseRole.SERVICE])
    for _ in range(3):
        with pytest.raises(Fault, match="opslag_niet_bereikbaar"):
            async with autocommit_connection(sessions) as work:
                await work.execute("DELETE FROM journal_intake WHERE $1::int = 1", 1)
    for engine in engines.values():
        await engine.dispose()


async def test_migration_through_pgbouncer_in_transaction_mode_succeeds(logins, database):
    urls = logins.through(pool_mode="transaction")
    await run_as_superuser(database.url, f"ALTER ROLE {logins.names[DatabaseRole.OWNER]} CREATEROLE")
    await run_as_superuser(
        database.url, f"GRANT {', '.join(role.value for role in DatabaseRole)} TO {logins.names[DatabaseRole.OWNER]}"
    )
    name = make_url(database.url).database
    connection = await asyncpg.connect(url_of_database(database.url, name))
    try:
        await connection.execute(
            f"GRANT CREATE ON SCHEMA public TO {logins.names[DatabaseRole.OWNER]} WITH GRANT OPTION"
        )
        await migrate_schema(urls[DatabaseRole.OWNER])
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == newest_revision()
    finally:
        await connection.execute(f"REVOKE CREATE ON SCHEMA public FROM {logins.names[DatabaseRole.OWNER]} CASCADE")
        await connection.close()


async def test_pgbouncer_in_statement_mode_is_rejected(logins):
    engine = make_engine(logins.through(pool_mode="statement")[DatabaseRole.SERVICE], DatabaseRole.SERVICE, pool_size=1)
    with pytest.raises(Fault, match="pool_mode") as refused:
        async with engine.connect():
            pass
    assert refused.value.code == "pooler_ongeschikt"


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_login_without_role_membership_behind_pgbouncer_is_rejected(database, mode):
    login = f"m_{uuid4().hex[:8]}"
    await some_logins(database.url, {DatabaseRole.SERVICE: login}, {login: []})
    made = Logins(database.url, {DatabaseRole.SERVICE: login})
    engine = make_engine(made.through(pool_mode=mode)[DatabaseRole.SERVICE], DatabaseRole.SERVICE, pool_size=1)
    try:
        with pytest.raises(Fault, match="GRANT machtiging_service") as refused:
            async with engine.connect():
                pass
        assert refused.value.code == "databaserol_geweigerd"
    finally:
        made.close()
        await run_as_superuser(database.url, f"DROP ROLE {login}")
