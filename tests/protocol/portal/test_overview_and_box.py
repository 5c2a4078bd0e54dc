"""The access overview and the own box in the portal. For the citizen only, page by page, through the same guard."""

from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.portal.access_history.routes import PAGE_SIZE
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER
from tests.builders.portal import accept_code, make_offer


async def insert_journal_lines(portal, count, **members):
    values = {"act": JournalAct.BERICHT_LEZEN, "outcome": JournalOutcome.REFUSED, "reason": "te_oud"} | members
    people = portal.people
    values = {"actor_id": people.son, "for_person_id": people.mother} | values
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for number in range(count):
            if count > 1:  # equal lines would be one
                values |= {"object_kind": "bericht", "object_id": str(uuid4())}
            await record(session, NewJournalLine(**values), at=portal.clock.now() - timedelta(minutes=number))


async def test_overview_shows_refused_access_with_its_reason(portal):
    await insert_journal_lines(portal, 1, object_kind="bericht", object_id=str(uuid4()))
    page = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert "Bram Voorbeeld wilde een brief lezen" in page.text
    assert "De brief is ouder dan u heeft afgesproken." in page.text


async def test_overview_of_helper_hides_his_access_to_her_box(portal):
    await insert_journal_lines(portal, 1)
    page = await (await portal.son()).open_page(ISSUER + "/wie-keek-mee")
    assert "Nog niemand heeft uw post bekeken." in page.text


async def test_overview_addresses_own_acts_as_u(portal):
    await make_offer(browser := await portal.mother())
    page = await browser.open_page(ISSUER + "/wie-keek-mee")
    assert "U maakte een machtiging" in page.text


async def test_overview_links_to_the_machtiging(portal):
    mother, son = await portal.mother(), await portal.son()
    await accept_code(son, await make_offer(mother))
    path = son.url.replace("/ik-help/", "/helpers/").split("?")[0].removeprefix(ISSUER)
    page = await mother.open_page(ISSUER + "/wie-keek-mee")
    assert (path, "post bijhouden") in page.links


async def test_overview_pages_have_no_gaps_or_duplicates(portal):
    await insert_journal_lines(portal, PAGE_SIZE + 7)
    browser = await portal.mother()
    first = await browser.open_page(ISSUER + "/wie-keek-mee")
    older = next(href for href, word in first.links if word == "Ouder")
    second = await browser.open_page(ISSUER + older)
    seen = [page.text.count("wilde een brief lezen") for page in (first, second)]
    assert seen == [PAGE_SIZE, 7]
    assert not [word for _, word in second.links if word == "Ouder"]


async def test_overview_position_malformed_is_rejected(portal):
    browser = await portal.mother()
    await browser.open_page(ISSUER + "/wie-keek-mee?voor=gisteren&regel=1", expected_status=400)


CANNOT_BE = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "1999-12-31T23:59:59Z",
    "2101-01-01T00:00:00Z",
    "2026-11-23T12:00:00",
]


async def test_overview_position_at_impossible_instant_is_rejected(portal):
    browser = await portal.mother()
    for instant in CANNOT_BE:
        await browser.open_page(f"{ISSUER}/wie-keek-mee?voor={quote(instant)}&regel={uuid4()}", expected_status=400)
    await browser.open_page(f"{ISSUER}/wie-keek-mee?voor={quote('2026-11-23T12:00:00Z')}&regel={uuid4()}")


async def test_box_without_letters_says_so(portal):
    page = await (await portal.mother()).open_page(ISSUER + "/brieven")
    assert "U heeft nog geen brieven." in page.text


async def test_letter_unknown_returns_404(portal):
    await (await portal.mother()).open_page(f"{ISSUER}/brieven/{uuid4()}", expected_status=404)


async def test_letter_id_malformed_returns_404(portal):
    await (await portal.mother()).open_page(f"{ISSUER}/brieven/../../etc", expected_status=404)
    await (await portal.mother()).open_page(f"{ISSUER}/brieven/123", expected_status=404)


async def test_list_position_invented_is_rejected(portal):
    await (await portal.mother()).open_page(f"{ISSUER}/brieven?vanaf=abc", expected_status=400)


async def test_start_page_is_public(portal):
    answer = await portal.http.get(ISSUER + "/", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert "/inloggen" in answer.text
    page = await (await portal.mother()).open_page(ISSUER + "/")
    assert "Welkom, Ans Voorbeeld" in page.text
