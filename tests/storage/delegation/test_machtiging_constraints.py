"""Constraints and triggers of the machtiging tables, independent of our own code."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError

from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.queries import load_machtiging, machtiging_table
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.bsn import Bsn
from tests.builders.keys import NOON
from tests.builders.machtiging import add_offer, grant_machtiging
from tests.builders.people import add_mother_and_son, add_person

TABLE = machtiging_table()


async def assert_refused(session, change, why):
    """The change fails, and the row is what it was."""
    before = (await session.execute(TABLE.select())).all()
    with pytest.raises(DBAPIError, match=why):
        async with session.begin_nested():
            await session.execute(text(f"UPDATE machtiging SET {change}"))
    assert (await session.execute(TABLE.select())).all() == before


WIDER = [
    "afzenders = NULL",
    "afzenders = afzenders || '{00000099000000003000}'",
    "diensten = '{a/b}'",
    "themes = '{zorg}'",
    "excluded_themes = '{}'",
    "highest_sensitivity = 'gewoon'",
    "letters_from = '1970-01-01'",
    "acts = '{lijst}'",
    "purpose = 'iets anders'",
    "legal_ground = 'BW 1:441'",
    "capacity = 'curator'",
    "assurance = 'hoog'",
    "starts_at = starts_at - interval '1 day'",
    "ends_at = ends_at + interval '1 microsecond'",
    "offered_at = offered_at - interval '1 day'",
    "parent_id = id",
    "id = gen_random_uuid()",
]


@pytest.mark.parametrize("begin", [add_offer, grant_machtiging])
async def test_changing_agreed_terms_is_rejected(session, begin):
    await begin(session, await add_mother_and_son(session))
    for change in WIDER:
        await assert_refused(session, change, "what is agreed")


async def test_changing_vertegenwoordigde_is_rejected(session):
    people = await add_mother_and_son(session)
    await grant_machtiging(session, people)
    other = await add_person(session, Bsn("999990044"))
    await assert_refused(session, f"vertegenwoordigde_id = '{other}'", "what is agreed")


async def test_machtiging_period_can_be_shortened(session):
    people = await add_mother_and_son(session)
    held = await grant_machtiging(session, people)
    await session.execute(text("UPDATE machtiging SET ends_at = ends_at - interval '1 day'"))
    shortened = await load_machtiging(session, held.id)
    assert shortened.period == replace(held.period, ends_at=held.period.ends_at - timedelta(days=1))


REVIVALS = [
    "state = 'active', ended_at = NULL, end_reason = NULL",
    "state = 'offered', ended_at = NULL, end_reason = NULL",
    "state = 'paused', paused_at = now(), ended_at = NULL, end_reason = NULL",
    "ended_at = now()",
    "end_reason = 'teruggegeven'",
    "ends_at = ends_at - interval '1 day'",
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
    await assert_refused(session, "gemachtigde_id = NULL, gemachtigde_kvk = '90000001'", "does not change hands")
    await assert_refused(session, "gemachtigde_kvk = '90000001'", "does not change hands")
    await assert_refused(session, "accepted_at = accepted_at + interval '1 day'", "does not change hands")


ACCEPTANCE = [
    "accepted_assurance = 'hoog'",
    "accepted_assurance = 'laag'",
    "accepted_assurance = NULL",
    "accepted_at = NULL",
    "accepted_at = accepted_at - interval '1 day'",
    "gemachtigde_id = NULL",
    "gemachtigde_kvk = '90000002'",
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


@pytest.mark.parametrize(
    "change", ["accepted_at = now()", "accepted_assurance = 'hoog'", "gemachtigde_kvk = '90000002'"]
)
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
    ({"ends_at": None}, "null value"),
    ({"ends_at": NOON}, "machtiging_has_an_end"),
    ({"ends_at": NOON.replace(year=2031, day=26)}, "machtiging_has_an_end"),
    ({"acts": ["lezen", "verwijderen"]}, "machtiging_acts_check"),
    ({"acts": []}, "machtiging_acts_check"),
    ({"afzenders": []}, "machtiging_afzenders_check"),
    ({"diensten": []}, "machtiging_diensten_check"),
    ({"themes": []}, "machtiging_themes_check"),
    ({"purpose": "ab"}, "machtiging_purpose_check"),
    ({"purpose": "x" * 201}, "machtiging_purpose_check"),
    ({"legal_ground": ""}, "machtiging_legal_ground_check"),
    ({"capacity": "self"}, "machtiging_capacity_check"),
    ({"highest_sensitivity": "geheim"}, "machtiging_highest_sensitivity_check"),
    ({"gemachtigde_kvk": "1234567"}, "machtiging_gemachtigde_kvk_check"),
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


@pytest.mark.parametrize("table", ["machtiging", "machtigingscode"])
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
