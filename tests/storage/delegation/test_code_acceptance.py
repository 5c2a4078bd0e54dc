"""Accepting and refusing with a code; all failures look the same (no enumeration)."""

import asyncio
from datetime import date, timedelta

import pytest
from sqlalchemy import event, text

from machtiging.delegation.acceptance import CodeHolder, accept_offer, preview_offer
from machtiging.delegation.authority.queries import list_authorities_of_person
from machtiging.delegation.code_renewal import CodeToReplace, renew_code
from machtiging.delegation.machtigingscode import format_code, generate_code
from machtiging.delegation.queries import (
    load_machtiging,
    load_machtiging_of_person,
    load_open_code,
)
from machtiging.delegation.rules import EffectiveState, EndReason, MachtigingState, effective_state
from machtiging.delegation.termination import refuse_offer, revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import InvalidInput, NotAllowed, NotFound, Refusal, TooMany
from machtiging.kernel.period import Period
from machtiging.message_catalogue import describe_refusal
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import MACHTIGING_LIMITS, Committed, add_offer
from tests.builders.people import BORN, add_mother_and_son, add_person
from tests.builders.rows import CODE_TRIES, JOURNAL_INTAKE, MACHTIGINGSCODES, NOTIFICATIONS

HOUR = timedelta(hours=1)


async def notification_kinds(session):
    return {(person, kind) for person, kind in await NOTIFICATIONS.read(session, "person_id", "kind")}


async def reasons(session):
    return [reason for (reason,) in await JOURNAL_INTAKE.read(session, "reason", act="code:geprobeerd")]


@pytest.fixture
async def committed(database):
    return await Committed.begin(database)


