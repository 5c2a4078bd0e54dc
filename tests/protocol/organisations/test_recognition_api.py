"""/api/v1/organisaties: operators in login sessions recognise organisations."""

from dataclasses import replace
from uuid import uuid4

import pytest

from machtiging.identity.csrf import CSRF_HEADER
from machtiging.organisations.recognition import propose_recognition
from machtiging.simulators import personas
from machtiging.simulators.personas import PERSONAS
from tests.builders.applications import replace_services
from tests.storage.organisations.organisation_world import COMMAND_LINE, RECOGNISED, OrganisationWorld

PROPOSAL = {"status": "erkend", "grond": "voldoet aan de eisen", "besluitkenmerk": "B-2"}
PLAFOND = {
    "themas": ["zorg"],
    "hoogsteGevoeligheid": "gewoon",
    "langsteDuurDagen": 90,
    "laagsteNiveau": "substantieel",
}


async def propose(operator, organisation, **changes):
    return await operator.call("POST", f"/organisaties/{organisation}/erkenningen", PROPOSAL | changes)


def confirmation_of(organisation, number=2):
    return f"/organisaties/{organisation}/erkenningen/{number}/_bevestigen"


async def test_organisation_is_recognised_by_two_operators(api, organisation):
    first, second = await api.log_in("beheerder"), await api.log_in("tweede-beheerder")
    proposed = await propose(first, organisation)
    assert (proposed.status_code, proposed.json()) == (201, {"nummer": 2})
    read = (await second.get(f"/organisaties/{organisation}")).json()
    assert (read["erkenning"], read["voorstel"]["grond"], read["verzegeld"]) == (
        "aangevraagd",
        "voldoet aan de eisen",
        True,
    )
    confirmed = await second.call("POST", confirmation_of(organisation))
    assert (confirmed.status_code, confirmed.json()) == (200, {"erkenning": "erkend"})
    [line] = await api.lines("erkenning:bevestigd")
    assert (line.outcome, line.on_behalf_of, "oefenwereld" in line.facts) == ("done", organisation, False)


async def test_confirmation_by_the_proposer_returns_403(api, organisation):
    operator = await api.log_in("beheerder")
    await propose(operator, organisation)
    again = await api.log_in("beheerder")
    refused = await again.call("POST", confirmation_of(organisation))
    assert (refused.status_code, refused.json()["code"]) == (403, "eigen_voorstel")
    assert (await operator.get(f"/organisaties/{organisation}")).json()["erkenning"] == "aangevraagd"


async def test_proposal_of_the_command_line_outside_the_practice_world_returns_403(api, organisation):
    world, operator = OrganisationWorld(api.database, api.clock), await api.log_in("beheerder")
    await world.do(propose_recognition, COMMAND_LINE, organisation, RECOGNISED)
    replace_services(api.login.service, practice=False)
    refused = await operator.call("POST", confirmation_of(organisation))
    assert (refused.status_code, refused.json()["code"]) == (403, "voorstel_zonder_persoon")
    assert (await operator.get(f"/organisaties/{organisation}")).json()["erkenning"] == "aangevraagd"


async def test_confirmation_outside_the_practice_world_by_an_unknown_person_returns_403(api, organisation, monkeypatch):
    await propose(await api.log_in("beheerder"), organisation)
    unknown = replace(PERSONAS["tweede-beheerder"], birthdate=None)
    monkeypatch.setattr(personas, "PERSONAS", PERSONAS | {"tweede-beheerder": unknown})
    operator = await api.log_in("tweede-beheerder")
    replace_services(api.login.service, practice=False)
    refused = await operator.call("POST", confirmation_of(organisation))
    assert (refused.status_code, refused.json()["code"]) == (403, "persoon_niet_zeker")
    # The next login brings the birth date.
    monkeypatch.undo()
    replace_services(api.login.service, practice=True)
    operator = await api.log_in("tweede-beheerder")
    replace_services(api.login.service, practice=False)
    confirmed = await operator.call("POST", confirmation_of(organisation))
    assert confirmed.json() == {"erkenning": "erkend"}


