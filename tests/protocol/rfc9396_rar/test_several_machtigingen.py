"""One consent and one token for several machtigingen, or for all that are assigned (RFC 9396)."""

from __future__ import annotations

import html
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from machtiging.berichtenbox.authorization_details.rules import MAX_MACHTIGINGEN_NAMED
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import uuid7
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import register_ciba_desk
from tests.builders.client import make_authorization_details
from tests.builders.database import bypass_triggers
from tests.builders.flow import Flow, read_redirect
from tests.builders.machtiging import insert_relative_machtiging, update_machtiging
from tests.builders.messages import read_claims
from tests.builders.organisations import add_employee, add_organisation, change_employee, change_organisation
from tests.builders.people import add_person, add_person_without_bsn
from tests.builders.rows import EMPLOYEES, GRANTS, ISSUED_TOKENS, ORGANISATIONS
from tests.builders.tokens import (
    ACCESS_TOKEN,
    ARCHIEF,
    EXCHANGE,
    HUIS,
    SERVICE_KEYS,
    make_exchanger_metadata,
    make_server_metadata,
    register_refreshing_app,
)
from tests.protocol.organisation.organisations import KVK, accept_professional_machtiging, log_in_for

ASSIGNED = make_authorization_details(clienten="toegewezen")
ID = "01927f0a-0000-7000-8000-000000000001"
GIVER = "Ans Voorbeeld"


async def reasons(oauth, act):
    return [line.reason for line in await oauth.lines(act)]


@pytest.fixture
async def worker_flow(oauth) -> Flow:
    """The son, logged in for his organisation, and an app for all his clients."""
    await accept_professional_machtiging(oauth)
    return Flow(await register_refreshing_app(oauth), await log_in_for(oauth, KVK), ASSIGNED)


async def request_named(oauth, *held) -> Flow:
    """The son as himself, and an app that names these machtigingen."""
    asks = make_authorization_details(machtigingen=[str(one.id) for one in held])
    return Flow(await register_refreshing_app(oauth), await oauth.logged_in(), asks)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"clienten": "alle"}, "details_clienten_onbekend"),
        ({"clienten": ["toegewezen"]}, "details_clienten_onbekend"),
        ({"clienten": None}, "details_clienten_onbekend"),
        ({"machtigingen": []}, "details_machtigingen_aantal"),
        ({"machtigingen": ID}, "details_machtigingen_aantal"),
        ({"machtigingen": {"id": ID}}, "details_machtigingen_aantal"),
        ({"machtigingen": [str(uuid7()) for _ in range(MAX_MACHTIGINGEN_NAMED + 1)]}, "details_machtigingen_aantal"),
        ({"machtigingen": [ID, ID]}, "details_machtiging_dubbel"),
        ({"machtigingen": [ID, "toegewezen"]}, "details_machtiging_vormfout"),
        ({"machtigingen": [ID.upper()]}, "details_machtiging_vormfout"),
        ({"machtigingen": [None]}, "details_machtiging_vormfout"),
        ({"machtiging": ID, "clienten": "toegewezen"}, "details_meer_dan_een_keuze"),
        ({"machtiging": ID, "machtigingen": [ID]}, "details_meer_dan_een_keuze"),
        ({"machtigingen": [ID], "clienten": "toegewezen"}, "details_meer_dan_een_keuze"),
        ({"clienten": "toegewezen", "actions": ["markeren"]}, "handeling_alleen_eigen_box"),
        ({"machtigingen": [ID], "actions": ["lezen", "verwijderen"]}, "handeling_alleen_eigen_box"),
    ],
)
async def test_details_for_several_of_a_wrong_form_are_rejected_at_par(oauth, details, reason) -> None:
    flow = await oauth.request()
    response = await flow.push(authorization_details=make_authorization_details(**details))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
    assert await reasons(oauth, "grant:geweigerd") == [reason]


