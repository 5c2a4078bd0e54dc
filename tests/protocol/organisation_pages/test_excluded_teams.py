"""The citizen says "not this team". Nobody of that team reads, from the next request on, however it is assigned."""

import pytest

from machtiging.delegation.amendments.readers import choose_excluded_teams
from machtiging.delegation.offer import Giver
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotAllowed
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.teams.administration import add_member, create_team, end_team, remove_member
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import OTHER_KVK
from tests.builders.people import ISSUER
from tests.builders.rows import AGREEMENTS, JOURNAL_INTAKE, NOTIFICATIONS
from tests.protocol.organisation_pages.office import OfficePages

ACT = "machtiging:lezers"


def page_of(root):
    return f"{ISSUER}/helpers/{root}/teams"


async def act_on_teams(office, act, *values):
    """Act as the organisatiebeheerder."""
    actor = ActingEmployee(office.administrator, office.administrator_id, office.rows.organisation)
    async with unit_of_work(office.rows.database.sessions) as session:
        return await act(session, actor, *values, at=office.portal.clock.now())


@pytest.fixture
async def team(office):
    """The team Noord, with Hugo."""
    made = await act_on_teams(office, create_team, "Noord")
    await act_on_teams(office, add_member, made, office.rows.worker_id)
    return made


@pytest.fixture
async def shared(office, team):
    """A machtiging that Hugo of the team reads, and Noor who is in no team. The root, and the link of each."""
    root = await office.rows.grant()
    other, other_id = await office.hire()
    first = await office.rows.assign(root)
    second = await office.rows.assign(root, other_id)
    return root, first, (other, other_id, second)


async def refuse(office, root, *teams, expect=200):
    mother = await office.portal.mother()
    form = (await mother.open_page(page_of(root))).find_form("/teams")
    return await mother.submit_form(form, {"niet": [str(one) for one in teams]}, expected_status=expect)


async def read_status(office, person, link):
    return (await (await office.open_box(person, link)).get()).status_code


async def test_page_of_readers_leads_to_the_teams(office, shared):
    root, *_ = shared
    mother = await office.portal.mother()
    page = await mother.open_page(f"{ISSUER}/helpers/{root}/medewerkers")
    assert f"/helpers/{root}/teams" in [link for link, _ in page.links]
    assert "Niet Noord" in (await mother.open_page(page_of(root))).text


async def test_organisation_without_teams_offers_none(office):
    root = await office.rows.grant()
    mother = await office.portal.mother()
    page = await mother.open_page(f"{ISSUER}/helpers/{root}/medewerkers")
    assert f"/helpers/{root}/teams" not in [link for link, _ in page.links]
    assert "heeft geen teams" in (await mother.open_page(page_of(root))).text


async def test_member_of_a_refused_team_is_refused_with_the_next_request_and_others_read(office, shared, team):
    root, first, (other, _, second) = shared
    box = await office.open_box(office.rows.worker, first)
    assert (await box.get()).status_code == 200
    page = await refuse(office, root, team)
    assert "Uw keuze geldt vanaf nu." in page.text
    assert (await box.get()).status_code == 403
    assert await read_status(office, other, second) == 200


async def test_client_is_gone_from_the_lists_of_the_member(office, shared, team):
    root, *_ = shared
    worker = await office.log_in(office.rows.worker)
    assert "Geen cliënten" not in (await worker.open_page(f"{ISSUER}/werk/clienten")).text
    before = (await worker.open_page(f"{ISSUER}/werk/clienten")).links
    await refuse(office, root, team)
    after = (await worker.open_page(f"{ISSUER}/werk/clienten")).links
    clients = [len({link for link, _ in links if link.startswith("/werk/clienten/")}) for links in (before, after)]
    assert clients[1] < clients[0]


async def test_access_ends_with_joining_a_refused_team_and_returns_with_leaving_it(office, shared, team):
    root, _, (other, other_id, second) = shared
    await refuse(office, root, team)
    await act_on_teams(office, add_member, team, other_id)
    assert await read_status(office, other, second) == 403
    await act_on_teams(office, remove_member, team, other_id)
    assert await read_status(office, other, second) == 200


async def test_assignment_to_a_member_of_a_refused_team_is_refused(office, shared, team):
    root, *_ = shared
    await refuse(office, root, team)
    _, late = await office.hire("Late Collega")
    await act_on_teams(office, add_member, team, late)
    assert await office.rows.assign(root, late) == "medewerker_niet_afgesproken"


async def test_client_page_of_the_organisation_names_the_refused_team(office, shared, team):
    root, *_ = shared
    path = f"{ISSUER}/organisatie/clienten/{root}"
    leader = await office.log_in()
    assert "De cliënt weigert" not in (await leader.open_page(path)).text
    await refuse(office, root, team)
    text = (await leader.open_page(path)).text
    assert "De cliënt weigert: Noord." in text


async def test_choice_is_journalled_with_its_state_and_told_to_all_three(office, shared, team):
    root, _, (other, *_) = shared
    await refuse(office, root, team)
    (line,) = await JOURNAL_INTAKE.read(office.rows.database, act=ACT)
    assert (line.outcome, line.machtiging_id, line.actor_id) == ("done", root, office.rows.client)
    assert [entry["tabel"] for entry in line.facts["toestand"]] == ["machtiging", "agreement"]
    told = await NOTIFICATIONS.read_column(office.rows.database, "person_id", kind="machtiging_lezers")
    assert sorted(told) == sorted([office.rows.worker, other])
    assert await NOTIFICATIONS.count(office.rows.database, kind="machtiging_lezers_door_u") == 1


