"""What somebody agreed to at a counter is under "Apps met toegang" before the app has fetched it, and ends there."""

from __future__ import annotations

from typing import Any

import pytest

from machtiging.oauth.manage.consents import consents_about
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import Counter, a_counter
from tests.builders.clients import detail
from tests.builders.login import ISSUER
from tests.builders.refreshing import oauth_in

APPS = ISSUER + "/apps"


@pytest.fixture
async def counter(portal):
    oauth = oauth_in(portal)
    yield await a_counter(oauth)
    await oauth.close()


async def agreed(counter: Counter, browser: Any, **changes: Any) -> str:
    """The app asks, she says yes; the reference with which the app can fetch it."""
    reference = await counter.asked(**changes)
    page = await browser.open(ISSUER + "/verzoeken")
    await browser.submit(page.form("/verzoeken"), {"besluit": "akkoord"})
    return reference


async def seen_by(portal, person) -> list[Any]:
    async with unit_of_work(portal.app.state.sessions) as session:
        return await consents_about(session, person, at=portal.clock.now())


async def test_she_sees_it_and_stops_it_and_the_app_fetches_nothing(portal, counter) -> None:
    browser = await portal.mother()
    reference = await agreed(counter, browser)
    page = await browser.open(APPS)
    assert "Bibliotheek Oost" in page.text
    [consent] = await seen_by(portal, portal.people.mother)
    asked = await browser.open(f"{APPS}/{consent.id}/stoppen")
    told = await browser.submit(asked.form("/stoppen"), {})
    assert "U heeft de toegang gestopt" in told.text
    assert "Bibliotheek Oost" not in told.text.split("Apps die u zelf toegang gaf")[1]
    assert await counter.hears(reference) == "invalid_grant"
    assert await counter.count("issued_token") == 0


async def test_a_helper_says_yes_and_both_see_it(portal, counter) -> None:
    held = await counter.oauth.machtiging()
    code = await counter.meldcode(counter.son)
    await agreed(counter, await portal.son(), code=code, authorization_details=detail(held.id))
    for person in (portal.people.mother, portal.people.son):
        [consent] = await seen_by(portal, person)
        assert (consent.app, consent.machtiging.id) == ("Bibliotheek Oost", held.id)


async def test_what_the_app_has_fetched_stands_there_once_and_until_its_token_ends(portal, counter) -> None:
    reference = await agreed(counter, await portal.mother())
    assert (await counter.polls(reference)).status_code == 200
    [consent] = await seen_by(portal, portal.people.mother)
    assert (consent.until - portal.clock.now()).total_seconds() == 600


async def test_what_nobody_can_fetch_any_more_is_gone_from_the_list(portal, counter) -> None:
    await agreed(counter, await portal.mother())
    [consent] = await seen_by(portal, portal.people.mother)
    assert consent.until > portal.clock.now()
    counter.oauth.later(minutes=5)
    assert await seen_by(portal, portal.people.mother) == []


async def test_a_question_that_she_has_not_answered_or_refused_is_no_access(portal, counter) -> None:
    await counter.asked()
    assert await seen_by(portal, portal.people.mother) == []
    browser = await portal.mother()
    page = await browser.open(ISSUER + "/verzoeken")
    await browser.submit(page.form("/verzoeken"), {"besluit": "weigeren"})
    assert await seen_by(portal, portal.people.mother) == []
