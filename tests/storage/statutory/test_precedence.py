"""Precedence of a measure of the court over what the citizen gives herself."""

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machtiging.agencies.rules import Theme
from machtiging.delegation.acceptance import accept_offer
from machtiging.delegation.amendments.rules import Narrowing
from machtiging.delegation.amendments.versions import extend_machtiging, narrow_machtiging
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.directed_offers.decision import accept_directed_offer
from machtiging.delegation.offer import offer_machtiging
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.rules import Capacity, EndReason
from machtiging.delegation.statutory.precedence import read_precedence, touches_closed_themes
from machtiging.delegation.statutory.register_events import apply_overdue_events
from machtiging.delegation.statutory.rules import EventOutcome, EventType, StatutoryKind
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, Fault, NotAllowed, Refusal
from tests.builders.applications import POLICIES
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import (
    MACHTIGING_LIMITS,
    add_offer,
    grant_machtiging,
    insert_relative_machtiging,
    make_scope,
    make_terms,
)
from tests.builders.organisations import KVK, add_employee, add_organisation
from tests.builders.people import BORN, add_person_without_bsn
from tests.builders.rows import MACHTIGINGEN, NOTIFICATIONS, STATUTORY_RELATIONS
from tests.storage.statutory.register_world import CONTEXT, LATER, build_register_world

CURATELE, BEWIND, MENTORSCHAP = StatutoryKind.CURATELE, StatutoryKind.BEWIND, StatutoryKind.MENTORSCHAP
CODES = {CURATELE: "onder_curatele", BEWIND: "onder_bewind", MENTORSCHAP: "onder_mentorschap"}
CARE_ONLY = {"themes": ["zorg"]}


@pytest.mark.parametrize("kind", CODES)
async def test_earlier_machtiging_ends_when_the_register_tells_of_the_measure(world, session, kind):
    own = await grant_machtiging(session, world.people)
    assert await world.stop_code(own.id, NOON) is None
    await world.send(world.event(kind=kind, vertegenwoordiger_id=world.daughter))
    assert await world.stop_code(own.id) == "machtiging_beeindigd"
    row = await MACHTIGINGEN.read_one(session, id=own.id)
    assert row.end_reason == EndReason.SUPERSEDED
    kinds = await NOTIFICATIONS.read_column(session, "kind")
    assert {"vervallen_door_maatregel", "vervallen_door_maatregel_bij_u"} <= set(kinds)


async def test_earlier_machtiging_about_other_themes_stays_in_force(world, session):
    own = await insert_relative_machtiging(session, world.mother, world.son, **CARE_ONLY)
    await world.send(world.event(vertegenwoordiger_id=world.daughter))
    assert await world.stop_code(own) is None


async def test_earlier_machtiging_stays_in_force_under_bewind_over_other_goods(world, session):
    own = await insert_relative_machtiging(session, world.mother, world.son, themes=["wonen"])
    goods = frozenset({Theme.INKOMEN})
    await world.send(world.event(vertegenwoordiger_id=world.daughter, themes=goods))
    assert await world.stop_code(own) is None


async def test_parental_authority_leaves_what_the_child_gave(world, session):
    own = await grant_machtiging(session, world.people)
    kind, born = StatutoryKind.PARENTAL_AUTHORITY, date(2012, 3, 1)
    await world.send(world.event(kind=kind, born_on=born, vertegenwoordiger_id=world.daughter))
    assert await world.stop_code(own.id) is None


@pytest.mark.parametrize("kind", CODES)
async def test_new_offer_under_a_measure_is_refused_with_its_reason(world, session, kind):
    await world.send(world.event(kind=kind))
    with pytest.raises(Conflict, match=CODES[kind]):
        await add_offer(session, world.people)


async def test_new_offer_about_other_themes_is_possible_under_bewind_and_not_under_curatele(world, session):
    scope = make_scope(themes=frozenset({Theme.ZORG}))
    await world.send(world.event())
    await add_offer(session, world.people, scope=scope)
    await world.send(world.event(kind=CURATELE, relation_reference="r2"))
    with pytest.raises(Conflict, match="onder_curatele"):
        await add_offer(session, world.people, scope=scope)


async def test_new_offer_after_the_end_of_the_measure_is_possible(world, session):
    await world.send(world.event())
    await world.send(world.event(EventType.END, effective_on=date(2026, 11, 23)))
    await add_offer(session, world.people)


