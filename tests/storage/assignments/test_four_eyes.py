"""Four eyes: an assignment by one person gives nothing until another person confirms it."""

import asyncio
from datetime import date

import pytest

from machtiging.agencies.rules import Sensitivity
from machtiging.delegation.assignments.clients import list_organisation_clients
from machtiging.delegation.assignments.proposals import (
    find_proposed,
    list_proposals,
)
from machtiging.delegation.authority.holders import load_employee_links, load_holder_ids
from machtiging.delegation.caseload.assigned_clients import load_assigned_clients
from machtiging.delegation.handover.departure import record_departure
from machtiging.identity.people import save_profile
from machtiging.identity.profile_claims import Profile
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.rules import ActingEmployee
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import is_usable_by
from tests.builders.organisations import (
    OTHER_KVK,
    add_employee,
    add_organisation,
    change_employee,
    decide_recognition,
)
from tests.builders.people import BORN, add_person_without_bsn
from tests.storage.assignments.assignment_world import Assignments
from tests.storage.assignments.four_eyes_acts import decide, demand, hire_second, reads


async def test_proposed_assignment_gives_nothing_at_any_door(four_eyes):
    office = four_eyes
    root = await office.grant()
    assignment = await office.assign(root)
    held = await office.authority(assignment)
    assert not is_usable_by(held, office.worker, office.kvk, NOON)
    assert held.stop_reason(NOON).code == "toewijzing_niet_bevestigd"
    assert held.visibility_refusal(office.worker, office.kvk, Assurance.HIGH, NOON) == "toewijzing_niet_bevestigd"
    assert not held.is_current(office.kvk, NOON)
    async with office.database.sessions() as session:
        page = await list_organisation_clients(session, load_keyring(), office.organisation, at=NOON)
        assert [one.reader_ids for one in page.clients] == [()]
        assert page.without_reader == 1
        above = await office.authority(root)
        assert await load_holder_ids(session, above, at=NOON) == []
        assert await load_employee_links(session, root, at=NOON) == []
        [one] = await load_assigned_clients(session, office.worker, office.kvk, at=NOON)
        assert one.authority.stop_reason(NOON) is not None
    assert await office.load_recipients("toewijzing_gemaakt") == []
    assert await office.load_recipients("toewijzing_gemaakt_aan_u") == []
    assert await office.lines("gemaakt") == []
    [line] = await office.lines("voorgesteld")
    assert (line.outcome, line.reason, line.actor_id) == ("done", "vier_ogen", office.leader)


