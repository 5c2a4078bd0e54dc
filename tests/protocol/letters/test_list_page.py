"""The list of letters: unread letters, filters, pages, and the former URLs."""

import pytest

from machtiging.berichtenbox.rules import ARCHIVE_FOLDER
from tests.builders.database import record_queries
from tests.builders.people import ISSUER
from tests.protocol.letters.box import LIST, fill_box, statements_of

SOME_ID = "0193f000-0000-7000-8000-000000000001"


@pytest.fixture
async def browser(world, portal):
    assert world.citizen == portal.people.mother
    return await portal.mother()


def subjects_of(page):
    """The words of the links to letters, in the order of the page."""
    return [word for href, word in page.links if href.startswith("/brieven/")]


def is_new(page, subject):
    after = next(text for _, text in page.link_contexts if text.startswith(subject))
    return after.endswith("Nieuw")


async def test_list_shows_newest_first_and_marks_unread(world, browser):
    await fill_box(world, world.citizen, ["Eerste", "Tweede"])
    (read,) = await fill_box(world, world.citizen, ["Gelezen"], read_at=world.clock.now())
    page = await browser.open_page(LIST)
    assert set(subjects_of(page)) == {"Eerste", "Tweede", "Gelezen"}
    assert subjects_of(page).index("Eerste") < subjects_of(page).index("Tweede")
    assert is_new(page, "Eerste")
    assert not is_new(page, "Gelezen")
    assert "Van Sociale Verzekeringsbank" in page.text
    await browser.open_page(f"{LIST}/{read}")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"nieuw", "gelezen", "in map"}),
        ("?toon=alles", {"nieuw", "gelezen", "in map"}),
        ("?toon=nieuw", {"nieuw"}),
        ("?toon=archief", {"weggelegd", "ongelezen weggelegd"}),
        ("?map=Belasting+2026", {"in map"}),
        ("?map=Bestaat+niet", set()),
    ],
)
async def test_filter_shows_its_part_of_the_box(world, browser, query, expected):
    at = world.clock.now()
    await fill_box(world, world.citizen, ["nieuw"])
    await fill_box(world, world.citizen, ["gelezen"], read_at=at)
    await fill_box(world, world.citizen, ["in map"], read_at=at, folder="Belasting 2026")
    await fill_box(world, world.citizen, ["weggelegd"], read_at=at, folder=ARCHIVE_FOLDER)
    await fill_box(world, world.citizen, ["ongelezen weggelegd"], folder=ARCHIVE_FOLDER)
    await fill_box(world, world.helper, ["van een ander"], folder="Belasting 2026")
    page = await browser.open_page(LIST + query)
    assert set(subjects_of(page)) == expected
    assert "Nieuwe brieven (1)" in page.text
    assert "Belasting 2026 (1)" in page.text


async def test_pages_hold_every_letter_once(world, browser):
    subjects = [f"brief {number}" for number in range(45)]
    await fill_box(world, world.citizen, subjects)
    page, seen = await browser.open_page(LIST), []
    while True:
        seen += subjects_of(page)
        older = [href for href, word in page.links if word == "Ouder"]
        if not older:
            break
        page = await browser.open_page(ISSUER + older[0])
    assert seen == subjects


async def test_page_of_folder_keeps_its_filter(world, browser):
    await fill_box(world, world.citizen, [f"map {number}" for number in range(25)], folder="M & M")
    await fill_box(world, world.citizen, ["los"])
    page = await browser.open_page(LIST + "?map=M+%26+M")
    (older,) = [href for href, word in page.links if word == "Ouder"]
    assert set(subjects_of(await browser.open_page(ISSUER + older))) == {f"map {number}" for number in range(20, 25)}


@pytest.mark.parametrize(
    "query", ["toon=x", "toon=", "map=", "map=%00", "map=a%0ab", "map=%E2%80%AEa", "map=" + "m" * 129, "vanaf=abc"]
)
async def test_query_unknown_or_invalid_is_rejected(browser, query):
    await browser.open_page(f"{LIST}?{query}", expected_status=400)


async def test_subject_with_html_is_escaped(world, browser):
    await fill_box(world, world.citizen, ["<b onclick=alert(1)>vet</b>"])
    answer = await browser.open_page(LIST)
    assert "<b onclick=alert(1)>vet</b>" in answer.text


@pytest.mark.parametrize("query", ["", "?toon=nieuw", "?map=Post"])
async def test_list_takes_at_most_five_statements(database, world, browser, query):
    await fill_box(world, world.citizen, [f"brief {number}" for number in range(60)], folder="Post")
    await browser.open_page(LIST)
    with record_queries(database) as queries:
        await browser.open_page(LIST + query)
    assert len(statements_of(queries)) <= 5, queries


@pytest.mark.parametrize("path", ["/berichten", f"/berichten/{SOME_ID}", f"/berichten/{SOME_ID}/bijlagen/{SOME_ID}"])
async def test_former_url_redirects_to_letters(portal, path):
    answer = await portal.http.get(f"{ISSUER}{path}?vanaf=a%20b&toon=nieuw")
    assert answer.status_code == 308
    assert answer.headers["location"] == path.replace("/berichten", "/brieven") + "?vanaf=a%20b&toon=nieuw"


@pytest.mark.parametrize(
    "rest", ["//kwaad.example", "/%2F%2Fkwaad.example", "/..%2F..", "/a%0D%0AX-Y:%20z", "/%E2%80%AE"]
)
async def test_former_url_never_redirects_elsewhere(portal, rest):
    answer = await portal.http.get(f"{ISSUER}/berichten{rest}")
    assert answer.status_code in (308, 404)
    location = answer.headers.get("location", "/brieven/")
    assert location.startswith("/brieven/")
    assert "\n" not in location


async def test_former_url_does_not_accept_posts(portal):
    assert (await portal.http.post(f"{ISSUER}/berichten/{SOME_ID}")).status_code in (403, 405)
