"""The switcher in the header names the people whose letters the visitor may read now."""

from datetime import timedelta

import pytest

from machtiging.delegation.suspension.emergency_stop import start_emergency_stop
from machtiging.kernel.bsn import Bsn
from machtiging.portal.helping.switcher import COOKIE, MAX_NAMES
from tests.builders.database import record_queries
from tests.builders.people import ISSUER, add_person
from tests.builders.portal import make_offer

KVK = "90000002"
NAME = "de post van Ans Voorbeeld"
# Pages of each kind that a helper opens.
PAGES = ("/brieven", "/helpers", "/wie-keek-mee", "/apps", "/meldingen", "/ik-help", "/")


@pytest.fixture
async def box(world, portal):
    assert (world.citizen, world.helper) == (portal.people.mother, portal.people.son)
    return await world.grant_machtiging()


@pytest.fixture
async def son(portal, box):
    """A browser of the helper that has seen the people that he helps."""
    browser = await portal.son()
    await browser.open_page(ISSUER + "/ik-help")
    return browser


def names_in(page):
    return [words for _, words in page.links if words.startswith("de post van")]


@pytest.mark.parametrize("path", PAGES)
async def test_switcher_names_the_person_with_a_link_to_the_letters(son, box, path):
    page = await son.open_page(ISSUER + path)
    assert (f"/ik-help/{box}/brieven", NAME) in page.links


async def test_switcher_on_a_page_of_letters_marks_their_person(portal, son, box):
    own = (await son._send_request("GET", f"{ISSUER}/ik-help/{box}/brieven", None)).text
    assert f'<a href="/ik-help/{box}/brieven" aria-current="true">' in own
    assert "U leest de post van Ans Voorbeeld" in own
    other = (await son._send_request("GET", f"{ISSUER}/brieven", None)).text
    assert f'<a href="/ik-help/{box}/brieven">' in other


async def test_switcher_takes_one_statement_for_helpers_only(portal, son, database):
    fresh, mother = await portal.son(), await portal.mother()
    await mother.open_page(ISSUER + "/ik-help")
    counts = {}
    for name, browser in (("helps", son), ("did not look yet", fresh), ("helps nobody", mother)):
        await browser.open_page(ISSUER + "/brieven")
        with record_queries(database) as queries:
            await browser.open_page(ISSUER + "/brieven")
        counts[name] = len([query for query in queries if query not in ("BEGIN;", "COMMIT;")])
    assert COOKIE not in mother.cookies[ISSUER]
    assert counts["helps"] == counts["did not look yet"] + 1
    assert counts["helps"] <= 5
    assert counts["helps nobody"] <= counts["did not look yet"]


async def test_people_page_loads_the_names_with_its_cards(son, database):
    with record_queries(database) as queries:
        page = await son.open_page(ISSUER + "/ik-help")
    assert names_in(page) == [NAME]
    assert len([query for query in queries if query not in ("BEGIN;", "COMMIT;")]) <= 5


async def test_switcher_has_a_person_once_and_at_most_five_with_a_link_to_more(world, son):
    for number, digits in enumerate(("999990044", "999990056", "999990068", "999990081", "999990093", "999990111")):
        async with world.sessions.begin() as session:
            person = await add_person(session, Bsn(digits), f"Mens {number}")
        for _ in range(2):
            at = world.clock.now() - timedelta(minutes=10 - number)
            await world.grant_machtiging(vertegenwoordigde_id=person, offered_at=at, accepted_at=at)
    page = await son.open_page(ISSUER + "/brieven")
    assert len(set(names_in(page))) == len(names_in(page)) == MAX_NAMES
    assert ("/ik-help", "meer mensen") in page.links


@pytest.mark.parametrize("change", ["revoke", "pause", "stop", "expire", "forge"])
async def test_switcher_after_reading_stopped_has_no_name(world, portal, son, box, change, superuser_connection):
    if change == "stop":
        async with world.sessions.begin() as session:
            await start_emergency_stop(session, world.citizen, at=world.clock.now())
    elif change == "expire":
        past = world.clock.now() - timedelta(days=3)
        await world.revoke(box)
        await world.grant_machtiging(starts_at=past, ends_at=past + timedelta(days=1))
    elif change == "forge":
        await superuser_connection.execute("UPDATE machtiging SET mac = 'x' WHERE id = $1", box)
    else:
        await getattr(world, change)(box)
    for path in PAGES:
        assert names_in(await son.open_page(ISSUER + path)) == [], path


async def test_switcher_in_login_for_another_organisation_has_no_name(world, portal):
    await world.grant_machtiging(KVK, capacity="professional")
    private, employee = await portal.son(), await portal.browser_of(portal.people.son, kvk=KVK)
    for browser, names in ((private, []), (employee, [NAME])):
        await browser.open_page(ISSUER + "/ik-help")
        assert names_in(await browser.open_page(ISSUER + "/brieven")) == names


async def test_cookie_of_another_gives_no_names(portal, son):
    """The cookie saves a statement and gives no right."""
    mother = await portal.mother()
    mother.cookies[ISSUER][COOKIE] = son.cookies[ISSUER][COOKIE]
    assert names_in(await mother.open_page(ISSUER + "/brieven")) == []
    mother.cookies[ISSUER].pop("__Host-sessie")
    answer = await mother._send_request("GET", ISSUER + "/zo-werkt-het", None)
    assert "de post van" not in answer.text


async def test_switcher_before_acceptance_has_no_name(portal):
    await make_offer(await portal.mother())
    son = await portal.son()
    await son.open_page(ISSUER + "/ik-help")
    assert names_in(await son.open_page(ISSUER + "/brieven")) == []


async def test_switcher_has_no_places_of_roles_that_have_no_pages(portal):
    page = await (await portal.mother()).open_page(ISSUER + "/brieven")
    assert {"/balie", "/beheer", "/werk"} & {href for href, _ in page.links} == set()
