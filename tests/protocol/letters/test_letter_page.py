"""The page of one letter: its text, who opened it, and its neighbours."""

from datetime import timedelta

import pytest

from machtiging.delegation.rules import Act
from tests.builders.letters import HELPING, make_pdf
from tests.protocol.letters.box import LIST, fill_box


@pytest.fixture
async def browser(world, portal):
    assert world.citizen == portal.people.mother
    return await portal.mother()


async def read_as_helper(world, letter, **changes):
    """Read the letter as the helper under a fresh machtiging; returns its id."""
    machtiging = await world.grant_machtiging(**changes)
    token = await world.issue_token(world.helper, under=machtiging, acts=HELPING)
    async with world.client(token) as client:
        assert (await client.get(f"/api/v1/berichten/{letter}")).status_code == 200
    return machtiging


async def test_page_shows_sender_date_theme_text_and_attachments(world, browser):
    letter = await world.deliver_letter(
        ("bewijs.pdf", make_pdf(1500), "application/pdf"), inhoud="Beste <b>mevrouw</b>,\n\nRegel een\nregel twee"
    )
    page = await browser.open_page(f"{LIST}/{letter}")
    for expected in ("Van UWV", "23 november 2026", "inkomen en uitkering", "Beste <b>mevrouw</b>,"):
        assert expected in page.text, page.text
    assert "bewijs.pdf" in page.text
    assert "PDF, 2 kB" in page.text


async def test_letter_opened_by_helper_names_helper_and_machtiging(world, browser):
    letter = await world.deliver_letter()
    machtiging = await read_as_helper(world, letter, purpose="post bijhouden")
    page = await browser.open_page(f"{LIST}/{letter}")
    assert "U (23 november 2026)" in page.text
    assert "Uw helper" in page.text
    assert [href for href, word in page.links if word == "machtiging: post bijhouden"] == [f"/helpers/{machtiging}"]


async def test_page_names_a_helper_once(world, browser):
    letter = await world.deliver_letter()
    for _ in range(2):
        await read_as_helper(world, letter)
    assert (await browser.open_page(f"{LIST}/{letter}")).text.count("Uw helper") == 1


async def test_page_names_the_organisation_of_a_professional(world, browser):
    letter = await world.deliver_letter()
    kvk = "90000001"
    machtiging = await world.grant_machtiging(kvk, capacity="professional")
    token = await world.issue_token(world.helper, under=machtiging, acts=HELPING, organisation_kvk=kvk)
    async with world.client(token) as client:
        assert (await client.get(f"/api/v1/berichten/{letter}")).status_code == 200
    assert " van " in (await browser.open_page(f"{LIST}/{letter}")).text.split("Uw helper")[1][:80]


async def test_letter_listed_or_refused_for_helper_names_no_helper(world, browser):
    letter = await world.deliver_letter()
    token = await world.issue_token(world.helper, under=await world.grant_machtiging(), acts=(Act.LIST,))
    async with world.client(token) as client:
        assert (await client.get("/api/v1/berichten")).status_code == 200
        assert (await client.get(f"/api/v1/berichten/{letter}")).status_code == 403
    assert "Uw helper" not in (await browser.open_page(f"{LIST}/{letter}")).text


async def test_page_keeps_the_day_of_the_first_reading(world, portal, browser):
    letter = await world.deliver_letter()
    await browser.open_page(f"{LIST}/{letter}")
    world.clock.advance(timedelta(days=2))
    later = await portal.mother()
    assert "U (23 november 2026)" in (await later.open_page(f"{LIST}/{letter}")).text


async def test_neighbours_are_the_newer_and_the_older_letter(world, browser):
    newest, middle, oldest = await fill_box(world, world.citizen, ["nieuw", "midden", "oud"])
    await fill_box(world, world.citizen, ["weggelegd"], folder="Archief")
    await fill_box(world, world.helper, ["van een ander"])
    links = {word: href for href, word in (await browser.open_page(f"{LIST}/{middle}")).links}
    assert links["Nieuwere brief"] == f"/brieven/{newest}"
    assert links["Oudere brief"] == f"/brieven/{oldest}"
    links = {word: href for href, word in (await browser.open_page(f"{LIST}/{oldest}")).links}
    assert "Oudere brief" not in links


async def test_neighbours_of_an_archived_letter_are_archived(world, browser):
    await fill_box(world, world.citizen, ["los"])
    first, second = await fill_box(world, world.citizen, ["een", "twee"], folder="Archief")
    page = await browser.open_page(f"{LIST}/{first}")
    links = {word: href for href, word in page.links}
    assert links["Oudere brief"] == f"/brieven/{second}"
    assert "Nieuwere brief" not in links
    assert page.find_form("/map").values["map"] == "geen"