async def test_assignment_confirmed_by_second_person_opens_the_box_and_tells_both(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    assert await decide(office, assignment, person=second) == assignment
    assert await reads(office, assignment)
    assert await office.load_recipients("toewijzing_gemaakt") == [office.client]
    assert await office.load_recipients("toewijzing_gemaakt_aan_u") == [office.worker]
    [line] = await office.lines("bevestigd")
    assert (line.outcome, line.reason, line.actor_id, line.for_person_id) == (
        "done",
        "bevestigd",
        second,
        office.client,
    )
    assert [one["tabel"] for one in line.facts["toestand"]] == ["agreement", "assignment"]
    async with office.database.sessions() as session:
        assert await find_proposed(session, [assignment]) == set()


@pytest.mark.parametrize(
    ("threshold", "sensitivity", "proposed"),
    [
        (None, "vertrouwelijk", False),
        (Sensitivity.VERTROUWELIJK, "gevoelig", False),
        (Sensitivity.GEVOELIG, "gewoon", False),
        (Sensitivity.GEVOELIG, "gevoelig", True),
        (Sensitivity.GEVOELIG, "vertrouwelijk", True),
        (Sensitivity.GEWOON, "gewoon", True),
    ],
)
async def test_threshold_decides_by_the_scope_of_the_machtiging(office, threshold, sensitivity, proposed):
    await demand(office, threshold)
    assignment = await office.assign(await office.grant(highest_sensitivity=sensitivity))
    async with office.database.sessions() as session:
        assert bool(await find_proposed(session, [assignment])) is proposed


async def test_proposer_cannot_confirm(four_eyes):
    assignment = await four_eyes.assign(await four_eyes.grant())
    assert await decide(four_eyes, assignment) == "eigen_voorstel"
    assert not await reads(four_eyes, assignment)
    [line] = await four_eyes.lines("bevestigd")
    assert (line.outcome, line.reason) == ("refused", "eigen_voorstel")


async def test_same_person_under_a_second_login_cannot_confirm(four_eyes):
    office = four_eyes
    one, _ = await office.hire("Dubbele Dina", BORN, roles=["teamleider"])
    other, _ = await office.hire("Tweede inlog", roles=["teamleider"])
    async with unit_of_work(office.database.sessions) as session:
        await save_profile(session, load_keyring(), other, Profile("Dubbele Dina", BORN, None))
    assignment = await office.assign(await office.grant(), login=office.login(one))
    assert await decide(office, assignment, person=other) == "eigen_voorstel"
    assert not await reads(office, assignment)


async def test_unidentified_second_person_is_refused_outside_practice(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    assert await decide(office, assignment, person=second, practice=False) == "persoon_niet_zeker"
    assert not await reads(office, assignment)


async def test_two_known_people_confirm_outside_practice(four_eyes):
    office = four_eyes
    one, _ = await office.hire("Eerste Persoon", date(1980, 1, 2), roles=["teamleider"])
    other, _ = await office.hire("Tweede Persoon", date(1981, 2, 3), roles=["organisatiebeheerder"])
    assignment = await office.assign(await office.grant(), login=office.login(one))
    assert await decide(office, assignment, person=other, practice=False) == assignment
    assert await reads(office, assignment)


@pytest.mark.parametrize("roles", [["hulpverlener"], ["toezicht"], ["balie", "telefoon", "controleur"]])
async def test_colleague_without_the_role_cannot_decide(four_eyes, roles):
    office = four_eyes
    person, _ = await office.hire(roles=roles)
    assignment = await office.assign(await office.grant())
    for confirm in (True, False):
        assert await decide(office, assignment, person=person, confirm=confirm) == "alleen_voor_teamleider"
    assert not await reads(office, assignment)


async def test_leader_of_another_organisation_cannot_decide(four_eyes, database):
    assignment = await four_eyes.assign(await four_eyes.grant())
    other = await begin_other(database)
    for confirm in (True, False):
        assert await decide(other, assignment, confirm=confirm) == "voorstel_onbekend"
    assert [line.reason for line in await four_eyes.lines("bevestigd")] == ["niet_van_u"]
    async with database.sessions() as session:
        assert len(await list_proposals(session, four_eyes.organisation, at=NOON)) == 1
        assert await list_proposals(session, other.organisation, at=NOON) == []


async def begin_other(database):
    """Another organisation, with the same client."""
    async with unit_of_work(database.sessions) as session:
        people = [await add_person_without_bsn(session, f"Ander {number}", None) for number in range(2)]
        organisation = await add_organisation(session, OTHER_KVK)
        ids = [await add_employee(session, organisation, one, roles=["teamleider"]) for one in people]
    return Assignments(database, organisation, people[0], people[0], ids[0], people[1], ids[1], OTHER_KVK)


async def test_unknown_machtiging_and_root_are_no_proposals(four_eyes):
    second, root = await hire_second(four_eyes), await four_eyes.grant()
    assert await decide(four_eyes, root, person=second) == "voorstel_onbekend"
    assert await decide(four_eyes, four_eyes.worker_id, person=second) == "voorstel_onbekend"


async def test_second_confirmation_changes_nothing(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    assert await decide(office, assignment, person=second) == assignment
    assert await decide(office, assignment, person=second) == "voorstel_afgehandeld"
    assert await decide(office, assignment, person=second, confirm=False) == "voorstel_afgehandeld"
    assert await reads(office, assignment)
    assert await office.load_recipients("toewijzing_gemaakt") == [office.client]


async def test_assignment_that_never_waited_cannot_be_decided(office):
    second, assignment = await hire_second(office), await office.assign(await office.grant())
    assert await decide(office, assignment, person=second, confirm=False) == "voorstel_afgehandeld"
    assert await reads(office, assignment)


async def test_two_confirmations_at_once_tell_the_client_once(four_eyes):
    office, second, third = four_eyes, await hire_second(four_eyes), await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    results = await asyncio.gather(*(decide(office, assignment, person=one) for one in (second, third)))
    assert sorted(map(str, results)) == sorted([str(assignment), "voorstel_afgehandeld"])
    assert await office.load_recipients("toewijzing_gemaakt") == [office.client]


async def test_refused_proposal_ends_without_a_notification(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    root = await office.grant()
    assignment = await office.assign(root)
    assert await decide(office, assignment, person=second, confirm=False) == assignment
    assert await decide(office, assignment, person=second) == "voorstel_afgehandeld"
    assert not await reads(office, assignment)
    assert await office.load_recipients("toewijzing_gestopt") == []
    [line] = await office.lines("afgewezen")
    assert (line.outcome, line.reason, line.actor_id) == ("done", "afgewezen", second)


async def test_proposer_withdraws_the_own_proposal(four_eyes):
    assignment = await four_eyes.assign(await four_eyes.grant())
    assert await decide(four_eyes, assignment, confirm=False) == assignment
    assert (await four_eyes.authority(assignment)).has_ended


async def test_proposal_for_departed_employee_is_refused(four_eyes):
    office, second = four_eyes, await hire_second(four_eyes)
    person, administrator = await office.hire(roles=["organisatiebeheerder"])
    assignment = await office.assign(await office.grant())
    actor = ActingEmployee(person, administrator, office.organisation)
    async with unit_of_work(office.database.sessions) as session:
        await record_departure(session, load_keyring(), actor, office.worker_id, at=NOON)
    assert await decide(office, assignment, person=second) == "voorstel_afgehandeld"
    assert await office.load_recipients("toewijzing_gestopt") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "op_non_actief"}, "medewerker_niet_actief"),
        ({"roles": ["balie"]}, "medewerker_geen_hulpverlener"),
        ({"ends_at": NOON}, "medewerker_vertrokken"),
    ],
)
async def test_proposal_for_inactive_employee_is_refused(four_eyes, changes, code):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        await change_employee(session, office.worker_id, **changes)
    assert await decide(office, assignment, person=second) == code
    assert not await reads(office, assignment)


@pytest.mark.parametrize(
    ("status", "code"), [("opgeschort", "organisatie_opgeschort"), ("ingetrokken", "erkenning_ingetrokken")]
)
async def test_proposal_of_stopped_organisation_cannot_be_confirmed(four_eyes, status, code):
    office, second = four_eyes, await hire_second(four_eyes)
    assignment = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        await decide_recognition(session, office.organisation, 3, status)
    assert await decide(office, assignment, person=second) == code
    assert await decide(office, assignment, person=second, confirm=False) == assignment


async def test_confirming_login_below_the_minimum_is_refused(four_eyes):
    second, assignment = await hire_second(four_eyes), await four_eyes.assign(await four_eyes.grant())
    assert await decide(four_eyes, assignment, person=second, assurance=Assurance.LOW) == "niveau_te_laag"


async def test_confirmation_by_the_client_is_refused(four_eyes):
    office = four_eyes
    async with unit_of_work(office.database.sessions) as session:
        await add_employee(session, office.organisation, office.client, roles=["teamleider"])
    assignment = await office.assign(await office.grant())
    assert await decide(office, assignment, person=office.client) == "toewijzing_aan_client_zelf"
