"""Forms sent after the session ended are kept and given back once after login."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from machtiging.cli.demo.html import HtmlForm
from machtiging.crypto.secrets import sha256_digest
from machtiging.identity import form_recovery
from machtiging.identity import session as sessions
from machtiging.identity.session_end import end_all_sessions, expire_session_batch
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.framework_internals import list_routes
from tests.architecture.test_doors import doors_of
from tests.builders.people import ISSUER
from tests.builders.portal import (
    ACCEPT,
    CHECK,
    OFFER,
    accept_code,
    assemble_service,
    enter_code,
    fill_offer,
    make_offer,
    make_step_form,
)
from tests.builders.rows import SAVED_FORMS
from tests.protocol.portal.form_routes import OF_PROGRAMS, OF_SCRIPTS, PAGE_OF, SOME_ID, WITHOUT_A_SESSION

EXPIRED_NOTICE = "U was te lang weg. Er is niets veranderd."
RESUMED_NOTICE = "U bent weer ingelogd."


def roles_for(path):
    """The roles of the login that may send this form."""
    if path.startswith("/beheer/dossiers"):
        return frozenset({"auditor"})
    return frozenset({"beheerder"}) if path.startswith("/beheer") else frozenset()


def posted_routes():
    routes = [route for _, route in list_routes(assemble_service())]
    return [route for route in routes if isinstance(route, APIRoute) and "POST" in (route.methods or ())]


def test_every_portal_form_uses_the_guard_that_keeps_it():
    behind_the_door = {
        route.path for route in posted_routes() if doors_of(route)[0] in {"Citizen", "Operator", "Overseer"}
    } - OF_SCRIPTS
    assert behind_the_door == set(PAGE_OF)
    others = OF_PROGRAMS | WITHOUT_A_SESSION | OF_SCRIPTS
    assert {route.path for route in posted_routes()} - behind_the_door == others


async def _idle(portal, browser):
    portal.clock.advance(portal.app.state.services.session_limits.idle_timeout)


async def _absolute(portal, browser):
    portal.clock.advance(portal.app.state.services.session_limits.absolute_timeout)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await expire_session_batch(session, portal.app.state.services.session_limits, limit=99, at=portal.clock.now())


async def _next_morning(portal, browser):
    await _absolute(portal, browser)
    portal.clock.advance(timedelta(hours=8))
    await portal.mother()  # any login runs the cleanup


async def _operator(portal, browser):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await end_all_sessions(session, portal.people.mother, at=portal.clock.now())


async def _other_tab(portal, browser):
    here = HtmlForm(
        "/uitloggen", "post", {"csrf": (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]}
    )
    await browser.submit_form(here, {})
    assert sessions.SESSION_COOKIE not in browser.cookies[ISSUER]


async def _cookie_lost(portal, browser):
    browser.cookies[ISSUER].clear()


SESSION_ENDINGS = {
    "idle": _idle,
    "absolute": _absolute,
    "the next morning": _next_morning,
    "ended by an operator": _operator,
    "logged out in another tab": _other_tab,
    "the cookie is gone": _cookie_lost,
}


async def csrf_of(browser) -> str:
    return (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]


async def log_in(portal, browser, person, roles=frozenset()) -> None:
    """Log in again in the same browser, keeping its other cookies."""
    fresh = await portal.browser_of(person, roles=roles)
    browser.cookies[ISSUER][sessions.SESSION_COOKIE] = fresh.cookies[ISSUER][sessions.SESSION_COOKIE]


def read_return_path(page) -> str:
    """The return URL shared by all login links of the page."""
    (link,) = {href for href, _ in page.links if href.startswith("/inloggen")}
    return parse_qs(urlsplit(link).query)["terug"][0]


async def form_rows(portal):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        return await SAVED_FORMS.read(session, order_by="created_at")


async def press(browser, path: str, values, *, expect: int):
    return await browser.submit_form(HtmlForm(ISSUER + path, "post", {}), values, expected_status=expect)


def with_id(path: str) -> str:
    return re.sub(r"\{[A-Za-z_]+\}", SOME_ID, path.replace("{stap}", "wie"))


@pytest.mark.parametrize("path", sorted(PAGE_OF))
@pytest.mark.parametrize("over", sorted(SESSION_ENDINGS))
async def test_form_after_session_end_is_kept(portal, path, over):
    browser = await portal.mother()
    values = {
        "csrf": await csrf_of(browser),
        "doel": "Post van mevrouw",
        "request_uri": "urn:x",
        "client_id": "y",
    }
    await SESSION_ENDINGS[over](portal, browser)
    page = await press(browser, with_id(path), values, expect=401)
    assert EXPIRED_NOTICE in page.text
    assert urlsplit(read_return_path(page)).path == PAGE_OF[path]
    assert "vrouw" not in read_return_path(page)
    (row,) = await form_rows(portal)
    assert (row.page_hash, row.person_id) == (sha256_digest(read_return_path(page)), portal.people.mother)
    assert b"vrouw" not in row.sealed
    await log_in(portal, browser, portal.people.mother)
    response = await browser._send_request("GET", ISSUER + read_return_path(page), None)
    # the pushed request is gone: the kept form just expires
    assert await form_rows(portal) == [] or path == "/authorize"
    assert response.is_redirect or response.status_code in {400, 404} or RESUMED_NOTICE in response.text


async def test_consent_form_after_session_end_leads_back_to_the_same_choice(portal):
    browser = await portal.mother()
    values = {"csrf": await csrf_of(browser), "client_id": "y", "request_uri": "urn:x", "voor": SOME_ID}
    await _idle(portal, browser)
    back = urlsplit(read_return_path(await press(browser, "/authorize", values, expect=401)))
    assert parse_qs(back.query) == {"client_id": ["y"], "request_uri": ["urn:x"], "voor": [SOME_ID]}


@pytest.mark.parametrize("path", sorted(PAGE_OF))
async def test_form_kept_is_deleted_when_another_person_logs_in(portal, path):
    browser = await portal.mother()
    values = {"csrf": await csrf_of(browser), "doel": "Geheime post", "code": "GEHEIM"}
    await _idle(portal, browser)
    page = await press(browser, with_id(path), values, expect=401)
    await log_in(portal, browser, portal.people.son)
    for where in ("/helpers", read_return_path(page)):
        response = await browser._send_request("GET", ISSUER + where, None)
        assert "Geheim" not in response.text
        assert "GEHEIM" not in response.text
        assert RESUMED_NOTICE not in response.text
        assert await form_rows(portal) == []


@pytest.mark.parametrize("path", sorted(PAGE_OF))
async def test_form_of_earlier_session_of_same_person_is_given_back(portal, path):
    browser = await portal.mother(roles=roles_for(path))
    values = {"csrf": await csrf_of(browser), "doel": "Alle post", "client_id": "y", "request_uri": "urn:x"}
    await log_in(portal, browser, portal.people.mother, roles_for(path))
    response = await browser._send_request("POST", ISSUER + with_id(path), values)
    if path == "/authorize":  # a link and no redirect, as it may lead to another origin (form-action)
        back = html.unescape(
            response.text.split(
                '<a class="utrecht-button-link utrecht-button-link--html-a utrecht-button-link--primary-action" href="'
            )[1].split('"')[0]
        )
    else:
        back = response.headers["location"]
    assert (response.status_code, urlsplit(back).path) == (200 if path == "/authorize" else 303, PAGE_OF[path])
    assert urlsplit(back).netloc == ""
    assert [row.page_hash for row in await form_rows(portal)] == [sha256_digest(back)]


@pytest.mark.parametrize("path", sorted(PAGE_OF))
async def test_form_of_another_persons_session_is_rejected_and_not_kept(portal, path):
    browser = await portal.mother(roles=roles_for(path))
    values = {"csrf": await csrf_of(browser), "doel": "Alle post"}
    await log_in(portal, browser, portal.people.son, roles_for(path))
    page = await press(browser, with_id(path), values, expect=403)
    assert "Dit formulier is verlopen. Er is niets veranderd." in page.text
    assert await form_rows(portal) == []
    assert form_recovery.FORM_COOKIE not in browser.cookies[ISSUER]


@pytest.mark.parametrize("path", sorted(PAGE_OF))
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://kwaad.example"}, {"Origin": ISSUER, "Sec-Fetch-Site": "cross-site"}],
)
@pytest.mark.parametrize("alive", [True, False])
async def test_csrf_form_from_other_site_is_rejected_for_any_session(portal, path, headers, alive):
    browser = await portal.mother()
    values = {"csrf": await csrf_of(browser), "doel": "Alle post"}
    cookies = {sessions.SESSION_COOKIE: browser.cookies[ISSUER][sessions.SESSION_COOKIE]}
    if not alive:
        await _idle(portal, browser)
    told = {"Accept": "text/html", "Cookie": "; ".join(f"{n}={v}" for n, v in cookies.items()), **headers}
    response = await portal.http.post(ISSUER + with_id(path), data=values, headers=told)
    assert (response.status_code, response.headers.get("set-cookie")) == (403, None)
    assert await form_rows(portal) == []


@pytest.mark.parametrize("token", [None, "", "x", "A" * 43, "\0" * 43, "é" * 43])
async def test_form_of_unknown_session_is_not_kept(portal, token):
    browser = await portal.mother()
    await browser.open_page(ISSUER + "/")
    await _idle(portal, browser)
    page = await press(browser, OFFER, {"doel": "x"} if token is None else {"csrf": token, "doel": "x"}, expect=401)
    assert EXPIRED_NOTICE in page.text
    assert "konden wij niet bewaren" in page.text
    assert await form_rows(portal) == []
    assert form_recovery.FORM_COOKIE not in browser.cookies[ISSUER]


async def test_form_too_large_is_not_kept(portal):
    browser = await portal.mother()
    values = {"csrf": await csrf_of(browser), "doel": "x" * form_recovery.MAX_FORM_BYTES}
    await _idle(portal, browser)
    page = await press(browser, OFFER, values, expect=401)
    assert "konden wij niet bewaren" in page.text
    assert await form_rows(portal) == []


async def test_json_client_without_session_gets_a_problem(portal):
    answer = await portal.http.post(ISSUER + OFFER, data={"csrf": "x"}, headers={"Origin": ISSUER})
    assert (answer.status_code, answer.json()["code"]) == (401, "niet_ingelogd")


async def test_kept_forms_per_person_are_limited_to_ten(portal):
    browser = await portal.mother()
    csrf = await csrf_of(browser)
    await _idle(portal, browser)
    for number in range(form_recovery.MAX_FORMS_PER_PERSON + 3):
        portal.clock.advance(timedelta(seconds=1))
        where = f"/helpers/{UUID(int=number)}/intrekken"
        await press(browser, where, {"csrf": csrf}, expect=401)
    pages = [row.page_hash for row in await form_rows(portal)]
    assert len(pages) == form_recovery.MAX_FORMS_PER_PERSON
    assert sha256_digest(f"/helpers/{UUID(int=0)}/intrekken") not in pages


async def test_kept_form_expires_after_one_hour(portal):
    browser = await portal.mother()
    csrf = await csrf_of(browser)
    await _idle(portal, browser)
    await press(browser, OFFER, {"csrf": csrf, "doel": "Geheime post"}, expect=401)
    portal.clock.advance(form_recovery.FORM_LIFETIME)
    await log_in(portal, browser, portal.people.mother)
    page = await browser.open_page(ISSUER + OFFER)
    assert RESUMED_NOTICE not in page.text
    assert page.find_form(OFFER).values["doel"] == ""


@pytest.mark.parametrize(
    "change",
    [
        "sealed = overlay(sealed placing '\\x00' from 30)",
        "sealed = ''",
        "page_hash = sha256('/verzoeken')",
        f"browser_hash = sha256('{'A' * 43}')",
    ],
)
async def test_kept_form_with_tampered_row_is_not_shown(portal, change):
    browser = await portal.mother()
    csrf = await csrf_of(browser)
    await _idle(portal, browser)
    await press(browser, OFFER, {"csrf": csrf, "doel": "Geheime post"}, expect=401)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await session.execute(text(f"UPDATE kept_form SET {change}"))
    await log_in(portal, browser, portal.people.mother)
    if "browser" in change:
        browser.cookies[ISSUER][form_recovery.FORM_COOKIE] = "A" * 43
    for where in (OFFER, "/verzoeken"):
        page = await browser.open_page(ISSUER + where)
        assert "Geheime post" not in page.text


async def test_kept_form_is_given_back_once(portal):
    browser = await portal.mother()
    csrf = await csrf_of(browser)
    await _idle(portal, browser)
    await press(browser, OFFER, {"csrf": csrf, "doel": "Alle post"}, expect=401)
    await log_in(portal, browser, portal.people.mother)
    assert (await browser.open_page(ISSUER + OFFER)).find_form(OFFER).values["doel"] == "Alle post"
    assert (await browser.open_page(ISSUER + OFFER)).find_form(OFFER).values["doel"] == ""


async def test_kept_form_is_not_consumed_by_head(portal):
    """HEAD is safe (RFC 9110 9.3.2), so it does not consume the kept form."""
    browser = await portal.mother()
    csrf = await csrf_of(browser)
    await _idle(portal, browser)
    await press(browser, OFFER, {"csrf": csrf, "doel": "Alle post"}, expect=401)
    await log_in(portal, browser, portal.people.mother)
    await browser._navigate_to("HEAD", ISSUER + OFFER, None, 200)
    assert (await browser.open_page(ISSUER + OFFER)).find_form(OFFER).values["doel"] == "Alle post"


async def test_kept_forms_of_two_tabs_are_given_back_on_their_own_page(portal):
    browser = await portal.mother()
    csrf = await csrf_of(browser)
    await _idle(portal, browser)
    await press(browser, OFFER, {"csrf": csrf, "doel": "Alle post"}, expect=401)
    await press(browser, ACCEPT, {"csrf": csrf, "code": "7K2MP-X4T9C"}, expect=401)
    await log_in(portal, browser, portal.people.mother)
    assert RESUMED_NOTICE not in (await browser.open_page(ISSUER + "/helpers")).text
    assert (await browser.open_page(ISSUER + ACCEPT)).find_form(ACCEPT).values["code"] == "7K2MP-X4T9C"
    assert (await browser.open_page(ISSUER + OFFER)).find_form(OFFER).values["doel"] == "Alle post"


async def test_kept_offer_step_is_given_back_complete_and_unsent(portal):
    browser = await portal.mother()
    form = (await browser.open_page(ISSUER + OFFER)).find_form(OFFER)
    answers = make_step_form("wie", doel="<b>Post</b> & meer", naam="Jo")
    await _idle(portal, browser)
    await press(browser, OFFER, {"csrf": form.values["csrf"], **answers}, expect=401)
    await log_in(portal, browser, portal.people.mother)
    back = await browser.open_page(ISSUER + OFFER)
    values = {name: value for name, value in back.find_form(OFFER).values.items() if name != "csrf"}
    assert values == answers
    assert "autofocus" not in (await browser._send_request("GET", ISSUER + OFFER, None)).text
    assert "Stap 2 van 5" in (await browser.submit_form(back.find_form(OFFER), {})).text


async def test_offer_draft_survives_a_new_login_at_each_step(portal):
    browser = await portal.mother()
    await fill_offer(browser)
    path = urlsplit(browser.url).path.removesuffix(CHECK)
    for step in ("brieven", "zelf-kiezen", "lezen", "duur"):
        form = (await browser.open_page(f"{ISSUER}{path}/{step}")).find_form(f"/{step}")
        answers = {"csrf": form.values["csrf"], **make_step_form(step, gevoelig="ja", duur="30")}
        await _idle(portal, browser)
        away = await press(browser, f"{path}/{step}", answers, expect=401)
        await log_in(portal, browser, portal.people.mother)
        back = await browser.open_page(ISSUER + read_return_path(away))
        assert RESUMED_NOTICE in back.text
        await browser.submit_form(back.find_form(f"/{step}"), {})
    check = await browser.open_page(ISSUER + path + CHECK)
    assert "Gevoelige brieven Ja" in check.text
    assert "mijn zoon Bram" in check.text


async def test_kept_offer_check_page_makes_one_offer(portal):
    browser = await portal.mother()
    check = (await fill_offer(browser)).find_form(CHECK)
    await _idle(portal, browser)
    away = await browser.submit_form(check, {"akkoord": "ja"}, expected_status=401)
    await log_in(portal, browser, portal.people.mother)
    back = await browser.open_page(ISSUER + read_return_path(away))
    assert RESUMED_NOTICE in back.text
    made = await browser.submit_form(back.find_form(CHECK), {"akkoord": "ja"})
    assert len(made.codes) == 1
    await _idle(portal, browser)
    away = await browser.submit_form(back.find_form(CHECK), {"akkoord": "ja"}, expected_status=401)
    await log_in(portal, browser, portal.people.mother)
    again = await browser.open_page(ISSUER + read_return_path(away), expected_status=409)
    assert "Deze machtiging is al gemaakt" in again.text


async def test_kept_code_and_birth_date_are_given_back_at_both_steps(portal):
    code = await make_offer(await portal.mother())
    browser = await portal.son()
    shown = await enter_code(browser, code)
    await _idle(portal, browser)
    await browser.submit_form(shown.find_form("/besluit"), {"besluit": "aannemen"}, expected_status=401)
    await log_in(portal, browser, portal.people.son)
    back = (await browser.open_page(ISSUER + ACCEPT)).find_form(ACCEPT)
    assert back.values["code"] == code
    assert back.values["geboren_jaar"] == shown.find_form("/besluit").values["geboren_jaar"]
    again = await browser.submit_form(back, {})
    assert (
        "U heeft de machtiging aangenomen"
        in (await browser.submit_form(again.find_form("/besluit"), {"besluit": "aannemen"})).text
    )


@pytest.mark.parametrize("deed", ["intrekken", "pauzeren"])
async def test_kept_machtiging_button_is_given_back_and_has_changed_nothing(portal, deed):
    browser, helper = await portal.mother(), await portal.son()
    await accept_code(helper, await make_offer(browser))
    where = urlsplit(helper.url.replace("/ik-help/", "/helpers/")).path
    page = await browser.open_page(ISSUER + where + ("/intrekken" if deed == "intrekken" else ""))
    await _idle(portal, browser)
    away = await browser.submit_form(page.find_form(deed), {}, expected_status=401)
    assert EXPIRED_NOTICE in away.text
    await log_in(portal, browser, portal.people.mother)
    back = await browser.open_page(ISSUER + read_return_path(away))
    assert RESUMED_NOTICE in back.text
    done = await browser.submit_form(back.find_form(deed), {})
    assert "U heeft de machtiging" in done.text


@pytest.mark.parametrize(("path", "button"), [("/uitloggen", "/uitloggen"), ("/logout", "/logout/bevestigen")])
async def test_logout_form_of_earlier_session_asks_again(portal, path, button):
    browser = await portal.mother()
    old = (await browser.open_page(ISSUER + path)).find_form(button)
    await log_in(portal, browser, portal.people.mother)
    page = await browser.submit_form(old, {"besluit": "uitloggen"})
    if path == "/logout":
        page = await browser.open_page(
            ISSUER + next(href for href, words in page.links if words == "Terug naar de vraag")
        )
    assert "Wilt u uitloggen?" in page.text
    assert (await browser.open_page(ISSUER + "/helpers")).url == ISSUER + "/helpers"
    await browser.submit_form(page.find_form(button), {"besluit": "uitloggen"})
    assert sessions.SESSION_COOKIE not in browser.cookies[ISSUER]


@pytest.mark.parametrize(("path", "button"), [("/uitloggen", "/uitloggen"), ("/logout", "/logout/bevestigen")])
@pytest.mark.parametrize("over", sorted(SESSION_ENDINGS))
async def test_logout_after_session_end_stays_on_our_site(portal, path, button, over):
    browser = await portal.mother()
    form = (await browser.open_page(ISSUER + path)).find_form(button)
    await SESSION_ENDINGS[over](portal, browser)
    page = await browser.submit_form(form, {"besluit": "uitloggen"})
    assert browser.url.startswith(ISSUER)
    assert ("/inloggen" in [href.partition("?")[0] for href, _ in page.links]) or "U bent uitgelogd" in page.text


async def test_form_with_session_row_tampered_to_another_person_is_not_kept(portal):
    browser = await portal.mother()
    csrf = await csrf_of(browser)
    await _idle(portal, browser)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        forged = text("UPDATE login_session SET person_id = :other WHERE csrf_token = :csrf")
        await session.execute(forged, {"other": portal.people.son, "csrf": csrf})
    page = await press(browser, OFFER, {"csrf": csrf, "doel": "Geheime post"}, expect=401)
    assert "konden wij niet bewaren" in page.text
    assert await form_rows(portal) == []
