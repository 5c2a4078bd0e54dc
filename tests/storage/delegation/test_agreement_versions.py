"""Narrowing and extending by the giver: new versions of the agreement, journalled with their state."""

import asyncio
from datetime import timedelta

import pytest

from machtiging.agencies.rules import Theme
from machtiging.delegation.amendments.rules import Narrowing
from machtiging.delegation.amendments.versions import extend_machtiging, narrow_machtiging
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.offer import Giver
from machtiging.delegation.rules import Act
from machtiging.delegation.suspension.emergency_stop import start_emergency_stop
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.machtiging import MACHTIGING_LIMITS, UWV, Committed, add_offer, grant_machtiging
from tests.builders.people import add_mother_and_son
from tests.builders.rows import AGREEMENTS, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS

LATER = NOON + timedelta(hours=1)
TODAY = to_dutch_date(NOON)
LAST_DAY = MACHTIGING_LIMITS.latest_end_date(TODAY)
READ_ONLY = frozenset({Act.LIST, Act.READ})


async def last_line(session):
    return (await JOURNAL_INTAKE.read(session, "act", "outcome", "reason", "machtiging_id", "for_person_id"))[-1]


async def test_narrowing_writes_a_new_version_with_its_state_and_notifies_both(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    before = await load_authority(session, taken.id, at=LATER)
    narrowing = Narrowing(afzenders=frozenset({UWV}), excluded_themes=frozenset({Theme.WONEN}), acts=READ_ONLY)
    after = await narrow_machtiging(session, taken.id, people.mother, narrowing, at=LATER)
    assert after.agreement_number == 2
    assert (after.scope.afzenders, after.scope.acts) == (frozenset({UWV}), READ_ONLY)
    assert after.scope.excluded_themes == frozenset({Theme.ZORG, Theme.WONEN})
    assert await last_line(session) == ("machtiging:beperkt", "done", "beperkt", taken.id, people.mother)
    facts = (await JOURNAL_INTAKE.read_column(session, "facts"))[-1]
    assert [entry["tabel"] for entry in facts["toestand"]] == ["machtiging", "agreement"]
    told = await NOTIFICATIONS.read(session, "person_id", "kind", NOTIFICATIONS.c.created_at > NOON)
    assert sorted(told) == sorted([(people.mother, "machtiging_beperkt_door_u"), (people.son, "machtiging_beperkt")])
    authority = await load_authority(session, taken.id, at=LATER)
    assert authority.is_authentic
    assert authority.version == before.version  # one transaction: the version is that of the transaction


async def test_narrowing_repeated_writes_nothing(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    narrowing = Narrowing(afzenders=frozenset({UWV}), last_day=TODAY + timedelta(days=3))
    once = await narrow_machtiging(session, taken.id, people.mother, narrowing, at=LATER)
    lines = await JOURNAL_INTAKE.count(session)
    assert await narrow_machtiging(session, taken.id, people.mother, narrowing, at=LATER) == once
    assert (await AGREEMENTS.count(session), await JOURNAL_INTAKE.count(session)) == (2, lines)


async def test_narrowing_to_more_than_before_leaves_it_as_it_was(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people, acts=READ_ONLY)
    narrowing = Narrowing(last_day=LAST_DAY + timedelta(days=400))
    assert await narrow_machtiging(session, taken.id, people.mother, narrowing, at=LATER) == taken
    assert await AGREEMENTS.count(session) == 1


async def test_narrowing_of_an_offer_keeps_it_open(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    after = await narrow_machtiging(session, offered.machtiging_id, people.mother, Narrowing(acts=READ_ONLY), at=LATER)
    assert (after.scope.acts, after.accepted_at) == (READ_ONLY, None)


@pytest.mark.parametrize("who", ["son", "stranger"])
async def test_idor_narrowing_and_extension_by_another_person_are_not_found(session, who):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    person = people.son if who == "son" else (await add_mother_and_son_again(session)).mother
    with pytest.raises(NotFound, match="machtiging_onbekend"):
        await narrow_machtiging(session, taken.id, person, Narrowing(acts=READ_ONLY), at=LATER)
    giver = Giver(person, Assurance.HIGH)
    with pytest.raises(NotFound, match="machtiging_onbekend"):
        await extend_machtiging(session, MACHTIGING_LIMITS, taken.id, giver, LAST_DAY, at=LATER)
    assert (await last_line(session))[:3] == ("machtiging:verlengd", "refused", "niet_van_u")
    assert await AGREEMENTS.count(session) == 1


async def add_mother_and_son_again(session):
    from machtiging.kernel.bsn import Bsn
    from tests.builders.people import People, add_person

    mother, son = await add_person(session, Bsn("999990044")), await add_person(session, Bsn("999990056"))
    return People(mother, son)


async def test_extension_keeps_the_scope_and_counts_from_today(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    at = NOON + timedelta(days=30)
    last_day = to_dutch_date(at) + timedelta(days=200)
    after = await extend_machtiging(session, MACHTIGING_LIMITS, taken.id, people.giver, last_day, at=at)
    assert (after.scope, after.period.last_day) == (taken.scope, last_day)
    assert to_dutch_date(after.period.starts_at) == to_dutch_date(at)
    assert await last_line(session) == ("machtiging:verlengd", "done", "verlengd", taken.id, people.mother)
    told = await NOTIFICATIONS.read_column(session, "kind", NOTIFICATIONS.c.created_at > NOON)
    assert sorted(told) == ["machtiging_verlengd", "machtiging_verlengd_door_u"]


async def test_extension_beyond_the_longest_term_is_refused_and_journalled(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    with pytest.raises(InvalidInput, match="periode_te_lang"):
        await extend_machtiging(
            session, MACHTIGING_LIMITS, taken.id, people.giver, LAST_DAY + timedelta(days=1), at=NOON
        )
    assert (await last_line(session))[:3] == ("machtiging:verlengd", "refused", "periode_te_lang")


async def test_extension_with_a_low_login_is_refused(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    with pytest.raises(NotAllowed, match="niveau_te_laag"):
        await extend_machtiging(
            session, MACHTIGING_LIMITS, taken.id, Giver(people.mother, Assurance.LOW), LAST_DAY, at=NOON
        )


async def test_extension_and_narrowing_of_ended_machtiging_are_refused(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await revoke_machtiging(session, taken.id, people.mother, at=LATER)
    with pytest.raises(Conflict, match="machtiging_beeindigd"):
        await extend_machtiging(session, MACHTIGING_LIMITS, taken.id, people.giver, LAST_DAY, at=LATER)
    with pytest.raises(Conflict, match="machtiging_beeindigd"):
        await narrow_machtiging(session, taken.id, people.mother, Narrowing(acts=READ_ONLY), at=LATER)


async def test_extension_in_emergency_stop_is_refused_and_narrowing_is_not(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await start_emergency_stop(session, people.mother, at=LATER)
    with pytest.raises(Conflict, match="noodstop"):
        await extend_machtiging(session, MACHTIGING_LIMITS, taken.id, people.giver, LAST_DAY, at=LATER)
    after = await narrow_machtiging(session, taken.id, people.mother, Narrowing(acts=READ_ONLY), at=LATER)
    assert (after.scope.acts, after.stopped_at) == (READ_ONLY, LATER)


async def test_forged_machtiging_is_neither_narrowed_nor_extended(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await session.execute(MACHTIGINGEN.table.update().where(MACHTIGINGEN.c.id == taken.id).values(mac=b"forged"))
    with pytest.raises(NotAllowed, match="rij_ongeldig"):
        await narrow_machtiging(session, taken.id, people.mother, Narrowing(acts=READ_ONLY), at=LATER)
    with pytest.raises(NotAllowed, match="rij_ongeldig"):
        await extend_machtiging(session, MACHTIGING_LIMITS, taken.id, people.giver, LAST_DAY, at=LATER)


async def test_extension_pressed_twice_at_once_makes_one_version(database):
    world = await Committed.begin(database)
    taken = await world.accept((await world.offer()).code)

    async def extend():
        async with unit_of_work(database.sessions) as session:
            return await extend_machtiging(session, MACHTIGING_LIMITS, taken.id, world.people.giver, LAST_DAY, at=NOON)

    one, other = await asyncio.gather(extend(), extend())
    assert one == other
    assert await AGREEMENTS.count(database) == 2


async def test_change_gives_the_authority_another_version(database):
    """So a token or request that was decided before is decided anew."""
    world = await Committed.begin(database)
    taken = await world.accept((await world.offer()).code)
    versions = set()
    for act in (None, "narrow", "extend"):
        async with unit_of_work(database.sessions) as session:
            if act == "narrow":
                await narrow_machtiging(session, taken.id, world.people.mother, Narrowing(acts=READ_ONLY), at=NOON)
            if act == "extend":
                await extend_machtiging(session, MACHTIGING_LIMITS, taken.id, world.people.giver, LAST_DAY, at=NOON)
        async with unit_of_work(database.sessions) as session:
            versions.add((await load_authority(session, taken.id)).version)
    assert len(versions) == 3
