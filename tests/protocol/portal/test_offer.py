"""The offer form: errors in a summary and at their fields, input kept, idempotent submission."""

import asyncio

import pytest

from machtiging.cli.demo.html import parse_page
from tests.builders.people import ISSUER
from tests.builders.portal import OFFER, enter_code, fill_offer, make_offer, open_offer
from tests.builders.rows import MACHTIGINGEN


async def offers_in(database) -> int:
    async with database.sessions() as session:
        return await MACHTIGINGEN.count(session)


# One error of each kind; all are in tests/unit/portal/test_offer_form.py.
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"duur": ""}, "duur"),
        ({"vanaf_dag": "31"}, "vanaf"),
        ({"vanaf_dag": "1" * 400}, "vanaf"),
        ({"doel": "ja"}, "doel"),
    ],
    ids=["nothing chosen", "a day that does not exist", "a day of 400 digits", "a purpose that only the rules refuse"],
)
async def test_offer_error_is_shown_in_summary_and_at_its_field(portal, database, changes, field):
    page = await fill_offer(await portal.mother(), expect=400, akkoord="ja", sleutel="k" * 22, **changes)
    [sentence] = [word for href, word in page.links if href == f"#{field}"]
    assert page.text.count(sentence) == 2
    assert await offers_in(database) == 0


async def test_offer_error_keeps_all_input(portal):
    page = await fill_offer(await portal.mother(), expect=400, doel="<b>mijn post</b>", duur="")
    values = page.find_form(OFFER).values
    assert values["doel"] == "<b>mijn post</b>"
    assert values["afzenders"] == ["00000099000000003000"]
    assert values["uitgesloten"] == ["zorg"]
    assert (values["soort"], values["mag"], values["vanaf_maand"]) == ("relative", "downloaden", "9")


async def test_offer_errors_are_listed_in_page_order(portal):
    page = await fill_offer(await portal.mother(), expect=400, doel="", mag="", duur="")
    assert [href for href, _ in page.links if href.startswith("#") and href != "#inhoud"] == ["#doel", "#mag", "#duur"]
    assert "3 dingen" in page.text


async def test_offer_first_submission_shows_check_page_and_stores_nothing(portal, database):
    page = await fill_offer(await portal.mother())
    assert "Klopt dit?" in page.text
    assert "Belastingdienst" in page.text
    assert "zorg en gezondheid" in page.text
    assert page.codes == []
    assert await offers_in(database) == 0


async def test_offer_change_from_check_page_keeps_input(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser, doel="iets anders")
    page = await browser.submit_form(check.find_form(OFFER), {"akkoord": "wijzig"})
    assert page.find_form(OFFER).values["doel"] == "iets anders"
    assert await offers_in(database) == 0


async def test_offer_code_is_shown_once(portal, database):
    browser = await portal.mother()
    code = await make_offer(browser)
    assert await offers_in(database) == 1
    later = await browser.open_page(ISSUER + "/machtigingen")
    assert "Wacht op antwoord" in later.text
    assert code not in later.text
    details = await browser.open_page(ISSUER + next(h for h, _ in later.links if h.count("/") == 2 and "-" in h))
    assert code not in details.text
    assert details.codes == []


