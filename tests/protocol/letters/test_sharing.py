"""Share one letter for two weeks: an offer whose scope is this letter only."""

from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.kernel.assurance import Assurance
from tests.builders.people import ISSUER
from tests.builders.portal import accept_code
from tests.builders.rows import AGREEMENTS, BERICHTEN, MACHTIGINGEN
from tests.protocol.letters.box import LIST, fill_box

NAMED = {"naam": "Bram", "soort": "relative"}


@pytest.fixture
async def browser(world, portal):
    assert world.citizen == portal.people.mother
    return await portal.mother()


@pytest.fixture
async def letter(world):
    (letter,) = await fill_box(world, world.citizen, ["Brief om te delen"])
    return letter


async def fill_form(browser, letter, expected_status=200, **fields):
    form = (await browser.open_page(f"{LIST}/{letter}/delen")).find_form("/delen")
    return await browser.submit_form(form, NAMED | fields, expected_status=expected_status)


async def share(browser, letter, **fields):
    check = await fill_form(browser, letter, **fields)
    return await browser.submit_form(check.find_form("/delen"), {"akkoord": "ja"})


async def test_letter_page_links_to_sharing(browser, letter):
    page = await browser.open_page(f"{LIST}/{letter}")
    assert f"/brieven/{letter}/delen" in [href for href, _ in page.links]


async def test_shared_letter_is_offer_for_this_letter_for_two_weeks(world, browser, letter):
    check = await fill_form(browser, letter)
    assert "Alleen de brief van" in check.text
    assert "tot en met 7 december 2026" in check.text
    page = await browser.submit_form(check.find_form("/delen"), {"akkoord": "ja"})
    assert len(page.codes) == 1
    agreement = await AGREEMENTS.read_one(world)
    assert agreement.letters == [letter]
    assert set(agreement.acts) == {"lijst", "lezen", "downloaden"}
    assert agreement.ends_at - world.clock.now() < timedelta(days=15)
    assert "Brief om te delen" not in await MACHTIGINGEN.dump(world)
    assert await world.reasons("machtiging:aangeboden") == ["aangeboden"]


async def test_helper_of_shared_letter_reads_this_letter_only(world, portal, browser):
    shared, other = await fill_box(world, world.citizen, ["Gedeeld", "Ander"], sensitivity="gevoelig")
    code = (await share(browser, shared)).codes[0]
    await accept_code(await portal.son(), code)
    machtiging = await MACHTIGINGEN.read_value(world, "id")
    token = await world.issue_token(portal.people.son, under=machtiging)
    async with world.client(token) as client:
        listed = (await client.get("/api/v1/berichten")).json()["berichten"]
        assert [each["berichtId"] for each in listed] == [str(shared)]
        assert (await client.get(f"/api/v1/berichten/{shared}")).status_code == 200
        assert (await client.get(f"/api/v1/berichten/{other}")).status_code == 404
    assert await world.reasons("bericht:lezen") == ["toegestaan", "brief_niet_afgesproken"]


async def test_list_of_helpers_says_only_this_letter(browser, letter):
    await share(browser, letter)
    machtiging = await browser.open_page(ISSUER + "/helpers")
    (detail,) = {href for href, _ in machtiging.links if href.count("/") == 2 and len(href.rpartition("/")[2]) == 36}
    assert "alleen deze brief" in (await browser.open_page(ISSUER + detail)).text


async def test_check_page_sent_twice_makes_one_offer(world, browser, letter):
    form = (await fill_form(browser, letter)).find_form("/delen")
    await browser.submit_form(form, {"akkoord": "ja"})
    again = await browser.submit_form(form, {"akkoord": "ja"}, expected_status=409)
    assert again.codes == []
    assert await MACHTIGINGEN.count(world) == 1


async def test_check_page_changed_keeps_what_was_typed(world, browser, letter):
    check = await fill_form(browser, letter, naam="Bram <b>")
    back = await browser.submit_form(check.find_form("/delen"), {"akkoord": "wijzig"})
    assert back.find_form("/delen").values["naam"] == "Bram <b>"
    assert await MACHTIGINGEN.count(world) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"naam": "", "soort": ""},
        {"naam": ""},
        {"naam": "B"},
        {"naam": "a" * 200},
        {"naam": "Br\u202eam"},
        {"naam": "Br\x00am"},
        {"soort": ""},
        {"soort": "self"},
        {"soort": "curator"},
        {"soort": "onzin"},
    ],
)
async def test_sharing_form_invalid_is_shown_again(world, browser, letter, fields):
    page = await fill_form(browser, letter, expected_status=400, **fields)
    assert page.find_form("/delen").values["naam"] == (NAMED | fields)["naam"]
    assert await MACHTIGINGEN.count(world) == 0


@pytest.mark.parametrize("key", ["", "kort", "x" * 23, "a b"])
async def test_agreement_without_key_of_check_page_makes_no_offer(world, browser, letter, key):
    page = await fill_form(browser, letter, akkoord="ja", sleutel=key)
    assert "Klopt dit?" in page.text
    assert await MACHTIGINGEN.count(world) == 0


@pytest.mark.parametrize("whose", ["another person", "nobody", "deleted", "future"])
async def test_letter_not_in_own_box_cannot_be_shared(world, browser, letter, whose):
    form = (await fill_form(browser, letter)).find_form("/delen")
    target = uuid4()
    if whose == "another person":
        (target,) = await fill_box(world, world.helper, ["Van een ander"])
    if whose in ("deleted", "future"):
        target = letter
        changes = {
            "deleted": {"deleted_at": world.clock.now()},
            "future": {"published_at": world.clock.now().replace(year=2027)},
        }
        async with world.sessions.begin() as session:
            await session.execute(BERICHTEN.table.update().values(**changes[whose]))
    form.action = f"/brieven/{target}/delen"
    await browser.submit_form(form, {"akkoord": "ja"}, expected_status=404)
    await browser.open_page(f"{LIST}/{target}/delen", expected_status=404)
    assert await MACHTIGINGEN.count(world) == 0


async def test_confidential_letter_cannot_be_shared(world, browser):
    (letter,) = await fill_box(world, world.citizen, ["Keuring"], sensitivity="vertrouwelijk")
    page = await browser.open_page(f"{LIST}/{letter}/delen")
    assert "Een helper mag zo'n brief niet lezen." in page.text
    assert [form for form in page.forms if form.action.endswith("/delen")] == []
    detail = await browser.open_page(f"{LIST}/{letter}")
    assert f"/brieven/{letter}/delen" not in [href for href, _ in detail.links]
    (ordinary,) = await fill_box(world, world.citizen, ["Gewoon"])
    form = (await fill_form(browser, ordinary)).find_form("/delen")
    form.action = f"/brieven/{letter}/delen"
    await browser.submit_form(form, {"akkoord": "ja"})
    assert await MACHTIGINGEN.count(world) == 0


async def test_sharing_with_low_assurance_is_refused(world, portal, letter):
    browser = await portal.mother(assurance=Assurance.LOW)
    form = (await fill_form(browser, letter)).find_form("/delen")
    await browser.submit_form(form, {"akkoord": "ja"}, expected_status=403)
    assert await MACHTIGINGEN.count(world) == 0


async def test_sharing_without_csrf_token_is_refused(world, browser, letter):
    form = (await browser.open_page(f"{LIST}/{letter}/delen")).find_form("/delen")
    await browser.submit_form(form, NAMED | {"csrf": "x"}, expected_status=403)
    assert await MACHTIGINGEN.count(world) == 0
