"""Commit in doubt (the connection is lost during COMMIT). The page says that the outcome is unknown."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from machtiging.cli.demo.html import HtmlForm
from machtiging.delegation.authority.queries import list_authorities_of_person
from machtiging.delegation.rules import MachtigingState
from machtiging.identity import session as sessions
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import replace_services
from tests.builders.keys import NOON
from tests.builders.people import ISSUER
from tests.builders.portal import accept_code, make_offer
from tests.builders.rows import MACHTIGINGEN
from tests.protocol.portal.commit_cutter import commit_cutter

UNKNOWN = "Wij weten niet of dit is gelukt"
NOTHING = "Er is niets gedaan"


@pytest.fixture
async def commit_cutter_at_portal(portal, database):
    """The portal on connections that break at COMMIT once `carried_out` is set."""
    with tempfile.TemporaryDirectory(prefix="cut-") as place:
        async with commit_cutter(database.url, Path(place)) as cutter:
            engine = make_engine(cutter.url, DatabaseRole.SERVICE, pool_size=2)
            whole = portal.app.state.services.sessions
            replace_services(portal.app, sessions=make_sessions(engine, portal.app.state.services.keyring))
            cutter.whole = whole
            yield cutter
            replace_services(portal.app, sessions=whole)
            await engine.dispose()


async def open_revocation_page(portal):
    browser, helper = await portal.mother(), await portal.son()
    await accept_code(helper, await make_offer(browser))
    where = helper.url.replace("/ik-help/", "/helpers/").removeprefix(ISSUER).partition("?")[0]
    return browser, where, await browser.open_page(ISSUER + where + "/intrekken")


async def state_of_it(cutter, portal):
    async with unit_of_work(cutter.whole) as session:
        (one,) = await list_authorities_of_person(session, portal.people.mother, at=NOON)
        return one.leaf.state


@pytest.mark.parametrize("carried_out", [True, False])
async def test_commit_in_doubt_is_told_with_a_link_to_the_state(commit_cutter_at_portal, portal, carried_out):
    browser, where, page = await open_revocation_page(portal)
    commit_cutter_at_portal.carried_out = carried_out
    answer = await browser.submit_form(page.find_form("/intrekken"), {}, expected_status=503)
    commit_cutter_at_portal.carried_out = None
    assert commit_cutter_at_portal.cut == 1
    assert UNKNOWN in answer.text
    assert NOTHING not in answer.text
    assert (where, "Kijk bij deze machtiging") in answer.links
    assert await state_of_it(commit_cutter_at_portal, portal) is (
        MachtigingState.ENDED if carried_out else MachtigingState.ACTIVE
    )
    shown = await browser.open_page(ISSUER + where)
    assert ("Gestopt" in shown.text) is carried_out


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/helpers/nieuw", "/helpers"),
        ("/ik-help/code", "/ik-help"),
        ("/ik-help/code/besluit", "/ik-help"),
        ("/aan-de-balie", "/aan-de-balie"),
        ("/verzoeken", "/verzoeken"),
        ("/authorize", "/apps"),
        ("/apps/018f0000-0000-7000-8000-000000000001/stoppen", "/apps"),
        ("/meldingen/gelezen", "/meldingen"),
        ("/uitloggen", "/"),
        ("/logout/bevestigen", "/"),
    ],
)
async def test_commit_in_doubt_of_each_form_links_to_the_state(commit_cutter_at_portal, portal, path, link):
    browser = await portal.mother()
    csrf = (await browser.open_page(ISSUER + "/")).find_form("/uitloggen").values["csrf"]
    commit_cutter_at_portal.carried_out = True
    values = {"csrf": csrf, "besluit": "uitloggen"}
    answer = await browser.submit_form(HtmlForm(ISSUER + path, "post", {}), values, expected_status=503)
    assert UNKNOWN in answer.text
    assert NOTHING not in answer.text
    assert link in [href for href, words in answer.links if words.startswith("Kijk bij")]


async def test_failure_before_commit_says_nothing_was_done(commit_cutter_at_portal, portal, superuser_connection):
    browser, _, page = await open_revocation_page(portal)
    await superuser_connection.execute("REVOKE INSERT ON journal_intake FROM machtiging_service")
    answer = await browser.submit_form(page.find_form("/intrekken"), {}, expected_status=503)
    assert NOTHING in answer.text
    assert UNKNOWN not in answer.text
    assert await state_of_it(commit_cutter_at_portal, portal) is MachtigingState.ACTIVE


async def test_commit_refused_by_database_says_nothing_was_done(commit_cutter_at_portal, portal, superuser_connection):
    browser, _, page = await open_revocation_page(portal)
    await superuser_connection.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$;"
        "CREATE CONSTRAINT TRIGGER fails_at_commit AFTER INSERT ON journal_intake DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no()"
    )
    answer = await browser.submit_form(page.find_form("/intrekken"), {}, expected_status=503)
    assert NOTHING in answer.text
    assert await state_of_it(commit_cutter_at_portal, portal) is MachtigingState.ACTIVE


async def test_failed_page_by_get_says_nothing_about_a_change(commit_cutter_at_portal, portal, superuser_connection):
    browser = await portal.mother()
    await superuser_connection.execute("ALTER TABLE machtiging RENAME TO weg")
    answer = await browser.open_page(ISSUER + "/helpers", expected_status=503)
    assert UNKNOWN not in answer.text
    assert NOTHING not in answer.text
    assert "Probeer het zo opnieuw" in answer.text


@pytest.mark.parametrize("where", ["/ik-help?gedaan=geweigerd", "/apps?gedaan=app-gestopt"])
async def test_failed_page_after_a_change_says_unknown(commit_cutter_at_portal, portal, superuser_connection, where):
    browser = await portal.mother()
    await superuser_connection.execute(
        "ALTER TABLE machtiging RENAME TO weg; ALTER TABLE oauth_grant RENAME TO ook_weg"
    )
    answer = await browser.open_page(ISSUER + where, expected_status=503)
    assert UNKNOWN in answer.text
    assert NOTHING not in answer.text


async def test_page_after_a_change_without_session_is_no_login_redirect(portal):
    browser, where, _ = await open_revocation_page(portal)
    browser.cookies[ISSUER].pop(sessions.SESSION_COOKIE)
    answer = await browser.open_page(ISSUER + where + "?gedaan=ingetrokken", expected_status=401)
    assert UNKNOWN in answer.text
    assert (where, "Kijk bij deze machtiging") in answer.links


@pytest.mark.parametrize("carried_out", [True, False])
async def test_commit_in_doubt_for_json_client_is_told_in_the_problem(commit_cutter_at_portal, portal, carried_out):
    browser, where, page = await open_revocation_page(portal)
    commit_cutter_at_portal.carried_out = carried_out
    headers = {
        "Cookie": f"{sessions.SESSION_COOKIE}={browser.cookies[ISSUER][sessions.SESSION_COOKIE]}",
        "Origin": ISSUER,
    }
    values = dict(page.find_form("/intrekken").values)
    answer = await portal.http.post(ISSUER + where + "/intrekken", data=values, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "opslag_niet_bereikbaar")
    assert UNKNOWN in answer.json()["detail"]


async def test_cancelled_login_says_nothing_about_the_session(portal):
    from machtiging.identity.errors import LOGIN_CANCELLED, LoginFailed, explain_login_failure

    told = explain_login_failure(LoginFailed(LOGIN_CANCELLED)).text
    assert "Er is niets" not in told
    assert "U bent niet ingelogd" not in told


async def test_commits_in_doubt_leave_the_connection_pool_working(commit_cutter_at_portal, portal):
    browser, _, page = await open_revocation_page(portal)
    for _ in range(4):
        commit_cutter_at_portal.carried_out = False
        await browser.submit_form(page.find_form("/intrekken"), {}, expected_status=503)
    commit_cutter_at_portal.carried_out = None
    await browser.submit_form(page.find_form("/intrekken"), {})
    async with unit_of_work(commit_cutter_at_portal.whole) as session:
        assert await MACHTIGINGEN.count(session, state="ended") == 1
