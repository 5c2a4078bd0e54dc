"""/api/v1/teams: an organisatiebeheerder makes, fills, renames and ends teams."""

from uuid import uuid4

import pytest

from machtiging.organisations.rules import RecognitionStatus
from tests.protocol.organisations.conftest import KVK
from tests.protocol.organisations.test_employees_api import COLLEAGUE, FIRST, employees_of, invite, make_medewerker
from tests.storage.organisations.organisation_world import OrganisationWorld

TEAM = {"naam": "Noord"}


@pytest.fixture
async def world(api):
    """Acts on organisations, with two operators."""
    made = OrganisationWorld(api.database, api.clock)
    await made.add_operators()
    return made


@pytest.fixture
async def recognised(world):
    """A recognised organisation. The id."""
    return await world.recognise(KVK)


@pytest.fixture
async def administrator(api, recognised):
    """The first organisatiebeheerder, invited by an operator."""
    operator = await api.log_in("beheerder")
    body = make_medewerker(FIRST, "organisatiebeheerder")
    invited = await operator.call("POST", f"/organisaties/{recognised}/medewerkers", body)
    assert invited.status_code == 201, invited.text
    return await api.log_in(FIRST)


@pytest.fixture
async def colleague(api, administrator):
    """A second employee, active. The id."""
    invited = await invite(administrator)
    await api.log_in(COLLEAGUE)
    return invited.json()["medewerkerId"]


@pytest.fixture
async def team(administrator):
    """A team without members. The id."""
    made = await administrator.call("POST", "/teams", TEAM)
    assert made.status_code == 201, made.text
    return made.json()["teamId"]


async def teams_of(visitor):
    return (await visitor.get("/teams")).json()["teams"]


async def test_team_is_made_filled_renamed_and_ended(administrator, colleague, team):
    assert await teams_of(administrator) == [{"teamId": team, "naam": "Noord", "leden": []}]
    for method, path, body in (
        ("PUT", f"/teams/{team}/leden/{colleague}", None),
        ("PATCH", f"/teams/{team}", {"naam": "Zuid"}),
    ):
        assert (await administrator.call(method, path, body)).status_code == 204
    assert await teams_of(administrator) == [{"teamId": team, "naam": "Zuid", "leden": [colleague]}]
    assert (await administrator.call("DELETE", f"/teams/{team}/leden/{colleague}")).status_code == 204
    assert (await administrator.call("DELETE", f"/teams/{team}")).status_code == 204
    assert await teams_of(administrator) == []


async def test_list_of_teams_continues_where_it_stopped(administrator):
    names = ["Een", "Twee", "Drie"]
    for name in names:
        await administrator.call("POST", "/teams", {"naam": name})
    page = (await administrator.get("/teams?aantal=2")).json()
    rest = (await administrator.get("/teams?aantal=2&na=" + page["teams"][-1]["teamId"])).json()
    assert [one["naam"] for one in page["teams"] + rest["teams"]] == names
    assert ("next" in page["_links"], "next" in rest["_links"]) == (True, False)


@pytest.mark.parametrize(
    "body", [{}, {"naam": ""}, {"naam": "x" * 101}, {"naam": " x"}, {"naam": 7}, {"naam": "a", "x": 1}, None, []]
)
async def test_bad_body_is_refused(administrator, team, body):
    for method, path in (("POST", "/teams"), ("PATCH", f"/teams/{team}")):
        assert (await administrator.call(method, path, body)).status_code in (400, 415)
    assert len(await teams_of(administrator)) == 1


async def test_repeated_acts_are_refused_and_change_nothing(administrator, colleague, team):
    member = f"/teams/{team}/leden/{colleague}"
    for method, path, body, code in (
        ("POST", "/teams", {"naam": "noord"}, "team_bestaat_al"),
        ("DELETE", member, None, "niet_in_team"),
        ("PUT", member, None, None),
        ("PUT", member, None, "al_lid_van_team"),
        ("DELETE", f"/teams/{team}", None, None),
        ("DELETE", f"/teams/{team}", None, "team_beeindigd"),
        ("PUT", member, None, "team_beeindigd"),
    ):
        answer = await administrator.call(method, path, body)
        assert answer.status_code in ((409,) if code else (204,)), (path, answer.text)
        assert code is None or answer.json()["code"] == code


async def test_unknown_team_or_employee_is_not_found(administrator, colleague, team):
    for method, path, body, code in (
        ("PATCH", f"/teams/{uuid4()}", TEAM, "team_onbekend"),
        ("DELETE", f"/teams/{uuid4()}", None, "team_onbekend"),
        ("PUT", f"/teams/{uuid4()}/leden/{colleague}", None, "team_onbekend"),
        ("PUT", f"/teams/{team}/leden/{uuid4()}", None, "medewerker_onbekend"),
        ("DELETE", f"/teams/{team}/leden/{uuid4()}", None, "medewerker_onbekend"),
    ):
        answer = await administrator.call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert (await administrator.call("DELETE", "/teams/geen-id")).status_code in (400, 404)


@pytest.mark.parametrize(
    ("persona", "code"),
    [
        (COLLEAGUE, "alleen_voor_organisatiebeheerder"),
        ("bewindvoerder", "geen_medewerker"),
        ("vertegenwoordigde", "geen_medewerker"),
        ("beheerder", "geen_medewerker"),
    ],
)
async def test_teams_are_for_administrators_of_the_organisation_only(
    api, administrator, colleague, team, persona, code
):
    visitor = await api.log_in(persona)
    for method, path, body, act in (
        ("GET", "/teams", None, "lijst"),
        ("POST", "/teams", {"naam": "Zuid"}, "gemaakt"),
        ("PATCH", f"/teams/{team}", {"naam": "Zuid"}, "gewijzigd"),
        ("PUT", f"/teams/{team}/leden/{colleague}", None, "lid_toegevoegd"),
        ("DELETE", f"/teams/{team}/leden/{colleague}", None, "lid_beeindigd"),
        ("DELETE", f"/teams/{team}", None, "beeindigd"),
    ):
        refused = await visitor.call(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
        lines = [line for line in await api.lines(f"team:{act}") if line.outcome == "refused"]
        assert [line.reason for line in lines] == [code]
    assert await teams_of(administrator) == [{"teamId": team, "naam": "Noord", "leden": []}]


async def test_departed_employee_is_in_no_team(administrator, colleague, team):
    await administrator.call("PUT", f"/teams/{team}/leden/{colleague}")
    left = await administrator.call("POST", f"/medewerkers/{colleague}/_vertrek")
    assert left.status_code in (200, 204), left.text
    assert await teams_of(administrator) == [{"teamId": team, "naam": "Noord", "leden": []}]
    again = await administrator.call("PUT", f"/teams/{team}/leden/{colleague}")
    assert (again.status_code, again.json()["code"]) == (409, "al_vertrokken")
    assert colleague not in [one["medewerkerId"] for one in await employees_of(administrator)]


async def test_suspended_organisation_changes_no_team(administrator, world, recognised, team):
    await world.decide(recognised, RecognitionStatus.SUSPENDED)
    for method, path, body in (
        ("POST", "/teams", {"naam": "Zuid"}),
        ("PATCH", f"/teams/{team}", {"naam": "Zuid"}),
        ("DELETE", f"/teams/{team}", None),
    ):
        refused = await administrator.call(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "organisatie_opgeschort")
    assert await teams_of(administrator) == [{"teamId": team, "naam": "Noord", "leden": []}]
