"""Approval pages of CIBA requests. By the citizen only, once, before expiry, with enough assurance; CSRF."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import text

from machtiging.delegation import termination
from machtiging.delegation.rules import Act
from machtiging.identity import session as sessions
from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotAuthenticated
from machtiging.oauth.ciba.decision import BackchannelDecision, decide_backchannel_request
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import MESSAGE, read_binding_message, register_ciba_desk
from tests.builders.client import make_authorization_details
from tests.builders.people import ISSUER
from tests.builders.rows import GRANTS, MELDCODES, NOTIFICATIONS

LOW, HIGH = (f"http://eidas.europa.eu/LoA/{word}" for word in ("low", "high"))


async def test_approval_page_shows_app_request_and_binding_message(ciba_desk) -> None:
    await ciba_desk.start_request(authorization_details=make_authorization_details(None, "lijst", "lezen"))
    page = await (await ciba_desk.citizen()).get("/verzoeken")
    assert page.status_code == 200
    assert read_binding_message(page.text) == MESSAGE
    for words in (
        "Mag Bibliotheek Oost uw eigen post zien?",
        "brieven lezen",
        "10 minuten",
        "krijgt uw naam en BSN niet",
    ):
        assert words in page.text
    assert "bijlagen opslaan" not in page.text
    assert re.findall(r"<script[^>]*>[^<]", page.text) == []
    assert page.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_approval_of_openid_scope_only_issues_id_token(ciba_desk) -> None:
    request = await ciba_desk.start_request(authorization_details=None)
    page = await (await ciba_desk.citizen()).get("/verzoeken")
    assert "alleen wie u bent" in page.text
    tokens = await ciba_desk.tokens(request)
    assert "authorization_details" not in tokens
    assert tokens["scope"] == "openid"


async def test_approval_page_without_login_redirects_to_login(ciba_desk) -> None:
    browser = ciba_desk.oauth.world.browser()
    for path in ("/verzoeken", "/aan-de-balie"):
        response = await browser.get(path)
        assert response.status_code == 303
        assert response.headers["location"].startswith("/inloggen?terug=")
    await browser.http.aclose()


async def test_approval_is_journalled_as_hers(ciba_desk) -> None:
    await ciba_desk.start_request()
    response = await ciba_desk.answers(await ciba_desk.citizen())
    assert response.headers["location"] == "/verzoeken?gedaan=akkoord"
    (line,) = await ciba_desk.oauth.lines("grant:verleend")
    assert (line.reason, line.actor_id, line.client_id) == (
        "toestemming_gegeven",
        ciba_desk.mother,
        ciba_desk.app.client_id,
    )
    assert line.facts == {"balie": True}


@pytest.mark.parametrize(
    ("decision", "reason", "facts"),
    [("weigeren", "geweigerd_door_gebruiker", {}), ("niet_gevraagd", "niet_zelf_gevraagd", {"verdacht": True})],
)
async def test_denial_is_journalled_and_unrequested_one_as_suspicious(ciba_desk, decision, reason, facts) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    await ciba_desk.answers(browser, decision)
    (line,) = await ciba_desk.oauth.lines("grant:geweigerd")
    assert (line.reason, line.facts, line.outcome) == (reason, facts, "refused")
    assert await ciba_desk.hears(request) == "access_denied"
    assert await GRANTS.count(ciba_desk.oauth) == 0
    assert "Er wacht nu geen vraag" in (await browser.get("/verzoeken")).text


async def test_approval_result_is_shown_only_for_a_real_decision(ciba_desk) -> None:
    browser = await ciba_desk.citizen()
    assert "U heeft nee gezegd" not in (await browser.get("/verzoeken?gedaan=weigeren")).text
    await ciba_desk.start_request()
    await ciba_desk.answers(browser, "weigeren")
    assert "U heeft nee gezegd" in (await browser.get("/verzoeken?gedaan=weigeren")).text
    assert "De balie kan" not in (await browser.get("/verzoeken?gedaan=akkoord")).text
    assert "kwaad" not in (await browser.get("/verzoeken?gedaan=kwaad")).text.split("<main")[1]


async def test_approval_in_session_just_ended_is_rejected(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    services, at = ciba_desk.oauth.service.state.services, ciba_desk.oauth.clock.now()
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        token = browser.http.cookies[sessions.SESSION_COOKIE]
        visitor = await sessions.authenticate_session(session, services.keyring, token, services.session_limits, at=at)
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await sessions.end_session(session, token, at=at)
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        handler, request_id = services.details_handler, form["verzoek"]
        with pytest.raises(NotAuthenticated, match="niet_ingelogd"):
            await decide_backchannel_request(session, handler, visitor, request_id, BackchannelDecision.APPROVE, at=at)
    assert await GRANTS.count(ciba_desk.oauth) == 0
    assert await ciba_desk.hears(request) == "authorization_pending"


async def test_approval_sent_twice_creates_one_grant(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = {**await ciba_desk.form_of(browser), "besluit": "akkoord"}
    for _ in range(2):
        assert (await browser.post("/verzoeken", form)).status_code == 303
    assert (await ciba_desk.polls(request)).status_code == 200
    assert (await browser.post("/verzoeken", form)).status_code == 303
    assert await GRANTS.count(ciba_desk.oauth) == 1
    assert await ciba_desk.hears(request) == "invalid_grant"


async def test_concurrent_decisions_are_recorded_once(ciba_desk) -> None:
    await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    decisions = ["akkoord", "weigeren"] * 3
    answers = await asyncio.gather(*(browser.post("/verzoeken", {**form, "besluit": each}) for each in decisions))
    codes = [each.status_code for each in answers]
    assert sorted(codes) == [303] * 3 + [409] * 3
    (row,) = await ciba_desk.rows()
    assert row.state in ("approved", "denied")
    assert await GRANTS.count(ciba_desk.oauth) == (row.state == "approved")


@pytest.mark.parametrize(("first", "then"), [("akkoord", "weigeren"), ("niet_gevraagd", "akkoord")])
async def test_decision_cannot_be_changed(ciba_desk, first, then) -> None:
    await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    await browser.post("/verzoeken", {**form, "besluit": first})
    response = await browser.post("/verzoeken", {**form, "besluit": then})
    assert response.status_code == 409
    assert await ciba_desk.reasons("verzoek:geweigerd") == ["al_besloten"]


async def test_idor_approval_by_another_person_is_rejected(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    hers = await ciba_desk.form_of(await ciba_desk.citizen())
    son = await ciba_desk.citizen(ciba_desk.son)
    assert "Mag Bibliotheek Oost" not in (await son.get("/verzoeken")).text
    own = await ciba_desk.start_request(
        await ciba_desk.create_meldcode(ciba_desk.son), authorization_details=None, binding_message="ander"
    )
    csrf = (await ciba_desk.form_of(son))["csrf"]
    for decision in ("akkoord", "weigeren", "niet_gevraagd"):
        response = await son.post("/verzoeken", {**hers, "csrf": csrf, "besluit": decision})
        unknown = await son.post("/verzoeken", {**hers, "verzoek": "0" * 64, "csrf": csrf, "besluit": decision})
        assert response.status_code == unknown.status_code == 404
    assert await ciba_desk.hears(request) == "authorization_pending"
    assert await ciba_desk.hears(own) == "authorization_pending"
    assert set(await ciba_desk.reasons("verzoek:geweigerd")) == {"verzoek_onbekend"}


async def test_approval_form_id_used_as_auth_req_id_is_rejected(ciba_desk) -> None:
    await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    await browser.post("/verzoeken", {**form, "besluit": "akkoord"})
    assert await ciba_desk.hears(form["verzoek"]) == "invalid_grant"


async def test_csrf_approval_from_other_site_is_rejected(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = {**await ciba_desk.form_of(browser), "besluit": "akkoord"}
    for headers in ({"Origin": "https://kwaad.example"}, {"Origin": ISSUER, "Sec-Fetch-Site": "cross-site"}, {}):
        assert (await browser.post("/verzoeken", form, headers=headers)).status_code == 403, headers
        assert (await browser.post("/aan-de-balie", form, headers=headers)).status_code == 403, headers
    assert await ciba_desk.hears(request) == "authorization_pending"


async def test_csrf_approval_without_session_token_is_rejected(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    for token in (None, "", "x" * 43):
        form = {**await ciba_desk.form_of(browser), "besluit": "akkoord", "csrf": token}
        sent = {name: value for name, value in form.items() if value is not None}
        assert (await browser.post("/verzoeken", sent)).status_code == 403, token
        assert (await browser.post("/aan-de-balie", sent)).status_code == 403, token
    assert await ciba_desk.hears(request) == "authorization_pending"


async def test_approval_by_get_decides_nothing(ciba_desk) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    await browser.get("/verzoeken", params={**form, "besluit": "akkoord"})
    assert await ciba_desk.hears(request) == "authorization_pending"


NOT_OURS = [
    {"besluit": "ja"},
    {"besluit": ""},
    {"verzoek": "x"},
    {"verzoek": ""},
    {"verzoek": "A" * 64},
    {"verzoek": "0" * 65},
]


async def test_approval_form_tampered_is_rejected(ciba_desk) -> None:
    await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    for changes in NOT_OURS:
        form = {**await ciba_desk.form_of(browser), "besluit": "akkoord", **changes}
        assert (await browser.post("/verzoeken", form)).status_code == 400, changes
    assert [row.state for row in await ciba_desk.rows()] == ["pending"]


@pytest.mark.parametrize("decision", ["akkoord", "weigeren"])
async def test_approval_after_expiry_is_rejected(ciba_desk, decision) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    ciba_desk.oauth.later(minutes=5)
    response = await browser.post("/verzoeken", {**form, "besluit": decision})
    assert response.status_code == 409
    assert "verlopen" in response.text
    assert await GRANTS.count(ciba_desk.oauth) == 0
    assert await ciba_desk.hears(request) == "expired_token"


async def test_approval_with_low_assurance_offers_step_up_and_is_rejected(ciba_desk) -> None:
    request = await ciba_desk.start_request(acr_values=HIGH)
    browser = await ciba_desk.citizen()
    page = await browser.get("/verzoeken")
    assert 'href="/inloggen?terug=/verzoeken&amp;niveau=hoog"' in page.text
    assert 'value="akkoord"' not in page.text
    sent_on = await ciba_desk.answers(browser)
    # A link: browsers do not follow a form to the login (form-action).
    assert sent_on.status_code == 401
    assert 'href="/inloggen?terug=/verzoeken&amp;niveau=hoog"' in sent_on.text
    assert await GRANTS.count(ciba_desk.oauth) == 0
    assert await ciba_desk.hears(request) == "authorization_pending"
    assert (await ciba_desk.answers(await ciba_desk.citizen(assurance=Assurance.HIGH))).status_code == 303
    assert (await ciba_desk.polls(request)).status_code == 200


async def test_approval_with_one_of_several_acr_values_is_accepted(ciba_desk) -> None:
    await ciba_desk.start_request(acr_values=f"{HIGH} {LOW}")
    assert (await ciba_desk.answers(await ciba_desk.citizen())).status_code == 303


async def test_approval_under_machtiging_with_low_assurance_is_denied_without_step_up(ciba_desk) -> None:
    held = await ciba_desk.oauth.grant_machtiging()
    code = await ciba_desk.create_meldcode(ciba_desk.son)
    request = await ciba_desk.start_request(
        code, acr_values=HIGH, authorization_details=make_authorization_details(held.id)
    )
    browser = await ciba_desk.citizen(ciba_desk.son, Assurance.HIGH)
    page = await browser.get("/verzoeken")
    assert "/inloggen?terug=/verzoeken" not in page.text
    assert "geen ja op zeggen" in page.text
    assert (await ciba_desk.answers(browser)).status_code == 409
    assert await ciba_desk.hears(request) == "access_denied"


async def test_approval_under_ended_machtiging_is_rejected(ciba_desk) -> None:
    held = await ciba_desk.oauth.grant_machtiging()
    request = await ciba_desk.start_request(
        await ciba_desk.create_meldcode(ciba_desk.son), authorization_details=make_authorization_details(held.id)
    )
    browser = await ciba_desk.citizen(ciba_desk.son)
    form = await ciba_desk.form_of(browser)
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await termination.revoke_machtiging(session, held.id, ciba_desk.mother, at=ciba_desk.oauth.clock.now())
    assert (await browser.post("/verzoeken", {**form, "besluit": "akkoord"})).status_code == 409
    assert await GRANTS.count(ciba_desk.oauth) == 0
    assert await ciba_desk.hears(request) == "access_denied"


async def test_approval_for_app_not_participating_is_hidden_and_rejected(ciba_desk) -> None:
    await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    async with unit_of_work(ciba_desk.oauth.sessions) as session:  # only its state changes, the request row stays
        await session.execute(text("UPDATE oauth_client SET state = 'suspended'"))
    assert "Er wacht nu geen vraag" in (await browser.get("/verzoeken")).text
    assert (await browser.post("/verzoeken", {**form, "besluit": "akkoord"})).status_code == 409
    assert await GRANTS.count(ciba_desk.oauth) == 0


async def test_approval_page_names_actions_that_the_machtiging_does_not_give(ciba_desk) -> None:
    held = await ciba_desk.oauth.grant_machtiging(acts=frozenset({Act.LIST, Act.READ}))
    request = await ciba_desk.start_request(
        await ciba_desk.create_meldcode(ciba_desk.son),
        authorization_details=make_authorization_details(held.id, "lezen", "downloaden"),
    )
    browser = await ciba_desk.citizen(ciba_desk.son)
    assert (
        "bijlagen opslaan. Dat krijgt de app niet: het staat niet in uw machtiging."
        in (await browser.get("/verzoeken")).text
    )
    await ciba_desk.answers(browser)
    assert (await ciba_desk.polls(request)).json()["authorization_details"][0]["actions"] == ["lezen"]


async def test_concurrent_requests_of_two_counters_are_decided_separately(ciba_desk) -> None:
    other = await register_ciba_desk(ciba_desk.oauth, client_name="Gemeente West")
    first = await ciba_desk.start_request()
    ciba_desk.oauth.later(seconds=1)
    second = await other.start_request(await ciba_desk.create_meldcode())
    browser = await ciba_desk.citizen()
    page = (await browser.get("/verzoeken")).text
    assert page.index("Bibliotheek Oost") < page.index("Gemeente West")
    await ciba_desk.answers(browser, "weigeren")
    await ciba_desk.answers(browser)
    assert await ciba_desk.hears(first) == "access_denied"
    assert (await other.polls(second)).status_code == 200


async def test_meldcode_is_shown_once_with_a_warning_and_replaces_the_last(ciba_desk) -> None:
    browser = await ciba_desk.citizen()
    page = await browser.get("/aan-de-balie")
    assert "Hang op" in page.text
    csrf = page.text.split('action="/aan-de-balie"')[1].split('value="')[1].split('"')[0]
    codes = []
    for _ in range(2):
        shown = await browser.post("/aan-de-balie", {"csrf": csrf})
        assert "Hang op" in shown.text
        codes.append(shown.text.split('<output class="m-code">')[1].split("<")[0])
    assert codes[0] not in (await browser.get("/aan-de-balie")).text
    assert all(len(code) == 9 and code[4] == "-" for code in codes)
    await ciba_desk.start_request(codes[0])
    await ciba_desk.start_request(codes[1])
    assert [row.person_id for row in await ciba_desk.rows()] == [None, ciba_desk.mother]
    assert await MELDCODES.count(ciba_desk.oauth) == 1


async def test_notification_mail_names_neither_app_nor_request(ciba_desk) -> None:
    await ciba_desk.start_request()
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        facts = await NOTIFICATIONS.read_column(session, "facts", kind="verzoek_wacht", person_id=ciba_desk.mother)
    assert facts == [{}]


@pytest.mark.whole
async def test_ciba_flow_with_real_logins_ends_in_userinfo(ciba_desk) -> None:
    """Login at the broker, meldcode, approval, poll and userinfo."""
    browser = await ciba_desk.oauth.logged_in("vertegenwoordigde")
    page = await browser.get("/aan-de-balie")
    csrf = page.text.split('action="/aan-de-balie"')[1].split('value="')[1].split('"')[0]
    shown = await browser.post("/aan-de-balie", {"csrf": csrf})
    code = shown.text.split('<output class="m-code">')[1].split("<")[0]
    request = await ciba_desk.start_request(code)
    bystander = await ciba_desk.oauth.logged_in("naaste")
    assert "Er wacht nu geen vraag" in (await bystander.get("/verzoeken")).text
    assert await ciba_desk.hears(request) == "authorization_pending"
    assert (await ciba_desk.answers(browser)).status_code == 303
    ciba_desk.oauth.later(seconds=5)
    tokens = (await ciba_desk.polls(request)).json()
    known = (await ciba_desk.app.post("/introspect", {"token": tokens["access_token"]})).json()
    assert known["active"] is True
    http = ciba_desk.oauth.connection()
    told = await http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert told.json()["sub"] == known["sub"]


@pytest.mark.parametrize("decision", ["akkoord", "weigeren", "niet_gevraagd"])
async def test_decision_sent_after_session_end_is_accepted_only_after_login(ciba_desk, decision) -> None:
    request = await ciba_desk.start_request()
    browser = await ciba_desk.citizen()
    form = await ciba_desk.form_of(browser)
    async with unit_of_work(ciba_desk.oauth.sessions) as session:
        await session.execute(text("UPDATE login_session SET ended_at = created_at"))
    away = await browser.post("/verzoeken", {**form, "besluit": decision})
    assert away.status_code == 401
    assert 'href="/inloggen?terug=/verzoeken&amp;niveau=substantieel"' in away.text
    assert await ciba_desk.hears(request) == "authorization_pending"
    ciba_desk.oauth.later(seconds=1)
    fresh = await ciba_desk.citizen()
    browser.http.cookies.set(SESSION_COOKIE, fresh.token)
    assert "Wat u wilde doen, is nog niet gedaan." in (await browser.get("/verzoeken")).text
    assert (await ciba_desk.answers(browser, decision)).status_code == 303
