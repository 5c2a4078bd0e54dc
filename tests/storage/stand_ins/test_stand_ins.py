"""Stand-ins: what a replacement sees, for how long, and what is refused."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.pause import pause_machtiging
from machtiging.kernel.clock import end_of_day
from machtiging.organisations.rules import ActingOperator
from machtiging.organisations.tables import SEALED_STAND_IN
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import (
    OTHER_KVK,
    add_employee,
    add_organisation,
    change_employee,
    decide_recognition,
)
from tests.builders.people import add_person_without_bsn
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS
from tests.storage.stand_ins.stand_in_world import STAND_INS, TODAY

DAY = timedelta(days=1)
TOMORROW, NEXT_WEEK = TODAY + DAY, TODAY + 7 * DAY


async def read_outcomes(stand_ins, act):
    return [(line.outcome, line.reason) for line in await JOURNAL_INTAKE.read(stand_ins.database, act=act)]


async def test_replacement_reads_the_clients_of_the_absent_colleague_for_these_days(stand_ins):
    for number in range(2):
        await stand_ins.office.assign(await stand_ins.office.grant(purpose=f"post {number}"))
    made = await stand_ins.stand_in(TODAY, NEXT_WEEK)
    assert made.clients == 2
    links = await stand_ins.links()
    assert len(links) == 2
    end = end_of_day(NEXT_WEEK)
    for link in links:
        assert await stand_ins.find_stop(link) is None
        assert await stand_ins.find_stop(link, end - timedelta(microseconds=1)) is None
        assert await stand_ins.find_stop(link, end) == "vervanging_voorbij"
    async with stand_ins.database.sessions() as session:
        assert (await load_authority(session, links[0].id, at=NOON)).ends_at == end
        assert verify_row(session, SEALED_STAND_IN, (await STAND_INS.read(session))[0])


async def test_stand_in_that_begins_later_opens_nothing_before(stand_ins):
    await stand_ins.office.assign(await stand_ins.office.grant())
    await stand_ins.stand_in(TOMORROW, NEXT_WEEK)
    [link] = await stand_ins.links()
    begin = end_of_day(TODAY)
    assert await stand_ins.find_stop(link, begin - timedelta(microseconds=1)) == "vervanging_voorbij"
    assert await stand_ins.find_stop(link, begin) is None


async def test_client_assigned_during_the_period_is_read_by_the_replacement_too(stand_ins):
    await stand_ins.stand_in(TODAY, NEXT_WEEK)
    assert await stand_ins.links() == []
    await stand_ins.office.assign(await stand_ins.office.grant())
    [link] = await stand_ins.links()
    assert await stand_ins.find_stop(link) is None


async def test_client_taken_from_the_absent_colleague_is_taken_from_the_replacement(stand_ins):
    held = await stand_ins.office.assign(await stand_ins.office.grant())
    await stand_ins.stand_in(TODAY, NEXT_WEEK)
    [link] = await stand_ins.links()
    await stand_ins.office.end(held)
    assert await stand_ins.find_stop(link) == "toewijzing_beeindigd"


async def test_pause_of_the_citizen_stops_the_replacement(stand_ins):
    root = await stand_ins.office.grant()
    await stand_ins.office.assign(root)
    await stand_ins.stand_in(TODAY, NEXT_WEEK)
    [link] = await stand_ins.links()
    async with unit_of_work(stand_ins.database.sessions) as session:
        await pause_machtiging(session, root, stand_ins.office.client, at=NOON)
    assert await stand_ins.find_stop(link) == "machtiging_gepauzeerd"


async def test_replacement_reads_while_the_absent_colleague_is_suspended(stand_ins):
    await stand_ins.office.assign(await stand_ins.office.grant())
    await stand_ins.stand_in(TODAY, NEXT_WEEK)
    async with unit_of_work(stand_ins.database.sessions) as session:
        await change_employee(session, stand_ins.office.worker_id, state="op_non_actief")
    [link] = await stand_ins.links()
    assert await stand_ins.find_stop(link) is None


async def test_stand_in_is_journalled_and_told_to_client_and_replacement(stand_ins):
    await stand_ins.office.assign(await stand_ins.office.grant())
    await stand_ins.stand_in(TODAY, NEXT_WEEK)
    assert await read_outcomes(stand_ins, "vervanging:gemaakt") == [("done", "gemaakt")]
    assert ("done", "vervanging") in await read_outcomes(stand_ins, "toewijzing:gemaakt")
    [told] = await NOTIFICATIONS.read(stand_ins.database, kind="vervanging")
    days = {"begins_on": TODAY.isoformat(), "ends_on": NEXT_WEEK.isoformat()}
    assert told.person_id == stand_ins.office.client
    assert days.items() <= told.facts.items()
    [own] = await NOTIFICATIONS.read(stand_ins.database, kind="vervanging_door_u")
    assert own.person_id == stand_ins.replacement


async def test_second_link_for_a_client_of_the_replacement_is_not_made(stand_ins):
    root = await stand_ins.office.grant()
    await stand_ins.office.assign(root)
    await stand_ins.office.assign(root, stand_ins.replacement_id)
    assert (await stand_ins.stand_in(TODAY, NEXT_WEEK)).clients == 0
    assert await stand_ins.links() == []


async def test_link_for_a_client_with_one_agreed_employee_is_not_made(stand_ins):
    root = await stand_ins.office.grant(only_employee_id=stand_ins.office.worker_id)
    await stand_ins.office.assign(root)
    assert (await stand_ins.stand_in(TODAY, NEXT_WEEK)).clients == 0


async def test_link_for_a_client_as_replacement_is_not_made(stand_ins):
    root = await stand_ins.office.grant(vertegenwoordigde_id=stand_ins.replacement)
    await stand_ins.office.assign(root)
    assert (await stand_ins.stand_in(TODAY, NEXT_WEEK)).clients == 0


async def test_same_request_again_gives_the_same_stand_in(stand_ins):
    await stand_ins.office.assign(await stand_ins.office.grant())
    first = await stand_ins.stand_in(TODAY, NEXT_WEEK)
    again = await stand_ins.stand_in(TODAY, NEXT_WEEK, at=NOON + timedelta(minutes=1))
    assert (again.id, again.clients) == (first.id, None)
    assert await STAND_INS.count(stand_ins.database) == 1


async def test_next_period_of_the_same_colleagues_follows_the_first(stand_ins):
    await stand_ins.office.assign(await stand_ins.office.grant())
    await stand_ins.stand_in(TODAY, TOMORROW)
    await stand_ins.stand_in(TOMORROW + DAY, NEXT_WEEK)
    links = await stand_ins.links()
    assert len(links) == 2
    at = end_of_day(TOMORROW)
    assert sorted(map(str, [await stand_ins.find_stop(link, at) for link in links])) == ["None", "vervanging_voorbij"]


async def test_end_before_the_last_day_ends_access_and_tells_the_client(stand_ins):
    await stand_ins.office.assign(await stand_ins.office.grant())
    made = await stand_ins.stand_in(TODAY, NEXT_WEEK)
    assert await stand_ins.end(made.id) is None
    [link] = await stand_ins.links()
    assert link.state == "ended"
    assert await read_outcomes(stand_ins, "vervanging:beeindigd") == [("done", "beeindigd")]
    told = await NOTIFICATIONS.read_column(stand_ins.database, "person_id", kind="toewijzing_gestopt")
    assert told == [stand_ins.office.client]
    assert await stand_ins.end(made.id) == "vervanging_beeindigd"


async def test_stand_in_that_is_over_or_unknown_is_not_ended(stand_ins):
    made = await stand_ins.stand_in(TODAY, TODAY)
    assert await stand_ins.end(made.id, at=end_of_day(TODAY)) == "vervanging_beeindigd"
    assert await stand_ins.end(uuid4()) == "vervanging_onbekend"


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (NEXT_WEEK, TOMORROW, "vervanging_omgekeerd"),
        (TODAY - DAY, TOMORROW, "vervanging_in_verleden"),
        (TODAY, TODAY + 42 * DAY, "vervanging_te_lang"),
        (TODAY, date.max - DAY, "vervanging_te_lang"),
    ],
)
async def test_stand_in_with_wrong_days_is_refused_and_journalled(stand_ins, first, last, code):
    assert await stand_ins.refuse(first, last) == code
    assert await read_outcomes(stand_ins, "vervanging:gemaakt") == [("refused", code)]
    assert await STAND_INS.count(stand_ins.database) == 0


async def test_forty_two_days_with_the_change_to_winter_time_are_allowed(stand_ins):
    await stand_ins.stand_in(date(2027, 10, 10), date(2027, 11, 20))
    assert await STAND_INS.count(stand_ins.database) == 1


async def test_employee_does_not_stand_in_for_oneself(stand_ins):
    worker = stand_ins.office.worker_id
    assert await stand_ins.refuse(replacement_id=worker) == "vervanging_van_uzelf"


@pytest.mark.parametrize("days", [(TODAY, NEXT_WEEK), (TOMORROW, TOMORROW), (NEXT_WEEK, NEXT_WEEK + DAY)])
async def test_overlapping_stand_in_for_the_same_colleague_is_refused(stand_ins, days):
    _, third = await stand_ins.office.hire()
    await stand_ins.stand_in(TODAY, NEXT_WEEK)
    assert await stand_ins.refuse(*days, replacement_id=third) == "vervanging_overlapt"


async def test_stand_in_for_a_stand_in_is_refused_both_ways(stand_ins):
    _, third = await stand_ins.office.hire()
    await stand_ins.stand_in(TODAY, NEXT_WEEK)
    replacement, worker = stand_ins.replacement_id, stand_ins.office.worker_id
    assert await stand_ins.refuse(absent_id=replacement, replacement_id=third) == "vervanging_van_vervanger"
    assert await stand_ins.refuse(absent_id=third, replacement_id=worker) == "vervanging_van_vervanger"
    assert (await stand_ins.stand_in(absent_id=third, replacement_id=replacement)).clients == 0


async def test_stand_in_after_an_ended_one_is_allowed(stand_ins):
    _, third = await stand_ins.office.hire()
    made = await stand_ins.stand_in(TODAY, NEXT_WEEK)
    await stand_ins.end(made.id)
    await stand_ins.stand_in(TODAY, NEXT_WEEK, replacement_id=third)
    assert await STAND_INS.count(stand_ins.database) == 2


@pytest.mark.parametrize(
    ("who", "changes", "code"),
    [
        ("replacement", {"state": "vertrokken", "ends_at": NOON}, "medewerker_vertrokken"),
        ("replacement", {"state": "op_non_actief"}, "medewerker_niet_actief"),
        ("replacement", {"roles": ["balie"]}, "medewerker_geen_hulpverlener"),
        ("absent", {"state": "vertrokken", "ends_at": NOON}, "medewerker_vertrokken"),
    ],
)
async def test_colleague_without_the_right_state_or_role_is_refused(stand_ins, who, changes, code):
    employee = stand_ins.replacement_id if who == "replacement" else stand_ins.office.worker_id
    async with unit_of_work(stand_ins.database.sessions) as session:
        await change_employee(session, employee, **changes)
    assert await stand_ins.refuse() == code


@pytest.mark.parametrize("who", ["absent_id", "replacement_id"])
async def test_colleague_of_another_organisation_is_answered_as_an_unknown_one(stand_ins, who):
    async with unit_of_work(stand_ins.database.sessions) as session:
        organisation = await add_organisation(session, OTHER_KVK)
        stranger = await add_employee(session, organisation, await add_person_without_bsn(session, "Vreemd", None))
    for employee in (stranger, uuid4()):
        assert await stand_ins.refuse(**{who: employee}) == "medewerker_onbekend"


async def test_care_worker_makes_and_ends_no_stand_in(stand_ins):
    login = stand_ins.office.login(stand_ins.replacement)
    assert await stand_ins.refuse(login=login) == "alleen_voor_teamleider"
    made = await stand_ins.stand_in()
    assert await stand_ins.end(made.id, login=login) == "alleen_voor_teamleider"


async def test_suspended_organisation_makes_no_stand_in_and_ends_one(stand_ins):
    made = await stand_ins.stand_in(TODAY, NEXT_WEEK)
    async with unit_of_work(stand_ins.database.sessions) as session:
        await decide_recognition(session, stand_ins.office.organisation, 3, "opgeschort")
    assert await stand_ins.refuse(NEXT_WEEK + DAY, NEXT_WEEK + DAY) == "organisatie_opgeschort"
    assert await stand_ins.end(made.id) is None


@pytest.mark.parametrize("leaver", ["absent", "replacement"])
async def test_departure_ends_the_stand_ins_of_the_leaver(stand_ins, leaver):
    root = await stand_ins.office.grant()
    await stand_ins.office.assign(root)
    made = await stand_ins.stand_in(TODAY, NEXT_WEEK)
    employee = stand_ins.office.worker_id if leaver == "absent" else stand_ins.replacement_id
    async with unit_of_work(stand_ins.database.sessions) as session:
        operator = ActingOperator(None, "root")
        done = await record_departure(session, load_keyring(), operator, employee, at=NOON)
    assert done.waiting == (1 if leaver == "absent" else 0)
    row = await STAND_INS.read_one(stand_ins.database, id=made.id)
    assert row.ended_at == NOON
    async with stand_ins.database.sessions() as session:
        assert verify_row(session, SEALED_STAND_IN, row)
    assert await MACHTIGINGEN.count(stand_ins.database, stand_in_id=made.id, state="ended") == 1
    assert await read_outcomes(stand_ins, "vervanging:beeindigd") == [("done", "vertrek")]