async def test_concurrent_offers_with_one_key_create_one_offer(portal, database):
    browser = await portal.mother()
    form = (await fill_offer(browser)).find_form(OFFER)
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())}
    headers = {**cookie, "Origin": ISSUER, "Accept": "text/html"}
    data = form.values | {"akkoord": "ja"}
    click = [portal.http.post(ISSUER + OFFER, data=data, headers=headers) for _ in range(2)]
    answers = sorted(await asyncio.gather(*click), key=lambda answer: answer.status_code)
    made, again = [parse_page(answer.text, ISSUER + OFFER) for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert await offers_in(database) == 1
    assert (len(made.codes), again.codes) == (1, [])
    assert "al gemaakt" in again.text
    assert "één keer" in again.text
    assert "/machtigingen" in [href for href, word in again.links if "machtigingen" in word]
    assert made.codes[0] not in again.text
    await enter_code(await portal.son(), made.codes[0])


async def test_offer_key_reused_later_creates_nothing(portal, database):
    browser = await portal.mother()
    check = (await fill_offer(browser)).find_form(OFFER)
    await browser.submit_form(check, {"akkoord": "ja"})
    page = await browser.open_page(ISSUER + "/machtigingen")
    address = next(href for href, _ in page.links if href.count("/") == 2 and "-" in href)
    withdraw = (await browser.open_page(f"{ISSUER}{address}/intrekken")).find_form("/intrekken")
    await browser.submit_form(withdraw, {})
    page = await browser.submit_form(check, {"akkoord": "ja"}, expected_status=409)
    assert page.codes == []
    assert await offers_in(database) == 1
    assert "Deze machtiging was al gemaakt." in (await browser.open_page(ISSUER + "/wie-keek-mee")).text


async def test_offer_with_new_key_and_same_answers_is_a_new_offer(portal, database):
    browser = await portal.mother()
    first, second = [(await fill_offer(browser)).find_form(OFFER) for _ in range(2)]
    assert first.values["sleutel"] != second.values["sleutel"]
    codes = [(await browser.submit_form(form, {"akkoord": "ja"})).codes for form in (first, second)]
    assert codes[0] != codes[1]
    assert await offers_in(database) == 2


async def test_offer_changed_gets_a_new_key(portal, database):
    browser = await portal.mother()
    check = (await fill_offer(browser)).find_form(OFFER)
    await browser.submit_form(check, {"akkoord": "ja"})
    form = (await browser.submit_form(check, {"akkoord": "wijzig"})).find_form(OFFER)
    assert "sleutel" not in form.values
    changed = (await browser.submit_form(form, {"doel": "iets anders"})).find_form(OFFER)
    assert isinstance(changed.values["sleutel"], str)
    await browser.submit_form(changed, {"akkoord": "ja"})
    assert await offers_in(database) == 2


async def test_offer_key_invalid_creates_nothing(portal, database):
    browser = await portal.mother()
    check = (await fill_offer(browser)).find_form(OFFER)
    for key in ("", "kort", "x" * 1000, "é" * 22, "\x00" * 22):
        page = await browser.submit_form(check, {"akkoord": "ja", "sleutel": key})
        assert "Klopt dit?" in page.text, key
        assert page.find_form(OFFER).values["sleutel"] not in (key, check.values["sleutel"]), key
        assert await offers_in(database) == 0, key


async def test_offer_key_is_scoped_per_giver(portal, database):
    mother, son = await portal.mother(), await portal.son()
    key = (await fill_offer(mother)).find_form(OFFER).values["sleutel"]
    for browser in (mother, son):
        form = (await fill_offer(browser)).find_form(OFFER)
        await browser.submit_form(form, {"akkoord": "ja", "sleutel": key})
    assert await offers_in(database) == 2


async def test_offer_month_as_word_is_accepted(portal):
    page = await fill_offer(await portal.mother(), vanaf_maand="September")
    assert "1 september 2026" in page.text


async def test_offer_end_date_is_inclusive(portal):
    page = await fill_offer(await portal.mother(), duur="eigen", einde_dag="31", einde_maand="12", einde_jaar="2026")
    assert "tot en met 31 december 2026" in page.text
    assert "1 januari 2027" not in page.text


async def test_offer_form_has_careful_defaults(portal):
    values = (await open_offer(await portal.mother())).find_form(OFFER).values
    assert values["uitgesloten"] == ["zorg"]
    assert values["gevoelig"] == "gewoon"
    assert "afzenders" not in values


async def test_offer_page_without_session_redirects_to_login(portal):
    response = await portal.http.get(ISSUER + OFFER, headers={"Accept": "text/html"})
    assert response.status_code == 303
    assert response.headers["location"] == f"/inloggen?terug={OFFER}"


async def test_csrf_offer_without_token_is_rejected(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser)
    await browser.submit_form(check.find_form(OFFER), {"akkoord": "ja", "csrf": "x" * 43}, expected_status=403)
    assert await offers_in(database) == 0


async def test_csrf_offer_with_token_of_another_person_is_rejected(portal, database):
    his = await open_offer(await portal.son())
    browser = await portal.mother()
    check = await fill_offer(browser)
    await browser.submit_form(
        check.find_form(OFFER), {"akkoord": "ja", "csrf": his.find_form(OFFER).values["csrf"]}, expected_status=403
    )
    assert await offers_in(database) == 0