async def test_open_offer_under_a_measure_cannot_be_accepted(world, session):
    offer = await add_offer(session, world.people)
    await world.send(world.event())
    with pytest.raises(Refusal):
        await accept_offer(session, load_keyring(), world.people.helper, offer.code, BORN, at=LATER)
    assert (await load_machtiging(session, offer.machtiging_id)).gemachtigde_id is None


async def test_acceptance_checks_the_measure_itself(world, session):
    offer = await add_offer(session, world.people)
    await world.send(world.event(relation_reference="r9", themes=frozenset({Theme.WONEN})))
    relation = await world.relation("r9")
    other = await add_offer(session, world.people, scope=make_scope(themes=frozenset({Theme.ZORG})))
    table = STATUTORY_RELATIONS.table
    await session.execute(table.update().where(table.c.id == relation.id).values(closed_themes=None))
    with pytest.raises(NotAllowed, match="aanbod_kan_niet_meer"):
        await accept_offer(session, load_keyring(), world.people.helper, other.code, BORN, at=LATER)
    assert (await load_machtiging(session, offer.machtiging_id)).ended_at == NOON


async def test_acceptance_by_an_organisation_checks_the_measure_itself(world, session):
    organisation = await add_organisation(session, KVK)
    leader = await add_person_without_bsn(session, "Tess Leider", None)
    await add_employee(session, organisation, leader, roles=["teamleider"])
    await world.send(world.event(themes=frozenset({Theme.WONEN})))
    terms = make_terms(capacity=Capacity.PROFESSIONAL, scope=make_scope(themes=frozenset({Theme.ZORG})))
    giver = world.people.giver
    offer = await offer_machtiging(
        session, load_keyring(), MACHTIGING_LIMITS, giver, terms, at=NOON, offered_to=organisation
    )
    table = STATUTORY_RELATIONS.table
    await session.execute(table.update().values(closed_themes=None, closed_capacities=["professional"]))
    login = EmployeeLogin(leader, KVK, Assurance.SUBSTANTIAL)
    with pytest.raises(NotAllowed, match="aanbod_kan_niet_meer"):
        await accept_directed_offer(session, login, offer.machtiging_id, at=LATER)
    assert (await load_machtiging(session, offer.machtiging_id)).gemachtigde_id is None


async def test_extension_under_a_measure_is_refused(world, session):
    own = await insert_relative_machtiging(session, world.mother, world.son, **CARE_ONLY)
    await world.send(world.event(vertegenwoordiger_id=world.daughter))
    table = STATUTORY_RELATIONS.table
    await session.execute(table.update().values(closed_themes=None))
    last_day = date(2027, 6, 1)
    with pytest.raises(Conflict, match="onder_bewind"):
        await extend_machtiging(session, MACHTIGING_LIMITS, own, world.people.giver, last_day, at=LATER)


async def test_begin_that_waits_closes_what_the_citizen_gave_at_once(world, session):
    own = await grant_machtiging(session, world.people)
    answer = await world.send(world.event(sequence_number=2, vertegenwoordiger_id=world.daughter))
    assert answer.outcome is EventOutcome.WAITING
    assert await world.stop_code(own.id) == "machtiging_beeindigd"
    with pytest.raises(Conflict, match="onder_bewind"):
        await add_offer(session, world.people)
    assert (await world.relation()).machtiging_id is None


