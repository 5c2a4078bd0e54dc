"""Four eyes: the notices, and what a repeated request returns, before and after the confirmation."""

from datetime import timedelta

import pytest

from machtiging.delegation.assignments.proposals import end_lapsed_proposals
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.stand_ins.creation import create_stand_in
from machtiging.delegation.stand_ins.rules import StandInRequest
from machtiging.delegation.termination import revoke_machtiging
from machtiging.organisations.rules import ActingEmployee
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import change_employee
from tests.builders.rows import MACHTIGINGEN, NOTIFICATIONS
from tests.storage.assignments.four_eyes_acts import HOURS_72, decide, hire_second, reads
from tests.storage.handover.handover_world import ITEMS

KEY = {"idempotency_key": "maandag-1"}
TOLD_REPLACEMENT = "vervanging_door_u"


async def let_stand_in(office, replacement_id, *, days=(0, 7), at=NOON):
    """The replacement stands in for the care worker."""
    first, last = (NOON.date() + timedelta(days=each) for each in days)
    request = StandInRequest(office.worker_id, replacement_id, first, last)
    async with unit_of_work(office.database.sessions) as session:
        return await create_stand_in(session, load_keyring(), office.login(), request, at=at)


async def stand_in_links(office, state="active"):
    rows = await MACHTIGINGEN.read(office.database, state=state)
    return [row.id for row in rows if row.stand_in_id is not None]


async def add_reader(office, second, **changes):
    """A client of the care worker, confirmed by a second person."""
    assignment = await office.assign(await office.grant(**changes))
    assert await decide(office, assignment, person=second) == assignment
    return assignment


async def test_repeated_assignment_that_waits_is_the_same_proposal(four_eyes):
    root = await four_eyes.grant()
    assignment = await four_eyes.assign(root, **KEY)
    assert await four_eyes.assign(root, **KEY) == assignment
    assert not await reads(four_eyes, assignment)


async def test_repeated_assignment_after_refusal_is_refused(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    root = await office.grant()
    assignment = await office.assign(root, **KEY)
    await decide(office, assignment, person=second, confirm=False)
    assert await office.assign(root, **KEY) == "toewijzing_beeindigd"
    assert ("refused", "toewijzing_beeindigd") in [
        (line.outcome, line.reason) for line in await office.lines("gemaakt")
    ]


async def test_repeated_assignment_after_lapse_is_refused(four_eyes, clock):
    root = await four_eyes.grant()
    await four_eyes.assign(root, **KEY)
    clock.advance(HOURS_72)
    assert await end_lapsed_proposals(four_eyes.database.sessions, clock) == 1
    assert await four_eyes.assign(root, **KEY) == "toewijzing_beeindigd"


async def test_repeated_assignment_after_its_end_is_refused_until_a_new_key(office):
    root = await office.grant()
    assignment = await office.assign(root, **KEY)
    assert await office.assign(root, **KEY) == assignment
    await office.end(assignment)
    assert await office.assign(root, **KEY) == "toewijzing_beeindigd"
    assert await reads(office, await office.assign(root, idempotency_key="dinsdag-1"))


async def test_repeated_assignment_after_the_client_withdrew_is_refused(office):
    root = await office.grant()
    await office.assign(root, **KEY)
    async with unit_of_work(office.database.sessions) as session:
        await revoke_machtiging(session, root, office.client, at=NOON)
    assert await office.assign(root, **KEY) == "toewijzing_beeindigd"


async def test_replacement_is_told_once_at_the_first_confirmed_client(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    for number in range(2):
        await add_reader(office, second, purpose=f"post {number}")
    replacement, replacement_id = await office.hire("Vera")
    made = await let_stand_in(office, replacement_id)
    assert (made.clients, made.waiting) == (2, 2)
    assert await office.load_recipients(TOLD_REPLACEMENT) == []
    links = await stand_in_links(office)
    for link in links:
        assert await decide(office, link, person=second) == link
        assert await office.load_recipients(TOLD_REPLACEMENT) == [replacement]
    [mail] = await NOTIFICATIONS.read(office.database, kind=TOLD_REPLACEMENT)
    assert mail.facts["helper_id"] == str(office.worker)
    assert await office.load_recipients("vervanging") == [office.client] * 2


@pytest.mark.parametrize("is_lapsed", [False, True])
async def test_same_stand_in_links_again_what_was_refused_or_lapsed(four_eyes, clock, is_lapsed):
    office, second = four_eyes, await hire_second(four_eyes)
    await add_reader(office, second)
    _, replacement_id = await office.hire("Vera")
    made = await let_stand_in(office, replacement_id)
    [link] = await stand_in_links(office)
    again = await let_stand_in(office, replacement_id)
    assert again == (made.id, None, 1)
    if is_lapsed:
        clock.advance(HOURS_72)
        assert await end_lapsed_proposals(office.database.sessions, clock) == 1
    else:
        await decide(office, link, person=second, confirm=False)
    assert await let_stand_in(office, replacement_id, at=clock.now()) == (made.id, 1, 1)
    [other] = await stand_in_links(office)
    assert other != link
    assert await office.load_recipients(TOLD_REPLACEMENT) == []
    assert await decide(office, other, person=second, at=clock.now()) == other


async def test_confirmed_stand_in_leaves_the_client_in_the_hand_over(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    root = await office.grant()
    person, administrator = await office.hire(roles=["organisatiebeheerder"])
    _, leaving = await office.hire("Vertrekt")
    for reader in (office.worker_id, leaving):
        assignment = await office.assign(root, reader)
        assert await decide(office, assignment, person=second) == assignment
    actor = ActingEmployee(person, administrator, office.organisation)
    async with unit_of_work(office.database.sessions) as session:
        await change_employee(session, office.worker_id, state="op_non_actief")
        await record_departure(session, load_keyring(), actor, leaving, at=NOON)
    _, replacement_id = await office.hire("Vera")
    await let_stand_in(office, replacement_id, days=(7, 14))
    [link] = await stand_in_links(office)
    before = await ITEMS.read_column(office.database, "state")
    assert await decide(office, link, person=second) == link
    assert await ITEMS.read_column(office.database, "state") == before == ["wacht"]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (pause_machtiging, "machtiging_gepauzeerd_door_u"),
        (revoke_machtiging, "machtiging_ingetrokken_door_u"),
        (resume_machtiging, "machtiging_hervat_zonder_lezer_door_u"),
    ],
)
@pytest.mark.parametrize("is_proposed", [False, True])
async def test_act_of_the_client_without_a_reader_speaks_of_the_organisation(four_eyes, act, kind, is_proposed):
    office = four_eyes
    root = await office.grant()
    if is_proposed:
        await office.assign(root)
    async with unit_of_work(office.database.sessions) as session:
        if act is resume_machtiging:
            await pause_machtiging(session, root, office.client, at=NOON)
        await act(session, root, office.client, at=NOON)
    [mail] = await NOTIFICATIONS.read(office.database, kind=kind)
    assert (mail.person_id, mail.facts["organisation"]) == (office.client, f"Wijkteam {office.kvk}")
    assert "helper_id" not in mail.facts
    told = {row.person_id for row in await NOTIFICATIONS.read(office.database)}
    assert told == {office.client}
    assert await office.load_recipients("aanbod_ingetrokken_door_u") == []
