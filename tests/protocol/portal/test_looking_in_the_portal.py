"""The overview of who looked, and the own box: hers alone, page by page, and through the same guard as everybody."""

from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.portal.overview import PAGE
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.login import ISSUER
from tests.builders.portal import accept_with, make_offer


async def journalled(portal, count, **members):
    values = {"act": JournalAct.BERICHT_LEZEN, "outcome": Outcome.REFUSED, "reason": "te_oud"} | members
    people = portal.people
    values = {"actor_id": people.son, "for_person_id": people.mother} | values
    async with unit_of_work(portal.app.state.sessions) as session:
        for number in range(count):
            await record(session, Line(**values), at=portal.clock.now() - timedelta(minutes=number))


async def test_she_reads_who_wanted_what_and_why_it_was_refused(portal):
    await journalled(portal, 1, object_kind="bericht", object_id=str(uuid4()))
    page = await (await portal.mother()).open(ISSUER + "/inzage")
    assert "Bram Voorbeeld wilde een brief lezen" in page.text
    assert "De brief is ouder dan u heeft afgesproken." in page.text


async def test_his_own_overview_does_not_tell_what_he_tried_at_hers(portal):
    await journalled(portal, 1)
    page = await (await portal.son()).open(ISSUER + "/inzage")
    assert "Nog niemand heeft uw post bekeken." in page.text


async def test_what_she_did_herself_is_called_u(portal):
    await make_offer(browser := await portal.mother())
    page = await browser.open(ISSUER + "/inzage")
    assert "U bood een machtiging aan" in page.text


async def test_the_purpose_links_to_the_machtiging_it_was_done_under(portal):
    mother, son = await portal.mother(), await portal.son()
    await accept_with(son, await make_offer(mother))
    path = son.url.split("?")[0].removeprefix(ISSUER)
    page = await mother.open(ISSUER + "/inzage")
    assert (path, "post bijhouden") in page.links


async def test_older_lines_are_on_the_next_page_and_none_is_lost_or_shown_twice(portal):
    await journalled(portal, PAGE + 7)
    browser = await portal.mother()
    first = await browser.open(ISSUER + "/inzage")
    older = next(href for href, word in first.links if word == "Ouder")
    second = await browser.open(ISSUER + older)
    seen = [page.text.count("wilde een brief lezen") for page in (first, second)]
    assert seen == [PAGE, 7]
    assert not [word for _, word in second.links if word == "Ouder"]


async def test_a_place_in_the_overview_that_is_none_is_refused(portal):
    browser = await portal.mother()
    await browser.open(ISSUER + "/inzage?voor=gisteren&regel=1", expect=400)


CANNOT_BE = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "1999-12-31T23:59:59Z",
    "2101-01-01T00:00:00Z",
    "2026-11-23T12:00:00",
]


async def test_a_place_in_the_overview_at_an_instant_that_cannot_be_is_refused(portal):
    browser = await portal.mother()
    for instant in CANNOT_BE:
        await browser.open(f"{ISSUER}/inzage?voor={quote(instant)}&regel={uuid4()}", expect=400)
    await browser.open(f"{ISSUER}/inzage?voor={quote('2026-11-23T12:00:00Z')}&regel={uuid4()}")


async def test_an_empty_box_says_so(portal):
    page = await (await portal.mother()).open(ISSUER + "/berichten")
    assert "U heeft geen berichten." in page.text


async def test_a_letter_that_does_not_exist_is_not_found(portal):
    await (await portal.mother()).open(f"{ISSUER}/berichten/{uuid4()}", expect=404)


async def test_a_letter_by_no_id_at_all_is_not_found(portal):
    await (await portal.mother()).open(f"{ISSUER}/berichten/../../etc", expect=404)
    await (await portal.mother()).open(f"{ISSUER}/berichten/123", expect=404)


async def test_a_made_up_place_in_the_list_is_refused(portal):
    await (await portal.mother()).open(f"{ISSUER}/berichten?vanaf=abc", expect=400)


async def test_the_start_page_is_for_everybody(portal):
    answer = await portal.http.get(ISSUER + "/", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert "/inloggen" in answer.text
    page = await (await portal.mother()).open(ISSUER + "/")
    assert "Welkom, Ans Voorbeeld" in page.text
