"""A consent for several machtigingen, as its employee and a represented citizen see it."""

import pytest

from machtiging.access_tokens.tokens import insert_token
from machtiging.delegation.termination import revoke_machtiging
from machtiging.identity.session import SESSION_COOKIE
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import build_token_claims, make_token_facts
from tests.builders.client import AUDIENCE, make_authorization_details
from tests.builders.flow import ISSUER, Flow, read_redirect
from tests.builders.machtiging import insert_relative_machtiging
from tests.builders.organisations import change_employee
from tests.builders.people import LoginBrowser, add_person_without_bsn, start_login_session
from tests.builders.rows import EMPLOYEES, GRANTS, NOTIFICATIONS
from tests.builders.tokens import register_refreshing_app
from tests.protocol.grant_management.test_citizen_grant_management import SCOPE, ask, token_of
from tests.protocol.grant_management.test_client_grant_management import ask as query_grant
from tests.protocol.grant_management.test_client_grant_management import management_token
from tests.protocol.organisation.organisations import KVK, accept_professional_machtiging

CONSENTS_URL, APPS = "/api/v1/toestemmingen", ISSUER + "/apps"
QUERY = "grant_management_query"
ASSIGNED = make_authorization_details(clienten="toegewezen")


async def consent(portal_oauth, asks, kvk=KVK, scope="openid", **changes):
    """The son agrees to an app. Returns the id of his consent and the tokens."""
    services = portal_oauth.service.state.services
    browser = LoginBrowser({ISSUER: portal_oauth.service})
    browser.http.cookies.set(
        SESSION_COOKIE, await start_login_session(services, portal_oauth.committed.people.son, kvk=kvk)
    )
    app = await register_refreshing_app(portal_oauth, client_name="Werkapp", scope=scope)
    flow = Flow(app, browser, asks)
    back = await flow.approve(await flow.pushed(**changes))
    tokens = (await flow.redeem(read_redirect(back)["code"])).json()
    [grant] = await GRANTS.read(portal_oauth, "id", ended_at=None)
    return flow, grant.id, tokens


async def is_active(flow, tokens):
    return (await flow.app.post("/introspect", {"token": tokens["access_token"]})).json()["active"]


@pytest.fixture
async def professional(portal_oauth):
    """Mother's machtiging for the organisation of her son, assigned to him."""
    return await accept_professional_machtiging(portal_oauth)


@pytest.mark.parametrize("covers", ["assigned", "named"])
async def test_citizen_lists_consent_for_several_that_covers_her_post(portal_oauth, covers):
    if covers == "assigned":
        await accept_professional_machtiging(portal_oauth)
        await consent(portal_oauth, ASSIGNED)
    else:
        held = await portal_oauth.grant_machtiging()
        await consent(portal_oauth, make_authorization_details(machtigingen=[str(held.id)]), kvk=None)
    [found] = (await ask(portal_oauth, await token_of(portal_oauth))).json()["toestemmingen"]
    assert (found["app"], found["doorHelper"], found["meerMachtigingen"]) == ("Werkapp", True, True)
    assert "machtigingId" not in found


async def revoke_root(portal_oauth, professional):
    root = professional.parent_id or professional.id
    async with unit_of_work(portal_oauth.sessions) as session:
        await revoke_machtiging(session, root, portal_oauth.committed.people.mother, at=portal_oauth.clock.now())


async def expire(portal_oauth, professional):
    portal_oauth.clock.advance(professional.period.ends_at - portal_oauth.clock.now())


async def leave(portal_oauth, _professional):
    [employee] = await EMPLOYEES.read_column(portal_oauth, "id")
    async with unit_of_work(portal_oauth.sessions) as session:
        await change_employee(session, employee, state="vertrokken", ends_at=portal_oauth.clock.now())


@pytest.mark.parametrize("ending", [revoke_root, expire, leave])
async def test_consent_for_several_after_the_end_of_her_machtiging_is_not_listed(portal_oauth, professional, ending):
    await consent(portal_oauth, ASSIGNED)
    assert len((await ask(portal_oauth, await token_of(portal_oauth))).json()["toestemmingen"]) == 1
    await ending(portal_oauth, professional)
    assert (await ask(portal_oauth, await token_of(portal_oauth))).json()["toestemmingen"] == []


