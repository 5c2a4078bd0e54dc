"""The past of rows from a register, from before the journal, and after a new key of the row MACs."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.history import load_authority_at
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.statutory.rules import EventType
from machtiging.kernel.errors import NotInForce
from machtiging.kernel.ids import PersonId
from machtiging.organisations.registration import register_organisation
from machtiging.storage.engine import make_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import insert_relative_machtiging
from tests.storage.history.past_world import RandomActs
from tests.storage.history.stated_rows import state_all_rows
from tests.storage.organisations.organisation_world import COMMAND_LINE, KVK, REQUEST, make_registration
from tests.storage.statutory.register_world import LATER, build_register_world, tell_of_director

HOUR = timedelta(hours=1)


async def load_now(session, machtiging_id):
    return replace(await load_authority(session, machtiging_id), version="")


async def test_directorship_is_known_at_each_instant_until_the_register_ends_it(session):
    people = await build_register_world(session)
    registration = make_registration(KVK)
    business = await register_organisation(session, load_keyring(), COMMAND_LINE, registration, REQUEST, at=NOON)
    held = await tell_of_director(session, business, people.son)
    before = await load_now(session, held)
    await tell_of_director(session, business, people.son, EventType.END, effective_on=date(2026, 11, 23), at=LATER)
    after = await load_now(session, held)
    assert before.represented_organisation is not None
    assert await load_authority_at(session, held, NOON) == before
    assert await load_authority_at(session, held, LATER) == after
    assert (before.stop_reason(NOON), after.stop_reason(LATER).code) == (None, "machtiging_beeindigd")


async def test_bewind_is_known_before_and_after_its_end(session):
    world = await build_register_world(session)
    await world.send(world.event())
    held = (await world.relation()).machtiging_id
    before = await load_now(session, held)
    await world.send(world.event(EventType.END, effective_on=date(2026, 11, 23)), LATER)
    assert await load_authority_at(session, held, NOON) == before
    assert (await load_authority_at(session, held, LATER)).has_ended
    assert await load_authority_at(session, held, NOON - HOUR) is None


async def test_row_from_before_the_journal_has_a_past_from_its_statement_on(world, clock):
    async with unit_of_work(world.database.sessions) as session:
        held = await insert_relative_machtiging(session, world.people.mother, world.people.son, clock.now())
    first = clock.now()
    clock.advance(HOUR)
    assert await state_all_rows(world.database, clock.now()) == 2
    async with world.database.sessions() as session:
        assert await load_authority_at(session, held, clock.now()) == await load_now(session, held)
        with pytest.raises(NotInForce, match="geschiedenis_onvolledig"):
            await load_authority_at(session, held, first)


async def test_past_is_known_after_a_new_key_of_the_row_macs(world, clock, run_command):
    acts = await RandomActs.begin(world)
    then = clock.now()
    async with world.database.sessions() as session:
        before = await load_now(session, acts.leaf)
    clock.advance(HOUR)
    for command in (("keys", "rotate", "row-mac"), ("keys", "rewrap")):
        assert (await run_command(*command)).code == 0
    ring = KeyRing.load(run_command.keys)
    async with unit_of_work(make_sessions(world.database.service, ring)) as session:
        await pause_machtiging(session, acts.root, PersonId(world.people.mother), at=clock.now())
    async with make_sessions(world.database.service, ring)() as session:
        assert await load_authority_at(session, acts.leaf, then) == before
        assert (await load_authority_at(session, acts.leaf, clock.now())).stop_reason(clock.now()) is not None


async def test_past_without_the_older_key_is_refused(world, clock, run_command):
    """The seals of its lines cannot be verified any more."""
    acts = await RandomActs.begin(world)
    for command in (("keys", "rotate", "row-mac"), ("keys", "rewrap")):
        assert (await run_command(*command)).code == 0
    manifest = run_command.keys / "keys.json"
    content = json.loads(manifest.read_text())
    content["keys"] = [key for key in content["keys"] if key["name"] != "row-mac-1"]
    manifest.write_text(json.dumps(content))
    (run_command.keys / "row-mac-1.key").unlink()
    async with make_sessions(world.database.service, KeyRing.load(run_command.keys))() as session:
        assert (await load_authority(session, acts.leaf)).is_authentic
        with pytest.raises(NotInForce, match="journaalregel_ongeldig"):
            await load_authority_at(session, acts.leaf, clock.now())
