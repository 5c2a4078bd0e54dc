"""Assigning a machtiging of the organisation to an employee: done, refused, journalled."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text

from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.queries import list_assignments
from machtiging.delegation.assignments.rules import MAX_ASSIGNMENTS_PER_CALL, AssignmentRequest
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.tables import SEALED_TEAM, SEALED_TEAM_MEMBERSHIP
from machtiging.storage.row_mac import seal_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import is_usable_by, update_machtiging
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation, change_employee, decide_recognition
from tests.builders.people import BORN
from tests.builders.rows import AGREEMENTS, MACHTIGINGEN


async def add_team(office, employee=None) -> UUID:
    """A team of the organisation, with this member."""
    team = {"id": uuid4(), "organisation_id": office.organisation, "name": "Noord"}
    async with unit_of_work(office.database.sessions) as session:
        await session.execute(insert(SEALED_TEAM.table).values(seal_row(session, SEALED_TEAM, team)))
        if employee is not None:
            member = {"id": uuid4(), "organisation_id": office.organisation, "team_id": team["id"]}
            member |= {"employee_id": employee, "starts_at": NOON}
            values = seal_row(session, SEALED_TEAM_MEMBERSHIP, member)
            await session.execute(insert(SEALED_TEAM_MEMBERSHIP.table).values(values))
    return team["id"]


async def only_line(office):
    """The outcome and the reason of the only journal line."""
    [line] = await office.lines("gemaakt")
    return line.outcome, line.reason


async def assert_refused(office, result, code, *, reason=None, links=0):
    """Refused with this code, in one journal line, and nothing inserted."""
    assert result == code
    assert await only_line(office) == ("refused", reason or code)
    assert await MACHTIGINGEN.count(office.database, MACHTIGINGEN.c.parent_id.is_not(None)) == links
    assert (
        await office.load_recipients("toewijzing_gemaakt")
        == await office.load_recipients("toewijzing_gemaakt_aan_u")
        == []
    )


async def test_assigned_machtiging_is_usable_by_its_employee_only(office):
    root = await office.grant()
    assignment = await office.assign(root)
    held = await office.authority(assignment)
    assert is_usable_by(held, office.worker, office.kvk, NOON)
    assert not is_usable_by(held, office.leader, office.kvk, NOON)
    assert not is_usable_by(held, office.worker, OTHER_KVK, NOON)
    assert not is_usable_by(held, office.worker, None, NOON)
    assert held.scope == (await office.authority(root)).scope


async def test_assignment_writes_one_line_with_the_whole_state_and_notifies_both(office):
    assignment = await office.assign(await office.grant(), case_reference="Z-2026-1")
    [line] = await office.lines("gemaakt")
    assert (line.outcome, line.reason, line.capacity) == ("done", "gemaakt", "teamleider")
    assert (line.actor_id, line.for_person_id, line.on_behalf_of) == (
        office.leader,
        office.client,
        office.organisation,
    )
    assert (line.machtiging_id, line.object_kind, line.object_id) == (assignment, "toewijzing", str(assignment))
    assert [one["tabel"] for one in line.facts["toestand"]] == ["machtiging", "agreement", "assignment"]
    assert "post bijhouden" not in str(line.facts)
    assert "Z-2026-1" not in str(line.facts)
    assert await office.load_recipients("toewijzing_gemaakt") == [office.client]
    assert await office.load_recipients("toewijzing_gemaakt_aan_u") == [office.worker]


async def test_case_reference_is_encrypted_with_the_key_of_the_organisation(office):
    await office.assign(await office.grant(), case_reference="Z" * 60)
    async with office.database.sessions() as session:
        sealed = await session.scalar(text("SELECT case_reference_sealed FROM assignment"))
        [view] = await list_assignments(session, load_keyring(), office.organisation, at=NOON)
    assert b"ZZZ" not in sealed
    assert view.case_reference == "Z" * 60


async def test_leader_with_the_role_assigns_to_himself(office):
    person, employee = await office.hire(roles=["hulpverlener", "teamleider"])
    assignment = await office.assign(await office.grant(), employee, login=office.login(person))
    assert is_usable_by(await office.authority(assignment), person, office.kvk, NOON)


async def test_administrator_assigns_and_opens_nothing_himself(office):
    person, _ = await office.hire(roles=["organisatiebeheerder"])
    assignment = await office.assign(await office.grant(), login=office.login(person))
    assert not is_usable_by(await office.authority(assignment), person, office.kvk, NOON)
    assert [line.capacity for line in await office.lines("gemaakt")] == ["organisatiebeheerder"]


@pytest.mark.parametrize("roles", [["hulpverlener"], ["toezicht"], ["balie", "telefoon", "controleur"]])
async def test_assigner_without_the_role_is_refused(office, roles):
    person, _ = await office.hire(roles=roles)
    result = await office.assign(await office.grant(), login=office.login(person))
    await assert_refused(office, result, "alleen_voor_teamleider")


async def test_assignment_to_oneself_without_the_role_is_refused(office):
    result = await office.assign(await office.grant(), login=office.login(office.worker))
    await assert_refused(office, result, "toewijzing_aan_uzelf")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "op_non_actief"},
        {"state": "vertrokken", "ends_at": NOON},
        {"ends_at": NOON - timedelta(seconds=1), "starts_at": NOON - timedelta(days=2)},
        {"starts_at": NOON + timedelta(seconds=1)},
    ],
)
async def test_inactive_assigner_is_refused(office, changes):
    person, _ = await office.hire(**({"roles": ["teamleider"]} | changes))
    result = await office.assign(await office.grant(), login=office.login(person))
    await assert_refused(office, result, "geen_medewerker")


async def test_assigner_losing_the_role_meanwhile_is_refused(office):
    root = await office.grant()
    async with unit_of_work(office.database.sessions) as session:
        await change_employee(session, office.leader_id, roles=["hulpverlener"])
        assigning = asyncio.create_task(office.assign(root))
        await wait_until_blocked(office.database.sessions, assigning)
    await assert_refused(office, await assigning, "alleen_voor_teamleider")


async def test_role_is_taken_away_only_after_the_assignments_of_the_call(office):
    requests = [AssignmentRequest(await office.grant(), office.worker_id)]

    async def take_role_away():
        async with unit_of_work(office.database.sessions) as session:
            await change_employee(session, office.leader_id, roles=["hulpverlener"])

    async with unit_of_work(office.database.sessions) as session:
        await assign_machtigingen(session, load_keyring(), office.login(), requests, at=NOON)
        changing = asyncio.create_task(take_role_away())
        await wait_until_blocked(office.database.sessions, changing)
    await changing
    assert await only_line(office) == ("done", "gemaakt")


@pytest.mark.parametrize("kvk", [None, OTHER_KVK, "12345678"])
async def test_assigner_logged_in_for_another_organisation_is_refused(office, kvk):
    result = await office.assign(await office.grant(), login=office.login(kvk=kvk))
    await assert_refused(office, result, "geen_medewerker")


async def test_assigner_below_the_minimum_level_is_refused(office):
    result = await office.assign(await office.grant(), login=office.login(assurance=Assurance.LOW))
    await assert_refused(office, result, "niveau_te_laag")


@pytest.mark.parametrize(
    ("status", "code"), [("opgeschort", "organisatie_opgeschort"), ("ingetrokken", "erkenning_ingetrokken")]
)
async def test_organisation_without_recognition_is_refused(office, status, code):
    async with unit_of_work(office.database.sessions) as session:
        await decide_recognition(session, office.organisation, 3, status)
    await assert_refused(office, await office.assign(await office.grant()), code)


async def test_unknown_machtiging_and_one_of_another_organisation_are_the_same(office):
    await office.grant()
    async with unit_of_work(office.database.sessions) as session:
        other = await add_organisation(session, OTHER_KVK)
    theirs = await office.grant(gemachtigde_id=other)
    relative = await office.grant(gemachtigde_id=office.worker, capacity="relative")
    unknown = MachtigingId(uuid4())
    requests = [AssignmentRequest(one, office.worker_id) for one in (unknown, theirs, relative)]
    results = await office.assign_all(*requests)
    assert [(one.code, str(one.message), type(one).__name__) for one in results] == [
        ("machtiging_onbekend", str(results[0].message), "NotFound")
    ] * 3
    found = {line.object_id or str(line.machtiging_id): line.reason for line in await office.lines("gemaakt")}
    assert sorted(found.values()) == ["bestaat_niet", "niet_van_u", "niet_van_u"]
    assert found[str(unknown)] == "bestaat_niet"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "paused", "paused_at": NOON}, "machtiging_gepauzeerd"),
        ({"starts_at": NOON + timedelta(seconds=1)}, "machtiging_niet_begonnen"),
        ({"ends_at": NOON}, "machtiging_verlopen"),
        ({"cooling_off_until": NOON + timedelta(days=1)}, "machtiging_niet_begonnen"),
        ({"needs_confirmation": True}, "machtiging_niet_aangenomen"),
    ],
)
async def test_machtiging_that_is_not_in_force_is_refused(office, changes, code):
    await assert_refused(office, await office.assign(await office.grant(**changes)), code)


async def test_machtiging_that_the_client_withdrew_is_refused(office):
    root = await office.grant()
    async with unit_of_work(office.database.sessions) as session:
        await update_machtiging(session, root, state="ended", ended_at=NOON, end_reason="ingetrokken")
    await assert_refused(office, await office.assign(root), "machtiging_beeindigd")


async def test_unknown_employee_and_one_of_another_organisation_are_refused(office):
    elsewhere = await _begin_elsewhere(office)
    root = await office.grant()
    for employee in (uuid4(), elsewhere.worker_id):
        assert await office.assign(root, employee) == "medewerker_onbekend"
    lines = await office.lines("gemaakt")
    assert [(line.outcome, line.reason) for line in lines] == [("refused", "medewerker_onbekend")] * 2


async def _begin_elsewhere(office):
    """Another organisation, with employees of its own."""
    async with unit_of_work(office.database.sessions) as session:
        organisation = await add_organisation(session, OTHER_KVK)
    other = replace(office, organisation=organisation, kvk=OTHER_KVK)
    other.leader, other.leader_id = await other.hire(roles=["teamleider"])
    other.worker, other.worker_id = await other.hire()
    return other


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "vertrokken", "ends_at": NOON}, "medewerker_vertrokken"),
        ({"state": "op_non_actief"}, "medewerker_niet_actief"),
        ({"starts_at": NOON + timedelta(days=1)}, "medewerker_niet_actief"),
        ({"roles": ["toezicht"]}, "medewerker_geen_hulpverlener"),
        ({"roles": ["teamleider", "organisatiebeheerder"]}, "medewerker_geen_hulpverlener"),
    ],
)
async def test_employee_without_standing_or_role_is_refused(office, changes, code):
    _, employee = await office.hire(**changes)
    await assert_refused(office, await office.assign(await office.grant(), employee), code)


async def test_assignment_to_the_client_herself_is_refused(office):
    async with unit_of_work(office.database.sessions) as session:
        employee = await add_employee(session, office.organisation, office.client)
    await assert_refused(office, await office.assign(await office.grant(), employee), "toewijzing_aan_client_zelf")


async def test_assignment_to_another_account_of_the_client_is_refused(office):
    """Without a BSN at both accounts, name and birth date say who it is."""
    _, employee = await office.hire("Ans Voorbeeld", BORN)
    await assert_refused(office, await office.assign(await office.grant(), employee), "toewijzing_aan_client_zelf")


async def test_employee_outside_the_agreement_is_refused(office):
    _, agreed = await office.hire()
    root = await office.grant(only_employee_id=agreed)
    await assert_refused(office, await office.assign(root), "medewerker_niet_afgesproken")


async def test_employee_of_an_excluded_team_is_refused(office):
    team = await add_team(office, office.worker_id)
    root = await office.grant(excluded_team_ids=[team])
    await assert_refused(office, await office.assign(root), "medewerker_niet_afgesproken")


@pytest.mark.parametrize("both", [True, False])
async def test_no_holder_or_two_are_refused(office, both):
    changes = {"team_id": uuid4()} if both else {"employee_id": None}
    await assert_refused(office, await office.assign(await office.grant(), **changes), "medewerker_of_team")


async def test_second_assignment_to_an_employee_is_refused_and_the_first_stands(office):
    root = await office.grant()
    first = await office.assign(root)
    assert await office.assign(root) == "al_toegewezen"
    assert [line.outcome for line in await office.lines("gemaakt")] == ["done", "refused"]
    assert await MACHTIGINGEN.count(office.database, parent_id=root) == 1
    assert await AGREEMENTS.count(office.database) == 2
    assert is_usable_by(await office.authority(first), office.worker, office.kvk, NOON)


async def test_same_item_twice_in_one_call_is_assigned_once(office):
    request = AssignmentRequest(await office.grant(), office.worker_id)
    first, second = await office.assign_all(request, request)
    assert isinstance(first, UUID)
    assert second.code == "al_toegewezen"


async def test_assignment_of_an_assignment_is_refused(office):
    _, other = await office.hire()
    held = await office.assign(await office.grant())
    assert await office.assign(held, other) == "toewijzing_van_toewijzing"


async def test_fourth_link_is_refused(office):
    team = await add_team(office, office.worker_id)
    second = await office.link(await office.grant(), team_id=team)
    third = await office.link(second, employee_id=office.worker_id)
    _, other = await office.hire()
    await assert_refused(office, await office.assign(third, other), "keten_te_lang", links=2)


@pytest.mark.parametrize("reference", ["Z" * 61, "", " ", "twee\nregels", "draai\u202eom", " Z-1", "Z-1\u0000"])
async def test_case_reference_that_is_no_plain_line_is_refused(office, reference):
    result = await office.assign(await office.grant(), case_reference=reference)
    await assert_refused(office, result, "zaakkenmerk_ongeldig")


async def test_501_items_are_refused_as_a_whole(office):
    request = AssignmentRequest(await office.grant(), office.worker_id)
    with pytest.raises(Refusal) as refused:
        await office.assign_all(*[request] * (MAX_ASSIGNMENTS_PER_CALL + 1))
    await assert_refused(office, refused.value.code, "te_veel_toewijzingen")


async def test_refused_item_does_not_stop_the_others(office):
    roots = [await office.grant() for _ in range(3)]
    await office.assign(roots[1])
    results = await office.assign_all(*[AssignmentRequest(root, office.worker_id) for root in reversed(roots)])
    assert [isinstance(one, Refusal) for one in results] == [False, True, False]
    held = [await office.authority(one) for one in (results[0], results[2])]
    assert [one.root.id for one in held] == [roots[2], roots[0]]
    assert [line.outcome for line in await office.lines("gemaakt")].count("done") == 3


async def test_forged_machtiging_is_refused(office):
    root = await office.grant()
    async with office.database.sessions.begin() as session:
        await session.execute(text("UPDATE machtiging SET mac = mac || '\\x00'::bytea"))
    await assert_refused(office, await office.assign(root), "rij_ongeldig")


async def test_forged_employee_is_unknown(office):
    root = await office.grant()
    async with office.database.sessions.begin() as session:
        await session.execute(
            text("UPDATE employee SET roles = '{hulpverlener}' WHERE id = :id"), {"id": office.leader_id}
        )
        await session.execute(text("UPDATE employee SET mac = '\\x00' WHERE id = :id"), {"id": office.worker_id})
    assert await office.assign(root) == "geen_medewerker"


async def test_ended_assignment_can_be_made_again(office):
    root = await office.grant()
    first = await office.assign(root)
    await office.end(first)
    again = await office.assign(root)
    assert isinstance(again, UUID)
    assert again != first


async def test_assignment_ends_with_the_machtiging_above_it(office):
    root = await office.grant()
    held = await office.assign(root)
    async with unit_of_work(office.database.sessions) as session:
        await update_machtiging(session, root, state="ended", ended_at=NOON, end_reason="ingetrokken")
        await change_employee(session, office.worker_id, roles=["hulpverlener", "balie"])
    assert (await office.authority(held)).stop_reason(NOON).code == "machtiging_beeindigd"
