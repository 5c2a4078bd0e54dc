"""Verification codes in the database: making, one answer, and the limit of guesses."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from machtiging.agencies.rules import Theme
from machtiging.delegation.pause import pause_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, TooMany
from machtiging.kernel.ids import PersonId
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.verification.codes.consumption import save_answer
from machtiging.verification.codes.creation import withdraw_code
from machtiging.verification.codes.queries import list_codes_of_person, load_own_code, load_saved_answer
from machtiging.verification.codes.retention import CODE_RETENTION, expired_codes_sweep
from machtiging.verification.codes.rules import CodeLife, CodePurpose, CodeState, generate_code
from machtiging.verification.codes.tables import SEALED_VERIFICATION_CODE
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import SVB, UWV, Committed, grant_machtiging
from tests.builders.people import add_mother_and_son, add_person
from tests.builders.rows import JOURNAL_INTAKE, NOTIFICATIONS
from tests.storage.verification.verification_codes import CODES, TRIES, WW, add_code, make_asker, use_code

LATER = NOON + timedelta(minutes=10)
CLERK = Bsn("999993653")


async def last_line(session, act="controlecode:geprobeerd"):
    return (await JOURNAL_INTAKE.read(session, act=act))[-1]


async def test_code_of_giver_and_of_helper_gives_the_machtiging(session):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    machtiging = await grant_machtiging(session, people)
    for maker in (people.mother, people.son):
        made = await add_code(session, maker, machtiging.id)
        used = await use_code(session, make_asker(clerk), made.code, LATER)
        assert (used.machtiging_id, used.used_by, used.used_dienst) == (machtiging.id, clerk, WW)
        line = await last_line(session)
        assert (line.outcome, line.reason, line.for_person_id) == ("done", "gebruikt", people.mother)
        assert line.facts == {"afnemer": UWV, "doel": "balie", "dienst": WW}


async def test_code_typed_with_spaces_and_lower_case_is_accepted(session):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    made = await add_code(session, people.mother, (await grant_machtiging(session, people)).id)
    typed = f" {made.code[:4].lower()} - {made.code[4:].lower()} "
    assert (await use_code(session, make_asker(clerk), typed, LATER)).id == made.id


async def test_code_for_one_machtiging_and_key_is_made_once(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    first = await add_code(session, people.mother, machtiging.id)
    again = await add_code(session, people.mother, machtiging.id)
    assert first == again
    assert await CODES.count(session) == 1
    assert await JOURNAL_INTAKE.count(session, act="controlecode:gemaakt") == 1


async def test_code_of_a_stranger_is_not_found_and_not_in_the_journal_of_the_citizen(session):
    people, stranger = await add_mother_and_son(session), await add_person(session, CLERK)
    machtiging = await grant_machtiging(session, people)
    cases = [(stranger, machtiging.id, None), (people.mother, uuid4(), None), (people.son, machtiging.id, "90000001")]
    for maker, machtiging_id, kvk in cases:
        with pytest.raises(NotFound, match="machtiging_onbekend"):
            await add_code(session, maker, machtiging_id, kvk=kvk)
        line = await last_line(session, "controlecode:gemaakt")
        assert (line.outcome, line.for_person_id, line.machtiging_id) == ("refused", None, None)
    assert await CODES.count(session) == 0


async def test_code_for_a_paused_machtiging_is_refused(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    await pause_machtiging(session, machtiging.id, people.mother, at=NOON)
    for maker in (people.mother, people.son):
        with pytest.raises(Conflict, match="code_machtiging_geldt_niet"):
            await add_code(session, maker, machtiging.id)
    assert await CODES.count(session) == 0


async def test_code_after_the_period_is_refused(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    with pytest.raises(Conflict, match="code_machtiging_geldt_niet"):
        await add_code(session, people.son, machtiging.id, at=machtiging.period.ends_at)


async def test_code_with_low_assurance_is_refused(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    with pytest.raises(NotAllowed, match="niveau_te_laag"):
        await add_code(session, people.mother, machtiging.id, assurance=Assurance.LOW)
    line = await last_line(session, "controlecode:gemaakt")
    assert (line.outcome, line.reason, line.for_person_id) == ("refused", "niveau_te_laag", people.mother)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"oin": "00000000000000000000"}, "afzender_onbekend"),
        ({"oin": SVB}, "code_dekt_niets"),
        ({"dienst": "bestaat-niet"}, "dienst_onbekend"),
    ],
)
async def test_code_for_an_agency_outside_the_scope_is_refused(session, changes, code):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people, afzenders=frozenset({UWV}))
    with pytest.raises(InvalidInput, match=code):
        await add_code(session, people.mother, machtiging.id, **changes)
    assert await CODES.count(session) == 0


async def test_code_for_an_excluded_theme_is_refused(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people, themes=frozenset({Theme.WONEN}), excluded_themes=frozenset())
    with pytest.raises(InvalidInput, match="code_dekt_niets"):
        await add_code(session, people.mother, machtiging.id, dienst=WW)


async def test_open_codes_at_the_same_time_do_not_pass_the_limit(database):
    world = await Committed.begin(database)
    async with unit_of_work(world.sessions) as session:
        machtiging = await grant_machtiging(session, world.people)

    async def make(number):
        async with unit_of_work(world.sessions) as session:
            await add_code(session, world.people.son, machtiging.id, str(number))

    results = await asyncio.gather(*(make(number) for number in range(8)), return_exceptions=True)
    assert {one.code for one in results if isinstance(one, Conflict)} == {"te_veel_controlecodes"}
    assert await CODES.count(world) == 5
    async with unit_of_work(world.sessions) as session:  # the giver has five of her own
        assert await add_code(session, world.people.mother, machtiging.id)


async def test_codes_are_limited_per_day_also_after_withdrawal(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    for number in range(20):
        made = await add_code(session, people.son, machtiging.id, str(number))
        await withdraw_code(session, load_keyring(), made.id, people.son, at=NOON)
    with pytest.raises(TooMany, match="te_veel_controlecodes_vandaag"):
        await add_code(session, people.son, machtiging.id, "nog een")
    assert await add_code(session, people.son, machtiging.id, "morgen", at=NOON + timedelta(days=1, seconds=1))


async def test_code_used_by_two_employees_at_the_same_time_answers_one(database):
    world = await Committed.begin(database)
    async with unit_of_work(world.sessions) as session:
        machtiging = await grant_machtiging(session, world.people)
        made = await add_code(session, world.people.mother, machtiging.id)
        clerk = await add_person(session, CLERK)

    async def ask(asker):
        async with unit_of_work(world.sessions) as session:
            return await use_code(session, asker, made.code, LATER)

    askers = [make_asker(clerk), make_asker(None), make_asker(None, client_id="tweede"), make_asker(world.people.son)]
    results = await asyncio.gather(*map(ask, askers), return_exceptions=True)
    assert sorted(isinstance(one, InvalidInput) for one in results) == [False, True, True, True]
    assert await JOURNAL_INTAKE.count(world, act="controlecode:geprobeerd", reason="gebruikt") == 1


async def test_withdrawal_and_use_at_the_same_time_have_one_result(database):
    world = await Committed.begin(database)
    async with unit_of_work(world.sessions) as session:
        machtiging = await grant_machtiging(session, world.people)
        made = await add_code(session, world.people.mother, machtiging.id)
        clerk = await add_person(session, CLERK)

    async def ask():
        async with unit_of_work(world.sessions) as session:
            await use_code(session, make_asker(clerk), made.code, LATER)

    async def withdraw():
        async with unit_of_work(world.sessions) as session:
            await withdraw_code(session, load_keyring(), made.id, world.people.mother, at=LATER)

    results = await asyncio.gather(ask(), withdraw(), return_exceptions=True)
    row = await CODES.read_one(world)
    assert (row.used_at is None) != (row.withdrawn_at is None)
    assert sum(one is None for one in results) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    other_agency=st.booleans(),
    purpose=st.sampled_from(CodePurpose),
    dienst=st.sampled_from([None, WW, "andere"]),
    life=st.sampled_from(CodeLife),
    passed=st.sampled_from([timedelta(seconds=-1), timedelta(0), timedelta(minutes=15), timedelta(days=1)])
    | st.timedeltas(timedelta(0), timedelta(days=8)),
)
async def test_code_answers_once_only_for_its_agency_purpose_dienst_and_life(
    session, other_agency, purpose, dienst, life, passed
):
    async with session.begin_nested() as savepoint:
        people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
        machtiging = await grant_machtiging(session, people)
        made = await add_code(session, people.mother, machtiging.id, life=life, dienst=WW)
        asker, at = make_asker(clerk, oin=SVB if other_agency else UWV), NOON + passed
        fits = (not other_agency, purpose is CodePurpose.COUNTER, dienst == WW, timedelta(0) <= passed < life.duration)
        outcomes = []
        for _ in range(2):
            try:
                used = await use_code(session, asker, made.code, at, purpose.value, dienst)
                outcomes.append(used.machtiging_id)
            except InvalidInput as refusal:
                outcomes.append(refusal.code)
        assert outcomes == [machtiging.id if all(fits) else "code_niet_geldig", "code_niet_geldig"]
        await savepoint.rollback()


async def test_refusals_are_the_same_for_the_asker_and_different_in_the_journal(session):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    machtiging = await grant_machtiging(session, people)
    used, withdrawn, expired, other, phone, bound = [
        await add_code(session, maker, machtiging.id, str(number), **changes)
        for number, (maker, changes) in enumerate(
            [
                (people.mother, {}),
                (people.mother, {}),
                (people.mother, {"life": CodeLife.QUARTER_HOUR}),
                (people.mother, {"oin": SVB}),
                (people.son, {"purpose": CodePurpose.TELEPHONE}),
                (people.son, {"dienst": WW}),
            ]
        )
    ]
    at = NOON + timedelta(hours=1)
    await use_code(session, make_asker(people.son), used.code, at)
    await withdraw_code(session, load_keyring(), withdrawn.id, people.mother, at=at)
    unknown = generate_code()
    cases = [
        (used.code, "code_gebruikt", people.mother),
        (withdrawn.code, "code_ingetrokken", people.mother),
        (expired.code, "code_verlopen", people.mother),
        (other.code, "code_van_andere_afzender", people.mother),
        (phone.code, "code_voor_ander_doel", people.mother),
        (unknown, "code_onbekend", None),
        (unknown[:-1], "code_verschreven", None),
        ("", "code_verschreven", None),
        ("'; DROP TABLE verification_code", "code_verschreven", None),
    ]
    told = set()
    for number, (code, reason, whose) in enumerate(cases):
        with pytest.raises(InvalidInput) as refused:
            await use_code(session, make_asker(None, client_id=f"client-{number}"), code, at)
        advice = refused.value.message.params["advice"]
        told.add((refused.value.code, refused.value.message.key, advice.key))
        line = await last_line(session)
        assert (line.outcome, line.reason, line.for_person_id) == ("refused", reason, whose)
    with pytest.raises(InvalidInput, match="code_niet_geldig"):
        await use_code(session, make_asker(clerk), bound.code, at, dienst="andere")
    assert (await last_line(session)).reason == "code_voor_andere_dienst"
    assert told == {("code_niet_geldig", "code_niet_geldig", "code_tries_left")}


async def test_tries_of_an_employee_are_limited_to_five_an_hour(session):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    made = await add_code(session, people.mother, (await grant_machtiging(session, people)).id)
    advice = []
    for _ in range(5):
        with pytest.raises(InvalidInput) as refused:
            await use_code(session, make_asker(clerk), generate_code(), LATER)
        advice.append(refused.value.message.params["advice"])
    assert [one.params["n"] for one in advice] == [4, 3, 2, 1, 60]
    with pytest.raises(TooMany, match="te_vaak_geprobeerd"):
        await use_code(session, make_asker(clerk), made.code, LATER)
    assert (await last_line(session)).reason == "te_vaak_geprobeerd"
    assert await use_code(session, make_asker(clerk), made.code, LATER + timedelta(hours=1))


async def test_typing_error_costs_no_try(session):
    clerk = await add_person(session, CLERK)
    for _ in range(7):
        with pytest.raises(InvalidInput) as refused:
            await use_code(session, make_asker(clerk), "ABCD-EFG", LATER)
        assert refused.value.message.params["advice"].params["n"] == 5
    assert await TRIES.count(session) == 0


async def test_tries_of_a_client_are_limited_to_twenty_an_hour(session):
    await add_mother_and_son(session)
    for _ in range(20):
        with pytest.raises(InvalidInput):
            await use_code(session, make_asker(None), generate_code(), LATER)
    with pytest.raises(TooMany):
        await use_code(session, make_asker(None), generate_code(), LATER)
    with pytest.raises(InvalidInput):
        await use_code(session, make_asker(None, client_id="andere"), generate_code(), LATER)


async def test_parallel_guesses_do_not_pass_the_limit(database):
    world = await Committed.begin(database)

    async def guess():
        async with unit_of_work(world.sessions) as session:
            await use_code(session, make_asker(world.people.son), generate_code(), LATER)

    results = await asyncio.gather(*(guess() for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(one, TooMany) for one in results) == 7
    assert await TRIES.count(world) == 5


async def test_answer_is_saved_for_its_employee_and_mailed_to_maker_and_giver(session):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    made = await add_code(session, people.son, (await grant_machtiging(session, people)).id)
    used = await use_code(session, make_asker(clerk), made.code, LATER)
    told = {"is_yes": True, "agency_name": "UWV", "document": b"{}", "at": LATER}
    await save_answer(session, load_keyring(), used, uuid4(), **told)
    saved = await load_saved_answer(session, load_keyring(), used.id, clerk, UWV, NOON)
    assert saved is not None
    assert (saved[0].is_yes, saved[1]) == (True, b"{}")
    for user, oin, since in [(people.son, UWV, NOON), (clerk, SVB, NOON), (clerk, UWV, LATER + timedelta(seconds=1))]:
        assert await load_saved_answer(session, load_keyring(), used.id, user, oin, since) is None
    mails = [row for row in await NOTIFICATIONS.read(session) if row.kind.startswith("controlecode")]
    assert [(row.person_id, row.kind) for row in mails] == [
        (people.son, "controlecode_gebruikt_door_u"),
        (people.mother, "controlecode_gebruikt"),
    ]
    assert mails[0].facts == {"organisation": "UWV", "answer": "ja"}


async def test_giver_sees_codes_of_helpers_and_helper_only_his_own(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    hers, his = [await add_code(session, one, machtiging.id) for one in (people.mother, people.son)]
    assert {one.id for one in await list_codes_of_person(session, people.mother)} == {hers.id, his.id}
    assert [one.id for one in await list_codes_of_person(session, people.son)] == [his.id]
    assert all(one.code is None for one in await list_codes_of_person(session, people.mother))
    assert await load_own_code(session, load_keyring(), his.id, people.mother) is None


async def test_withdrawal_of_a_code_of_another_or_of_a_used_one_is_refused(session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    his = await add_code(session, people.son, machtiging.id)
    with pytest.raises(NotFound, match="controlecode_onbekend"):
        await withdraw_code(session, load_keyring(), his.id, people.mother, at=LATER)
    await use_code(session, make_asker(people.mother), his.code, LATER)
    with pytest.raises(Conflict, match="controlecode_niet_open"):
        await withdraw_code(session, load_keyring(), his.id, people.son, at=LATER)
    assert (await last_line(session, "controlecode:ingetrokken")).reason == "controlecode_niet_open"


async def test_withdrawal_twice_changes_nothing_more(session):
    people = await add_mother_and_son(session)
    made = await add_code(session, people.son, (await grant_machtiging(session, people)).id)
    for at in (NOON, LATER):
        await withdraw_code(session, load_keyring(), made.id, people.son, at=at)
    found = await load_own_code(session, load_keyring(), made.id, people.son)
    assert (found.state_at(LATER), found.withdrawn_at, found.code) == (CodeState.WITHDRAWN, NOON, None)
    assert await JOURNAL_INTAKE.count(session, act="controlecode:ingetrokken") == 1


async def test_table_journal_and_mail_do_not_have_the_code(session):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    made = await add_code(session, people.son, (await grant_machtiging(session, people)).id)
    dumps = [await reader.dump(session) for reader in (CODES, JOURNAL_INTAKE)]
    used = await use_code(session, make_asker(clerk), made.code, LATER)
    await save_answer(session, load_keyring(), used, uuid4(), is_yes=False, agency_name="UWV", at=LATER)
    dumps += [await reader.dump(session) for reader in (CODES, JOURNAL_INTAKE, NOTIFICATIONS)]
    assert made.code is not None
    assert not any(made.code in dump for dump in dumps)
    assert (await CODES.read_one(session)).code_sealed is None


async def test_code_changed_without_the_key_gives_no_answer(database):
    world = await Committed.begin(database)
    async with unit_of_work(world.sessions) as session:
        clerk = await add_person(session, CLERK)
        made = await add_code(session, world.people.son, (await grant_machtiging(session, world.people)).id)
    row = await CODES.read_one(world)
    forged = {
        "code_sealed": b"x",
        "machtiging_id": uuid4(),
        "vertegenwoordigde_id": world.people.son,
        "maker_id": world.people.mother,
        "organisation_id": uuid4(),
        "oin": SVB,
        "dienst": WW,
        "purpose": "telefoon",
        "created_at": row.created_at - timedelta(hours=1),
        "expires_at": row.expires_at + timedelta(hours=1),
        "used_at": LATER,
        "used_by": clerk,
        "used_client": "x",
        "used_dienst": "x",
        "is_yes": True,
        "answer_id": uuid4(),
        "answer_sealed": b"x",
        "withdrawn_at": LATER,
    }
    assert {*forged, "id", "code_hash"} == set(SEALED_VERIFICATION_CODE.covered)
    async with bypass_triggers(database) as connection:
        for name in (
            "is_short",
            "used_by_one",
            "used_within_life",
            "answered_when_used",
            "gone_after_use",
            "ends_once",
        ):
            drop = text(f"ALTER TABLE verification_code DROP CONSTRAINT verification_code_{name}")
            await connection.execute(drop)
    for number, (column, value) in enumerate(forged.items()):
        async with bypass_triggers(database) as connection:
            await connection.execute(update(CODES.table).values({column: value}))
        asker = make_asker(None, client_id=f"client-{number}", oin=SVB if column == "oin" else UWV)
        with pytest.raises(InvalidInput, match="code_niet_geldig"):
            async with unit_of_work(world.sessions) as session:
                await use_code(session, asker, made.code, LATER)
        assert (await JOURNAL_INTAKE.read(world, act="controlecode:geprobeerd"))[-1].reason == "code_onbekend"
        async with bypass_triggers(database) as connection:
            await connection.execute(update(CODES.table).values({column: getattr(row, column)}))
    async with unit_of_work(world.sessions) as session:
        assert await use_code(session, make_asker(clerk), made.code, LATER)


@pytest.mark.parametrize(
    "change",
    [
        "used_at = NULL, used_by = NULL",
        "used_at = used_at + interval '1 second'",
        "withdrawn_at = now()",
        "purpose = 'telefoon'",
        "expires_at = expires_at + interval '1 hour'",
    ],
)
async def test_used_code_cannot_be_opened_again_in_the_database(session, change):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    made = await add_code(session, people.son, (await grant_machtiging(session, people)).id)
    await use_code(session, make_asker(clerk), made.code, LATER)
    with pytest.raises(IntegrityError):
        await session.execute(text(f"UPDATE verification_code SET {change}"))


async def test_retention_deletes_codes_ninety_days_after_their_life_and_old_tries(session):
    people, clerk = await add_mother_and_son(session), await add_person(session, CLERK)
    made = await add_code(session, people.son, (await grant_machtiging(session, people)).id)
    with pytest.raises(InvalidInput):
        await use_code(session, make_asker(PersonId(clerk)), generate_code(), NOON)
    gone_at = made.expires_at + CODE_RETENTION
    assert await expired_codes_sweep(session, at=NOON + timedelta(hours=1)) == 0
    assert await expired_codes_sweep(session, at=gone_at) == 1
    assert await expired_codes_sweep(session, at=gone_at + timedelta(seconds=1)) == 1
    assert (await CODES.count(session), await TRIES.count(session)) == (0, 0)
