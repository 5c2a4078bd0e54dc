"""/organisatie/teams: an organisatiebeheerder makes, fills, renames and ends teams; others look or are refused."""

from __future__ import annotations

import pytest

from machtiging.organisations.tables import Team, TeamMembership
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import OTHER_KVK, decide_recognition
from tests.builders.people import ISSUER
from tests.builders.rows import TableReader
from tests.protocol.organisation_pages.office import OfficePages, make_unknown_id

LIST = "/organisatie/teams"
TEAMS, MEMBERSHIPS = TableReader(Team), TableReader(TeamMembership)


async def make_team(browser, name="Noord", *, expect=200):
    form = (await browser.open_page(ISSUER + LIST)).find_form(LIST)
    return await browser.submit_form(form, {"naam": name}, expected_status=expect)


async def find_team(office):
    return await TEAMS.read_value(office.rows.database, "id")


async def press(browser, path, **values):
    csrf = (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]
    return await browser._send_request("POST", ISSUER + path, {"csrf": csrf} | values)


@pytest.fixture
async def administrator(office):
    return await office.log_in_administrator()


@pytest.fixture
async def path(office, administrator):
    """The page of a team without members."""
    await make_team(administrator)
    return f"{LIST}/{await find_team(office)}"


async def test_list_without_teams_says_so_and_explains(office, administrator):
    text = (await administrator.open_page(ISSUER + LIST)).text
    assert "Uw organisatie heeft nog geen teams." in text
    assert "Een cliënt kan een team weigeren." in text


async def test_team_is_made_and_filled_and_listed_with_its_members(office, administrator):
    page = await make_team(administrator)
    assert "Het team is gemaakt." in page.text
    assert "Er zit nog niemand in dit team." in page.text
    page = await administrator.submit_form(page.find_form("/leden"), {"medewerker": str(office.rows.worker_id)})
    assert "De medewerker zit nu in het team." in page.text
    text = (await administrator.open_page(ISSUER + LIST)).text
    assert "Noord" in text
    assert "Hugo Hulpverlener" in text
    assert await office.read_outcomes("team:lid_toegevoegd") == [("done", "lid_erbij")]


async def test_only_active_employees_outside_the_team_are_offered(office, administrator, path):
    _, away = await office.hire("Anna Afwezig", state="op_non_actief")
    form = (await administrator.open_page(ISSUER + path)).find_form("/leden")
    assert str(away) not in form.choices["medewerker"]
    page = await administrator.submit_form(form, {"medewerker": str(office.rows.worker_id)})
    assert str(office.rows.worker_id) not in page.find_form("/leden").choices["medewerker"]


async def test_team_gets_another_name_and_is_emptied_and_ended(office, administrator, path):
    await press(administrator, f"{path}/leden", medewerker=str(office.rows.worker_id))
    page = await administrator.open_page(ISSUER + path)
    page = await administrator.submit_form(page.find_form(path), {"naam": "Zuid"})
    assert "Het team heeft nu deze naam." in page.text
    page = await administrator.submit_form(page.find_form("/eruit"), {})
    assert "De medewerker zit niet meer in het team." in page.text
    page = await administrator.open_page(f"{ISSUER}{path}/stoppen")
    assert "Zuid stoppen?" in page.text
    page = await administrator.submit_form(page.find_form("/stoppen"), {})
    assert "Het team is gestopt." in page.text
    assert "Uw organisatie heeft nog geen teams." in page.text
    await administrator.open_page(ISSUER + path, expected_status=404)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "een\x00naam", "een\u202enaam"])
async def test_bad_name_is_shown_again_and_makes_nothing(office, administrator, path, name):
    page = await make_team(administrator, name, expect=400)
    assert "Fout:" in page.text
    page = await administrator.open_page(ISSUER + path)
    await administrator.submit_form(page.find_form(path), {"naam": name}, expected_status=400)
    assert await TEAMS.count(office.rows.database) == 1
    assert await TEAMS.read_value(office.rows.database, "name") == "Noord"


async def test_name_of_another_team_is_told_and_kept_in_the_form(office, administrator, path):
    page = await make_team(administrator, "noord", expect=409)
    assert page.find_form(LIST).values["naam"] == "noord"
    assert "heeft of had al een team met deze naam" in page.text
    assert ("refused", "team_bestaat_al") in await office.read_outcomes("team:gemaakt")


