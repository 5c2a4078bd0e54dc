"""Ending an assignment: by the organisation, by the employee and by the citizen. And the list of those that live."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from machtiging.delegation.assignments.queries import list_assignments, load_viewing_leader
from machtiging.delegation.assignments.rules import MAX_ASSIGNMENTS_PER_CALL
from machtiging.delegation.assignments.termination import end_assignments
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.delegation.transition import lock_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import is_usable_by
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation, decide_recognition
from tests.builders.rows import MACHTIGINGEN

CHANGED_ROWS = text("SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables")


async def refusals(office):
    return [(line.outcome, line.reason) for line in await office.lines("beeindigd")]


async def list_all(office, **changes):
    async with unit_of_work(office.database.sessions) as session:
        return await list_assignments(session, load_keyring(), office.organisation, at=NOON, **changes)


async def test_ended_assignment_opens_nothing_and_the_machtiging_stands(office):
    root = await office.grant()
    held = await office.assign(root)
    assert await office.end(held) == [held]
    authority = await office.authority(held)
    assert authority.stop_reason(NOON).code == "toewijzing_beeindigd"
    assert not is_usable_by(authority, office.worker, office.kvk, NOON)
    assert await MACHTIGINGEN.read_value(office.database, "state", id=root) == "active"


async def test_end_writes_one_line_with_the_whole_state_and_notifies_both(office):
    held = await office.assign(await office.grant())
    await office.end(held)
    [line] = await office.lines("beeindigd")
    assert (line.outcome, line.reason, line.capacity) == ("done", "beeindigd", "teamleider")
    assert (line.actor_id, line.for_person_id, line.on_behalf_of, line.machtiging_id) == (
        office.leader,
        office.client,
        office.organisation,
        held,
    )
    [state] = line.facts["toestand"]
    assert (state["tabel"], state["rij"]["state"]) == ("machtiging", "ended")
    assert await office.load_recipients("toewijzing_gestopt") == [office.client]
    assert await office.load_recipients("toewijzing_ingetrokken_bij_u") == [office.worker]


async def count_changed_rows(session):
    """Count inserted, updated and deleted rows by table. Also of transactions just before."""
    return {name: counts for name, *counts in (await session.execute(CHANGED_ROWS)).all() if any(counts)}


async def test_end_changes_one_row_and_inserts_one_line_beside_notifications(office):
    held = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        before = await count_changed_rows(session)
        await end_assignments(session, office.login(), [held], at=NOON)
        after = await count_changed_rows(session)
    changed = {
        name: [new - old for new, old in zip(counts, before.get(name, (0, 0, 0)), strict=True)]
        for name, counts in after.items()
        if counts != before.get(name)
    }
    assert changed == {"machtiging": [0, 1, 0], "journal_intake": [1, 0, 0], "notification": [2, 0, 0]}


async def test_unknown_assignment_root_and_one_of_another_organisation_are_the_same(office):
    async with unit_of_work(office.database.sessions) as session:
        other = await add_organisation(session, OTHER_KVK)
    root = await office.grant()
    theirs = await office.grant(gemachtigde_id=other)
    assert await office.end(MachtigingId(uuid4()), root, theirs) == ["toewijzing_onbekend"] * 3
    assert sorted(await refusals(office)) == [("refused", "bestaat_niet"), *[("refused", "niet_van_u")] * 2]
    assert await MACHTIGINGEN.count(office.database, state="ended") == 0


async def test_assignment_of_another_organisation_stays(office):
    held = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        await add_organisation(session, OTHER_KVK)
    assert await office.end(held, login=office.login(kvk=OTHER_KVK)) == ["geen_medewerker"]
    assert is_usable_by(await office.authority(held), office.worker, office.kvk, NOON)


async def test_second_end_is_refused(office):
    held = await office.assign(await office.grant())
    assert await office.end(held, held) == [held, "toewijzing_beeindigd"]
    assert await refusals(office) == [("done", "beeindigd"), ("refused", "toewijzing_beeindigd")]


@pytest.mark.parametrize("roles", [["hulpverlener"], ["toezicht"], ["balie"]])
async def test_employee_without_the_role_ends_nothing(office, roles):
    held = await office.assign(await office.grant())
    person, _ = await office.hire(roles=roles)
    assert await office.end(held, login=office.login(person)) == ["alleen_voor_teamleider"]
    assert await refusals(office) == [("refused", "alleen_voor_teamleider")]
    assert is_usable_by(await office.authority(held), office.worker, office.kvk, NOON)


async def test_501_ends_are_refused_as_a_whole(office):
    held = await office.assign(await office.grant())
    assert await office.end(*[held] * (MAX_ASSIGNMENTS_PER_CALL + 1)) == ["te_veel_toewijzingen"]
    assert await refusals(office) == [("refused", "te_veel_toewijzingen")]
    assert is_usable_by(await office.authority(held), office.worker, office.kvk, NOON)


async def test_suspended_organisation_ends_and_at_a_low_level(office):
    """Ending gives nothing, so it needs no recognition and no level."""
    held = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        await decide_recognition(session, office.organisation, 3, "opgeschort")
    assert await office.end(held, login=office.login(assurance=Assurance.LOW)) == [held]


async def test_forged_assignment_ends_and_stays_invalid(office):
    held = await office.assign(await office.grant())
    async with office.database.sessions.begin() as session:
        await session.execute(text("UPDATE machtiging SET mac = '\\x00' WHERE id = :id"), {"id": held})
    assert await office.end(held) == [held]
    [line] = await office.lines("beeindigd")
    assert "toestand" not in line.facts
    assert (await office.authority(held)).stop_reason(NOON).code == "rij_ongeldig"


async def test_employee_gives_the_assignment_back(office):
    held = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        await give_back_machtiging(session, held, office.worker, at=NOON)
    assert (await office.authority(held)).stop_reason(NOON).code == "toewijzing_beeindigd"
    assert await office.end(held) == ["toewijzing_beeindigd"]


async def test_citizen_withdraws_one_assignment_and_the_machtiging_stands(office):
    root = await office.grant()
    held = await office.assign(root)
    async with unit_of_work(office.database.sessions) as session:
        await revoke_machtiging(session, held, office.client, at=NOON)
    assert (await office.authority(held)).stop_reason(NOON).code == "toewijzing_beeindigd"
    assert await MACHTIGINGEN.read_value(office.database, "state", id=root) == "active"


async def test_leader_is_no_party_of_the_assignment(office):
    """The acts of the citizen and of the employee are not those of a colleague."""
    held = await office.assign(await office.grant())
    for act in (give_back_machtiging, revoke_machtiging, pause_machtiging):
        with pytest.raises(Refusal) as refused:
            async with unit_of_work(office.database.sessions) as session:
                await act(session, held, office.leader, at=NOON)
        assert refused.value.code == "machtiging_onbekend"


async def test_two_assignments_at_once_leave_one(office):
    root = await office.grant()
    results = await asyncio.gather(*(office.assign(root) for _ in range(4)))
    assert results.count("al_toegewezen") == 3
    assert len([one for one in results if isinstance(one, UUID)]) == 1


async def test_list_shows_the_own_live_assignments_in_pages(office):
    roots = [await office.grant() for _ in range(4)]
    held = [await office.assign(root) for root in roots]
    await office.end(held[0])
    async with unit_of_work(office.database.sessions) as session:
        await revoke_machtiging(session, roots[1], office.client, at=NOON)
        await pause_machtiging(session, roots[2], office.client, at=NOON)
        other = await add_organisation(session, OTHER_KVK)
    found = {one.authority.machtiging_id: one.stop_code for one in await list_all(office)}
    assert found == {held[2]: "machtiging_gepauzeerd", held[3]: None}
    first, second = sorted(found)
    assert [one.authority.machtiging_id for one in await list_all(office, limit=1)] == [first]
    assert [one.authority.machtiging_id for one in await list_all(office, after=first)] == [second]
    async with unit_of_work(office.database.sessions) as session:
        assert await list_assignments(session, load_keyring(), other, at=NOON) == []


async def test_forged_case_reference_is_not_shown(office):
    await office.assign(await office.grant(), case_reference="Z-1")
    async with office.database.sessions.begin() as session:
        await session.execute(text("UPDATE assignment SET mac = '\\x00'"))
    [view] = await list_all(office)
    assert (view.case_reference, view.stop_code) == (None, "rij_ongeldig")


@pytest.mark.parametrize(
    ("roles", "level", "code"),
    [
        (["hulpverlener"], Assurance.SUBSTANTIAL, "alleen_voor_teamleider"),
        (["toezicht"], Assurance.SUBSTANTIAL, "alleen_voor_teamleider"),
        (["teamleider"], Assurance.LOW, "niveau_te_laag"),
    ],
)
async def test_list_is_for_leaders_at_the_minimum_level(office, roles, level, code):
    person, _ = await office.hire(roles=roles)
    with pytest.raises(Refusal) as refused:
        async with unit_of_work(office.database.sessions) as session:
            await load_viewing_leader(session, office.login(person, assurance=level), at=NOON)
    assert refused.value.code == code
    [line] = await office.lines("lijst")
    assert (line.outcome, line.reason, line.actor_id) == ("refused", code, person)
    assert line.on_behalf_of == office.organisation


async def test_list_of_a_person_without_employment_is_refused_and_journalled(office):
    with pytest.raises(Refusal):
        async with unit_of_work(office.database.sessions) as session:
            await load_viewing_leader(session, office.login(kvk=OTHER_KVK), at=NOON)
    [line] = await office.lines("lijst")
    assert (line.reason, line.actor_id, line.on_behalf_of) == ("geen_medewerker", office.leader, None)


async def test_end_of_an_assignment_of_another_organisation_waits_for_no_lock(office):
    async with unit_of_work(office.database.sessions) as session:
        other = await add_organisation(session, OTHER_KVK)
        colleague = await add_employee(session, other, office.worker)
    theirs = await office.link(await office.grant(gemachtigde_id=other), employee_id=colleague)
    async with unit_of_work(office.database.sessions) as session:
        await lock_machtiging(session, theirs)
        assert await asyncio.wait_for(office.end(theirs), 5) == ["toewijzing_onbekend"]
    assert await refusals(office) == [("refused", "niet_van_u")]


async def test_end_waits_for_another_act_on_the_assignment(office):
    held = await office.assign(await office.grant())
    async with unit_of_work(office.database.sessions) as session:
        await lock_machtiging(session, held)
        ending = asyncio.create_task(office.end(held))
        await wait_until_blocked(office.database.sessions, ending)
        await revoke_machtiging(session, held, office.client, at=NOON)
    assert await ending == ["toewijzing_beeindigd"]
