"""CIBA consents are under "Apps met toegang" before the poll, and can be ended."""

from __future__ import annotations

from typing import Any

import pytest

from machtiging.oauth.grant_management.consents import list_consents
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.ciba import CibaDesk, register_ciba_desk
from tests.builders.client import make_authorization_details
from tests.builders.people import ISSUER
from tests.builders.rows import ISSUED_TOKENS

APPS = ISSUER + "/apps"


@pytest.fixture
async def ciba_desk(portal_oauth):
    """A CIBA client (the desk of an agency) at the authorization server of the portal."""
    return await register_ciba_desk(portal_oauth)


async def approve_request(ciba_desk: CibaDesk, browser: Any, **changes: Any) -> str:
    """Send a CIBA request and approve it; returns the auth_req_id."""
    reference = await ciba_desk.start_request(**changes)
    page = await browser.open_page(ISSUER + "/verzoeken")
    await browser.submit_form(page.find_form("/verzoeken"), {"besluit": "akkoord"})
    return reference


async def consents_of(portal, person) -> list[Any]:
    async with unit_of_work(portal.app.state.services.sessions) as session:
        return await list_consents(session, BOX_HANDLER, person, at=portal.clock.now())


async def test_ciba_consent_ended_before_poll_issues_no_token(portal, ciba_desk) -> None:
    browser = await portal.mother()
    reference = await approve_request(ciba_desk, browser)
    page = await browser.open_page(APPS)
    assert "Bibliotheek Oost" in page.text
    [consent] = await consents_of(portal, portal.people.mother)
    asked = await browser.open_page(f"{APPS}/{consent.id}/stoppen")
    told = await browser.submit_form(asked.find_form("/stoppen"), {})
    assert "U heeft de toegang gestopt" in told.text
    assert "Bibliotheek Oost" not in told.text.split("Apps die u zelf toegang gaf")[1]
    assert await ciba_desk.hears(reference) == "invalid_grant"
    assert await ISSUED_TOKENS.count(ciba_desk.oauth) == 0


async def test_ciba_consent_of_helper_is_listed_for_both(portal, ciba_desk) -> None:
    held = await ciba_desk.oauth.grant_machtiging()
    code = await ciba_desk.create_meldcode(ciba_desk.son)
    await approve_request(
        ciba_desk, await portal.son(), code=code, authorization_details=make_authorization_details(held.id)
    )
    for person in (portal.people.mother, portal.people.son):
        [consent] = await consents_of(portal, person)
        assert (consent.app, consent.machtiging_id) == ("Bibliotheek Oost", held.id)


async def test_ciba_consent_after_poll_is_listed_once_until_token_expiry(portal, ciba_desk) -> None:
    reference = await approve_request(ciba_desk, await portal.mother())
    assert (await ciba_desk.polls(reference)).status_code == 200
    [consent] = await consents_of(portal, portal.people.mother)
    assert (consent.until - portal.clock.now()).total_seconds() == 600


async def test_ciba_consent_not_polled_before_expiry_is_not_listed(portal, ciba_desk) -> None:
    await approve_request(ciba_desk, await portal.mother())
    [consent] = await consents_of(portal, portal.people.mother)
    assert consent.until > portal.clock.now()
    ciba_desk.oauth.later(minutes=5)
    assert await consents_of(portal, portal.people.mother) == []


async def test_ciba_request_pending_or_denied_is_not_listed(portal, ciba_desk) -> None:
    await ciba_desk.start_request()
    assert await consents_of(portal, portal.people.mother) == []
    browser = await portal.mother()
    page = await browser.open_page(ISSUER + "/verzoeken")
    await browser.submit_form(page.find_form("/verzoeken"), {"besluit": "weigeren"})
    assert await consents_of(portal, portal.people.mother) == []


DONE = ISSUER + "/verzoeken?gedaan=akkoord"


async def test_ciba_approval_is_confirmed_and_can_be_stopped_at_once(portal, ciba_desk) -> None:
    browser = await portal.mother()
    reference = await approve_request(ciba_desk, browser)
    page = await browser.open_page(DONE)
    assert "Klaar. De balie kan nu verder." in page.text
    assert "Bibliotheek Oost kan nu 10 minuten meekijken." in page.text
    [consent] = await consents_of(portal, portal.people.mother)
    await browser.submit_form(page.find_form(f"/apps/{consent.id}/stoppen"), {})
    assert await ciba_desk.hears(reference) == "invalid_grant"
    stopped = await browser.open_page(DONE)
    assert "De balie kan niet meer meekijken." in stopped.text
    assert "/stoppen" not in stopped.text


async def test_ciba_confirmation_after_expiry_offers_no_stop(portal, ciba_desk) -> None:
    browser = await portal.mother()
    reference = await approve_request(ciba_desk, browser)
    assert (await ciba_desk.polls(reference)).status_code == 200
    ciba_desk.oauth.later(minutes=11)
    page = await (await portal.mother()).open_page(DONE)
    assert "De balie kan niet meer meekijken." in page.text
    assert "/stoppen" not in page.text


async def test_ciba_confirmation_is_not_shown_to_another_person(portal, ciba_desk) -> None:
    await approve_request(ciba_desk, await portal.mother())
    page = await (await portal.son()).open_page(DONE)
    assert "Er wacht nu geen vraag op u" in page.text
    assert "/stoppen" not in page.text
