"""A bericht is listed only if it is readable. The SQL of the list equals the policy."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from machtiging.access.actor import Actor
from machtiging.access.guard import issue_listing_permit, issue_permit
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.berichtenbox.bericht_list import permit_conditions
from machtiging.berichtenbox.queries import BERICHT, build_access_target, build_envelope, find_bericht, select_berichten
from machtiging.delegation.rules import Act, Capacity, Machtiging, MachtigingScope, MachtigingState
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId, uuid7
from machtiging.kernel.period import Period
from tests.builders.letters import HELPING, SVB, UWV
from tests.builders.machtiging import make_authority
from tests.unit.access.actors import KVK

# Around the turn of a Dutch day in summer and in winter.
INSTANTS = (
    datetime(2026, 5, 31, 21, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 5, 31, 22, 0, tzinfo=UTC),
    datetime(2026, 10, 31, 22, 59, tzinfo=UTC),
    datetime(2026, 10, 31, 23, 0, tzinfo=UTC),
    datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
)
DIENSTEN = ((UWV, "ww-uitkering"), (UWV, "scholing"), (SVB, "aow"))
THEMES = (Theme.INKOMEN, Theme.ZORG, Theme.PENSIOEN, Theme.BELASTINGEN)

some_themes = st.frozensets(st.sampled_from(THEMES))
limits = st.builds(
    MachtigingScope,
    afzenders=st.none() | st.frozensets(st.sampled_from([UWV, SVB]), min_size=1),
    diensten=st.none() | st.frozensets(st.sampled_from([f"{oin}/{code}" for oin, code in DIENSTEN]), min_size=1),
    themes=st.none() | st.frozensets(st.sampled_from(THEMES), min_size=1),
    excluded_themes=some_themes,
    highest_sensitivity=st.sampled_from(Sensitivity),
    letters_from=st.sampled_from([date(2026, 1, 1), date(2026, 6, 1), date(2026, 11, 1), date(2027, 1, 1)]),
    acts=st.just(frozenset(HELPING)),
)
helping = st.tuples(
    limits,
    st.sampled_from([c for c in Capacity if c is not Capacity.SELF]),
    *(st.sampled_from(Assurance) for _ in "123"),
)


async def letters_of_every_kind(world):
    """Insert one bericht for each combination of properties in scope and policy, of two recipients."""
    rows = []
    kinds = itertools.product(DIENSTEN, THEMES, Sensitivity, INSTANTS)
    for number, ((oin, code), theme, sensitivity, published_at) in enumerate(kinds):
        row = {"id": uuid7(), "ontvanger_id": world.citizen if number % 7 else world.helper, "afzender_oin": oin}
        row |= {"dienst_code": code, "theme": theme.value, "sensitivity": sensitivity.value}
        row |= {"published_at": published_at, "received_at": world.clock.now(), "sender_reference": str(number)}
        row |= {"content_hash": bytes(32), "onderwerp_sealed": b"x", "inhoud_sealed": b"x"}
        rows.append(row | {"deleted_at": world.clock.now() if number % 11 == 0 else None})
    async with world.sessions.begin() as session:
        await session.execute(insert(BERICHT), rows)
    return rows


def make_actor(world, drawn) -> Actor:
    scope, capacity, *levels = drawn
    now = world.clock.now()
    held = Machtiging(
        id=MachtigingId(uuid7()),
        vertegenwoordigde_id=world.citizen,
        gemachtigde_id=world.helper,
        parent_id=None,
        capacity=capacity,
        purpose="post bijhouden",
        legal_ground="Awb 2:1",
        state=MachtigingState.ACTIVE,
        scope=scope,
        assurance=levels[0],
        accepted_assurance=levels[1],
        period=Period(now - timedelta(days=1), now + timedelta(days=1)),
        ended_at=None,
        end_reason=None,
        offered_at=now,
        accepted_at=now,
    )
    kvk = KVK if capacity is Capacity.PROFESSIONAL else None
    authority = make_authority(held, kvk)
    return Actor(world.helper, authority, levels[2], frozenset(HELPING), "app", None, organisation_kvk=kvk)


async def list_ids(session, world, actor):
    """The listed ids, by the SQL of the list and by `ListingPermit.shows`."""
    at = world.clock.now()
    permit = await issue_listing_permit(session, world.policy, actor, at=at)
    rows = (
        await session.execute(select_berichten(actor.person_id, at, *BERICHT.c).where(*permit_conditions(permit)))
    ).all()
    every = (await session.execute(select_berichten(actor.person_id, at, *BERICHT.c))).mappings().all()
    own = {
        row["id"]
        for row in every
        if row["ontvanger_id"] == permit.vertegenwoordigde_id and permit.includes_envelope(build_envelope(row))
    }
    return {row.id for row in rows}, own


async def may_read(session, world, actor, bericht_id):
    at = world.clock.now()
    target = build_access_target(await find_bericht(session, bericht_id, actor.person_id, at), "bericht", bericht_id)
    try:
        await issue_permit(session, world.policy, actor, Act.READ, target, at=at)
    except Refusal:
        return False
    return True


async def test_row_40_bericht_is_listed_only_if_readable(world):
    rows = await letters_of_every_kind(world)
    actors = []

    @settings(max_examples=12, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(helping)
    def draw(drawn):
        actors.append(make_actor(world, drawn))

    draw()
    seen = set()
    for number, actor in enumerate([*actors, Actor(world.citizen, None, Assurance.LOW, frozenset(Act), "app", None)]):
        # Thirteen divides no number of kinds: together the actors sample every kind.
        sample = rows[number % 13 :: 13]
        async with world.sessions() as session:
            readable = {row["id"] for row in sample if await may_read(session, world, actor, row["id"])}
            try:
                shown, by_permit = await list_ids(session, world, actor)
            except Refusal:
                shown, by_permit = set(), set()
            assert shown == by_permit
            assert shown & {row["id"] for row in sample} == readable
            seen.add(bool(readable))
    assert seen == {True, False}


async def test_row_40_deleted_or_unpublished_bericht_is_not_listed(world):
    rows = await letters_of_every_kind(world)
    actor = Actor(world.citizen, None, Assurance.HIGH, frozenset(Act), "app", None)
    async with world.sessions() as session:
        shown, _ = await list_ids(session, world, actor)
    now = world.clock.now()
    assert shown == {
        row["id"]
        for row in rows
        if row["ontvanger_id"] == world.citizen and row["deleted_at"] is None and row["published_at"] <= now
    }


async def test_listing_permit_without_pairs_lists_nothing(world):
    await letters_of_every_kind(world)
    actor = Actor(world.citizen, None, Assurance.HIGH, frozenset(Act), "app", None)
    async with world.sessions() as session:
        permit = await issue_listing_permit(session, world.policy, actor, at=world.clock.now())
        assert (
            await session.execute(
                select_berichten(actor.person_id, permit.at, BERICHT.c.id).where(*permit_conditions(_none(permit)))
            )
        ).all() == []


def _none(permit):
    from machtiging.access.permit import PERMIT_SEAL

    return replace(permit, allowed_pairs=frozenset(), seal=PERMIT_SEAL)