async def test_neither_party_can_change_what_a_register_told(world, session):
    await world.send(world.event())
    machtiging_id = (await world.relation()).machtiging_id
    acts = [
        revoke_machtiging(session, machtiging_id, world.mother, at=LATER),
        pause_machtiging(session, machtiging_id, world.mother, at=LATER),
        resume_machtiging(session, machtiging_id, world.mother, at=LATER),
        give_back_machtiging(session, machtiging_id, world.son, at=LATER),
        narrow_machtiging(session, machtiging_id, world.mother, Narrowing(last_day=date(2026, 12, 1)), at=LATER),
        extend_machtiging(session, MACHTIGING_LIMITS, machtiging_id, world.people.giver, date(2027, 1, 1), at=LATER),
    ]
    for act in acts:
        with pytest.raises(Refusal) as refused:
            await act
        assert refused.value.code in ("machtiging_uit_register", "onder_bewind")
    assert await world.stop_code(machtiging_id) is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.sampled_from(["begin", "wijziging", "einde"]), st.sampled_from(["a", "b"]),
                  st.integers(1, 4)),
        st.tuples(st.sampled_from(["offer", "accept", "pause", "resume", "hour", "care"])),
    ),
    min_size=1,
    max_size=9,
)  # fmt: skip
RELATIONS = {"a": BEWIND, "b": CURATELE}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_no_order_of_events_leaves_a_voluntary_machtiging_readable_under_a_measure(session, steps):
    """Events in any order and with gaps, between offers, acceptances, pauses and resumptions."""
    async with session.begin_nested() as savepoint:
        world, at, offers = await build_register_world(session), NOON, []
        own = [await grant_machtiging(session, world.people)]
        for step in steps:
            at += timedelta(minutes=1)
            try:
                async with session.begin_nested():
                    await _take(world, step, at, offers, own)
            except Refusal:
                pass
            at += timedelta(hours=1) if step[0] == "hour" else timedelta(0)
            await _assert_precedence(world, own, at)
        await savepoint.rollback()


async def _take(world, step, at, offers, own):
    session, people = world.session, world.people
    match step:
        case ("event", type_, reference, number):
            kind = RELATIONS[reference]
            changes = {"vertegenwoordiger_id": None if type_ == "einde" else world.daughter}
            event = world.event(
                EventType(type_), relation_reference=reference, kind=kind, sequence_number=number, **changes
            )
            await world.send(event, at)
        case ("offer",):
            offers.append(await add_offer(session, people))
        case ("care",):
            offers.append(await add_offer(session, people, scope=make_scope(themes=frozenset({Theme.ZORG}))))
        case ("accept",) if offers:
            code = offers.pop().code
            own.append(await accept_offer(session, load_keyring(), people.helper, code, BORN, at=at))
        case ("pause",) if own:
            await pause_machtiging(session, own[-1].id, world.mother, at=at)
        case ("resume",) if own:
            await resume_machtiging(session, own[-1].id, world.mother, at=at)
        case ("hour",):
            await apply_overdue_events(session, CONTEXT, world.mother, at=at + timedelta(hours=1))


async def _assert_precedence(world, own, at):
    relations = await STATUTORY_RELATIONS.read(world.session)
    standing = [row for row in relations if row.ends_at is None or row.ends_at > at]
    for machtiging in own:
        conflicts = [row for row in standing if touches_closed_themes(machtiging.scope, row.closed_themes)]
        if conflicts:
            assert await world.stop_code(machtiging.id, at) is not None


def test_shipped_rows_close_per_measure_what_their_reason_says():
    rows = read_precedence(POLICIES)
    assert set(rows) == set(CODES)
    assert rows[CURATELE].themes is None
    assert Theme.ZORG not in rows[BEWIND].themes
    assert rows[MENTORSCHAP].themes == {Theme.ZORG, Theme.GEZIN}
    assert all(row.capacities == {Capacity.RELATIVE, Capacity.PROFESSIONAL} for row in rows.values())


HEADER = "id,measure,capacity,theme,because\n"
BROKEN = [
    "",
    "id,measure\n",
    HEADER + "een,bewind,relative,zorg\n",
    HEADER + "een,bewind,relative,zorg, \n",
    HEADER + "een,bewing,relative,zorg,waarom\n",
    HEADER + "een,bewind,curator,zorg,waarom\n",
    HEADER + "een,bewind,relative,zork,waarom\n",
    HEADER + "een,bewind,relative,zorg,waarom\ntwee,bewind,relative,*,waarom\n",
    HEADER + "een,bewind,relative,zorg,waarom\neen,curatele,relative,*,waarom\n",
]


@pytest.mark.parametrize("text", BROKEN)
def test_unreadable_rows_of_precedence_are_a_fault(tmp_path, text):
    (tmp_path / "voorrang").mkdir()
    (tmp_path / "voorrang" / "maatregelen.csv").write_text(text)
    with pytest.raises(Fault, match="beleid_onleesbaar"):
        read_precedence(tmp_path)


def test_missing_rows_of_precedence_are_a_fault(tmp_path):
    with pytest.raises(Fault, match="beleid_onleesbaar"):
        read_precedence(tmp_path)
