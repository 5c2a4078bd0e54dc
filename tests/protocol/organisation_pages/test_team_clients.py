"""Pages of a client of a team: assigning, and what office and client see."""

import pytest

from machtiging.delegation.team_members.membership import join_team, leave_team
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.teams.administration import create_team
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring
from tests.builders.people import ISSUER
from tests.builders.rows import MACHTIGINGEN, NOTIFICATIONS
from tests.protocol.organisation_pages.office import CLIENTS, make_unknown_id
from tests.storage.assignments.four_eyes_acts import demand


async def act_on_teams(office, act, *values):
    """Act as the organisatiebeheerder."""
    async with unit_of_work(office.rows.database.sessions) as session:
        return await act(session, *values, at=office.portal.clock.now())


def actor_of(office):
    return ActingEmployee(office.administrator, office.administrator_id, office.rows.organisation)


@pytest.fixture
async def team(office):
    """The team Schulden, with Hugo."""
    made = await act_on_teams(office, create_team, actor_of(office), "Schulden")
    await act_on_teams(office, join_team, load_keyring(), actor_of(office), made, office.rows.worker_id, Assurance.HIGH)
    return made


async def find_link(office, employee_id):
    return await MACHTIGINGEN.read_value(office.rows.database, "id", employee_id=employee_id)


async def read_status(office, person, link):
    return (await (await office.open_box(person, link)).get()).status_code


async def test_list_offers_teams_with_the_number_of_members(office, team):
    await act_on_teams(office, create_team, actor_of(office), "Leeg")
    await office.rows.grant()
    page = await (await office.log_in()).open_page(f"{ISSUER}/organisatie")
    assert "Team Schulden (1 medewerker)" in page.text
    assert "Team Leeg (0 medewerkers)" in page.text
    assert "Aan welke medewerker of welk team?" in page.text


async def test_client_of_a_team_is_opened_by_its_member(office, team):
    root = await office.rows.grant()
    page = await office.assign(await office.log_in(), root, medewerker=f"team:{team}")
    assert "1 cliënt is nu van Team Schulden" in page.text
    assert await read_status(office, office.rows.worker, await find_link(office, office.rows.worker_id)) == 200
    worker = await office.log_in(office.rows.worker)
    listed = (await worker.open_page(f"{ISSUER}/werk/clienten")).text
    assert "Geen cliënten" not in listed
    assert "via team Schulden" in listed


async def test_box_closes_with_the_next_request_after_leaving(office, team):
    await office.assign(await office.log_in(), await office.rows.grant(), medewerker=f"team:{team}")
    box = await office.open_box(office.rows.worker, await find_link(office, office.rows.worker_id))
    assert (await box.get()).status_code == 200
    await act_on_teams(office, leave_team, actor_of(office), team, office.rows.worker_id)
    assert (await box.get()).status_code == 403


async def test_empty_team_is_refused_with_a_sentence(office):
    empty = await act_on_teams(office, create_team, actor_of(office), "Leeg")
    page = await office.assign(await office.log_in(), await office.rows.grant(), medewerker=f"team:{empty}")
    assert "In dit team zit nu niemand die deze post mag lezen." in page.text
    assert await MACHTIGINGEN.count(office.rows.database, team_id=empty) == 0


@pytest.mark.parametrize("value", ["team:", "team:x", "team:00000000-0000-4000-8000-000000000000", "x"])
async def test_choice_that_the_page_does_not_offer_is_refused(office, team, value):
    page = await office.assign(await office.log_in(), await office.rows.grant(), expect=400, medewerker=value)
    assert "Kies een medewerker" in page.text


async def test_readers_of_a_team_are_named_with_the_team(office, team):
    root = await office.rows.grant()
    await office.assign(await office.log_in(), root, medewerker=f"team:{team}")
    mother = await office.portal.mother()
    page = await mother.open_page(f"{ISSUER}/helpers/{root}/medewerkers")
    assert ", via team Schulden" in page.text
    assert "Wie in dit team zit, kan lezen: Schulden." in page.text
    await act_on_teams(office, leave_team, actor_of(office), team, office.rows.worker_id)
    page = await mother.open_page(f"{ISSUER}/helpers/{root}/medewerkers")
    assert ", via team Schulden" not in page.text
    assert "Wie in dit team zit, kan lezen: Schulden." in page.text


async def test_page_of_the_client_names_the_team_and_ends_it(office, team):
    root = await office.rows.grant()
    leader = await office.log_in()
    await office.assign(leader, root, medewerker=f"team:{team}")
    page = await leader.open_page(f"{ISSUER}/organisatie/clienten/{root}")
    assert "Team Schulden" in page.text
    assert "Leest nu niet" not in page.text
    link = await MACHTIGINGEN.read_value(office.rows.database, "id", team_id=team)
    question = await leader.open_page(f"{ISSUER}/organisatie/clienten/{root}/toewijzingen/{link}")
    assert "Stopt Team Schulden met lezen?" in question.text
    box = await office.open_box(office.rows.worker, await find_link(office, office.rows.worker_id))
    await leader.submit_form(question.find_form(f"/toewijzingen/{link}"), {})
    assert (await box.get()).status_code == 403
    assert await NOTIFICATIONS.count(office.rows.database, kind="team_gestopt") == 1


async def test_page_of_four_eyes_names_the_team_and_its_members(office, team):
    await demand(office.rows)
    await office.assign(await office.log_in(), await office.rows.grant(), medewerker=f"team:{team}")
    page = await (await office.log_in_administrator()).open_page(f"{ISSUER}/organisatie/vier-ogen")
    assert "Team Schulden: " in page.text
    assert await MACHTIGINGEN.count(office.rows.database, employee_id=office.rows.worker_id) == 0


async def test_too_many_clients_for_a_team_become_a_task(office, team):
    await office.rows.grant()
    for number in range(4):
        _, late = await office.rows.hire(f"Collega {number}")
        await act_on_teams(office, join_team, load_keyring(), actor_of(office), team, late, Assurance.HIGH)
    browser, chosen = await office.log_in(), [make_unknown_id() for _ in range(401)]
    form = (await browser.open_page(ISSUER + CLIENTS)).find_form_with_field("medewerker")
    values = form.values | {"client": chosen, "medewerker": f"team:{team}"}
    places = []
    for _ in range(2):
        answer = await browser._send_request("POST", ISSUER + CLIENTS, values)
        assert answer.status_code == 303, answer.text
        places.append(answer.headers["location"].removeprefix(ISSUER))
    assert places[0].startswith("/organisatie/taken/")
    assert places[0] == places[1]
    assert await office.read_outcomes("toewijzing:in_taak") == [("done", "in_taak")]
