"""The page "Apps met toegang". Apps that can read the citizen's post, through whom, and how to stop them."""

from uuid import uuid4

import pytest

from machtiging.delegation.pause import pause_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER
from tests.builders.rows import NOTIFICATIONS
from tests.builders.tokens import (
    HUIS,
    SERVICE_KEYS,
    make_refresh_token_holder,
    make_server_metadata,
    register_refreshing_app,
    set_grant_resource,
)

APPS = ISSUER + "/apps"


async def stop(browser, holder, *, expect: int = 200):
    asked = await browser.open_page(f"{APPS}/{holder.grant_id}/stoppen")
    return await browser.submit_form(asked.find_form("/stoppen"), {}, expected_status=expect)


async def test_apps_page_without_apps_says_so(portal):
    told = (await (await portal.mother()).open_page(APPS)).text
    assert "Geen enkele app heeft nu toegang die u zelf gaf" in told
    assert "Geen enkele helper leest uw brieven nu met een app" in told


async def test_apps_page_shows_own_apps_and_those_of_her_helper(portal, portal_oauth):
    await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, client_name="Brievenlezer"), own=True
    )
    await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, client_name="Zorgassistent")
    )
    own, helped = (await (await portal.mother()).open_page(APPS)).text.split("Apps waarmee een helper")
    assert "Brievenlezer" in own
    assert "Deze app kan bij uw eigen brieven" in own
    assert "Zorgassistent" not in own
    assert "Zorgassistent" in helped
    assert "leest uw brieven met deze app" in helped
    assert "Brievenlezer" not in helped


async def test_apps_page_names_the_resource_to_both(portal, portal_oauth):
    await portal_oauth.add(make_server_metadata(), SERVICE_KEYS)
    await set_grant_resource(await make_refresh_token_holder(portal_oauth), HUIS)
    for person in (await portal.mother(), await portal.son()):
        told = (await person.open_page(APPS)).text
        assert f"Bij wie: Huisdienst ({HUIS})" in told


async def test_apps_page_names_unregistered_resource_by_its_address(portal, portal_oauth):
    await set_grant_resource(await make_refresh_token_holder(portal_oauth, own=True), HUIS)
    assert f"Bij wie: {HUIS}" in (await (await portal.mother()).open_page(APPS)).text


async def test_apps_page_for_own_berichtenbox_names_no_resource(portal, portal_oauth):
    await make_refresh_token_holder(portal_oauth, own=True)
    assert "Bij wie" not in (await (await portal.mother()).open_page(APPS)).text


async def test_apps_page_of_helper_hides_her_own_apps(portal, portal_oauth):
    await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, client_name="Brievenlezer"), own=True
    )
    await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, client_name="Zorgassistent")
    )
    own, helped = (await (await portal.son()).open_page(APPS)).text.split("Apps waarmee een helper")
    assert "Met deze app leest u brieven van" in own
    assert "Zorgassistent" in own
    assert "Brievenlezer" not in own + helped


