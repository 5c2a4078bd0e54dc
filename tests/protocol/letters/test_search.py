"""Search in the own box: by sender and subject, and with a limit."""

from urllib.parse import urlencode

import pytest

from machtiging.berichtenbox.own_box import search
from machtiging.berichtenbox.own_box.search import BerichtSearch, search_berichten
from machtiging.kernel.errors import Fault
from tests.builders.database import record_queries
from tests.builders.letters import UWV
from tests.builders.people import ISSUER
from tests.protocol.letters.box import LIST, fill_box, statements_of
from tests.protocol.letters.test_list_page import subjects_of


@pytest.fixture
async def browser(world, portal):
    assert world.citizen == portal.people.mother
    return await portal.mother()


async def open_search(browser, text, expected_status=200):
    return await browser.open_page(f"{LIST}?{urlencode({'zoek': text})}", expected_status=expected_status)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AOW", {"Uw AOW in 2026"}),
        ("aow 2026", {"Uw AOW in 2026"}),
        ("2026 aow", {"Uw AOW in 2026"}),
        ("creme", {"Crème brûlée"}),
        ("CRÈME", {"Crème brûlée"}),
        ("verzekeringsbank", {"Uw AOW in 2026", "Crème brûlée"}),
        ("uwv scholing", {"Scholing"}),
        ("  scholing  ", {"Scholing"}),
        ("50%", set()),
        ("_", set()),
        ("aow scholing", set()),
        ("תלוש", {"תלוש שכר"}),
    ],
)
async def test_search_finds_words_in_subject_and_sender(world, browser, text, expected):
    await fill_box(world, world.citizen, ["Uw AOW in 2026", "Crème brûlée"])
    await fill_box(world, world.citizen, ["Scholing", "תלוש שכר"], afzender_oin=UWV, dienst_code="scholing")
    await fill_box(world, world.helper, ["AOW van een ander"])
    page = await open_search(browser, text)
    assert set(subjects_of(page)) == expected
    assert expected or "Wij vinden geen brief met deze woorden." in page.text


async def test_search_finds_archived_letters(world, browser):
    await fill_box(world, world.citizen, ["Weggelegd"], folder="Archief")
    assert subjects_of(await open_search(browser, "weggelegd")) == ["Weggelegd"]


async def test_search_does_not_find_deleted_or_future_letters(world, browser):
    await fill_box(world, world.citizen, ["Brief weg"], deleted_at=world.clock.now())
    await fill_box(world, world.citizen, ["Brief straks"], published_at=world.clock.now().replace(year=2027))
    assert subjects_of(await open_search(browser, "brief")) == []


@pytest.mark.parametrize("text", ["a" * 201, "a\x00b", "a\nb", "a\u202eb", "\u200b", "\ud7ff\ue000"])
async def test_search_text_invalid_is_refused_and_kept(world, browser, text):
    await fill_box(world, world.citizen, ["ab"])
    page = await open_search(browser, text, expected_status=400)
    assert subjects_of(page) == []
    assert page.find_form("/brieven").values["zoek"] == text.replace("\x00", "")


async def test_search_text_of_two_hundred_characters_is_accepted(world, browser):
    await open_search(browser, "a" * 200)


async def test_search_with_html_is_escaped(world, browser):
    page = await open_search(browser, "<script>alert(1)</script>")
    assert "U zocht op: <script>alert(1)</script>" in page.text


@pytest.mark.parametrize("text", ["", "   "])
async def test_search_without_words_shows_the_list(world, browser, text):
    await fill_box(world, world.citizen, ["Brief"])
    page = await open_search(browser, text)
    assert "Mijn brieven" in page.text
    assert subjects_of(page) == ["Brief"]


async def test_search_pages_hold_every_found_letter_once(world, browser):
    subjects = [f"{'raak' if number % 2 else 'mis'} {number}" for number in range(90)]
    await fill_box(world, world.citizen, subjects)
    page, seen = await open_search(browser, "raak"), []
    while True:
        seen += subjects_of(page)
        more = [href for href, word in page.links if word == "Ouder"]
        if not more:
            break
        page = await browser.open_page(ISSUER + more[0])
    assert seen == [subject for subject in subjects if subject.startswith("raak")]


async def test_search_stops_at_limit_and_continues_in_older_letters(world, browser, monkeypatch):
    monkeypatch.setattr(search, "SEARCH_LIMIT", 20)
    monkeypatch.setattr(search, "_BATCH_SIZE", 10)
    await fill_box(world, world.citizen, [f"mis {number}" for number in range(25)] + ["raak"])
    page = await open_search(browser, "raak")
    assert subjects_of(page) == []
    assert "U heeft nog oudere brieven." in page.text
    (further,) = [href for href, word in page.links if word == "Zoek verder in oudere brieven"]
    assert subjects_of(await browser.open_page(ISSUER + further)) == ["raak"]


async def test_search_is_one_journal_line_and_five_statements(database, world, browser):
    await fill_box(world, world.citizen, [f"brief {number}" for number in range(1200)])
    await browser.open_page(LIST)
    with record_queries(database) as queries:
        await open_search(browser, "bestaat niet")
    assert len(statements_of(queries)) <= 5, queries
    assert await world.reasons("bericht:lijst") == ["toegestaan"] * 2


async def test_search_cursor_of_another_person_is_rejected(world, portal, browser):
    await fill_box(world, world.citizen, [f"brief {number}" for number in range(30)])
    page = await open_search(browser, "brief")
    (more,) = [href for href, word in page.links if word == "Ouder"]
    await (await portal.son()).open_page(ISSUER + more, expected_status=400)


async def test_search_in_box_of_another_person_is_a_fault(world):
    actor = await world.actor(await world.grant_machtiging())
    asked = BerichtSearch("brief", None, 20)
    async with world.sessions.begin() as session:
        with pytest.raises(Fault, match="zoeken_in_andere_box"):
            await search_berichten(session, world.keyring, world.policy, actor, asked, at=world.clock.now())