async def test_choice_made_twice_changes_nothing(office, shared, team):
    root, *_ = shared
    await refuse(office, root, team)
    versions = await AGREEMENTS.count(office.rows.database)
    await refuse(office, root, team)
    assert await AGREEMENTS.count(office.rows.database) == versions
    assert await JOURNAL_INTAKE.count(office.rows.database, act=ACT) == 1


async def test_refused_team_that_is_taken_back_reads_again(office, shared, team):
    root, first, _ = shared
    await refuse(office, root, team)
    _, late_id = await office.hire("Late Collega")
    await office.rows.assign(root, late_id)  # its agreement has a copy of the refusal
    await refuse(office, root)
    assert await read_status(office, office.rows.worker, first) == 200
    await act_on_teams(office, add_member, team, late_id)
    assert "U heeft gekozen: niemand uit" not in (
        (await (await office.portal.mother()).open_page(f"{ISSUER}/helpers/{root}/medewerkers")).text
    )


async def test_taking_back_with_a_low_login_is_refused_and_refusing_more_is_not(office, shared, team):
    root, first, _ = shared
    low, second_team = Giver(office.rows.client, Assurance.LOW), await act_on_teams(office, create_team, "Zuid")
    await refuse(office, root, team)
    for teams in (frozenset(), frozenset({second_team})):
        with pytest.raises(NotAllowed, match="niveau_te_laag"):
            async with unit_of_work(office.rows.database.sessions) as session:
                await choose_excluded_teams(session, root, low, teams, at=office.portal.clock.now())
    assert await read_status(office, office.rows.worker, first) == 403
    async with unit_of_work(office.rows.database.sessions) as session:
        both = frozenset({team, second_team})
        after = await choose_excluded_teams(session, root, low, both, at=office.portal.clock.now())
    assert after.excluded_team_ids == both


async def test_both_choices_of_readers_stand_together_and_are_taken_back_one_by_one(office, shared, team):
    root, first, (other, other_id, second) = shared
    mother = await office.portal.mother()
    path = f"{ISSUER}/helpers/{root}/medewerkers"
    for who, teams in ((other_id, ()), (None, (team,)), ("iedereen", ()), (None, ())):
        if who is None:
            await refuse(office, root, *teams)
        else:
            form = (await mother.open_page(path)).find_form("/medewerkers")
            await mother.submit_form(form, {"wie": str(who)})
    for person, link in ((office.rows.worker, first), (other, second)):
        assert await read_status(office, person, link) == 200


async def test_machtiging_with_a_refused_team_can_run_longer(office, shared, team):
    root, first, (other, _, second) = shared
    await refuse(office, root, team)
    mother = await office.portal.mother()
    form = (await mother.open_page(f"{ISSUER}/helpers/{root}/verlengen")).find_form("/verlengen")
    await mother.submit_form(form, {"tot": form.choices["tot"][-1]})
    assert await AGREEMENTS.count(office.rows.database) == 3 + 1 + 3
    assert await read_status(office, office.rows.worker, first) == 403
    assert await read_status(office, other, second) == 200


async def test_refused_team_that_was_ended_stays_in_the_list(office, shared, team):
    root, *_ = shared
    await refuse(office, root, team)
    await act_on_teams(office, end_team, team)
    page = await (await office.portal.mother()).open_page(page_of(root))
    assert "Niet Noord" in page.text
    await refuse(office, root, team)


@pytest.mark.parametrize("value", ["niemand", "", "0b7f8a04-0000-4000-8000-000000000000"])
async def test_unknown_team_is_refused_and_changes_nothing(office, shared, value):
    root, *_ = shared
    await refuse(office, root, value, expect=400)
    assert await JOURNAL_INTAKE.count(office.rows.database, act=ACT) == 0


async def test_team_of_another_organisation_is_refused(office, shared, portal, database):
    root, *_ = shared
    other = await OfficePages.begin(portal, database, OTHER_KVK)
    theirs = await act_on_teams(other, create_team, "Elders")
    assert "Elders" not in (await (await office.portal.mother()).open_page(page_of(root))).text
    await refuse(office, root, theirs, expect=400)


async def test_choice_of_another_citizen_is_not_found(office, shared):
    root, *_ = shared
    await (await office.portal.son()).open_page(page_of(root), expected_status=404)


async def test_choice_for_a_relative_is_not_offered(office):
    offered = await office.portal.world.offer()
    machtiging = await office.portal.world.accept(offered.code, at=office.portal.clock.now())
    mother = await office.portal.mother()
    page = await mother.open_page(page_of(machtiging.id))
    assert [form for form in page.forms if form.action.endswith("/teams")] == []


async def test_choice_after_withdrawal_shows_what_stands(office, shared, team):
    root, *_ = shared
    mother = await office.portal.mother()
    form = (await mother.open_page(page_of(root))).find_form("/teams")
    question = (await mother.open_page(f"{ISSUER}/helpers/{root}/intrekken")).find_form("/intrekken")
    await mother.submit_form(question, {})
    page = await mother.submit_form(form, {"niet": str(team)}, expected_status=409)
    assert "Deze machtiging is al gestopt." in page.text
