"""Events of registers: once each, in order, and at once where authority is taken away."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from machtiging.agencies.rules import Theme
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.rules import Capacity, Channel, EndReason, MachtigingState
from machtiging.delegation.statutory.register_events import apply_overdue_events, find_person_with_overdue_event
from machtiging.delegation.statutory.rules import EventOutcome, EventType, StatutoryKind
from machtiging.kernel.errors import Refusal
from tests.builders.keys import NOON
from tests.builders.organisations import add_organisation
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS, REGISTER_EVENTS, STATUTORY_RELATIONS
from tests.storage.statutory.register_world import CONTEXT, LATER

APPLIED, WAITING = EventOutcome.APPLIED, EventOutcome.WAITING
BEGIN, CHANGE, END = EventType.BEGIN, EventType.CHANGE, EventType.END
TODAY = date(2026, 11, 23)


async def test_begin_gives_the_representative_a_machtiging_with_ground_and_evidence(world, session):
    assert (await world.send(world.event())).outcome is APPLIED
    relation = await world.relation()
    authority = await load_authority(session, relation.machtiging_id, at=LATER)
    assert authority.stop_reason(LATER) is None
    assert authority.holder_id == world.son
    assert (authority.capacity, authority.root.channel) == (Capacity.BEWINDVOERDER, Channel.REGISTER)
    assert (authority.root.legal_ground, relation.evidence_reference) == ("BW 1:441", "C/10/2026/77")
    assert relation.precedence_row == "bewind-geld"
    kinds = await NOTIFICATIONS.read_column(session, "kind")
    assert sorted(kinds) == ["wettelijk_begonnen", "wettelijk_begonnen_bij_u"]


async def test_same_event_again_changes_nothing_and_answers_the_same(world, session):
    event = world.event(sequence_number=1)
    first = await world.send(event)
    tables = (MACHTIGINGEN, STATUTORY_RELATIONS, REGISTER_EVENTS, JOURNAL_INTAKE, NOTIFICATIONS)
    before = [await table.count(session) for table in tables]
    assert await world.send(event, at=LATER) == first
    assert [await table.count(session) for table in tables] == before


async def test_changed_body_under_the_same_id_is_refused(world):
    event = world.event()
    await world.send(event)
    with pytest.raises(Refusal, match="gebeurtenis_anders"):
        await world.send(replace(event, body_hash=b"other"))


async def test_end_ends_the_machtiging_at_once(world, session):
    await world.send(world.event())
    relation = await world.relation()
    await world.send(world.event(END, effective_on=TODAY), at=LATER)
    row = await MACHTIGINGEN.read_one(session, id=relation.machtiging_id)
    assert (row.state, row.end_reason, row.ended_at) == (MachtigingState.ENDED, EndReason.REGISTER, LATER)
    assert (await world.relation()).ends_at < LATER
    assert await world.stop_code(relation.machtiging_id) == "machtiging_beeindigd"


async def test_change_gives_the_new_representative_and_takes_from_the_old(world, session):
    await world.send(world.event())
    old = (await world.relation()).machtiging_id
    await world.send(world.event(CHANGE, vertegenwoordiger_id=world.daughter, effective_on=TODAY))
    new = await load_authority(session, (await world.relation()).machtiging_id, at=LATER)
    assert await world.stop_code(old) == "machtiging_beeindigd"
    assert (new.holder_id, new.stop_reason(LATER)) == (world.daughter, None)


IMPOSSIBLE = [
    ({"type_": END}, "relatie_onbekend"),
    ({"type_": CHANGE}, "relatie_onbekend"),
    ({"vertegenwoordiger_id": None}, "vertegenwoordiger_ontbreekt"),
    ({"ends_on": date(2026, 11, 21)}, "einde_voor_begin"),
    ({"effective_on": date(2027, 1, 1)}, "ingang_te_ver"),
    ({"kind": StatutoryKind.PARENTAL_AUTHORITY}, "geboortedatum_ontbreekt"),
    ({"kind": StatutoryKind.PARENTAL_AUTHORITY, "born_on": date(1980, 1, 1)}, "al_meerderjarig"),
    ({"kind": StatutoryKind.PARENTAL_AUTHORITY, "is_organisation": True}, "ouder_is_persoon"),
]


@pytest.mark.parametrize(("changes", "code"), IMPOSSIBLE)
async def test_impossible_event_is_refused_and_stores_nothing(world, session, changes, code):
    with pytest.raises(Refusal, match=code):
        await world.send(world.event(**changes))
    assert await REGISTER_EVENTS.count(session) == await MACHTIGINGEN.count(session) == 0


AFTER_BEGIN = [
    ({}, "relatie_bestaat_al"),
    ({"type_": END, "effective_on": date(2026, 11, 1)}, "einde_voor_begin"),
    ({"type_": END, "effective_on": date(2026, 11, 24)}, "ingang_in_toekomst"),
    ({"type_": CHANGE, "effective_on": date(2026, 11, 24)}, "ingang_in_toekomst"),
    ({"type_": END, "kind": StatutoryKind.CURATELE}, "relatie_van_ander"),
    ({"type_": END, "sequence_number": 1}, "volgnummer_al_gebruikt"),
]


@pytest.mark.parametrize(("changes", "code"), AFTER_BEGIN)
async def test_event_that_does_not_fit_its_relation_is_refused(world, changes, code):
    await world.send(world.event(sequence_number=1))
    with pytest.raises(Refusal, match=code):
        await world.send(world.event(**changes))
    assert await world.stop_code((await world.relation()).machtiging_id) is None


async def test_event_about_own_representation_is_refused(world):
    with pytest.raises(Refusal, match="eigen_vertegenwoordiger"):
        await world.send(world.event(vertegenwoordiger_id=world.mother))


async def test_event_after_the_end_of_its_relation_is_refused(world):
    await world.send(world.event())
    await world.send(world.event(END, effective_on=TODAY))
    for type_ in (CHANGE, END):
        with pytest.raises(Refusal, match="relatie_al_beeindigd"):
            await world.send(world.event(type_, effective_on=TODAY), at=LATER)


async def test_begin_with_a_gap_waits_and_then_follows_the_missing_one(world, session):
    second = world.event(sequence_number=2, relation_reference="r2", kind=StatutoryKind.MENTORSCHAP)
    assert (await world.send(second)).outcome is WAITING
    assert await MACHTIGINGEN.count(session) == 0
    assert (await world.send(world.event(sequence_number=1))).outcome is APPLIED
    assert await world.stop_code((await world.relation("r2")).machtiging_id) is None
    assert (await world.send(second)).outcome is APPLIED


async def test_begin_with_a_gap_is_applied_after_an_hour(world, session):
    await world.send(world.event(sequence_number=3))
    almost, due = NOON + timedelta(minutes=59), NOON + timedelta(minutes=60)
    assert await find_person_with_overdue_event(session, at=almost) is None
    assert await find_person_with_overdue_event(session, at=due) == world.mother
    await apply_overdue_events(session, CONTEXT, world.mother, at=due)
    assert await world.stop_code((await world.relation()).machtiging_id) is None
    assert await find_person_with_overdue_event(session, at=due) is None


async def test_end_with_a_gap_takes_the_authority_away_at_once(world):
    await world.send(world.event(sequence_number=1))
    assert (await world.send(world.event(END, sequence_number=4, effective_on=TODAY))).outcome is APPLIED
    assert await world.stop_code((await world.relation()).machtiging_id) == "machtiging_beeindigd"


async def test_end_before_its_begin_leaves_a_begin_that_gives_nothing(world, session):
    assert (await world.send(world.event(END, sequence_number=2, effective_on=TODAY))).outcome is APPLIED
    assert (await world.send(world.event(sequence_number=1))).outcome is APPLIED
    relation = await world.relation()
    assert (relation.machtiging_id, await MACHTIGINGEN.count(session)) == (None, 0)
    assert relation.ends_at <= NOON
    third = world.event(sequence_number=3, relation_reference="r3")
    assert (await world.send(third)).outcome is APPLIED


async def test_change_of_representative_with_a_gap_stops_the_old_one_at_once(world):
    await world.send(world.event(sequence_number=1))
    old = (await world.relation()).machtiging_id
    change = world.event(CHANGE, sequence_number=3, vertegenwoordiger_id=world.daughter, effective_on=TODAY)
    assert (await world.send(change)).outcome is WAITING
    assert await world.stop_code(old) == "machtiging_beeindigd"
    other = world.event(sequence_number=2, relation_reference="r2", kind=StatutoryKind.MENTORSCHAP)
    await world.send(other)
    assert await world.stop_code((await world.relation()).machtiging_id) is None


async def test_change_that_widens_with_a_gap_leaves_the_old_one_until_its_turn(world):
    await world.send(world.event(sequence_number=1, themes=frozenset({Theme.INKOMEN})))
    old = (await world.relation()).machtiging_id
    await world.send(world.event(CHANGE, sequence_number=3, effective_on=TODAY))
    assert await world.stop_code(old) is None


async def test_older_change_that_comes_late_changes_nothing(world, session):
    await world.send(world.event(sequence_number=1))
    newer = world.event(CHANGE, sequence_number=3, vertegenwoordiger_id=world.daughter, effective_on=TODAY)
    await world.send(newer)
    await apply_overdue_events(session, CONTEXT, world.mother, at=LATER)
    late = await world.send(world.event(CHANGE, sequence_number=2, effective_on=TODAY), at=LATER)
    assert late.outcome is EventOutcome.SUPERSEDED
    authority = await load_authority(session, (await world.relation()).machtiging_id, at=LATER)
    assert authority.holder_id == world.daughter


async def test_waiting_event_that_was_tampered_with_is_refused_at_its_turn(world, session):
    await world.send(world.event(sequence_number=2))
    table = REGISTER_EVENTS.table
    await session.execute(table.update().values(vertegenwoordiger_id=world.daughter))
    await apply_overdue_events(session, CONTEXT, world.mother, at=LATER)
    row = await REGISTER_EVENTS.read_one(session)
    assert (row.outcome, row.reason) == ("geweigerd", "rij_ongeldig")
    assert await MACHTIGINGEN.count(session) == 0


async def test_temporary_measure_ends_by_itself_after_its_last_day(world):
    await world.send(world.event(ends_on=date(2026, 11, 30)))
    machtiging_id = (await world.relation()).machtiging_id
    assert await world.stop_code(machtiging_id, NOON + timedelta(days=7)) is None
    assert await world.stop_code(machtiging_id, NOON + timedelta(days=8)) == "machtiging_verlopen"


async def test_office_gets_its_client_without_a_reader(world, session):
    office = await add_organisation(session)
    event = world.event(vertegenwoordiger_id=office, is_organisation=True)
    assert (await world.send(event)).outcome is APPLIED
    authority = await load_authority(session, (await world.relation()).machtiging_id, at=LATER)
    assert (authority.organisation_id, authority.stop_reason(LATER).code) == (office, "niet_toegewezen")


async def test_measure_does_not_end_by_the_longest_period_of_the_office(world, session):
    office = await add_organisation(session, ceiling_days=30)
    await world.send(world.event(vertegenwoordiger_id=office, is_organisation=True))
    machtiging_id = (await world.relation()).machtiging_id
    assert await world.stop_code(machtiging_id, NOON + timedelta(days=400)) == "niet_toegewezen"


async def test_event_row_names_no_bsn(world, session):
    await world.send(world.event())
    texts = [str(row) for row in await REGISTER_EVENTS.read(session)]
    lines = [str(row) for row in await JOURNAL_INTAKE.read(session)]
    assert not any("999990019" in text or "999990020" in text for text in (*texts, *lines))