@pytest.mark.parametrize("who", ["mother", "son"])
async def test_app_stopped_by_giver_or_helper_loses_access_at_once(portal, portal_oauth, who):
    holder = await make_refresh_token_holder(portal_oauth)
    assert await holder.active(holder.access)
    told = await stop(await getattr(portal, who)(), holder)
    assert "U heeft de toegang gestopt" in told.text
    assert "Leesapp" not in told.text.split("Apps die u zelf toegang gaf")[1]
    assert not await holder.active(holder.access)
    assert (await holder.refresh()).status_code == 400
    answer = await holder.app.http.get("/api/v1/berichten", headers={"Authorization": f"Bearer {holder.access}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")


@pytest.mark.parametrize(
    ("who", "capacity", "kinds"),
    [
        ("mother", "self", {"mother": "app_gestopt_door_u", "son": "app_gestopt_door_gever"}),
        ("son", "relative", {"son": "app_gestopt_door_u"}),
    ],
)
async def test_app_stopped_is_journalled_and_both_are_notified(portal, portal_oauth, who, capacity, kinds):
    holder = await make_refresh_token_holder(portal_oauth)
    await stop(await getattr(portal, who)(), holder)
    [line] = await portal_oauth.lines("grant:beeindigd")
    assert (line.actor_id, line.capacity, line.reason) == (
        getattr(portal.people, who),
        capacity,
        "toestemming_beeindigd",
    )
    assert line.for_person_id == portal.people.mother
    async with unit_of_work(portal_oauth.sessions) as session:
        rows = await NOTIFICATIONS.read(session, "person_id", "kind", NOTIFICATIONS.c.kind.like("app_%"))
        assert dict(rows) == {getattr(portal.people, name): kind for name, kind in kinds.items()}


async def test_app_stop_page_asks_for_confirmation(portal, portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    asked = await (await portal.mother()).open_page(f"{APPS}/{holder.grant_id}/stoppen")
    assert "mag uw brieven nog wel lezen" in asked.text
    assert "weer toegang geven" in asked.text
    assert f"/helpers/{holder.machtiging.id}" in str(asked.links)
    assert await holder.ended() is None


async def test_app_stopped_twice_is_notified_once(portal, portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    browser = await portal.mother()
    form = (await browser.open_page(f"{APPS}/{holder.grant_id}/stoppen")).find_form("/stoppen")
    await browser.submit_form(form, {})
    again = await browser.submit_form(form, {})
    assert "Deze app heeft geen toegang meer" in again.text
    assert await NOTIFICATIONS.count(portal_oauth, kind="app_gestopt_door_u") == 1
    asked = await browser.open_page(f"{APPS}/{holder.grant_id}/stoppen")
    assert "Deze app heeft geen toegang meer" in asked.text


async def test_csrf_app_stop_without_token_is_rejected(portal, portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    browser = await portal.mother()
    form = (await browser.open_page(f"{APPS}/{holder.grant_id}/stoppen")).find_form("/stoppen")
    await browser.submit_form(form, {"csrf": "x"}, expected_status=403)
    assert await holder.ended() is None


async def test_idor_app_stop_of_another_person_looks_like_unknown_consent(portal, portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth, own=True)
    browser = await portal.son()
    answers = []
    for consent in (holder.grant_id, uuid4()):
        shown = await browser.open_page(f"{APPS}/{consent}/stoppen")
        form = (await (await portal.mother()).open_page(f"{APPS}/{holder.grant_id}/stoppen")).find_form("/stoppen")
        own = (await browser.open_page(APPS)).find_form("/uitloggen").values["csrf"]
        target = type(form)(f"/apps/{consent}/stoppen", form.method, dict(form.values))
        refused = await browser.submit_form(target, {"csrf": own}, expected_status=404)
        answers.append((shown.text, refused.text.split("dit nummer:")[0]))
    assert answers[0] == answers[1]
    assert await holder.ended() is None


async def test_apps_page_without_session_redirects_to_login(portal):
    answer = await portal.http.get(APPS, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/inloggen?terug=/apps")


async def test_apps_page_hides_expired_consents(portal, portal_oauth):
    first = await make_refresh_token_holder(portal_oauth, own=True)
    assert "Leesapp" in (await (await portal.mother()).open_page(APPS)).text
    portal_oauth.later(hours=6)
    assert "Leesapp" not in (await (await portal.mother()).open_page(APPS)).text
    assert await first.ended() is None


async def test_apps_page_shows_the_longest_refreshable_expiry(portal, portal_oauth):
    await make_refresh_token_holder(portal_oauth, own=True)
    assert "Geldt tot 24 november 2026 om 13:00 uur" in (await (await portal.mother()).open_page(APPS)).text


async def test_app_without_refresh_token_is_listed_until_token_expiry(portal, portal_oauth):
    await make_refresh_token_holder(
        portal_oauth, await portal_oauth.register_reading_app(client_name="Kortelezer"), own=True
    )
    assert "Kortelezer" in (await (await portal.mother()).open_page(APPS)).text
    portal_oauth.later(minutes=16)
    assert "Kortelezer" not in (await (await portal.mother()).open_page(APPS)).text


async def test_apps_page_tells_that_the_machtiging_is_paused(portal, portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    await holder.change(pause_machtiging)
    for person in (await portal.mother(), await portal.son()):
        assert "Op pauze De app kan er nu niet bij." in (await person.open_page(APPS)).text


async def test_machtiging_revoked_hides_the_app_of_the_helper(portal, portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    browser = await portal.mother()
    form = (await browser.open_page(f"{ISSUER}/helpers/{holder.machtiging.id}/intrekken")).find_form("/intrekken")
    await browser.submit_form(form, {})
    assert await holder.ended() == "intrekken"
    assert (await holder.refresh()).status_code == 400
    assert "Leesapp" not in (await browser.open_page(APPS)).text


async def test_app_name_is_escaped(portal, portal_oauth):
    await make_refresh_token_holder(
        portal_oauth, await register_refreshing_app(portal_oauth, client_name="Lees & Co"), own=True
    )
    assert "Lees &amp; Co" in (await portal.http.get(APPS, headers=await cookies(portal))).text


async def cookies(portal):
    browser = await portal.mother()
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())}