async def test_citizen_of_another_helper_does_not_list_the_consent(portal_oauth, professional):
    """Her son is her relative too. What he holds so is not assigned to him."""
    await revoke_root(portal_oauth, professional)
    await portal_oauth.grant_machtiging()
    await consent(portal_oauth, ASSIGNED)
    assert (await ask(portal_oauth, await token_of(portal_oauth))).json()["toestemmingen"] == []


async def test_citizen_cannot_end_a_consent_for_several(portal_oauth, professional):
    flow, grant_id, tokens = await consent(portal_oauth, ASSIGNED)
    refused = await ask(portal_oauth, await token_of(portal_oauth), f"{CONSENTS_URL}/{grant_id}", "DELETE")
    assert (refused.status_code, refused.json()["code"]) == (404, "toestemming_onbekend")
    assert await is_active(flow, tokens)
    assert [line.reason for line in await portal_oauth.lines("grant:geweigerd")] == ["toestemming_van_ander"]


async def consent_to_named(portal_oauth, *givers, **terms):
    """The son agrees to an app for a machtiging of each of these people. `terms`: those of the first."""
    async with unit_of_work(portal_oauth.sessions) as session:
        son, at = portal_oauth.committed.people.son, portal_oauth.clock.now()
        held = [
            await insert_relative_machtiging(session, giver, son, at, **({} if number else terms))
            for number, giver in enumerate(givers)
        ]
    return await consent(portal_oauth, make_authorization_details(machtigingen=[str(one) for one in held]), kvk=None)


@pytest.mark.parametrize("number", [1, 2])
async def test_citizen_ends_a_consent_for_several_that_are_all_hers(portal, portal_oauth, number):
    """Naming hers in a list takes nothing away from her."""
    mother_id = portal_oauth.committed.people.mother
    flow, grant_id, tokens = await consent_to_named(portal_oauth, *[mother_id] * number)
    token = await token_of(portal_oauth)
    [found] = (await ask(portal_oauth, token)).json()["toestemmingen"]
    assert (found["meerMachtigingen"], found["teStoppen"]) == (True, True)
    mother = await portal.mother()
    helped = (await mother.open_page(APPS)).text.split("Apps waarmee een helper")[1]
    assert "post van andere mensen" not in helped
    asked = await mother.open_page(f"{APPS}/{grant_id}/stoppen")
    assert "/machtigingen/None" not in helped + asked.text
    await mother.submit_form(asked.find_form("/stoppen"), {})
    assert not await is_active(flow, tokens)
    [line] = await portal_oauth.lines("grant:beeindigd")
    assert (line.actor_id, line.for_person_id) == (mother_id, mother_id)
    facts = await NOTIFICATIONS.read_column(portal_oauth, "facts", kind="app_gestopt_door_gever")
    assert [one["giver_id"] for one in facts] == [str(mother_id)]


async def test_citizen_lists_consent_for_several_with_the_acts_of_her_own_machtiging(portal, portal_oauth):
    async with unit_of_work(portal_oauth.sessions) as session:
        other = await add_person_without_bsn(session, "Cor Stil", None)
    mother_id = portal_oauth.committed.people.mother
    await consent_to_named(portal_oauth, mother_id, other, acts=["lijst"])
    for person_id, acts in ((mother_id, ["lijst"]), (other, ["lijst", "lezen", "downloaden"])):
        [found] = (await ask(portal_oauth, await token_of(portal_oauth, person_id=person_id))).json()["toestemmingen"]
        assert found["handelingen"] == acts
    helped = (await (await portal.mother()).open_page(APPS)).text.split("Apps waarmee een helper")[1]
    assert "lezen" not in helped.split("De app mag:")[1].split("</p>")[0]


async def test_citizen_reads_that_the_app_of_a_consent_for_several_is_paused_for_her(portal, portal_oauth):
    async with unit_of_work(portal_oauth.sessions) as session:
        other = await add_person_without_bsn(session, "Cor Stil", None)
    mother_id, paused = portal_oauth.committed.people.mother, {"paused_at": portal_oauth.clock.now(), "state": "paused"}
    await consent_to_named(portal_oauth, mother_id, other, **paused)
    helped = (await (await portal.mother()).open_page(APPS)).text.split("Apps waarmee een helper")[1]
    assert "De app kan er nu niet bij." in helped