async def test_details_for_several_at_another_resource_are_rejected_at_par(oauth) -> None:
    await oauth.add(make_server_metadata(), SERVICE_KEYS)
    flow = await oauth.request()
    response = await flow.push(resource=HUIS, authorization_details=ASSIGNED)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
    assert await reasons(oauth, "grant:geweigerd") == ["meer_machtigingen_alleen_hier"]


@pytest.mark.parametrize("asks", [ASSIGNED, make_authorization_details(machtigingen=[ID])])
async def test_details_for_several_with_the_consents_scope_are_rejected_at_par(oauth, asks) -> None:
    flow = await oauth.request()
    scope = f"openid {CONSENT_MANAGEMENT_SCOPE}"
    response = await flow.push(scope=scope, authorization_details=asks)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_details_for_several_in_ciba_request_are_rejected(oauth) -> None:
    ciba_desk = await register_ciba_desk(oauth)
    response = await ciba_desk.asks(authorization_details=ASSIGNED)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
    assert await reasons(oauth, "verzoek:geweigerd") == ["meer_machtigingen_niet_aan_balie"]


async def test_details_for_all_assigned_without_an_organisation_are_refused(oauth, worker_flow) -> None:
    flow = Flow(worker_flow.app, await log_in_for(oauth, None), ASSIGNED)
    shown = await flow.authorize(await flow.pushed())
    assert read_redirect(shown)["error"] == "invalid_authorization_details"
    assert await reasons(oauth, "grant:geweigerd") == ["machtiging_geldt_niet"]


async def change_worker(oauth, **changes) -> None:
    [employee] = await EMPLOYEES.read_column(oauth, "id")
    async with unit_of_work(oauth.sessions) as session:
        await change_employee(session, employee, **changes)


async def leave(oauth) -> None:
    await change_worker(oauth, state="vertrokken", ends_at=oauth.clock.now())


async def raise_minimum(oauth) -> None:
    [organisation] = await ORGANISATIONS.read_column(oauth, "id")
    async with unit_of_work(oauth.sessions) as session:
        await change_organisation(session, organisation, minimum_level="hoog")


async def test_details_for_all_assigned_after_departure_are_refused(oauth, worker_flow) -> None:
    uri = await worker_flow.pushed()
    form = await worker_flow.consent_form(uri)
    await leave(oauth)
    assert read_redirect(await worker_flow.press(form))["error"] == "invalid_authorization_details"
    assert await GRANTS.count(oauth) == 0


async def test_details_for_all_assigned_below_the_minimum_level_ask_for_a_step_up(oauth, worker_flow) -> None:
    await raise_minimum(oauth)
    shown = await worker_flow.authorize(await worker_flow.pushed())
    assert read_redirect(shown)["error"] == "unmet_authentication_requirements"


async def test_details_of_machtigingen_that_he_does_not_hold_are_refused(oauth) -> None:
    held = await accept_professional_machtiging(oauth)
    for asks in ([str(uuid7())], [str(held.id)]):
        flow = Flow(
            await register_refreshing_app(oauth),
            await oauth.logged_in(),
            make_authorization_details(machtigingen=asks),
        )
        assert read_redirect(await flow.authorize(await flow.pushed()))["error"] == "invalid_authorization_details"
    assert await reasons(oauth, "grant:geweigerd") == ["machtiging_geldt_niet"] * 2


async def test_consent_page_for_all_assigned_shows_organisation_and_later_clients(oauth, worker_flow) -> None:
    shown = html.unescape((await worker_flow.authorize(await worker_flow.pushed())).text)
    assert f"alle mensen die Wijkteam {KVK} aan u toewijst, nu en later" in shown
    assert "met uw machtigingen" in shown
    assert "van ieder alleen wat in de machtiging van die persoon staat" in shown
    assert "Ieder van hen kan zien wat u in die post bekijkt" in shown
    assert "uw eigen post" not in shown


async def test_consent_page_for_named_machtigingen_shows_their_givers(oauth) -> None:
    flow = await request_named(oauth, await oauth.grant_machtiging(), await oauth.grant_machtiging())
    shown = (await flow.authorize(await flow.pushed())).text
    assert f"De app wil bij de post van {GIVER}. Dat kan met uw machtigingen." in shown


