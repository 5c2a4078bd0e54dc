"""Clients whose team stops reading wait in a hand-over, and are told who reads again."""

from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.tables import (
    Handover,
    HandoverItem,
)
from machtiging.kernel.assurance import Assurance
from tests.builders.keys import load_keyring
from tests.builders.rows import AGREEMENTS, TableReader
from tests.storage.assignments.team_acts import TOLD, choose_teams, count_messages

HANDOVERS, HANDOVER_ITEMS = TableReader(Handover), TableReader(HandoverItem)


async def test_end_of_a_refused_team_gives_access_back_and_the_client_is_told(teams):
    office = teams.office
    root = await office.grant()
    await office.assign(root)
    team = await teams.make("Noord", office.worker_id)
    await choose_teams(office, root, team)
    before = await count_messages(office)
    await teams.stop(team)
    assert await teams.reads(office.worker_id, root)
    assert await count_messages(office) == before | {TOLD: before[TOLD] + 1}


async def list_handovers(office):
    """The hand-overs that are open: who read, why, and the clients who wait."""
    return [
        (
            one.employee_id,
            one.occasion,
            await HANDOVER_ITEMS.read_column(office.database, "machtiging_id", handover_id=one.id),
        )
        for one in await HANDOVERS.read(office.database)
    ]


async def test_leave_of_last_member_opens_one_handover_for_each_client(teams):
    office = teams.office
    _, other = await office.hire()
    team, root = await teams.make("Schulden", office.worker_id, other), await office.grant()
    await teams.assign(root, team)
    await teams.leave(team, other)
    assert await list_handovers(office) == []
    await teams.leave(team, office.worker_id)
    assert await list_handovers(office) == [(office.worker_id, "wissel", [root])]
    await teams.act(record_departure, load_keyring(), teams.actor, office.worker_id)
    assert await list_handovers(office) == [(office.worker_id, "wissel", [root])]


async def test_end_of_the_team_opens_a_handover_for_clients_without_another_reader(teams):
    office = teams.office
    _, other = await office.hire()
    team, root, kept = await teams.make("Schulden", office.worker_id, other), await office.grant(), await office.grant()
    for one in (root, kept):
        await teams.assign(one, team)
    await office.assign(kept, other)
    await teams.stop(team)
    [(employee, occasion, clients)] = await list_handovers(office)
    assert (employee in {office.worker_id, other}, occasion, clients) == (True, "wissel", [root])


async def test_join_of_a_refused_team_opens_a_handover(teams):
    office = teams.office
    root, team = await office.grant(), await teams.make("Noord")
    await office.assign(root)
    await choose_teams(office, root, team)
    assert await list_handovers(office) == []
    await teams.join(team, office.worker_id)
    assert await list_handovers(office) == [(office.worker_id, "wissel", [root])]


async def test_end_of_an_empty_team_opens_no_handover(teams):
    office = teams.office
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    await teams.leave(team, office.worker_id)
    await teams.stop(team)
    assert len(await list_handovers(office)) == 1


async def test_member_has_no_higher_level_than_the_login_that_let_him_in(teams):
    office = teams.office
    _, late = await office.hire("Late Collega")
    team, root = await teams.make("Schulden", office.worker_id), await office.grant()
    await teams.assign(root, team)
    await teams.join(team, late, level=Assurance.SUBSTANTIAL)
    levels = {}
    for employee in (office.worker_id, late):
        [link] = await teams.find_links(employee)
        levels[employee] = (await AGREEMENTS.read_one(office.database, machtiging_id=link)).assurance
    assert levels == {
        office.worker_id: (await AGREEMENTS.read(office.database, machtiging_id=root))[-1].assurance,
        late: "substantieel",
    }
