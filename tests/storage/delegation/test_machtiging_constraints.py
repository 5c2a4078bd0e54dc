"""Constraints and triggers of the machtiging tables, independent of our own code."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from asyncpg import CheckViolationError
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError

from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.queries import load_machtiging, machtiging_table
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.bsn import Bsn
from tests.builders.keys import NOON
from tests.builders.machtiging import CAK, SVB, UWV, Committed, add_offer, grant_machtiging
from tests.builders.people import add_mother_and_son, add_person
from tests.builders.rows import AGREEMENTS

TABLE = machtiging_table()


async def assert_refused(session, change, why, table="machtiging"):
    """The change fails, and the rows are what they were."""
    rows = text(f"SELECT * FROM {table}")
    before = (await session.execute(rows)).all()
    with pytest.raises(DBAPIError, match=why):
        async with session.begin_nested():
            await session.execute(text(f"UPDATE {table} SET {change}"))
    assert (await session.execute(rows)).all() == before


AGREED = [
    "afzenders = NULL",
    "afzenders = afzenders || '{00000099000000003000}'",
    "diensten = '{a/b}'",
    "themes = '{zorg}'",
    "excluded_themes = '{}'",
    "highest_sensitivity = 'gewoon'",
    "letters_from = '1970-01-01'",
    "acts = '{lijst}'",
    "assurance = 'hoog'",
    "starts_at = starts_at - interval '1 day'",
    "ends_at = ends_at + interval '1 microsecond'",
    "ends_at = ends_at - interval '1 day'",
    "only_employee_id = gen_random_uuid()",
    "excluded_team_ids = ARRAY[gen_random_uuid()]",
    "letters = ARRAY[gen_random_uuid()]",
    "channel = 'balie'",
    "text_version = '2'",
    "agreed_by = NULL",
    "agreed_at = now()",
    "number = 2",
    "cooling_off_until = now()",
    "needs_confirmation = true",
]
FIXED = [
    "purpose = 'iets anders'",
    "legal_ground = 'BW 1:441'",
    "capacity = 'curator'",
    "agreement_number = 3",
    "agreement_number = 0",
    "offered_at = offered_at - interval '1 day'",
    "parent_id = id",
    "employee_id = gen_random_uuid()",
    "team_id = gen_random_uuid()",
    "stand_in_id = gen_random_uuid()",
    "id = gen_random_uuid()",
]


async def test_service_role_may_change_only_the_mac_and_the_second_person_of_an_agreement(session):
    may = "SELECT column_name FROM information_schema.column_privileges WHERE table_name = 'agreement'"
    updatable = f"{may} AND privilege_type = 'UPDATE' AND grantee = 'machtiging_service'"
    assert sorted(await session.scalars(text(updatable))) == ["confirmed_by", "mac"]


@pytest.mark.parametrize("begin", [add_offer, grant_machtiging])
async def test_changing_agreed_terms_is_rejected(session, begin):
    await begin(session, await add_mother_and_son(session))
    for change in FIXED:
        await assert_refused(session, change, "what is agreed")


@pytest.mark.parametrize("change", AGREED)
async def test_changing_an_agreement_as_superuser_is_rejected(database, superuser_connection, change):
    await (await Committed.begin(database)).offer()
    before = await superuser_connection.fetch("SELECT * FROM agreement")
    with pytest.raises(CheckViolationError, match="what is agreed"):
        await superuser_connection.execute(f"UPDATE agreement SET {change}")
    with pytest.raises(CheckViolationError, match="what is agreed"):
        await superuser_connection.execute("DELETE FROM agreement")
    assert await superuser_connection.fetch("SELECT * FROM agreement") == before


async def test_changing_vertegenwoordigde_is_rejected(session):
    people = await add_mother_and_son(session)
    await grant_machtiging(session, people)
    other = await add_person(session, Bsn("999990044"))
    await assert_refused(session, f"vertegenwoordigde_id = '{other}'", "what is agreed")


async def add_version(session, machtiging_id, agreed_by=None, **changes):
    """Add a version with these changes, and make it current."""
    agreements = AGREEMENTS.table
    current = await AGREEMENTS.read_one(session, machtiging_id=machtiging_id, number=1)
    row = dict(current._mapping) | {"number": 2, "agreed_by": agreed_by} | changes
    async with session.begin_nested():
        await session.execute(insert(agreements).values(row))
        await session.execute(update(TABLE).where(TABLE.c.id == machtiging_id).values(agreement_number=row["number"]))


async def test_machtiging_period_can_be_shortened_by_a_new_agreement(session):
    people = await add_mother_and_son(session)
    held = await grant_machtiging(session, people)
    earlier = held.period.ends_at - timedelta(days=1)
    await add_version(session, held.id, people.son, ends_at=earlier)
    shortened = await load_machtiging(session, held.id)
    assert shortened.period == replace(held.period, ends_at=earlier)
    assert (held.agreement_number, shortened.agreement_number) == (1, 2)


MORE = [
    {"afzenders": None},
    {"afzenders": [UWV, SVB, CAK]},
    {"excluded_themes": []},
    {"letters_from": date(2019, 12, 31)},
    {"ends_at": NOON + timedelta(days=91)},
]


@pytest.mark.parametrize("change", MORE, ids=str)
async def test_agreement_with_more_is_rejected_unless_the_giver_agreed(session, change):
    people = await add_mother_and_son(session)
    held = await grant_machtiging(session, people)
    for agreed_by in (people.son, None):
        with pytest.raises(DBAPIError, match="only the giver can agree to more"):
            await add_version(session, held.id, agreed_by, **change)
    await add_version(session, held.id, people.mother, **change)
    assert (await load_machtiging(session, held.id)).agreement_number == 2


async def test_agreement_of_ended_machtiging_or_with_wrong_number_is_rejected(session):
    people = await add_mother_and_son(session)
    held = await grant_machtiging(session, people)
    for number in (1, 3):
        with pytest.raises(DBAPIError, match="the next number"):
            await add_version(session, held.id, people.mother, number=number)
    await revoke_machtiging(session, held.id, people.mother, at=NOON)
    with pytest.raises(DBAPIError, match="an ended machtiging does not change"):
        await add_version(session, held.id, people.mother)


REVIVALS = [
    "state = 'active', ended_at = NULL, end_reason = NULL",
    "state = 'offered', ended_at = NULL, end_reason = NULL",
    "state = 'paused', paused_at = now(), ended_at = NULL, end_reason = NULL",
    "ended_at = now()",
    "end_reason = 'teruggegeven'",
    "agreement_number = 2",
]


async def test_changing_ended_machtiging_is_rejected(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await revoke_machtiging(session, taken.id, people.mother, at=NOON)
    for change in REVIVALS:
        await assert_refused(session, change, "an ended machtiging does not change")


async def test_changing_gemachtigde_is_rejected(session):
    people = await add_mother_and_son(session)
    await grant_machtiging(session, people)
    other = await add_person(session, Bsn("999990044"))
    await assert_refused(session, f"gemachtigde_id = '{other}'", "does not change hands")
    await assert_refused(session, "gemachtigde_id = NULL", "does not change hands")
    await assert_refused(session, "accepted_at = accepted_at + interval '1 day'", "does not change hands")


ACCEPTANCE = [
    "accepted_assurance = 'hoog'",
    "accepted_assurance = 'laag'",
    "accepted_assurance = NULL",
    "accepted_at = NULL",
    "accepted_at = accepted_at - interval '1 day'",
    "gemachtigde_id = NULL",
]
STEPS = {
    "": "",
    "paused": "state = 'paused', paused_at = now()",
    "ended": "state = 'ended', ended_at = now(), end_reason = 'ingetrokken'",
}


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("change", ACCEPTANCE)
async def test_changing_acceptance_is_rejected(session, change, step, paused):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    if paused:
        await pause_machtiging(session, taken.id, people.mother, at=NOON)
    beside = STEPS[step] if not (paused and step == "paused") else "state = 'active', paused_at = NULL"
    await assert_refused(
        session, ", ".join(filter(None, [change, beside])), "does not change hands|active_means_accepted"
    )


@pytest.mark.parametrize("change", ["accepted_at = now()", "accepted_assurance = 'hoog'"])
@pytest.mark.parametrize("step", ["", "ended"])
async def test_acceptance_without_activation_is_rejected(session, change, step):
    await add_offer(session, await add_mother_and_son(session))
    await assert_refused(session, ", ".join(filter(None, [change, STEPS[step]])), "does not change hands")


async def test_gemachtigde_equal_to_vertegenwoordigde_is_rejected(session):
    people = await add_mother_and_son(session)
    await add_offer(session, people)
    accepting = "state = 'active', accepted_at = now(), accepted_assurance = 'hoog'"
    await assert_refused(session, f"{accepting}, gemachtigde_id = '{people.mother}'", "nobody_is_his_own_gemachtigde")


@pytest.mark.parametrize("state", ["offered", "paused"])
async def test_transition_to_offered_or_from_offered_to_paused_is_rejected(session, state):
    people = await add_mother_and_son(session)
    if state == "offered":
        await grant_machtiging(session, people)
        await assert_refused(session, "state = 'offered'", "does not go from active to offered")
    else:
        await add_offer(session, people)
        await assert_refused(session, "state = 'paused', paused_at = now()", "does not go from offered to paused")


HALF_STATES = [
    ("state = 'ended'", "ended_says_when_and_why"),
    ("state = 'ended', ended_at = now()", "ended_says_when_and_why"),
    ("ended_at = now(), end_reason = 'ingetrokken'", "ended_says_when_and_why"),
    ("state = 'paused'", "paused_says_since_when"),
    ("paused_at = now()", "paused_says_since_when"),
    ("state = 'slapend'", "machtiging_state_check"),
]


async def test_state_without_its_time_and_reason_is_rejected(session):
    people = await add_mother_and_son(session)
    await grant_machtiging(session, people)
    for change, constraint in HALF_STATES:
        await assert_refused(session, change, constraint)


async def test_active_state_without_acceptance_is_rejected(session):
    people = await add_mother_and_son(session)
    await add_offer(session, people)
    await assert_refused(session, "state = 'active'", "active_means_accepted")
    accepted = "state = 'active', accepted_at = now(), accepted_assurance = 'hoog'"
    await assert_refused(session, accepted, "active_means_accepted")


async def test_resuming_with_paused_at_is_rejected(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await pause_machtiging(session, taken.id, people.mother, at=NOON)
    await assert_refused(session, "state = 'active'", "paused_says_since_when")


NEVER_WRITTEN = [
    ({"purpose": "ab"}, "machtiging_purpose_check"),
    ({"purpose": "x" * 201}, "machtiging_purpose_check"),
    ({"legal_ground": ""}, "machtiging_legal_ground_check"),
    ({"capacity": "self"}, "machtiging_capacity_check"),
]
NEVER_AGREED = [
    ({"ends_at": None}, "null value"),
    ({"ends_at": NOON}, "agreement_has_an_end"),
    ({"ends_at": NOON.replace(year=2031, day=26)}, "agreement_has_an_end"),
    ({"acts": ["lezen", "verwijderen"]}, "agreement_acts_check"),
    ({"acts": []}, "agreement_acts_check"),
    ({"afzenders": []}, "agreement_afzenders_check"),
    ({"diensten": []}, "agreement_diensten_check"),
    ({"themes": []}, "agreement_themes_check"),
    ({"letters": []}, "agreement_letters_check"),
    ({"highest_sensitivity": "geheim"}, "agreement_highest_sensitivity_check"),
    ({"channel": "postduif"}, "agreement_channel_check"),
    ({"text_version": ""}, "agreement_text_version_check"),
    ({"letters_from": None}, "null value"),
]


async def test_invalid_machtiging_row_is_rejected(session):
    people = await add_mother_and_son(session)
    await add_offer(session, people)
    [row] = (await session.execute(TABLE.select())).mappings()
    for values, why in NEVER_WRITTEN:
        with pytest.raises(DBAPIError, match=why):
            async with session.begin_nested():
                await session.execute(insert(TABLE).values(dict(row) | {"id": people.son} | values))


async def test_invalid_agreement_row_is_rejected(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    for values, why in NEVER_AGREED:
        with pytest.raises(DBAPIError, match=why):
            await add_version(session, offered.machtiging_id, people.mother, **values)


async def test_machtiging_without_an_agreement_is_rejected(session):
    people = await add_mother_and_son(session)
    await add_offer(session, people)
    [row] = (await session.execute(TABLE.select())).mappings()
    with pytest.raises(DBAPIError, match="machtiging_current_agreement"):
        async with session.begin_nested():
            await session.execute(insert(TABLE).values(dict(row) | {"id": people.son}))
            await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


@pytest.mark.parametrize("table", ["machtiging", "machtigingscode", "agreement"])
async def test_deleting_machtiging_or_code_as_service_role_is_rejected(session, table):
    with pytest.raises(DBAPIError, match="permission denied"):
        await session.execute(text(f"DELETE FROM {table}"))


async def test_second_open_code_is_rejected(session):
    people = await add_mother_and_son(session)
    await add_offer(session, people)
    again = (
        "INSERT INTO machtigingscode SELECT gen_random_uuid(), machtiging_id, decode(repeat('00', 32), 'hex'), "
        "tries_left, created_at, expires_at, NULL FROM machtigingscode"
    )
    with pytest.raises(DBAPIError, match="uq_machtigingscode_one_open"):
        await session.execute(text(again))


async def test_negative_tries_left_are_rejected(session):
    people = await add_mother_and_son(session)
    await add_offer(session, people)
    with pytest.raises(DBAPIError, match="tries_left"):
        await session.execute(text("UPDATE machtigingscode SET tries_left = -1"))


async def test_update_of_all_rows_revives_no_ended_machtiging(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await revoke_machtiging(session, taken.id, people.mother, at=NOON)
    with pytest.raises(DBAPIError, match="an ended machtiging does not change"):
        await session.execute(update(TABLE).values(state="active", ended_at=None, end_reason=None))