async def test_citizen_cannot_end_a_consent_for_several_of_which_one_is_not_hers(portal_oauth):
    async with unit_of_work(portal_oauth.sessions) as session:
        other = await add_person_without_bsn(session, "Cor Stil", None)
    mother_id = portal_oauth.committed.people.mother
    flow, grant_id, tokens = await consent_to_named(portal_oauth, mother_id, other)
    for person_id in (mother_id, other):
        token = await token_of(portal_oauth, person_id=person_id)
        [found] = (await ask(portal_oauth, token)).json()["toestemmingen"]
        assert found["teStoppen"] is False
        assert (await ask(portal_oauth, token, f"{CONSENTS_URL}/{grant_id}", "DELETE")).status_code == 404
    assert await is_active(flow, tokens)


async def test_consent_for_several_ended_by_its_employee_is_notified_to_him_only(portal_oauth, professional):
    flow, grant_id, tokens = await consent(portal_oauth, ASSIGNED)
    son = await token_of(portal_oauth, person_id=portal_oauth.committed.people.son)
    before = await NOTIFICATIONS.read_column(portal_oauth, "id")
    assert (await ask(portal_oauth, son, f"{CONSENTS_URL}/{grant_id}", "DELETE")).status_code == 204
    assert not await is_active(flow, tokens)
    [line] = await portal_oauth.lines("grant:beeindigd")
    assert (line.actor_id, line.for_person_id) == (portal_oauth.committed.people.son, None)
    notified = [tuple(one) for one in await NOTIFICATIONS.read(portal_oauth, "kind", "person_id")][len(before) :]
    assert notified == [("app_gestopt_door_u", portal_oauth.committed.people.son)]


async def test_token_for_several_manages_no_consents(portal_oauth, professional):
    facts = make_token_facts(
        portal_oauth.clock.now(),
        person_id=portal_oauth.committed.people.son,
        scope=f"openid {SCOPE}",
        representation_set={"clienten": "toegewezen"},
        grant_id=(await consent(portal_oauth, ASSIGNED))[1],
    )
    async with unit_of_work(portal_oauth.sessions) as session:
        await insert_token(session, facts)
    claims = build_token_claims(facts) | {"iss": ISSUER, "aud": AUDIENCE}
    token = portal_oauth.service.state.services.keyring.sign_jwt(claims, typ="at+jwt")
    refused = await ask(portal_oauth, token)
    assert (refused.status_code, refused.json()["code"]) == (403, "token_voor_ander_gebruik")


async def test_apps_page_of_the_citizen_shows_no_button_for_a_consent_for_several(portal, portal_oauth, professional):
    _, grant_id, _ = await consent(portal_oauth, ASSIGNED)
    mother = await portal.mother()
    page = (await mother.open_page(APPS)).text
    helped = page.split("Apps waarmee een helper")[1]
    assert "Werkapp" in helped
    assert "ook brieven van anderen" in helped
    assert "/stoppen" not in helped
    back = await mother.open_page(f"{APPS}/{grant_id}/stoppen")
    assert "Wilt u de toegang" not in back.text
    assert "Werkapp" in back.text


async def test_apps_page_of_the_employee_says_that_it_is_for_several_and_stops_it(portal, portal_oauth, professional):
    flow, grant_id, tokens = await consent(portal_oauth, ASSIGNED)
    son = await portal.son(kvk=KVK)
    page = (await son.open_page(APPS)).text
    assert "leest u de brieven van meer mensen" in page
    assert "uw eigen post" not in page
    asked = await son.open_page(f"{APPS}/{grant_id}/stoppen")
    await son.submit_form(asked.find_form("/stoppen"), {})
    assert not await is_active(flow, tokens)


async def test_grant_of_departed_employee_is_unknown_to_its_client(portal_oauth, professional):
    flow, grant_id, tokens = await consent(
        portal_oauth, ASSIGNED, scope=f"openid {QUERY}", grant_management_action="create"
    )
    managing = await management_token(flow.app, QUERY)
    assert tokens["grant_id"] == str(grant_id)
    assert (await query_grant(flow.app, managing, grant_id)).status_code == 200
    await leave(portal_oauth, professional)
    assert (await query_grant(flow.app, managing, grant_id)).status_code == 404