async def add_machtiging(oauth, giver: str | None = None, **changes):
    """A machtiging that the son holds, of his mother or of somebody with this name."""
    people = oauth.committed.people
    async with unit_of_work(oauth.sessions) as session:
        giver_id = people.mother if giver is None else await add_person_without_bsn(session, giver, None)
        held = await insert_relative_machtiging(session, giver_id, people.son, oauth.clock.now(), **changes)
    return SimpleNamespace(id=held)


def paused(oauth):
    return {"state": "paused", "paused_at": oauth.clock.now()}


async def test_consent_page_for_paused_machtiging_names_its_giver(oauth) -> None:
    """The consent covers them: they can resume while it stands."""
    held = [await add_machtiging(oauth), await add_machtiging(oauth, "Cor Stil", **paused(oauth))]
    flow = await request_named(oauth, *held)
    assert (
        f"De app wil bij de post van {GIVER} en Cor Stil. Dat kan met uw machtigingen."
        in (await flow.authorize(await flow.pushed())).text
    )
    tokens = (await flow.redeem((await flow.answer())["code"])).json()
    assert tokens["authorization_details"][0]["machtigingen"] == sorted(str(one.id) for one in held)


async def test_consent_page_for_named_machtigingen_names_each_of_two_namesakes(oauth) -> None:
    async with unit_of_work(oauth.sessions) as session:
        twin = await add_person(session, Bsn("999990044"), GIVER)
        twin_held = await insert_relative_machtiging(session, twin, oauth.committed.people.son, oauth.clock.now())
    flow = await request_named(oauth, await add_machtiging(oauth), SimpleNamespace(id=twin_held))
    assert f"bij de post van {GIVER} en {GIVER}. Dat" in (await flow.authorize(await flow.pushed())).text


async def test_consent_page_for_named_machtigingen_escapes_names(oauth) -> None:
    flow = await request_named(
        oauth, await add_machtiging(oauth), await add_machtiging(oauth, "<script>alert(1)</script>")
    )
    shown = (await flow.authorize(await flow.pushed())).text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown


async def test_consent_for_named_machtigingen_covers_only_those_that_the_page_named(oauth) -> None:
    """Not one that ended, that does not exist, that another holds, or that begins later."""
    held, people = await add_machtiging(oauth), oauth.committed.people
    later = {"starts_at": oauth.clock.now() + timedelta(hours=1)}
    async with unit_of_work(oauth.sessions) as session:
        of_another = await insert_relative_machtiging(session, people.son, people.mother, oauth.clock.now())
    others = [await add_machtiging(oauth, "Ida Over"), await add_machtiging(oauth, "Jet Later", **later)]
    async with unit_of_work(oauth.sessions) as session:
        ending = {"state": "ended", "ended_at": oauth.clock.now(), "end_reason": "ingetrokken"}
        await update_machtiging(session, others[0].id, **ending)
    others += [SimpleNamespace(id=of_another), SimpleNamespace(id=uuid7())]
    flow = await request_named(oauth, held, *others)
    assert f"bij de post van {GIVER}. Dat" in (await flow.authorize(await flow.pushed())).text
    tokens = (await flow.redeem((await flow.answer())["code"])).json()
    assert tokens["authorization_details"][0]["machtigingen"] == [str(held.id)]
    [details] = await GRANTS.read_column(oauth, "authorization_details")
    assert details[0]["machtigingen"] == [str(held.id)]


async def test_consent_for_named_machtigingen_of_an_older_page_is_refused(oauth) -> None:
    """Between page and button he got one more, which the page did not name."""
    held, later = await add_machtiging(oauth), uuid7()
    flow = await request_named(oauth, held, SimpleNamespace(id=later))
    form = await flow.consent_form(await flow.pushed())
    await add_machtiging(oauth, "Cor Stil", id=later)
    assert read_redirect(await flow.press(form))["error"] == "invalid_authorization_details"
    assert await GRANTS.count(oauth) == 0
    assert await reasons(oauth, "grant:geweigerd") == ["details_andere_machtiging"]


