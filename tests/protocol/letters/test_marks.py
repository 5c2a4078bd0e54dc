"""Marks of a letter in the portal: new, folders and the archive, with undo."""

from uuid import uuid4

import pytest

from machtiging.berichtenbox.rules import ARCHIVE_FOLDER
from tests.builders.people import ISSUER
from tests.builders.rows import BERICHTEN
from tests.protocol.letters.box import LIST, fill_box
from tests.protocol.letters.test_list_page import SOME_ID, subjects_of


@pytest.fixture
async def browser(world, portal):
    assert world.citizen == portal.people.mother
    return await portal.mother()


@pytest.fixture
async def letter(world):
    (letter,) = await fill_box(world, world.citizen, ["Brief"])
    return letter


async def post(browser, letter, path, expected_status=200, **fields):
    """Post a mark as the form on the page of the letter does."""
    page = await browser.open_page(f"{LIST}/{letter}")
    form = page.find_form(f"/{letter}/{path}")
    return await browser.submit_form(form, fields, expected_status=expected_status)


async def choose_folder(browser, letter, expected_status=200, **fields):
    form = (await browser.open_page(f"{LIST}/{letter}/map")).find_form("/map")
    return await browser.submit_form(form, fields, expected_status=expected_status)


async def test_letter_marked_as_new_is_new_again_and_undone(world, browser, letter):
    page = await post(browser, letter, "ongelezen")
    assert "staat weer als nieuw in de lijst" in page.text
    assert "Nieuwe brieven (1)" in page.text
    assert (await BERICHTEN.read_one(world)).read_at is None
    undone = await browser.submit_form(page.find_form("/gelezen"), {})
    assert "is niet meer nieuw" in undone.text
    assert (await BERICHTEN.read_one(world)).read_at is not None
    assert await world.reasons("bericht:markeren") == ["toegestaan"] * 2


async def test_letter_archived_leaves_the_list_and_undone_is_back(world, browser, letter):
    page = await post(browser, letter, "map")
    assert "staat nu in uw archief" in page.text
    assert subjects_of(page) == []
    assert subjects_of(await browser.open_page(LIST + "?toon=archief")) == ["Brief"]
    undone = await browser.submit_form(page.find_form("/map"), {})
    assert subjects_of(undone) == ["Brief"]
    assert (await BERICHTEN.read_one(world)).folder is None


async def test_letter_moved_to_new_folder_and_undone_is_in_former_folder(world, browser):
    (letter,) = await fill_box(world, world.citizen, ["Brief"], folder="Oude map")
    page = await choose_folder(browser, letter, map="nieuw", naam="  Belasting   2026 ")
    assert "ligt nu in de map Belasting 2026" in page.text
    assert "Belasting 2026 (1)" in page.text
    await browser.submit_form(page.find_form("/map"), {})
    assert (await BERICHTEN.read_one(world)).folder == "Oude map"


async def test_letter_moved_to_existing_folder(world, browser, letter):
    await fill_box(world, world.citizen, ["Ander"], folder="Wonen")
    await choose_folder(browser, letter, map="in:Wonen")
    assert await BERICHTEN.count(world, folder="Wonen") == 2


@pytest.mark.parametrize(("typed", "stored"), [("wonen", "Wonen"), ("ARCHIEF", ARCHIVE_FOLDER)])
async def test_new_folder_with_name_of_existing_one_is_that_folder(world, browser, letter, typed, stored):
    await fill_box(world, world.citizen, ["Ander"], folder="Wonen")
    await choose_folder(browser, letter, map="nieuw", naam=typed)
    assert await BERICHTEN.read_value(world, "folder", id=letter) == stored


@pytest.mark.parametrize(
    "fields",
    [
        {"map": ""},
        {"map": "in:Bestaat niet"},
        {"map": "onzin"},
        {"map": "nieuw", "naam": ""},
        {"map": "nieuw", "naam": "a" * 129},
        {"map": "nieuw", "naam": "a\u202eb"},
        {"map": "nieuw", "naam": "a\x00b"},
    ],
)
async def test_folder_form_invalid_is_shown_again_with_what_was_typed(world, browser, letter, fields):
    page = await choose_folder(browser, letter, expected_status=400, **fields)
    assert page.find_form("/map").values.get("naam", "") == fields.get("naam", "").strip()
    assert await BERICHTEN.read_value(world, "folder", id=letter) is None


async def test_folder_name_with_html_is_text(world, browser, letter):
    page = await choose_folder(browser, letter, map="nieuw", naam="<b>vet</b>")
    assert "<b>vet</b> (1)" in page.text


async def test_folder_count_is_limited(world, browser, letter, monkeypatch):
    monkeypatch.setattr("machtiging.portal.letters.marks_pages.MAX_FOLDERS", 1)
    await fill_box(world, world.citizen, ["Ander"], folder="Wonen")
    page = await choose_folder(browser, letter, expected_status=400, map="nieuw", naam="Zorg")
    assert "Kies een map uit de lijst" in page.text


@pytest.mark.parametrize("path", ["ongelezen", "gelezen", "map"])
@pytest.mark.parametrize("whose", ["another person", "nobody", "deleted"])
async def test_mark_of_letter_not_in_own_box_returns_404(world, browser, letter, path, whose):
    form = (await browser.open_page(f"{LIST}/{letter}/map")).find_form("/map")
    target = {"nobody": uuid4(), "deleted": letter}.get(whose)
    if whose == "another person":
        (target,) = await fill_box(world, world.helper, ["Van een ander"])
    if whose == "deleted":
        async with world.sessions.begin() as session:
            await session.execute(BERICHTEN.table.update().values(deleted_at=world.clock.now()))
    form.action = f"/brieven/{target}/{path}"
    before = await BERICHTEN.dump(world)
    await browser.submit_form(form, {"map": "archief"}, expected_status=404)
    assert await BERICHTEN.dump(world) == before
    await browser.open_page(f"{LIST}/{target}/map", expected_status=404)


async def test_mark_without_csrf_token_is_refused(world, browser, letter):
    form = (await browser.open_page(f"{LIST}/{letter}/map")).find_form("/map")
    await browser.submit_form(form, {"csrf": "x", "map": "archief"}, expected_status=403)
    assert (await BERICHTEN.read_value(world, "folder")) is None


async def test_mark_repeated_is_the_same(world, browser, letter):
    form = (await browser.open_page(f"{LIST}/{letter}/map")).find_form("/map")
    for _ in range(2):
        assert "staat nu in uw archief" in (await browser.submit_form(form, {"map": "archief"})).text


@pytest.mark.parametrize(
    "query",
    [
        "gedaan=gelezen&brief={}",
        f"gedaan=verplaatst&brief={SOME_ID}",
        "gedaan=gelezen",
        "brief={}",
    ],
)
async def test_confirmation_that_is_not_true_is_not_shown(browser, letter, query):
    page = await browser.open_page(f"{LIST}?{query.format(letter)}")
    assert "Ongedaan maken" not in page.text


async def test_confirmation_about_letter_of_another_person_is_not_shown(world, browser):
    (letter,) = await fill_box(world, world.helper, ["Van een ander"])
    page = await browser.open_page(f"{LIST}?gedaan=verplaatst&brief={letter}")
    assert "Ongedaan maken" not in page.text


async def test_get_of_a_mark_changes_nothing(world, portal, browser, letter):
    await browser.open_page(f"{ISSUER}/brieven/{letter}/ongelezen", expected_status=405)
    assert (await BERICHTEN.read_one(world)).read_at is None
