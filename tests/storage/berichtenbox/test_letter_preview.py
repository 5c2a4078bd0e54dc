"""The preview of a machtiging equals the list of its helper."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from machtiging.access.actor import Actor
from machtiging.access.listing_preview import preview_listing
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.berichtenbox import letter_preview
from machtiging.berichtenbox.letter_preview import count_letters_per_sender, preview_letters
from machtiging.berichtenbox.queries import BERICHT
from machtiging.delegation.rules import SELECTABLE_CAPACITIES, Act, Capacity
from machtiging.identity.people import load_data_key
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from tests.builders.applications import load_policy
from tests.builders.letters import SVB, UWV
from tests.builders.machtiging import make_scope
from tests.builders.rows import JOURNAL_INTAKE
from tests.storage.berichtenbox.test_bericht_listing import letters_of_every_kind, limits, list_ids, make_actor

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def box(world):
    """Letters of every kind, of two recipients, with subjects that open."""
    rows = await letters_of_every_kind(world)
    async with world.sessions.begin() as session:
        for row in rows:
            key = await load_data_key(session, world.keyring, row["ontvanger_id"])
            sealed = key.encrypt(f"Brief {row['id']}".encode(), "bericht", str(row["id"]), "onderwerp")
            await session.execute(update(BERICHT).where(BERICHT.c.id == row["id"]).values(onderwerp_sealed=sealed))
    return rows


def make_owner(world) -> Actor:
    return Actor(world.citizen, None, Assurance.SUBSTANTIAL, frozenset(Act), None, None)


async def divide(session, world, capacity, scope, since=LONG_AGO):
    preview = preview_listing(world.policy, capacity, scope)
    owner = make_owner(world)
    return await preview_letters(session, world.keyring, world.policy, owner, preview, since, at=world.clock.now())


async def test_preview_equals_the_list_of_the_helper(world, box):
    drawn = []

    @settings(max_examples=15, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(limits, st.sampled_from(sorted(SELECTABLE_CAPACITIES)))
    def draw(scope, capacity):
        drawn.append((scope, capacity))

    draw()
    hers = {row["id"] for row in box if row["ontvanger_id"] == world.citizen and row["deleted_at"] is None}
    hers &= {row["id"] for row in box if row["published_at"] <= world.clock.now()}
    some_visible = set()
    for scope, capacity in drawn:
        actor = make_actor(world, (scope, capacity, *[Assurance.SUBSTANTIAL] * 3))
        async with world.sessions() as session:
            letters = await divide(session, world, capacity, scope)
            try:
                listed, _ = await list_ids(session, world, actor)
            except Refusal:
                listed = set()
        visible = {letter.bericht_id for letter in letters.visible}
        assert visible == listed
        assert visible | {letter.bericht_id for letter in letters.hidden} == hers
        some_visible.add(bool(visible))
    assert some_visible == {True, False}


async def test_preview_shows_subject_sender_and_date_newest_first(world, box):
    async with world.sessions() as session:
        letters = await divide(session, world, Capacity.RELATIVE, make_scope(highest_sensitivity=Sensitivity.GEVOELIG))
    assert {letter.onderwerp for letter in letters.visible} == {f"Brief {one.bericht_id}" for one in letters.visible}
    moments = [letter.published_at for letter in letters.visible]
    assert moments == sorted(moments, reverse=True)
    assert {letter.afzender.naam for letter in letters.visible} == {"UWV", "Sociale Verzekeringsbank"}
    assert letters.is_complete


async def test_preview_shows_only_letters_since_the_given_instant(world, box):
    since = datetime(2026, 10, 1, tzinfo=UTC)
    async with world.sessions() as session:
        letters = await divide(session, world, Capacity.RELATIVE, make_scope(), since)
    assert letters.visible
    assert min(letter.published_at for letter in [*letters.visible, *letters.hidden]) >= since


async def test_preview_of_a_large_box_is_limited_and_says_so(world, box, monkeypatch):
    monkeypatch.setattr(letter_preview, "MAX_PREVIEWED_LETTERS", 10)
    async with world.sessions() as session:
        letters = await divide(session, world, Capacity.RELATIVE, make_scope())
    assert len(letters.visible) + len(letters.hidden) == 10
    assert not letters.is_complete


async def test_preview_is_journalled_as_her_own_look(world, box):
    async with world.sessions.begin() as session:
        await divide(session, world, Capacity.RELATIVE, make_scope())
    (line,) = await JOURNAL_INTAKE.read(world, act="bericht:lijst")
    assert (line.actor_id, line.for_person_id, line.machtiging_id) == (world.citizen, world.citizen, None)


def test_preview_includes_no_confidential_letter():
    pairs = preview_listing(load_policy(), Capacity.RELATIVE, make_scope()).allowed_pairs
    assert {sensitivity for _, sensitivity in pairs} == {Sensitivity.GEWOON, Sensitivity.GEVOELIG}
    assert {theme for theme, _ in pairs} == set(Theme)


async def test_letters_are_counted_per_sender_in_the_own_box(world, box):
    now = world.clock.now()
    async with world.sessions() as session:
        counts = await count_letters_per_sender(session, world.citizen, now - timedelta(days=30), at=now)
    since = now - timedelta(days=30)
    for oin in (UWV, SVB):
        mine = [row for row in box if row["ontvanger_id"] == world.citizen and row["afzender_oin"] == oin]
        recent = [row for row in mine if since <= row["published_at"] <= now and row["deleted_at"] is None]
        assert counts[oin] == len(recent)
    assert set(counts) == {UWV, SVB}