@pytest.mark.parametrize("who", ["", "niemand", "0"])
async def test_member_that_is_no_choice_is_refused(office, administrator, path, who):
    assert (await press(administrator, f"{path}/leden", medewerker=who)).status_code == 400
    assert await MEMBERSHIPS.count(office.rows.database) == 0


async def test_second_press_is_answered_as_the_first(office, administrator, path):
    member = str(office.rows.worker_id)
    for act, values in (
        ("/leden", {"medewerker": member}),
        (f"/leden/{member}/eruit", {}),
        ("/stoppen", {}),
    ):
        for _ in range(2):
            assert (await press(administrator, path + act, **values)).status_code == 303
    assert (await press(administrator, path, naam="Zuid")).headers["location"].startswith(LIST)
    assert await MEMBERSHIPS.count(office.rows.database) == 1
    assert await TEAMS.read_value(office.rows.database, "name") == "Noord"


async def test_employee_of_another_organisation_is_not_found(office, administrator, path, portal, database):
    other = await OfficePages.begin(portal, database, OTHER_KVK)
    for who in (str(other.rows.worker_id), make_unknown_id()):
        assert (await press(administrator, f"{path}/leden", medewerker=who)).status_code == 404
    assert await MEMBERSHIPS.count(office.rows.database) == 0


async def test_team_of_another_organisation_or_unknown_is_not_found(office, path, portal, database):
    stranger = await (await OfficePages.begin(portal, database, OTHER_KVK)).log_in_administrator()
    assert "Noord" not in (await stranger.open_page(ISSUER + LIST)).text
    for each in (path, f"{LIST}/{make_unknown_id()}"):
        for page in (each, f"{each}/stoppen"):
            await stranger.open_page(ISSUER + page, expected_status=404)
        member = str(office.rows.worker_id)
        for act, values in (
            ("", {"naam": "Zuid"}),
            ("/leden", {"medewerker": member}),
            (f"/leden/{member}/eruit", {}),
            ("/stoppen", {}),
        ):
            assert (await press(stranger, each + act, **values)).status_code == 404
    assert await TEAMS.read_value(office.rows.database, "ended_at") is None


async def test_team_leader_sees_teams_and_changes_nothing(office, path):
    leader = await office.log_in()
    for page in (LIST, path, f"{path}/stoppen"):
        opened = await leader.open_page(ISSUER + page)
        assert "Noord" in opened.text
        assert "Alleen een beheerder van uw organisatie verandert de teams." in opened.text
        assert [form.action for form in opened.forms if form.action.startswith(LIST)] == []
    for act, values in (("", {"naam": "Zuid"}), ("/leden", {"medewerker": "x"}), ("/stoppen", {})):
        assert (await press(leader, path + act, **values)).status_code == 403
    assert (await press(leader, LIST, naam="Zuid")).status_code == 403
    assert await TEAMS.count(office.rows.database) == 1


async def test_employee_without_a_leading_role_and_private_visitor_see_no_team(office, path):
    for browser in (await office.log_in(office.rows.worker), await office.portal.mother()):
        for page in (LIST, path, f"{path}/stoppen"):
            await browser.open_page(ISSUER + page, expected_status=403)
        assert (await press(browser, LIST, naam="Zuid")).status_code == 403


async def test_suspended_organisation_shows_teams_and_changes_none(office, administrator, path):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    page = await make_team(administrator, "Zuid", expect=403)
    assert "U kunt nu geen team veranderen." in page.text
    member = str(office.rows.worker_id)
    for act, values in (("", {"naam": "Zuid"}), ("/leden", {"medewerker": member}), ("/stoppen", {})):
        assert (await press(administrator, path + act, **values)).status_code == 403
    assert await TEAMS.read_value(office.rows.database, "ended_at") is None


async def test_acts_on_teams_stand_in_the_log_of_the_organisation(office, administrator, path):
    await press(administrator, f"{path}/leden", medewerker=str(office.rows.worker_id))
    text = (await administrator.open_page(f"{ISSUER}/organisatie/logboek")).text
    assert "maakte een team" in text
    assert "zette een medewerker in een team" in text


async def test_departed_employee_is_in_no_team(office, administrator, path):
    await press(administrator, f"{path}/leden", medewerker=str(office.rows.worker_id))
    await press(administrator, f"/organisatie/medewerkers/{office.rows.worker_id}/vertrek")
    assert "Er zit nog niemand in dit team." in (await administrator.open_page(ISSUER + path)).text
    assert ("done", "vertrek") in await office.read_outcomes("team:lid_beeindigd")