@pytest.mark.parametrize("persona", ["vertegenwoordigde", "raadslid", "balie"])
async def test_organisations_are_for_operators_only(api, organisation, persona):
    visitor = await api.log_in(persona)
    calls = [("GET", "/organisaties", None), ("GET", f"/organisaties/{organisation}", None)]
    calls += [("POST", f"/organisaties/{organisation}/erkenningen", PROPOSAL)]
    calls += [("POST", confirmation_of(organisation, 1), None)]
    calls += [("PUT", f"/organisaties/{organisation}/plafond", PLAFOND)]
    calls += [("DELETE", f"/organisaties/{organisation}/erkenningen/1", None)]
    for method, path, body in calls:
        refused = await visitor.call(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "alleen_voor_beheerders"), path
    lines = await api.lines("beheer:geweigerd")
    assert {(line.outcome, line.reason, line.object_kind) for line in lines} == {
        ("refused", "alleen_voor_beheerders", "route")
    }
    assert len({line.actor_id for line in lines} - {None}) == 1
    assert [line.object_id for line in lines] == [
        "GET /api/v1/organisaties",
        "GET /api/v1/organisaties/{organisatieId}",
        "POST /api/v1/organisaties/{organisatieId}/erkenningen",
        "POST /api/v1/organisaties/{organisatieId}/erkenningen/{nummer}/_bevestigen",
        "PUT /api/v1/organisaties/{organisatieId}/plafond",
        "DELETE /api/v1/organisaties/{organisatieId}/erkenningen/{nummer}",
    ]


async def test_anonymous_call_returns_401(api, organisation):
    browser = (await api.log_in("beheerder")).browser
    browser.http.cookies.clear()
    for path in ("/organisaties", f"/organisaties/{organisation}", "/medewerkers"):
        refused = await browser.http.get(f"https://machtigen.test/api/v1{path}", headers={"Accept": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (401, "niet_ingelogd")
    assert await api.lines("beheer:geweigerd") == await api.lines("medewerker:lijst") == []


async def test_csrf_change_without_token_or_from_another_site_returns_403(api, organisation):
    operator = await api.log_in("beheerder")
    path = f"/organisaties/{organisation}/erkenningen"
    for headers in (
        {CSRF_HEADER: ""},
        {CSRF_HEADER: "x" * 22},
        {"Origin": "https://kwaad.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        refused = await operator.call("POST", path, PROPOSAL, **headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "formulier_verlopen")
    assert await api.lines("erkenning:voorgesteld") == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"status": "geheim"}, 400, "ongeldige_invoer"),
        ({"grond": ""}, 400, "ongeldige_invoer"),
        ({"grond": "een\nregel"}, 400, "grond_ongeldig"),
        ({"meer": 1}, 400, "ongeldige_invoer"),
        ({"status": "opgeschort"}, 409, "erkenning_kan_niet"),
    ],
)
async def test_proposal_that_cannot_be_is_refused(api, organisation, changes, status, code):
    refused = await propose(await api.log_in("beheerder"), organisation, **changes)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_second_proposal_returns_409_until_the_first_is_dropped(api, organisation):
    first, second = await api.log_in("beheerder"), await api.log_in("tweede-beheerder")
    await propose(first, organisation)
    refused = await propose(second, organisation)
    assert (refused.status_code, refused.json()["code"]) == (409, "voorstel_loopt_al")
    dropped = await second.call("DELETE", f"/organisaties/{organisation}/erkenningen/2")
    assert dropped.status_code == 204
    assert (await second.call("POST", confirmation_of(organisation))).json()["code"] == "voorstel_afgehandeld"
    assert (await propose(second, organisation)).json() == {"nummer": 3}


async def test_unknown_organisation_or_proposal_returns_404(api, organisation):
    operator = await api.log_in("beheerder")
    for path in (f"/organisaties/{uuid4()}", "/organisaties/geen-id"):
        assert (await operator.get(path)).status_code == 404
    assert (await propose(operator, uuid4())).json()["code"] == "organisatie_onbekend"
    assert (await operator.call("POST", confirmation_of(organisation, 9))).json()["code"] == "voorstel_onbekend"


async def test_ceiling_is_lowered_and_not_raised(api, organisation):
    operator, path = await api.log_in("beheerder"), f"/organisaties/{organisation}/plafond"
    lowered = await operator.call("PUT", path, PLAFOND)
    assert (lowered.status_code, lowered.json()["plafond"]) == (200, PLAFOND)
    for changes in ({"langsteDuurDagen": 91}, {"themas": None}, {"hoogsteGevoeligheid": "gevoelig"}):
        refused = await operator.call("PUT", path, PLAFOND | changes)
        assert (refused.status_code, refused.json()["code"]) == (403, "plafond_verruimen")


async def test_list_of_organisations_has_pages(api, organisation):
    others = [await OrganisationWorld(api.database).register(f"9000001{number}") for number in range(3)]
    operator, path, seen = await api.log_in("beheerder"), "/organisaties?aantal=2", []
    while path:
        page = (await operator.get(path)).json()
        seen += [one["organisatieId"] for one in page["organisaties"]]
        path = page["_links"].get("next", {}).get("href", "").removeprefix("https://machtigen.test/api/v1")
    assert seen == sorted(map(str, [organisation, *others]))
    assert (await operator.get("/organisaties?erkenning=erkend")).json()["organisaties"] == []
    assert (await operator.get("/organisaties?aantal=201")).status_code == 400
