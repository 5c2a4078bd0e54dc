"""/api/v1/medewerkers: an organisatiebeheerder, logged in for the organisation, invites and changes employees."""

from datetime import timedelta
from uuid import uuid4

import pytest

FIRST, COLLEAGUE = "raadslid", "collega"


def make_medewerker(persona, *roles, **changes):
    return {"inlogkenmerk": f"oefenpersoon-{persona}", "naam": "Fatima el Amrani", "rollen": list(roles)} | changes


@pytest.fixture
async def administrator(api, organisation):
    """The first organisatiebeheerder, invited by an operator."""
    operator = await api.log_in("beheerder")
    body = make_medewerker(FIRST, "organisatiebeheerder")
    invited = await operator.call("POST", f"/organisaties/{organisation}/medewerkers", body)
    assert invited.status_code == 201, invited.text
    return await api.log_in(FIRST)


async def test_operator_gives_the_first_administrator_no_other_role(api, organisation):
    operator = await api.log_in("beheerder")
    body = make_medewerker(FIRST, "organisatiebeheerder", "hulpverlener")
    refused = await operator.call("POST", f"/organisaties/{organisation}/medewerkers", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "beheerder_met_andere_rol")


async def test_administrator_gives_himself_no_role(administrator):
    [own] = await employees_of(administrator)
    change = {"rollen": ["organisatiebeheerder", "hulpverlener"]}
    refused = await administrator.call("PATCH", f"/medewerkers/{own['medewerkerId']}", change)
    assert (refused.status_code, refused.json()["code"]) == (403, "eigen_rollen_uitbreiden")
    assert (await employees_of(administrator))[0]["rollen"] == ["organisatiebeheerder"]


async def employees_of(administrator):
    return (await administrator.get("/medewerkers")).json()["medewerkers"]


async def invite(administrator, persona=COLLEAGUE, *roles):
    return await administrator.call("POST", "/medewerkers", make_medewerker(persona, *(roles or ("hulpverlener",))))


async def test_colleague_is_invited_and_active_after_the_first_login(api, administrator):
    invited = await invite(administrator)
    assert invited.status_code == 201
    found = {one["medewerkerId"]: one for one in await employees_of(administrator)}
    mine = found[invited.json()["medewerkerId"]]
    assert (mine["naam"], mine["rollen"], mine["status"]) == ("Fatima el Amrani", ["hulpverlener"], "uitgenodigd")
    await api.log_in(COLLEAGUE)
    assert [one["status"] for one in await employees_of(administrator)] == ["actief", "actief"]


async def test_first_login_after_seven_days_does_not_activate(api, administrator):
    await invite(administrator)
    api.clock.advance(timedelta(days=7, seconds=1))
    await api.log_in(COLLEAGUE)
    again = await api.log_in(FIRST)
    assert sorted(one["status"] for one in await employees_of(again)) == ["actief", "uitgenodigd"]