async def test_consent_page_for_all_assigned_names_each_vestiging(oauth, worker_flow) -> None:
    """His login is for the KvK number, so the consent covers each vestiging with it. One can be suspended."""
    async with unit_of_work(oauth.sessions) as session:
        branch = await add_organisation(session, KVK, name="Wijkteam Zuid", vestiging="000012345678")
        await add_employee(session, branch, oauth.committed.people.son)
    shown = html.unescape((await worker_flow.authorize(await worker_flow.pushed())).text)
    assert f"alle mensen die Wijkteam {KVK} of Wijkteam Zuid aan u toewijst" in shown
    tokens = (await worker_flow.redeem((await worker_flow.answer())["code"])).json()
    async with unit_of_work(oauth.sessions) as session:
        [first] = await EMPLOYEES.read_column(session, "id", EMPLOYEES.c.organisation_id != branch)
        await change_employee(session, first, state="op_non_actief")
    found = (await worker_flow.app.post("/introspect", {"token": tokens["access_token"]})).json()
    assert found["active"]


@pytest.mark.parametrize("named", [False, True])
async def test_prompt_none_for_several_after_prior_consent_returns_consent_required(oauth, worker_flow, named) -> None:
    await worker_flow.answer()
    asks = make_authorization_details(machtigingen=[str((await add_machtiging(oauth)).id)]) if named else ASSIGNED
    browser = await log_in_for(oauth, None) if named else worker_flow.browser
    flow = Flow(worker_flow.app, browser, asks)
    if named:
        await flow.answer()
    shown = await flow.authorize(await flow.pushed(prompt="none"))
    assert read_redirect(shown)["error"] == "consent_required"


@pytest.mark.parametrize("members", [{"machtigingen": "x"}, {"clienten": "alle"}, {"machtigingen": [ID]}])
async def test_consent_for_several_forged_by_sql_is_refused_by_the_token_endpoint(
    oauth, worker_flow, database, members
) -> None:
    code = (await worker_flow.answer())["code"]
    tokens = (await worker_flow.redeem((await worker_flow.answer())["code"])).json()
    forged = [{"type": "berichtenbox", "actions": ["lijst"], **members}]
    async with bypass_triggers(database) as connection:
        await connection.execute(update(GRANTS.table).values(authorization_details=forged))
    for answer in (await worker_flow.redeem(code), await refresh(worker_flow, tokens["refresh_token"])):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_tokens_for_all_assigned_say_so_and_name_no_person(oauth, worker_flow) -> None:
    answer = await worker_flow.answer()
    tokens = (await worker_flow.redeem(answer["code"])).json()
    granted = [{"type": "berichtenbox", "clienten": "toegewezen", "actions": ["lijst", "lezen", "downloaden"]}]
    assert tokens["authorization_details"] == granted
    claims = read_claims(tokens["access_token"])
    assert claims["authorization_details"] == granted
    assert "represents" not in claims
    found = (await worker_flow.app.post("/introspect", {"token": tokens["access_token"]})).json()
    assert (found["active"], found["authorization_details"], "represents" in found) == (True, granted, False)
    [row] = await ISSUED_TOKENS.read(oauth, "machtiging_id", "representation_set", "organisation_kvk")
    assert tuple(row) == (None, {"clienten": "toegewezen"}, KVK)


async def test_consent_and_token_for_several_are_journalled_without_a_represented_person(oauth, worker_flow) -> None:
    await worker_flow.redeem((await worker_flow.answer())["code"])
    for act in ("grant:verleend", "token:uitgegeven"):
        [line] = await oauth.lines(act)
        assert (line.actor_id, line.for_person_id, line.machtiging_id) == (oauth.committed.people.son, None, None)
    [line] = await oauth.lines("grant:verleend")
    assert line.facts["toegang"][0]["clienten"] == "toegewezen"


async def test_tokens_for_named_machtigingen_name_them_sorted(oauth) -> None:
    held = [await oauth.grant_machtiging(), await oauth.grant_machtiging()]
    flow = await request_named(oauth, *reversed(held))
    tokens = (await flow.redeem((await flow.answer())["code"])).json()
    assert tokens["authorization_details"][0]["machtigingen"] == sorted(str(one.id) for one in held)


