"""/api/v1/toestemmingen: an app of the citizen lists and ends consents. An app of a helper cannot."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from machtiging.access_tokens.tokens import insert_token
from machtiging.berichtenbox.authorization_details.consent_choices import OWN_BOX_KEY
from machtiging.crypto.secrets import generate_token, sha256_digest
from machtiging.oauth.client import CIBA
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import build_token_claims, make_token_facts
from tests.builders.ciba import make_ciba_desk_metadata
from tests.builders.client import AUDIENCE, make_authorization_details, make_client_keys
from tests.builders.database import seal_rows
from tests.builders.flow import ISSUER, Flow
from tests.builders.rows import NOTIFICATIONS
from tests.builders.tokens import (
    HUIS,
    SERVICE_KEYS,
    insert_grant,
    make_refresh_token_holder,
    make_server_metadata,
    register_refreshing_app,
    set_grant_resource,
)

CONSENTS_URL = "/api/v1/toestemmingen"
SCOPE = "toestemmingen:beheren"
SAID_YES = text(
    "INSERT INTO backchannel_request (request_hash, client_id, person_id, params, binding_message, state, grant_id,"
    " created_at, expires_at, interval_seconds) VALUES (:hash, :app, :who, '{}', 'Balie 3', 'approved', :grant, :at,"
    " :until, 5)"
)


async def token_of(portal_oauth, **changes) -> str:
    """A token of the citizen with the manage scope, with these changes."""
    facts = make_token_facts(
        portal_oauth.clock.now(),
        **({"person_id": portal_oauth.committed.people.mother, "scope": f"openid {SCOPE}"} | changes),
    )
    async with unit_of_work(portal_oauth.sessions) as session:
        await insert_token(session, facts)
    claims = build_token_claims(facts) | {"iss": ISSUER, "aud": AUDIENCE}
    return portal_oauth.service.state.services.keyring.sign_jwt(claims, typ="at+jwt")


async def ask(portal_oauth, token: str, path: str = CONSENTS_URL, method: str = "GET"):
    return await portal_oauth.connection().request(method, path, headers={"Authorization": f"Bearer {token}"})


async def test_citizen_lists_own_consents_and_those_of_her_helper(portal_oauth):
    mine = await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, client_name="Brievenlezer"), own=True
    )
    portal_oauth.later(minutes=1)
    his = await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, client_name="Zorgassistent")
    )
    answer = await ask(portal_oauth, await token_of(portal_oauth))
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["toestemmingen"]
    assert (first["app"], first["doorHelper"], first["machtigingId"]) == ("Zorgassistent", True, str(his.machtiging.id))
    assert (second["app"], second["doorHelper"], "machtigingId" in second) == ("Brievenlezer", False, False)
    assert second["toestemmingId"] == str(mine.grant_id)
    assert first["handelingen"] == ["lijst", "lezen", "downloaden"]
    assert answer.json()["_links"]["self"]["href"].endswith(CONSENTS_URL)
    assert "Bram" not in answer.text  # the helper's name is not released to the app


async def test_listed_consent_names_its_resource_unless_it_is_this_service(portal_oauth):
    await make_refresh_token_holder(portal_oauth, own=True)
    portal_oauth.later(minutes=1)
    await portal_oauth.add(make_server_metadata(), SERVICE_KEYS)
    await set_grant_resource(await make_refresh_token_holder(portal_oauth, own=True), HUIS)
    there, here = (await ask(portal_oauth, await token_of(portal_oauth))).json()["toestemmingen"]
    assert (there["resource"], there["resourceNaam"]) == (HUIS, "Huisdienst")
    assert not {"resource", "resourceNaam"} & here.keys()


async def test_citizen_ends_consent_of_her_helper_at_once(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    token = await token_of(portal_oauth)
    assert (await ask(portal_oauth, token, f"{CONSENTS_URL}/{holder.grant_id}", "DELETE")).status_code == 204
    assert not await holder.active(holder.access)
    assert (await holder.refresh()).status_code == 400
    [line] = await portal_oauth.lines("grant:beeindigd")
    assert (line.actor_id, line.capacity, line.facts) == (
        portal_oauth.committed.people.mother,
        "self",
        {"via": "leesapp"},
    )
    again = await ask(portal_oauth, token, f"{CONSENTS_URL}/{holder.grant_id}", "DELETE")
    assert (again.status_code, again.json()["code"]) == (404, "toestemming_onbekend")
    assert await NOTIFICATIONS.count(portal_oauth, kind="app_gestopt_door_gever") == 1


async def test_idor_consent_of_another_person_looks_like_unknown_consent(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth, own=True)
    token = await token_of(portal_oauth, person_id=portal_oauth.committed.people.son)
    answers = [
        await ask(portal_oauth, token, f"{CONSENTS_URL}/{it}", "DELETE") for it in (holder.grant_id, uuid4(), "x")
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "toestemming_onbekend")}
    assert await holder.ended() is None


async def test_consent_api_without_scope_returns_403(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    for scope in ("openid", "", "toestemmingen"):
        token = await token_of(portal_oauth, scope=scope)
        for path, method in ((CONSENTS_URL, "GET"), (f"{CONSENTS_URL}/{holder.grant_id}", "DELETE")):
            answer = await ask(portal_oauth, token, path, method)
            assert (answer.status_code, answer.json()["code"]) == (403, "token_voor_ander_gebruik"), scope
    assert await holder.ended() is None


async def test_consent_api_with_helper_token_returns_403(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    token = await token_of(
        portal_oauth, person_id=portal_oauth.committed.people.son, machtiging_id=holder.machtiging.id
    )
    assert (await ask(portal_oauth, token)).status_code == 403


async def test_consent_api_with_agency_token_or_none_is_rejected(portal_oauth):
    agency = await token_of(portal_oauth, person_id=None, oin="00000099000000001000", acts=frozenset())
    assert (await ask(portal_oauth, agency)).status_code == 403
    answer = await portal_oauth.connection().get(CONSENTS_URL)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ontbreekt")


async def test_citizen_ends_the_consent_of_the_app_in_use(portal_oauth):
    holder = await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, scope=f"openid {SCOPE}"), own=True
    )
    token = await token_of(portal_oauth, client_id=holder.app.client_id, grant_id=holder.grant_id)
    assert (await ask(portal_oauth, token, f"{CONSENTS_URL}/{holder.grant_id}", "DELETE")).status_code == 204
    answer = await ask(portal_oauth, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")


async def test_consent_page_explains_the_manage_scope(oauth):
    app = await oauth.register_reading_app(scope=f"openid {SCOPE}")
    flow = Flow(app, await oauth.logged_in("vertegenwoordigde"), make_authorization_details())
    page = await flow.authorize(await flow.pushed(scope=f"openid {SCOPE}"))
    assert "zien welke andere apps bij uw post kunnen, en die apps stoppen" in page.text
    plain = await flow.authorize(await flow.pushed(scope="openid"))
    assert "die apps stoppen" not in plain.text


async def test_manage_scope_under_machtiging_returns_invalid_scope(oauth):
    app = await oauth.register_reading_app(scope=f"openid {SCOPE}")
    response = await (await oauth.request(app)).push(scope=f"openid {SCOPE}")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_prompt_none_with_manage_scope_returns_consent_required(oauth):
    app = await oauth.register_reading_app(scope=f"openid {SCOPE}")
    flow = Flow(app, await oauth.logged_in("vertegenwoordigde"), None)
    await flow.tokens(scope="openid")
    asked = await flow.authorize(await flow.pushed(scope=f"openid {SCOPE}", prompt="none"))
    assert "error=consent_required" in asked.headers["location"]
    plain = await flow.authorize(await flow.pushed(scope="openid", prompt="none"))
    assert "code=" in plain.headers["location"]


async def test_consent_page_of_refreshing_app_says_how_long_access_lasts(oauth):
    asks = replace(await oauth.start_flow(await register_refreshing_app(oauth)), asks=make_authorization_details())
    page = await asks.authorize(await asks.pushed(), voor=OWN_BOX_KEY)
    assert "Hoogstens 24 uur" in page.text
    assert "10 minuten" not in page.text


async def test_ciba_consent_before_its_poll_is_listed_and_can_be_ended(portal_oauth):
    app = await portal_oauth.add(make_ciba_desk_metadata(keys := make_client_keys()), keys)
    grant_id, reference = uuid4(), generate_token()
    people, at = portal_oauth.committed.people, portal_oauth.clock.now()
    asked = {"hash": sha256_digest(reference), "app": app.client_id, "who": people.mother, "grant": grant_id, "at": at}
    async with unit_of_work(portal_oauth.sessions) as session:
        await insert_grant(session, app.client_id, people.mother, None, at=at, id=grant_id)
        await session.execute(SAID_YES, asked | {"until": at + timedelta(minutes=5)})
        await seal_rows(session)
    token = await token_of(portal_oauth)
    [one_app] = (await ask(portal_oauth, token)).json()["toestemmingen"]
    assert (one_app["toestemmingId"], one_app["app"]) == (str(grant_id), "Bibliotheek Oost")
    assert (await ask(portal_oauth, token, f"{CONSENTS_URL}/{grant_id}", "DELETE")).status_code == 204
    fetched = await app.post("/token", {"grant_type": CIBA, "auth_req_id": reference})
    assert (fetched.status_code, fetched.json()["error"]) == (400, "invalid_grant")