async def test_code_is_previewed_and_accepted(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    seen = await preview_offer(session, load_keyring(), people.helper, offered.code, BORN, at=NOON)
    assert (seen.id, seen.state) == (offered.machtiging_id, MachtigingState.OFFERED)
    taken = await accept_offer(session, load_keyring(), people.helper, offered.code.lower(), BORN, at=NOON + HOUR)
    assert (taken.gemachtigde_id, taken.accepted_at) == (people.son, NOON + HOUR)
    assert taken.accepted_assurance is Assurance.SUBSTANTIAL
    assert effective_state(taken, NOON + HOUR) is EffectiveState.IN_FORCE
    assert [a.leaf for a in await list_authorities_of_person(session, people.son, at=NOON)] == [taken]
    assert await load_machtiging_of_person(session, taken.id, people.son) == taken


async def test_acceptance_notifies_both_and_is_journalled(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    await accept_offer(session, load_keyring(), people.helper, offered.code, BORN, at=NOON)
    assert {
        (people.mother, "machtiging_aangenomen"),
        (people.son, "machtiging_aangenomen_door_u"),
    } < await notification_kinds(session)
    assert await JOURNAL_INTAKE.read(
        session, "actor_id", "for_person_id", "capacity", "machtiging_id", JOURNAL_INTAKE.c.act.like("%aangenomen")
    ) == [(people.son, people.mother, "relative", offered.machtiging_id)]


async def test_refused_code_is_used_up(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    refused = await refuse_offer(session, load_keyring(), people.helper, offered.code, BORN, at=NOON)
    assert (refused.state, refused.end_reason, refused.gemachtigde_id) == (
        MachtigingState.ENDED,
        EndReason.REFUSED,
        None,
    )
    assert {
        (people.mother, "machtiging_geweigerd"),
        (people.son, "machtiging_geweigerd_door_u"),
    } < await notification_kinds(session)
    other = CodeHolder(await add_person(session, Bsn("999990044")), Assurance.HIGH)
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await accept_offer(session, load_keyring(), other, offered.code, BORN, at=NOON)


async def read_code_to_replace(session, offered):
    return CodeToReplace(offered.machtiging_id, (await load_open_code(session, offered.machtiging_id)).id)


async def make_it_fail(session, people, how):
    """Make an offer; return the code, birth date and time of this failure."""
    period = Period(NOON, NOON + timedelta(hours=2))
    offered = await add_offer(session, people, **({"period": period} if how == "code_verlopen" else {}))
    code, born, at = offered.code, BORN, NOON
    if how == "code_onbekend":
        code = format_code(generate_code())
    if how == "code_gebruikt":
        other = CodeHolder(await add_person(session, Bsn("999990044")), Assurance.HIGH)
        await accept_offer(session, load_keyring(), other, code, BORN, at=NOON)
    if how == "code_vervangen":
        await renew_code(
            session,
            load_keyring(),
            MACHTIGING_LIMITS,
            people.giver,
            await read_code_to_replace(session, offered),
            at=NOON,
        )
    if how == "code_verlopen":
        at = NOON + timedelta(hours=2)
    if how == "code_op":
        await session.execute(text("UPDATE machtigingscode SET tries_left = 0"))
    if how == "aanbod_ingetrokken":
        await revoke_machtiging(session, offered.machtiging_id, people.mother, at=NOON)
    if how == "geboortedatum_klopt_niet":
        born = date(1951, 4, 8)
    return code, born, at


HOWS = [
    "code_onbekend",
    "code_gebruikt",
    "code_vervangen",
    "code_verlopen",
    "code_op",
    "aanbod_ingetrokken",
    "geboortedatum_klopt_niet",
]


async def failing(session, people, how, act=accept_offer):
    """The refusal as shown, and the SQL statements it took."""
    code, born, at = await make_it_fail(session, people, how)
    statements = []
    engine = session.bind.sync_engine

    def note(connection, cursor, statement, *rest):
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        with pytest.raises(Refusal) as refusal:
            await act(session, load_keyring(), people.helper, code, born, at=at)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return (type(refusal.value), refusal.value.code, describe_refusal(refusal.value), refusal.value.fields), statements


@pytest.mark.parametrize("how", HOWS)
async def test_code_failure_reason_is_journalled_and_not_shown(session, how):
    people = await add_mother_and_son(session)
    for act in (accept_offer, preview_offer, refuse_offer):
        seen, _ = await failing(session, people, how, act)
        assert seen[:2] == (InvalidInput, "code_klopt_niet")
        assert how not in str(seen)
        assert how in await reasons(session)
        await session.execute(text("DELETE FROM code_try"))


async def test_code_enumeration_failures_are_indistinguishable(database):
    looks, works = [], []
    people = (await Committed.begin(database)).people
    for how in HOWS:
        async with database.sessions() as session:
            seen, statements = await failing(session, people, how)
            looks.append(seen)
            works.append(statements)
    assert all(look == looks[0] for look in looks)
    assert all(work == works[0] for work in works)


class WatchedRing:
    """A key ring that counts the unwrapped data keys."""

    def __init__(self):
        self.opened = 0
        self.blind_index = load_keyring().blind_index

    def unwrap_data_key(self, *sealed):
        self.opened += 1
        return load_keyring().unwrap_data_key(*sealed)


@pytest.mark.parametrize("how", ["code_onbekend", "code_gebruikt", "geboortedatum_klopt_niet"])
async def test_code_enumeration_timing_is_equal_by_one_profile_decryption(session, how):
    """Otherwise the decryption time would reveal whether a code exists (timing oracle)."""
    people = await add_mother_and_son(session)
    code, born, at = await make_it_fail(session, people, how)
    ring = WatchedRing()
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await accept_offer(session, ring, people.helper, code, born, at=at)
    assert ring.opened == 1


async def test_concurrent_tries_of_one_code_are_serialised(committed, database):
    """Otherwise concurrent guesses could pass the limit of tries."""
    offered = await committed.offer()
    async with unit_of_work(committed.sessions) as session:
        other = CodeHolder(await add_person(session, Bsn("999990044")), Assurance.HIGH)
        await session.execute(text("UPDATE machtigingscode SET tries_left = 1"))

    async def look():
        async with unit_of_work(committed.sessions) as session:
            return await preview_offer(session, load_keyring(), other, offered.code, BORN, at=NOON)

    async with database.sessions() as first:
        with pytest.raises(InvalidInput):
            await accept_offer(first, load_keyring(), committed.people.helper, offered.code, date(1951, 4, 8), at=NOON)
        second = asyncio.create_task(look())
        await wait_until_blocked(database.sessions, second)
        await first.commit()
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await second


async def test_own_offer_cannot_be_accepted_or_refused(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    herself = CodeHolder(people.mother, Assurance.HIGH)
    for act in (preview_offer, accept_offer, refuse_offer):
        with pytest.raises(NotAllowed, match="eigen_machtiging"):
            await act(session, load_keyring(), herself, offered.code, BORN, at=NOON)
    kept = await load_machtiging(session, offered.machtiging_id)
    assert kept is not None
    assert kept.state is MachtigingState.OFFERED


async def test_acceptance_with_low_assurance_is_rejected_without_code_check(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    light = CodeHolder(people.son, Assurance.LOW)
    for code in (offered.code, format_code(generate_code())):
        with pytest.raises(NotAllowed, match="niveau_te_laag"):
            await accept_offer(session, load_keyring(), light, code, BORN, at=NOON)
    assert await reasons(session) == ["niveau_te_laag"] * 2


async def test_five_wrong_birth_dates_block_the_code(committed):
    offered = await committed.offer()
    for _ in range(5):
        with pytest.raises(InvalidInput, match="code_klopt_niet"):
            await committed.accept(offered.code, date(1951, 4, 8))
    async with unit_of_work(committed.sessions) as session:
        assert await MACHTIGINGSCODES.read(session, "tries_left") == [(0,)]
        other = CodeHolder(await add_person(session, Bsn("999990044")), Assurance.HIGH)
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await committed.accept(offered.code, BORN, other)


async def test_unknown_code_costs_no_try_of_another_code(committed):
    await committed.offer()
    with pytest.raises(InvalidInput):
        await committed.accept(format_code(generate_code()))
    async with unit_of_work(committed.sessions) as session:
        assert await MACHTIGINGSCODES.read(session, "tries_left") == [(5,)]


async def test_sixth_try_within_an_hour_is_rate_limited(committed):
    offered = await committed.offer()
    for minutes in range(5):
        with pytest.raises(InvalidInput, match="code_klopt_niet"):
            await committed.accept(format_code(generate_code()), at=NOON + timedelta(minutes=minutes))
    with pytest.raises(TooMany, match="te_vaak_geprobeerd") as refusal:
        await committed.accept(offered.code, at=NOON + timedelta(minutes=10))
    assert 3000 <= refusal.value.retry_after <= 3001
    # The first try is an hour old: one more is allowed.
    taken = await committed.accept(offered.code, at=NOON + HOUR)
    assert taken.state is MachtigingState.ACTIVE


async def test_code_tries_are_committed_on_refusal(committed, database):
    for _ in range(2):
        with pytest.raises(InvalidInput):
            await committed.accept(format_code(generate_code()))
    async with database.sessions() as session:
        assert await CODE_TRIES.read(session, "person_id") == [(committed.people.son,)] * 2
        assert await reasons(session) == ["code_onbekend"] * 2


async def test_old_code_tries_are_deleted(committed, database):
    with pytest.raises(InvalidInput):
        await committed.accept(format_code(generate_code()))
    with pytest.raises(InvalidInput):
        await committed.accept(format_code(generate_code()), at=NOON + 2 * HOUR)
    async with database.sessions() as session:
        assert await CODE_TRIES.read(session, "tried_at") == [(NOON + 2 * HOUR,)]


async def test_concurrent_guesses_are_counted(committed):
    tries = await asyncio.gather(
        *(committed.accept(format_code(generate_code())) for _ in range(10)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in tries) == ["InvalidInput"] * 5 + ["TooMany"] * 5


async def test_concurrent_acceptance_by_two_persons_succeeds_once(committed):
    async with unit_of_work(committed.sessions) as session:
        rival = CodeHolder(await add_person(session, Bsn("999990044")), Assurance.SUBSTANTIAL)
    for _ in range(5):
        offered = await committed.offer()
        answers = await asyncio.gather(
            committed.accept(offered.code),
            committed.accept(offered.code, helper=rival, at=NOON + 2 * HOUR),
            return_exceptions=True,
        )
        lost = [answer for answer in answers if isinstance(answer, Refusal)]
        assert [refusal.code for refusal in lost] == ["code_klopt_niet"]
        [won] = [answer for answer in answers if answer not in lost]
        async with unit_of_work(committed.sessions) as session:
            assert await load_machtiging(session, offered.machtiging_id) == won
            await session.execute(text("DELETE FROM code_try"))


async def test_double_submission_of_acceptance_is_idempotent(committed, database):
    offered = await committed.offer()
    answers = await asyncio.gather(*(committed.accept(offered.code) for _ in range(4)), return_exceptions=True)
    assert [(answer.id, answer.state) for answer in answers] == [(offered.machtiging_id, MachtigingState.ACTIVE)] * 4
    async with database.sessions() as session:
        acts = await JOURNAL_INTAKE.read(session, "act", act="machtiging:aangenomen")
        assert len(acts) == 1
        assert await CODE_TRIES.count(session) == 0
        assert await MACHTIGINGSCODES.read(session, "used_by", "tries_left") == [(committed.people.son, 5)]


async def test_concurrent_withdrawal_and_acceptance_ends_the_machtiging(committed):
    async def withdraw(offered):
        async with unit_of_work(committed.sessions) as session:
            return await revoke_machtiging(session, offered.machtiging_id, committed.people.mother, at=NOON)

    for _ in range(5):
        offered = await committed.offer()
        taken, withdrawn = await asyncio.gather(
            committed.accept(offered.code), withdraw(offered), return_exceptions=True
        )
        assert not isinstance(withdrawn, BaseException)
        assert isinstance(taken, InvalidInput) or taken.state is MachtigingState.ACTIVE
        async with unit_of_work(committed.sessions) as session:
            kept = await load_machtiging(session, offered.machtiging_id)
            assert kept is not None
            assert kept.state is MachtigingState.ENDED
            await session.execute(text("DELETE FROM code_try"))


async def test_used_code_is_rejected_for_another_person(committed):
    offered = await committed.offer()
    await committed.accept(offered.code)
    async with unit_of_work(committed.sessions) as session:
        stranger = await add_person(session, Bsn("999990044"))
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await committed.accept(offered.code, helper=CodeHolder(stranger, Assurance.HIGH))
    with pytest.raises(NotFound, match="machtiging_onbekend"):
        async with unit_of_work(committed.sessions) as session:
            await revoke_machtiging(session, offered.machtiging_id, stranger, at=NOON)


async def test_malformed_code_is_rejected(session):
    people = await add_mother_and_son(session)
    for code in ("", "\x00", "é" * 50 + "X" * 100_000, "'; DROP TABLE machtiging; --", "\ud800"):
        with pytest.raises(InvalidInput, match="code_verschreven"):
            await accept_offer(session, load_keyring(), people.helper, code, BORN, at=NOON)
    assert await CODE_TRIES.count(session) == 0
