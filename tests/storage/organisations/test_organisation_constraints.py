"""Constraints and triggers of the tables of organisations, independent of our own code."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import uuid7
from machtiging.organisations.tables import StandIn, TeamMembership
from machtiging.storage.columns import table_of
from tests.builders.keys import NOON, load_keyring
from tests.storage.organisations.organisation_rows import (
    OTHER_KVK,
    add_employee_row,
    add_organisation_row,
    add_recognition_row,
    add_team_row,
)


async def assert_violates(session, why, statement, **values):
    """The database refuses the statement, and says why."""
    with pytest.raises(DBAPIError, match=why):
        async with session.begin_nested():
            await (statement if hasattr(statement, "send") else session.execute(text(statement), values))


async def add_person(session, bsn="999993653"):
    return await find_or_create_by_bsn(session, load_keyring(), Bsn(bsn), at=NOON)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kvk": "1234567"}, "kvk"),
        ({"kvk": None}, "organisation_has_a_number"),
        ({"kvk": None, "rsin": "12345678"}, "rsin"),
        ({"kvk": None, "oin": "1"}, "oin"),
        ({"kvk": None, "rsin": "123456782", "vestiging": "000012345678"}, "vestiging_is_of_a_kvk"),
        ({"vestiging": "12"}, "vestiging"),
        ({"kind": "kapper"}, "kind"),
        ({"name": ""}, "name"),
        ({"ceiling_sensitivity": "geheim"}, "sensitivity"),
        ({"ceiling_days": 0}, "ceiling_days"),
        ({"minimum_level": "geen"}, "minimum_level"),
        ({"recognition_number": 1}, "organisation_current_recognition"),
    ],
)
async def test_organisation_row_with_wrong_value_is_rejected(session, changes, why):
    await assert_violates(session, why, add_organisation_row(session, **changes))


async def test_organisation_with_a_number_of_another_is_rejected(session):
    await add_organisation_row(session, rsin="123456782", oin="00000001123456782000")
    for taken in ({}, {"kvk": OTHER_KVK, "rsin": "123456782"}, {"kvk": OTHER_KVK, "oin": "00000001123456782000"}):
        await assert_violates(session, "uq_organisation", add_organisation_row(session, **taken))
    await add_organisation_row(session, vestiging="000012345678")


async def test_organisation_with_the_party_of_a_person_is_rejected(session):
    person = await add_person(session)
    moved = "INSERT INTO organisation (id, kvk, name, kind, ceiling_sensitivity, ceiling_days, created_at) "
    values = "VALUES (:id, '90000003', 'x', 'zorg', 'gewoon', 1, now())"
    await assert_violates(session, "organisation_is_a_party", moved + values, id=person)
    await assert_violates(session, "party_kind_check", "UPDATE person SET party_kind = 'organisation'")
    await assert_violates(session, "person_is_a_party", "UPDATE party SET kind = 'organisation'")


@pytest.mark.parametrize("change", ["kvk = '90000009'", "kvk = NULL, rsin = '123456782'", "id = gen_random_uuid()"])
async def test_number_of_an_organisation_does_not_change(session, change):
    await add_organisation_row(session)
    await assert_violates(session, "numbers of an organisation", f"UPDATE organisation SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        *("ceiling_days = 1", "ceiling_themes = '{zorg}'", "ceiling_afzenders = '{}'", "minimum_level = 'hoog'"),
        *("ceiling_sensitivity = 'gewoon'", "epoch = epoch - 1"),
    ],
)
async def test_ceiling_that_changes_without_its_epoch_is_rejected(session, change):
    await add_organisation_row(session, epoch=3)
    await assert_violates(session, "changes with its epoch", f"UPDATE organisation SET {change}")
    if "epoch" not in change:
        await session.execute(text(f"UPDATE organisation SET {change}, epoch = epoch + 1"))


async def test_name_of_an_organisation_changes_without_its_epoch(session):
    await add_organisation_row(session)
    await session.execute(text("UPDATE organisation SET name = 'Nieuwe naam', contact_sealed = 'x', mac = 'y'"))
    assert await session.scalar(text("SELECT name FROM organisation")) == "Nieuwe naam"


POINT = "UPDATE organisation SET recognition_number = :number, epoch = epoch + 1"
ALLOWED = {
    (None, "aangevraagd"),
    ("aangevraagd", "erkend"),
    ("aangevraagd", "geweigerd"),
    ("erkend", "opgeschort"),
    ("opgeschort", "erkend"),
    ("erkend", "ingetrokken"),
    ("opgeschort", "ingetrokken"),
}
STATUSES = ("aangevraagd", "erkend", "opgeschort", "ingetrokken", "geweigerd")


# The way to each status over recognitions that the database allows.
WAYS = {
    None: (),
    "aangevraagd": ("aangevraagd",),
    "erkend": ("aangevraagd", "erkend"),
    "opgeschort": ("aangevraagd", "erkend", "opgeschort"),
    "ingetrokken": ("aangevraagd", "erkend", "ingetrokken"),
    "geweigerd": ("aangevraagd", "geweigerd"),
}


async def add_recognised_organisation(session, *statuses):
    """An organisation that went through these statuses."""
    organisation = await add_organisation_row(session)
    for number, status in enumerate(statuses, 1):
        await add_recognition_row(session, organisation, number, status)
        await session.execute(text(POINT), {"number": number})
    return organisation


@pytest.mark.parametrize("new", WAYS["opgeschort"] + ("ingetrokken", "geweigerd"))
@pytest.mark.parametrize("old", WAYS)
async def test_recognition_changes_as_the_state_machine_allows(session, old, new):
    organisation = await add_recognised_organisation(session, *WAYS[old])
    number = len(WAYS[old]) + 1
    await add_recognition_row(session, organisation, number, new)
    if (old, new) in ALLOWED:
        await session.execute(text(POINT), {"number": number})
    else:
        await assert_violates(session, "a recognition goes from", POINT, number=number)


@pytest.mark.parametrize("open_", [{"confirmed_at": None}, {"confirmed_at": None, "dropped_at": NOON}])
async def test_recognition_that_is_not_confirmed_is_not_current(session, open_):
    organisation = await add_recognised_organisation(session, "aangevraagd")
    await add_recognition_row(session, organisation, 2, "erkend", **open_)
    await assert_violates(session, "a recognition goes from", POINT, number=2)
    await assert_violates(session, "a recognition goes from", POINT, number=None)


async def test_older_recognition_does_not_become_current_again(session):
    await add_recognised_organisation(session, *WAYS["opgeschort"])
    await assert_violates(session, "a recognition goes from", POINT, number=2)


async def test_second_open_proposal_is_rejected(session):
    organisation = await add_recognised_organisation(session, "aangevraagd")
    await add_recognition_row(session, organisation, 2, "erkend", confirmed_at=None)
    second = add_recognition_row(session, organisation, 3, "geweigerd", confirmed_at=None)
    await assert_violates(session, "uq_recognition_open_proposal", second)
    await session.execute(text("UPDATE recognition SET dropped_at = now() WHERE number = 2"))
    await add_recognition_row(session, organisation, 3, "geweigerd", confirmed_at=None)


async def test_recognition_confirmed_by_its_proposer_is_rejected(session):
    organisation, person = await add_organisation_row(session), await add_person(session)
    same = add_recognition_row(session, organisation, 1, "erkend", proposed_by=person, confirmed_by=person)
    await assert_violates(session, "recognition_confirmed_by_another", same)


@pytest.mark.parametrize(
    "change",
    [
        *("status = 'erkend'", "ground = 'anders'", "decision_reference = 'x'", "proposed_at = now()"),
        *("number = 9", "confirmed_at = now(), status = 'geweigerd'", "confirmed_at = now(), dropped_at = now()"),
    ],
)
async def test_open_proposal_is_only_confirmed_or_dropped(session, change):
    organisation = await add_organisation_row(session)
    await add_recognition_row(session, organisation, 1, "aangevraagd", confirmed_at=None)
    await assert_violates(session, "append-only|confirmed_or_dropped", f"UPDATE recognition SET {change}")
    await session.execute(text("UPDATE recognition SET confirmed_at = now(), mac = 'x'"))


@pytest.mark.parametrize(
    "change", ["confirmed_at = NULL", "dropped_at = now()", "confirmed_at = now() + interval '1 day'"]
)
async def test_decided_recognition_does_not_change(session, change):
    organisation = await add_organisation_row(session)
    await add_recognition_row(session, organisation, 1, "aangevraagd")
    await assert_violates(session, "append-only", f"UPDATE recognition SET {change}")
    await session.execute(text("UPDATE recognition SET mac = 'sealed under a new key'"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"roles": ["directeur"]}, "roles"),
        ({"roles": ["toezicht", "hulpverlener"]}, "supervisor_is_no_helper"),
        ({"broker_issuer": None}, "issuer_and_subject"),
        ({"broker_issuer": None, "broker_subject": None}, "known_somehow"),
        ({"state": "actief"}, "active_is_a_person"),
        ({"state": "op_non_actief"}, "active_is_a_person"),
        ({"state": "vertrokken"}, "departed_says_when"),
        ({"state": "ziek"}, "state"),
        ({"ends_at": NOON - timedelta(days=1)}, "ends_at"),
        ({"organisation_id": uuid7()}, "organisation_id"),
    ],
)
async def test_employee_row_with_wrong_value_is_rejected(session, changes, why):
    organisation = await add_organisation_row(session)
    await assert_violates(session, why, add_employee_row(session, organisation, **changes))


async def test_same_employee_twice_in_one_organisation_is_rejected_until_he_left(session):
    organisation, person = await add_organisation_row(session), await add_person(session)
    names = {"broker_issuer": "https://inloggen.test", "broker_subject": "jan"}
    first = await add_employee_row(session, organisation, **names)
    await add_employee_row(session, organisation, person_id=person, state="actief")
    for same in (names, {"person_id": person}):
        await assert_violates(session, "uq_employee", add_employee_row(session, organisation, **same))
    await session.execute(
        text("UPDATE employee SET state = 'vertrokken', ends_at = starts_at WHERE id = :id"), {"id": first}
    )
    await add_employee_row(session, organisation, **names)
    await add_employee_row(session, await add_organisation_row(session, kvk=OTHER_KVK), **names, person_id=person)


@pytest.mark.parametrize(
    ("begin", "change", "why"),
    [
        ("vertrokken", "state = 'actief'", "does not return"),
        ("vertrokken", "roles = '{}'", "does not return"),
        ("vertrokken", "ends_at = NULL, state = 'actief'", "does not return"),
        ("actief", "state = 'uitgenodigd'", "does not go"),
        ("uitgenodigd", "state = 'op_non_actief'", "does not go"),
        ("actief", "person_id = NULL", "somebody else|active_is_a_person"),
        ("actief", "broker_subject = 'piet'", "somebody else"),
        ("actief", "organisation_id = gen_random_uuid()", "somebody else"),
        ("actief", "invited_at = now()", "somebody else"),
        ("actief", "starts_at = now()", "somebody else"),
    ],
)
async def test_employee_change_that_is_not_allowed_is_rejected(session, begin, change, why):
    person, organisation = await add_person(session), await add_organisation_row(session)
    ends = {"ends_at": NOON} if begin == "vertrokken" else {}
    await add_employee_row(session, organisation, person_id=person, state=begin, **ends)
    await assert_violates(session, why, f"UPDATE employee SET {change}")
    await session.execute(text("UPDATE employee SET mac = 'sealed under a new key'"))


async def test_employee_goes_from_invited_to_active_and_leaves(session):
    await add_employee_row(session, await add_organisation_row(session))
    states = [await session.scalar(text("SELECT state FROM employee"))]
    for change in (
        "person_id = :p, state = 'actief'",
        "state = 'op_non_actief'",
        "state = 'actief'",
        "roles = '{toezicht}'",
    ):
        await session.execute(
            text(f"UPDATE employee SET {change}"), {"p": await add_person(session)} if ":p" in change else {}
        )
        states.append(await session.scalar(text("SELECT state FROM employee")))
    await session.execute(text("UPDATE employee SET state = 'vertrokken', ends_at = starts_at"))
    states.append(await session.scalar(text("SELECT state FROM employee")))
    assert states == ["uitgenodigd", "actief", "op_non_actief", "actief", "actief", "vertrokken"]


async def test_team_name_is_unique_in_its_organisation_whatever_its_case(session):
    organisation = await add_organisation_row(session)
    await add_team_row(session, organisation, "Noord")
    await assert_violates(session, "uq_team_name", add_team_row(session, organisation, "NOORD"))
    await add_team_row(session, await add_organisation_row(session, kvk=OTHER_KVK), "Noord")


async def test_membership_or_stand_in_across_organisations_is_rejected(session):
    ours, theirs = await add_organisation_row(session), await add_organisation_row(session, kvk=OTHER_KVK)
    team, employee = await add_team_row(session, ours, "Noord"), await add_employee_row(session, ours)
    stranger = await add_employee_row(session, theirs)
    membership, stand_in = insert(table_of(TeamMembership)), insert(table_of(StandIn))
    common = {"id": uuid7(), "organisation_id": ours, "starts_at": NOON}
    period = common | {"ends_at": NOON + timedelta(days=1), "created_by": employee}
    for refused in (
        membership.values(**common, team_id=team, employee_id=stranger),
        stand_in.values(**period, absent_employee_id=employee, replacement_id=stranger),
        stand_in.values(**period, absent_employee_id=stranger, replacement_id=employee),
        stand_in.values(**period | {"created_by": stranger}, absent_employee_id=employee, replacement_id=stranger),
    ):
        await assert_violates(session, "foreign key", session.execute(refused))
    await session.execute(membership.values(**common, team_id=team, employee_id=employee))
    twice = membership.values(**common | {"id": uuid7()}, team_id=team, employee_id=employee)
    await assert_violates(session, "uq_team_membership_open", session.execute(twice))
    await assert_violates(session, "only ends", "UPDATE team_membership SET starts_at = now()")
    await session.execute(text("UPDATE team_membership SET ends_at = starts_at"))
    await assert_violates(session, "only ends", "UPDATE team_membership SET ends_at = NULL")


async def test_stand_in_of_oneself_or_longer_than_six_weeks_is_rejected(session):
    ours = await add_organisation_row(session)
    one, other = await add_employee_row(session, ours), await add_employee_row(session, ours)
    row = {
        "id": uuid7(),
        "organisation_id": ours,
        "absent_employee_id": one,
        "replacement_id": other,
        "created_by": one,
    }
    row |= {"starts_at": NOON, "ends_at": NOON + timedelta(days=42)}
    for changes, why in (
        ({"replacement_id": one}, "stand_in_is_another"),
        ({"ends_at": NOON + timedelta(days=42, hours=1, microseconds=1)}, "six_weeks"),
        ({"ends_at": NOON}, "six_weeks"),
    ):
        await assert_violates(session, why, session.execute(insert(table_of(StandIn)).values(**row | changes)))
    await session.execute(insert(table_of(StandIn)).values(**row))
    for change in ("ends_at = ends_at - interval '1 day'", "replacement_id = absent_employee_id"):
        await assert_violates(session, "only ends|is_another", f"UPDATE stand_in SET {change}")
    await session.execute(text("UPDATE stand_in SET ended_at = starts_at"))
    await assert_violates(session, "only ends", "UPDATE stand_in SET ended_at = NULL")