@pytest.mark.parametrize(
    ("persona", "code"),
    [
        (COLLEAGUE, "alleen_voor_organisatiebeheerder"),
        ("bewindvoerder", "geen_medewerker"),
        ("vertegenwoordigde", "geen_medewerker"),
        ("beheerder", "geen_medewerker"),
    ],
)
async def test_employees_are_for_administrators_of_the_organisation_only(api, administrator, persona, code):
    await invite(administrator)
    visitor = await api.log_in(persona)
    employee = (await employees_of(administrator))[0]["medewerkerId"]
    for method, path, body, act in (
        ("GET", "/medewerkers", None, "lijst"),
        ("POST", "/medewerkers", make_medewerker("balie", "organisatiebeheerder"), "uitgenodigd"),
        ("PATCH", f"/medewerkers/{employee}", {"rollen": ["hulpverlener"]}, "gewijzigd"),
        ("POST", f"/medewerkers/{employee}/_vertrek", None, "vertrokken"),
    ):
        refused = await visitor.call(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
        lines = [line for line in await api.lines(f"medewerker:{act}") if line.outcome == "refused"]
        assert [line.reason for line in lines] == [code]


async def test_roles_of_the_session_give_no_role_in_the_organisation(api, organisation, administrator):
    """Roles of the login broker are the operator's; those of an employee are never in the session."""
    colleague = await api.log_in(COLLEAGUE)
    assert (await colleague.call("GET", "/medewerkers")).json()["code"] == "geen_medewerker"
    refused = await administrator.call("GET", "/organisaties")
    assert (refused.status_code, refused.json()["code"]) == (403, "alleen_voor_beheerders")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"rollen": []}, 400, "rol_ontbreekt"),
        ({"rollen": ["directeur"]}, 400, "ongeldige_invoer"),
        ({"rollen": ["toezicht", "hulpverlener"]}, 400, "rollen_onverenigbaar"),
        ({"naam": ""}, 400, "ongeldige_invoer"),
        ({"naam": "een\u202enaam"}, 400, "naam_ongeldig"),
        ({"inlogkenmerk": "oefenpersoon-raadslid"}, 409, "al_medewerker"),
    ],
)
async def test_invitation_that_cannot_be_is_refused(administrator, changes, status, code):
    refused = await administrator.call("POST", "/medewerkers", make_medewerker("x", "hulpverlener", **changes))
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_roles_and_state_of_an_employee_change(api, administrator):
    employee = (await invite(administrator)).json()["medewerkerId"]
    await api.log_in(COLLEAGUE)
    for change in ({"rollen": ["teamleider"]}, {"status": "op_non_actief"}, {"status": "actief"}):
        changed = await administrator.call("PATCH", f"/medewerkers/{employee}", change)
        assert changed.status_code == 204, changed.text
    for change, status, code in (
        ({}, 400, "een_wijziging_per_keer"),
        ({"rollen": ["teamleider"], "status": "actief"}, 400, "een_wijziging_per_keer"),
        ({"status": "vertrokken"}, 400, "status_niet_te_kiezen"),
        ({"status": "actief"}, 409, "medewerker_niet_op_non_actief"),
    ):
        refused = await administrator.call("PATCH", f"/medewerkers/{employee}", change)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_departed_employee_can_do_nothing_more(api, administrator):
    employee = (await invite(administrator, COLLEAGUE, "organisatiebeheerder")).json()["medewerkerId"]
    colleague = await api.log_in(COLLEAGUE)
    assert (await colleague.get("/medewerkers")).status_code == 200
    gone = await administrator.call("POST", f"/medewerkers/{employee}/_vertrek")
    assert (gone.status_code, gone.json()) == (200, {"beeindigdeToewijzingen": 0, "clientenZonderLezer": 0})
    assert (await colleague.get("/medewerkers")).json()["code"] == "geen_medewerker"
    again = await administrator.call("POST", f"/medewerkers/{employee}/_vertrek")
    assert (again.status_code, again.json()["code"]) == (409, "al_vertrokken")


async def test_last_administrator_leaves_by_an_operator_only(api, organisation, administrator):
    [mine] = await employees_of(administrator)
    refused = await administrator.call("POST", f"/medewerkers/{mine['medewerkerId']}/_vertrek")
    assert (refused.status_code, refused.json()["code"]) == (409, "laatste_beheerder")
    operator = await api.log_in("tweede-beheerder")
    path = f"/organisaties/{{}}/medewerkers/{mine['medewerkerId']}/_vertrek"
    other = await operator.call("POST", path.format(uuid4()))
    assert (other.status_code, other.json()["code"]) == (404, "medewerker_onbekend")
    assert (await operator.call("POST", path.format(organisation))).status_code == 200
    assert (await administrator.get("/medewerkers")).json()["code"] == "geen_medewerker"


async def test_unknown_employee_returns_404(administrator):
    for method, path, body in (("POST", "/_vertrek", None), ("PATCH", "", {"rollen": ["teamleider"]})):
        refused = await administrator.call(method, f"/medewerkers/{uuid4()}{path}", body)
        assert (refused.status_code, refused.json()["code"]) == (404, "medewerker_onbekend")


async def test_list_of_employees_has_pages(administrator):
    for number in range(3):
        await invite(administrator, f"x{number}")
    path, seen = "/medewerkers?aantal=2", []
    while path:
        page = (await administrator.get(path)).json()
        seen += [one["medewerkerId"] for one in page["medewerkers"]]
        path = page["_links"].get("next", {}).get("href", "").removeprefix("https://machtigen.test/api/v1")
    assert len(seen) == len(set(seen)) == 4