async def refresh(flow: Flow, token: str, **changes):
    return await flow.app.post("/token", {"grant_type": "refresh_token", "refresh_token": token}, **changes)


async def test_refresh_narrows_acts_and_keeps_the_machtigingen(oauth, worker_flow) -> None:
    tokens = (await worker_flow.redeem((await worker_flow.answer())["code"])).json()
    narrower = make_authorization_details(None, "lijst")
    response = await refresh(worker_flow, tokens["refresh_token"], authorization_details=narrower)
    assert response.json()["authorization_details"] == [
        {"type": "berichtenbox", "clienten": "toegewezen", "actions": ["lijst"]}
    ]


@pytest.mark.parametrize("other", ["one", "named", "wider acts"])
async def test_refresh_to_others_than_consented_is_refused(oauth, worker_flow, other) -> None:
    tokens = (await worker_flow.redeem((await worker_flow.answer())["code"])).json()
    asks = {
        "one": make_authorization_details(ID),
        "named": make_authorization_details(machtigingen=[ID]),
        "wider acts": make_authorization_details(None, "lezen", "markeren"),
    }[other]
    refused = await refresh(worker_flow, tokens["refresh_token"], authorization_details=asks)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")


async def test_refresh_of_one_machtiging_to_all_assigned_is_refused(oauth) -> None:
    held = await oauth.grant_machtiging()
    flow = await oauth.start_flow(await register_refreshing_app(oauth), held)
    tokens = await flow.tokens()
    refused = await refresh(flow, tokens["refresh_token"], authorization_details=ASSIGNED)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")


async def test_departed_employee_gets_nothing_with_any_credential_for_several(oauth, worker_flow) -> None:
    code = (await worker_flow.answer())["code"]
    tokens = (await worker_flow.redeem((await worker_flow.answer())["code"])).json()
    await leave(oauth)
    assert (await worker_flow.redeem(code)).json()["error"] == "invalid_grant"
    assert (await refresh(worker_flow, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    for kind in ("access_token", "refresh_token"):
        assert (await worker_flow.app.post("/introspect", {"token": tokens[kind]})).json() == {"active": False}
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await worker_flow.app.http.get("/userinfo", headers=headers)).status_code == 401


async def test_credentials_for_several_below_a_new_minimum_level_are_refused(oauth, worker_flow) -> None:
    tokens = (await worker_flow.redeem((await worker_flow.answer())["code"])).json()
    await raise_minimum(oauth)
    assert (await refresh(worker_flow, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await worker_flow.app.post("/introspect", {"token": tokens["access_token"]})).json() == {"active": False}


async def test_consent_for_several_stands_while_one_of_them_does(oauth) -> None:
    held = [await oauth.grant_machtiging(), await oauth.grant_machtiging()]
    flow = await request_named(oauth, *held)
    tokens = (await flow.redeem((await flow.answer())["code"])).json()
    for number, one in enumerate(held, start=1):
        async with unit_of_work(oauth.sessions) as session:
            await revoke_machtiging(session, one.id, oauth.committed.people.mother, at=oauth.clock.now())
        found = (await flow.app.post("/introspect", {"token": tokens["access_token"]})).json()
        assert found["active"] == (number < len(held))
    assert (await refresh(flow, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_token_for_several_is_not_exchanged(oauth, worker_flow) -> None:
    """The resource server of our own API could exchange a token for one machtiging."""
    await oauth.add(make_server_metadata(resource=ARCHIEF), SERVICE_KEYS)
    exchanger = await oauth.add(make_exchanger_metadata(resource=None), SERVICE_KEYS)
    token = (await worker_flow.redeem((await worker_flow.answer())["code"])).json()["access_token"]
    form = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    refused = await exchanger.post("/token", form, resource=ARCHIEF)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert await reasons(oauth, "token:geweigerd") == ["token_voor_meer_machtigingen"]
