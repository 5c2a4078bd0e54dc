"""The migration to parties. People keep id and data key; afzenders and professionals' organisations come in."""

import pytest
from sqlalchemy import text

from machtiging.agencies.catalogue import CATALOGUE, upsert_catalogue
from machtiging.identity.people import Profile, find_or_create_by_bsn, load_profile, save_profile
from machtiging.kernel.bsn import Bsn
from machtiging.organisations.tables import SEALED_ORGANISATION, SEALED_RECOGNITION
from machtiging.storage.migration_runner import MIGRATIONS, migrate_schema
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import PARTIES, PERSONS

(STEP,) = MIGRATIONS.glob("versions/m*_parties.py")
BEFORE = f"{int(STEP.name[1:5]) - 1:04}"
RIET = Profile("Riet de Vries", None, "riet@example.nl")
KVK = "90000001"
MACHTIGING = """
INSERT INTO machtiging (id, vertegenwoordigde_id, gemachtigde_id, gemachtigde_kvk, capacity, purpose, legal_ground,
    state, excluded_themes, highest_sensitivity, letters_from, acts, assurance, accepted_assurance, starts_at, ends_at,
    offered_at, accepted_at)
SELECT gen_random_uuid(), one.id, other.id, :kvk, 'professional', 'post lezen', 'BW 3:60', 'active', '{}', 'gewoon',
    '2026-01-01', '{lezen}', 'substantieel', 'substantieel', now(), now() + interval '1 day', now(), now()
FROM person one, person other WHERE one.id < other.id
"""


@pytest.fixture
async def filled_database(database):
    """A database at the step before, with two people, afzenders and a professional's machtiging."""
    async with unit_of_work(database.sessions) as session:
        person = await find_or_create_by_bsn(session, load_keyring(), Bsn("999993653"), at=NOON)
        await find_or_create_by_bsn(session, load_keyring(), Bsn("999990019"), at=NOON)
        await save_profile(session, load_keyring(), person, RIET)
        await upsert_catalogue(session)
    await migrate_schema(database.url, BEFORE)
    async with bypass_triggers(database) as connection:
        await connection.execute(text(MACHTIGING), {"kvk": KVK})
    return database, person


async def test_migration_keeps_id_data_key_and_profile_of_a_person(filled_database):
    database, person = filled_database
    await migrate_schema(database.url)
    async with unit_of_work(database.sessions) as session:
        assert await load_profile(session, load_keyring(), person) == RIET
        assert await find_or_create_by_bsn(session, load_keyring(), Bsn("999993653"), at=NOON) == person
        assert await PARTIES.count(session, kind="person") == await PERSONS.count(session) == 2


async def test_downgrade_gives_a_person_the_data_key_back(filled_database):
    database, person = filled_database
    await migrate_schema(database.url)
    await migrate_schema(database.url, BEFORE)
    async with database.service.connect() as connection:
        kept = await connection.execute(
            text("SELECT data_key_wrapped, kek_version FROM person WHERE id = :id"), {"id": person}
        )
        wrapped, version = kept.one()
    assert load_keyring().unwrap_data_key(wrapped, version, person)


async def test_migration_makes_an_organisation_of_every_afzender(filled_database):
    database, _ = filled_database
    await migrate_schema(database.url)
    async with database.service.connect() as connection:
        found = await connection.execute(
            text("SELECT oin, name, kind, recognition_number FROM organisation WHERE kvk IS NULL")
        )
        assert {tuple(row) for row in found} == {(oin, name, "overheid", None) for name, oin in CATALOGUE}


async def test_migration_makes_the_organisation_of_a_professional_ask_for_recognition(filled_database):
    database, _ = filled_database
    await migrate_schema(database.url)
    query = (
        "SELECT status, confirmed_at IS NOT NULL, o.epoch FROM organisation o "
        "JOIN recognition r ON (o.id, o.recognition_number) = (r.organisation_id, r.number)"
    )
    async with database.service.connect() as connection:
        assert [tuple(row) for row in await connection.execute(text(query))] == [("aangevraagd", True, 1)]


async def test_organisations_of_the_migration_are_sealed_once_and_may_then_be_recognised(filled_database, run_command):
    assert (await run_command("migrate")).code == 0
    listed = await run_command("organisations", "list", "--status", "aangevraagd")
    assert "NOT SEALED" in listed.out
    organisation = next(line.split()[1] for line in listed.out.splitlines() if KVK in line)
    propose = ("organisations", "propose", organisation, "erkend", "--ground", "besluit")
    assert (await run_command(*propose)).code == 1
    assert (await run_command("keys", "seal-rows")).code == 0
    assert "NOT SEALED" not in (await run_command("organisations", "list")).out
    proposed = await run_command(*propose)
    assert proposed.code == 0, proposed.operator_output


async def test_organisation_made_by_the_migration_is_not_authentic(filled_database):
    database, _ = filled_database
    await migrate_schema(database.url)
    async with database.sessions() as session:
        for sealed in (SEALED_ORGANISATION, SEALED_RECOGNITION):
            rows = (await session.execute(sealed.table.select())).mappings().all()
            assert rows
            assert not any(verify_row(session, sealed, row) for row in rows)
