"""The page `/meldingen`: notifications that could not be mailed."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER

PAGE = ISSUER + "/meldingen"
FACTS = {"machtiging_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}
WORDS = "Wij konden u een e-mail niet sturen"


async def give_up(portal, person, *, kind=NotificationKind.AANGENOMEN, reason="geen_adres", **facts):
    """Store a notification of this person that the outbox gave up."""
    at = portal.clock.now()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await enqueue_notification(session, person, kind, FACTS | facts, at=at)
        failed = text("UPDATE notification SET given_up_at = :at, last_error = :reason WHERE sent_at IS NULL")
        await session.execute(failed, {"at": at, "reason": reason})


async def test_undelivered_notification_is_announced_and_shown_in_full(portal):
    await give_up(portal, portal.people.mother, helper_id=str(portal.people.son))
    browser = await portal.mother()
    for path in ("/", "/helpers"):
        assert WORDS in (await browser.open_page(ISSUER + path)).text
    read = (await browser.open_page(PAGE)).text
    assert "Uw machtiging is aangenomen" in read
    assert "heeft uw machtiging aangenomen." in read
    assert "Wij hebben geen e-mailadres van u." in read


async def test_undelivered_notification_marked_read_is_no_longer_announced(portal):
    await give_up(portal, portal.people.mother)
    browser = await portal.mother()
    await browser.submit_form((await browser.open_page(PAGE)).find_form("/gelezen"), {})
    assert "U heeft dit gelezen." in browser.page.text
    for path in ("/", "/helpers"):
        assert WORDS not in (await browser.open_page(ISSUER + path)).text
    assert "Uw machtiging is aangenomen" in (await browser.open_page(PAGE)).text


async def test_undelivered_notification_of_another_person_is_hidden(portal):
    await give_up(portal, portal.people.mother)
    browser = await portal.son()
    for path in ("/", "/helpers"):
        assert WORDS not in (await browser.open_page(ISSUER + path)).text
    assert "Al onze berichten hebben u bereikt." in (await browser.open_page(PAGE)).text


async def test_undelivered_notification_older_than_90_days_is_hidden(portal):
    await give_up(portal, portal.people.mother)
    portal.clock.advance(timedelta(days=91))
    assert "Al onze berichten hebben u bereikt." in (await (await portal.mother()).open_page(PAGE)).text


@pytest.mark.parametrize("reason", ["adres_ongeldig", "smtputf8_ontbreekt", "smtp_550", "TimeoutError", "nooit_gezien"])
async def test_undelivered_reason_is_explained_in_words(portal, reason):
    await give_up(portal, portal.people.mother, reason=reason)
    read = (await (await portal.mother()).open_page(PAGE)).text
    assert reason not in read
    assert "e-mailadres" in read


async def test_undelivered_notification_of_unknown_kind_is_shown(portal):
    await give_up(portal, portal.people.mother)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await session.execute(text("UPDATE notification SET kind = 'van_een_oude_versie'"))
    assert "Er is iets veranderd" in (await (await portal.mother()).open_page(PAGE)).text


async def test_undelivered_page_without_login_returns_401(portal):
    for answer in (await portal.http.get(PAGE), await portal.http.post(PAGE + "/gelezen")):
        assert answer.status_code == 401
