"""New connections are rejected without the right role, timeouts, search path and write access."""

from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from machtiging.kernel.errors import Fault
from machtiging.storage.autocommit import autocommit_connection
from machtiging.storage.connections.guard import SEARCH_PATH
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import run_as_superuser, url_of_database
from tests.storage.connections.pgbouncer import middlebox

SESSION_SETTINGS_QUERY = """SELECT current_user, current_setting('statement_timeout'), current_setting('lock_timeout'),
                 current_setting('search_path')"""
PASSWORD = uuid4().hex


@pytest.fixture
async def login(database):
    """A login that is a member of the service role and of another role."""
    name, other = f"m_{uuid4().hex[:8]}", "machtiging_servicx"
    await run_as_superuser(database.url, f"CREATE ROLE {other}")
    await run_as_superuser(
        database.url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE machtiging_service, {other}"
    )
    yield name
    await run_as_superuser(database.url, f"DROP ROLE {name}")
    await run_as_superuser(database.url, f"DROP ROLE {other}")


async def connect_fault(url, role=DatabaseRole.SERVICE):
    engine = make_engine(url, role, pool_size=1)
    try:
        with pytest.raises(Fault) as fault:
            async with engine.connect():
                pass
        with pytest.raises(Fault) as seen:
            async with unit_of_work(make_sessions(engine)) as session:
                await session.execute(text("SELECT 1"))
        with pytest.raises(Fault) as straight:
            async with autocommit_connection(make_sessions(engine)):
                pass
    finally:
        await engine.dispose()
    # The client is told that the database is unreachable; the log has the reason.
    assert {seen.value.code, straight.value.code} == {"opslag_niet_bereikbaar"}
    assert fault.value.code in seen.value.private
    return fault.value


@pytest.mark.parametrize("role", list(DatabaseRole))
async def test_new_connection_has_its_role_time_limits_and_search_path(database, role):
    engine = make_engine(database.url, role, pool_size=1)
    async with engine.connect() as connection:
        assert tuple((await connection.execute(text(SESSION_SETTINGS_QUERY))).one()) == (
            role.value,
            "15s",
            "5s",
            SEARCH_PATH,
        )
    await engine.dispose()


@pytest.mark.parametrize(
    ("said", "instead", "code"),
    [
        (b'machtiging_service"', b'machtiging_servicx"', "databaserol_verkeerd"),
        (b'"statement_timeout": "15000"', b'"statement_timeout": "99999"', "databaseverbinding_verkeerd_ingesteld"),
        (b'"lock_timeout": "5000"', b'"lock_timeout": "0"   ', "databaseverbinding_verkeerd_ingesteld"),
        (b'"public, pg_temp"', b'"pg_temp, public"', "databaseverbinding_verkeerd_ingesteld"),
        (b'"role": "machtiging_service"', b'"role": "machtiging_sealer" ', "databaserol_geweigerd"),
    ],
    ids=["role", "longer statement timeout", "no lock timeout", "search path", "role of another"],
)
async def test_connection_that_loses_role_timeout_or_search_path_is_rejected(database, login, said, instead, code):
    async with middlebox(database.url, said, instead) as port:
        url = f"postgresql://{login}:{PASSWORD}@127.0.0.1:{port}/{make_url(database.url).database}?sslmode=disable"
        fault = await connect_fault(url)
    assert fault.code == code
    assert PASSWORD not in str(fault)


@pytest.mark.parametrize("role", [None, *DatabaseRole])
async def test_read_only_server_is_rejected(database, role):
    name = make_url(database.url).database
    await run_as_superuser(database.url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        fault = await connect_fault(database.url, role)
    finally:
        await run_as_superuser(database.url, f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert (fault.code, "target_session_attrs" in fault.private) == ("database_alleen_lezen", True)


async def test_missing_role_is_rejected_with_remedy(database):
    name = f"m_{uuid4().hex[:8]}"
    await run_as_superuser(database.url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    try:
        async with middlebox(database.url, b'machtiging_service"', b'machtiging_servicy"') as port:
            url = f"postgresql://{name}:{PASSWORD}@127.0.0.1:{port}/{make_url(database.url).database}?sslmode=disable"
            fault = await connect_fault(url)
    finally:
        await run_as_superuser(database.url, f"DROP ROLE {name}")
    assert (fault.code, "machtiging migrate" in fault.private) == ("databaserol_geweigerd", True)


async def test_search_path_of_the_login_is_overridden(database):
    name = make_url(database.url).database
    await run_as_superuser(database.url, f'ALTER DATABASE "{name}" SET search_path = pg_temp, elsewhere')
    try:
        engine = make_engine(url_of_database(database.url, name), DatabaseRole.SERVICE, pool_size=1)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
        await engine.dispose()
    finally:
        await run_as_superuser(database.url, f'ALTER DATABASE "{name}" RESET search_path')
