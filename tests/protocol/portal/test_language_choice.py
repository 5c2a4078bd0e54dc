"""The switch of language: a cookie for the pages, and a preference for e-mails."""

import pytest
from sqlalchemy import text

from machtiging.identity.people import load_language
from machtiging.message_catalogue import DUTCH, ENGLISH
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER

FACTS = {"machtiging_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}

GIVE_UP = text("UPDATE notification SET given_up_at = :at, last_error = 'geen_adres' WHERE sent_at IS NULL")


async def language_of(portal, person):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        return await load_language(session, person)


async def test_language_switch_changes_pages_and_mails_of_the_visitor_only(portal):
    mother = await portal.mother()
    page = await mother.open_page(ISSUER + "/")
    assert "Overzicht" in page.text
    english = await mother.submit_form(page.find_form("/taal"), {"taal": ENGLISH})
    assert "Overview" in english.text
    assert await language_of(portal, portal.people.mother) == ENGLISH
    assert await language_of(portal, portal.people.son) == DUTCH
    again = await mother.submit_form(english.find_form("/taal"), {"taal": DUTCH})
    assert "Overzicht" in again.text
    assert await language_of(portal, portal.people.mother) == DUTCH


@pytest.mark.parametrize("language", ["", "fr", "NL", "nl,en"])
async def test_language_switch_to_another_language_is_rejected(portal, language):
    mother = await portal.mother()
    page = await mother.open_page(ISSUER + "/")
    await mother.submit_form(page.find_form("/taal"), {"taal": language}, expected_status=400)
    assert await language_of(portal, portal.people.mother) == DUTCH


async def test_undelivered_notification_has_the_language_of_the_page(portal):
    mother = await portal.mother()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await enqueue_notification(
            session, portal.people.mother, NotificationKind.AANGENOMEN, FACTS, at=portal.clock.now()
        )
        await session.execute(GIVE_UP, {"at": portal.clock.now()})
    page = await mother.open_page(ISSUER + "/")
    await mother.submit_form(page.find_form("/taal"), {"taal": ENGLISH})
    english = (await mother.open_page(ISSUER + "/meldingen")).text
    assert "Your permission has been accepted" in english
    assert "to the end of 21 February 2027" in english
    assert "Do you need help? Call 000-000 00 00." in english
