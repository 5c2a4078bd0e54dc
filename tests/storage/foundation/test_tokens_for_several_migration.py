"""The migration to tokens for several machtigingen, up and down."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from machtiging.access.token_lookup import load_token
from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.access_tokens.tokens import insert_token
from machtiging.delegation.authority.machtiging_set import ASSIGNED, MachtigingSet
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import TokenId, uuid7
from machtiging.oauth.register_client import register_client
from machtiging.storage.migration_runner import MIGRATIONS, migrate_schema
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import make_token_facts
from tests.builders.client import make_app_metadata
from tests.builders.keys import NOON
from tests.builders.letters import make_api_world
from tests.builders.rows import GRANTS, ISSUED_TOKENS
from tests.builders.tokens import insert_grant

(STEP,) = MIGRATIONS.glob("versions/m*_tokens_for_several.py")
BEFORE = f"{int(STEP.name[1:5]) - 1:04}"
DETAILS = {
    "own": {"type": "berichtenbox", "actions": ["lezen"]},
    "assigned": {"type": "berichtenbox", "actions": ["lezen"], **ASSIGNED.to_json()},
    "named": {"type": "berichtenbox", "actions": ["lezen"], **MachtigingSet(frozenset({uuid7()})).to_json()},
}


async def insert_consents(world):
    """A consent with a token of each kind. Returns the ids by kind."""
    found = {}
    async with unit_of_work(world.sessions) as session:
        order = {"detail_type": "berichtenbox", "oin": None, "at": NOON, "practice": True}
        made = await register_client(session, make_app_metadata(None), **order)
        for kind, details in DETAILS.items():
            grant = await insert_grant(
                session, made["client_id"], world.helper, None, at=NOON, authorization_details=[details]
            )
            several = {name: details[name] for name in ("clienten", "machtigingen") if name in details} or None
            facts = make_token_facts(person_id=world.helper, grant_id=grant.grant.id, representation_set=several)
            await insert_token(session, facts)
            found[kind] = (grant.grant.id, facts.id)
    return found


async def test_downgrade_ends_consents_and_tokens_for_several_and_no_other(database, clock):
    world = await make_api_world(database, clock)
    made = await insert_consents(world)
    await migrate_schema(database.url, BEFORE)
    await migrate_schema(database.url)
    for kind, (grant_id, token_id) in made.items():
        [(ended, reason)] = await GRANTS.read(world, "ended_at", "end_reason", id=grant_id)
        [(revoked,)] = await ISSUED_TOKENS.read(world, "revoked_at", id=token_id)
        assert (ended is not None, revoked is not None) == (kind != "own", kind != "own"), kind
        assert reason == (None if kind == "own" else "versie_terug")


async def test_token_of_before_the_migration_keeps_its_mac(database, clock):
    world = await make_api_world(database, clock)
    facts = make_token_facts(person_id=world.helper)
    async with unit_of_work(world.sessions) as session:
        await insert_token(session, facts)
        row = await ISSUED_TOKENS.read_one(session, id=facts.id)
    old_columns = {name: getattr(row, name) for name in SEALED_TOKEN.columns if name != "representation_set"}
    assert SEALED_TOKEN.encode_row(old_columns) == SEALED_TOKEN.encode_row(row._mapping)
    await migrate_schema(database.url, BEFORE)
    await migrate_schema(database.url)
    async with unit_of_work(world.sessions) as session:
        assert await load_token(session, TokenId(facts.id)) is not None


@pytest.mark.parametrize("value", ['{"clienten": "toegewezen"}', "[]", "null"])
async def test_token_for_several_with_a_machtiging_of_its_own_is_refused_by_the_database(database, clock, value):
    world = await make_api_world(database, clock)
    held = await world.grant_machtiging()
    async with unit_of_work(world.sessions) as session:
        await insert_token(session, make_token_facts(person_id=world.helper, machtiging_id=held, grant_id=uuid7()))
    async with world.sessions() as session:
        with pytest.raises(IntegrityError, match="token_for_several_is_of_a_person_at_our_api"):
            await session.execute(
                text("UPDATE issued_token SET representation_set = CAST(:value AS jsonb)"), {"value": value}
            )


@pytest.mark.parametrize("kind", ["assigned", "named"])
async def test_token_for_own_box_under_consent_for_several_is_refused_by_the_database(database, clock, kind):
    """A worker of the version before would issue it, while workers of two versions run."""
    world = await make_api_world(database, clock)
    grant_id, _ = (await insert_consents(world))[kind]
    facts = make_token_facts(person_id=world.helper, grant_id=grant_id)
    with pytest.raises(Fault) as refused:
        async with unit_of_work(world.sessions) as session:
            await insert_token(session, facts)
    assert "is for several" in str(refused.value.__cause__)
