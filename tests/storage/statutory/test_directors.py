"""A director from the trade register. For one organisation, in a login for it, until the register tells the end."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.rules import (
    FROM_REGISTER,
    NOT_THE_HOLDER,
    OTHER_ORGANISATION,
    Capacity,
    Channel,
    MachtigingAction,
    resolve_transition,
)
from machtiging.delegation.statutory.rules import EventOutcome, EventType, StatutoryKind
from machtiging.identity.people import load_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import build_relative_row, insert_machtiging
from tests.builders.organisations import KVK, OTHER_KVK, add_employee, add_organisation
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS, REGISTER_EVENTS, STATUTORY_RELATIONS
from tests.storage.statutory.register_world import LATER, tell_of_director

TODAY = date(2026, 11, 23)
LEVEL = Assurance.SUBSTANTIAL


@pytest.fixture
async def business(session):
    return await add_organisation(session, KVK, status="geen", name="Bakkerij De Korst", kind="bedrijf")


async def test_begin_gives_director_the_box_of_the_business(world, session, business):
    machtiging_id = await tell_of_director(session, business, world.son)
    authority = await load_authority(session, machtiging_id, at=LATER)
    assert (authority.vertegenwoordigde_id, authority.holder_id) == (business, world.son)
    assert (authority.capacity, authority.root.channel) == (Capacity.DIRECTOR, Channel.REGISTER)
    assert authority.root.legal_ground == "BW 2:130 of 2:240"
    assert authority.stop_reason(LATER) is None
    assert authority.refusal(world.son, KVK, LEVEL, LATER) is None
    assert (await load_profile(session, load_keyring(), authority.vertegenwoordigde_id)).name == "Bakkerij De Korst"


@pytest.mark.parametrize("kvk", [None, OTHER_KVK, ""])
async def test_login_of_director_without_the_number_of_the_business_is_refused(world, session, business, kvk):
    authority = await load_authority(session, await tell_of_director(session, business, world.son), at=LATER)
    assert authority.holder_refusal(world.son, kvk) == OTHER_ORGANISATION
    assert authority.refusal(world.son, kvk, LEVEL, LATER) is not None
    assert authority.visibility_refusal(world.son, kvk, LEVEL, LATER) == OTHER_ORGANISATION
    assert not authority.is_current(kvk, LATER)


async def test_login_of_another_person_for_the_business_is_refused(world, session, business):
    authority = await load_authority(session, await tell_of_director(session, business, world.son), at=LATER)
    await add_employee(session, business, world.daughter, roles=["organisatiebeheerder"])
    for other in (world.mother, world.daughter, business, None):
        assert authority.holder_refusal(other, KVK) == NOT_THE_HOLDER


async def test_business_without_number_has_no_login(world, session, business):
    authority = await load_authority(session, await tell_of_director(session, business, world.son), at=LATER)
    unnumbered = replace(authority.represented_organisation, kvk=None)
    for kvk in (None, KVK):
        refusal = replace(authority, represented_organisation=unnumbered).holder_refusal(world.son, kvk)
        assert refusal == OTHER_ORGANISATION


async def test_neither_side_can_end_it(world, session, business):
    authority = await load_authority(session, await tell_of_director(session, business, world.son), at=LATER)
    for action in MachtigingAction:
        with pytest.raises(Refusal, match=FROM_REGISTER):
            resolve_transition(authority.root, action, LATER)


async def test_end_in_the_register_ends_it_and_the_next_director_begins(world, session, business):
    former = await tell_of_director(session, business, world.son)
    await tell_of_director(session, business, world.son, EventType.END, effective_on=TODAY, at=LATER)
    present = await tell_of_director(session, business, world.daughter, relation_reference="b2", at=LATER)
    after = LATER + timedelta(seconds=1)
    assert (await load_authority(session, former, at=after)).stop_reason(after).code == "machtiging_beeindigd"
    assert (await load_authority(session, present, at=after)).stop_reason(after) is None


async def test_two_directors_of_one_business_both_read(world, session, business):
    for reference, director in (("b1", world.son), ("b2", world.daughter)):
        machtiging_id = await tell_of_director(session, business, director, relation_reference=reference)
        authority = await load_authority(session, machtiging_id, at=LATER)
        assert authority.refusal(director, KVK, LEVEL, LATER) is None


async def test_director_is_told_by_mail_and_the_business_has_no_mail(world, session, business):
    await tell_of_director(session, business, world.son)
    assert [(row.person_id, row.kind) for row in await NOTIFICATIONS.read(session)] == [
        (world.son, "wettelijk_begonnen_bij_u")
    ]


async def test_lines_of_director_are_of_the_business(world, session, business):
    await tell_of_director(session, business, world.son)
    lines = await JOURNAL_INTAKE.read(session, for_person_id=business)
    assert {line.act for line in lines} == {"machtiging:geregistreerd", "registergebeurtenis:ontvangen"}


async def test_measure_closes_nothing_of_the_business(world, session, business):
    await tell_of_director(session, business, world.son)
    relation = await STATUTORY_RELATIONS.read_one(session)
    assert (relation.precedence_row, relation.closed_capacities) == (None, [])


async def test_organisation_as_director_is_refused(world, session, business):
    other = await add_organisation(session, OTHER_KVK)
    with pytest.raises(Refusal, match="bestuurder_is_persoon"):
        await tell_of_director(session, business, other, is_organisation=True)
    assert await REGISTER_EVENTS.count(session) == await MACHTIGINGEN.count(session) == 0


async def test_events_of_director_are_once_and_in_order(world, session, business):
    """The end comes before its begin: it is remembered, and the begin gives nothing."""
    await tell_of_director(session, business, world.son, relation_reference="b0", sequence_number=1)
    ended = await world.send(
        world.event(
            EventType.END,
            kind=StatutoryKind.DIRECTOR,
            vertegenwoordigde_id=business,
            relation_reference="b1",
            sequence_number=3,
            effective_on=TODAY,
        )
    )
    assert ended.outcome is EventOutcome.APPLIED
    await tell_of_director(session, business, world.daughter, sequence_number=2, at=LATER)
    held = [row for row in await MACHTIGINGEN.read(session) if row.gemachtigde_id == world.daughter]
    assert [row.state for row in held if row.state != "ended"] == []


async def test_relation_of_director_belongs_to_one_business(world, session, business):
    await tell_of_director(session, business, world.son)
    other = await add_organisation(session, OTHER_KVK)
    with pytest.raises(Refusal, match="relatie_van_ander"):
        await tell_of_director(session, other, world.son, EventType.END, effective_on=TODAY)


@pytest.mark.parametrize("changes", [{}, {"capacity": "professional"}])
async def test_link_under_a_director_is_refused_by_the_database(world, session, business, changes):
    machtiging_id = await tell_of_director(session, business, world.son)
    employee_id = await add_employee(session, business, world.daughter)
    row = build_relative_row(business, None, NOON) | {"capacity": "bestuurder", "agreed_by": None} | changes
    with pytest.raises(IntegrityError, match="chain|director"):
        async with session.begin_nested():
            await insert_machtiging(session, **row, parent_id=machtiging_id, employee_id=employee_id)


async def test_directorship_that_no_register_told_is_no_chain(world, session, business):
    authority = await load_authority(session, await tell_of_director(session, business, world.son), at=LATER)
    for root in (
        replace(authority.root, channel=Channel.ONLINE),
        replace(authority.root, vertegenwoordigde_id=world.mother),
    ):
        forged = replace(authority, links=(root,))
        assert forged.stop_reason(LATER).code == "keten_ongeldig"
    without = replace(authority, represented_organisation=None)
    assert without.stop_reason(LATER).code == "keten_ongeldig"
    assert without.holder_refusal(world.son, KVK) == OTHER_ORGANISATION
