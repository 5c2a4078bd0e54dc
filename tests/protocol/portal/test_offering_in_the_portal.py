"""The offer form: each fault is named in a summary and at its field, nothing typed is lost, and nothing is made."""

import pytest
from sqlalchemy import text

from tests.builders.login import ISSUER
from tests.builders.portal import OFFER, fill_offer, make_offer, open_offer


async def offers_in(database) -> int:
    async with database.sessions() as session:
        return await session.scalar(text("SELECT count(*) FROM machtiging"))


# Every mistake there is has its line in tests/unit/portal/test_terms_in_a_form.py; these come by every road.
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
async def test_a_mistake_is_named_in_the_summary_and_at_its_field(portal, database, changes, field):
    page = await fill_offer(await portal.mother(), expect=400, akkoord="ja", **changes)
    [sentence] = [word for href, word in page.links if href == f"#{field}"]
    assert page.text.count(sentence) == 2
    assert await offers_in(database) == 0


async def test_everything_that_was_entered_is_still_there_after_a_mistake(portal):
    page = await fill_offer(await portal.mother(), expect=400, doel="<b>mijn post</b>", duur="")
    values = page.form(OFFER).values
    assert values["doel"] == "<b>mijn post</b>"
    assert values["afzenders"] == ["00000099000000003000"]
    assert values["uitgesloten"] == ["zorg"]
    assert (values["soort"], values["mag"], values["vanaf_maand"]) == ("relative", "downloaden", "9")


async def test_several_mistakes_are_told_at_once_in_the_order_of_the_page(portal):
    page = await fill_offer(await portal.mother(), expect=400, doel="", mag="", duur="")
    assert [href for href, _ in page.links if href.startswith("#") and href != "#inhoud"] == ["#doel", "#mag", "#duur"]
    assert "3 dingen" in page.text


async def test_the_first_time_it_is_sent_nothing_is_made_but_a_page_that_repeats_it(portal, database):
    page = await fill_offer(await portal.mother())
    assert "Klopt dit?" in page.text
    assert "Belastingdienst" in page.text
    assert "zorg en gezondheid" in page.text
    assert page.codes == []
    assert await offers_in(database) == 0


async def test_whoever_wants_to_change_something_gets_the_form_back_filled_in(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser, doel="iets anders")
    page = await browser.submit(check.form(OFFER), {"akkoord": "wijzig"})
    assert page.form(OFFER).values["doel"] == "iets anders"
    assert await offers_in(database) == 0


async def test_the_code_is_shown_once_and_nowhere_else(portal, database):
    browser = await portal.mother()
    code = await make_offer(browser)
    assert await offers_in(database) == 1
    later = await browser.open(ISSUER + "/machtigingen")
    assert "Wacht op antwoord" in later.text
    assert code not in later.text
    details = await browser.open(ISSUER + next(h for h, _ in later.links if h.count("/") == 2 and "-" in h))
    assert code not in details.text
    assert details.codes == []


async def test_months_may_be_written_as_words(portal):
    page = await fill_offer(await portal.mother(), vanaf_maand="September")
    assert "1 september 2026" in page.text


async def test_the_last_day_that_is_named_is_still_included(portal):
    page = await fill_offer(await portal.mother(), duur="eigen", einde_dag="31", einde_maand="12", einde_jaar="2026")
    assert "1 januari 2027 om 00:00 uur" in page.text


async def test_the_form_opens_with_careful_choices(portal):
    values = (await open_offer(await portal.mother())).form(OFFER).values
    assert values["uitgesloten"] == ["zorg"]
    assert values["gevoelig"] == "gewoon"
    assert "afzenders" not in values


async def test_whoever_is_not_logged_in_is_sent_to_log_in(portal):
    response = await portal.http.get(ISSUER + OFFER, headers={"Accept": "text/html"})
    assert response.status_code == 303
    assert response.headers["location"] == f"/inloggen?terug={OFFER}"


async def test_a_form_without_its_token_is_refused_and_makes_nothing(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser)
    await browser.submit(check.form(OFFER), {"akkoord": "ja", "csrf": "x" * 43}, expect=403)
    assert await offers_in(database) == 0


async def test_a_form_with_the_token_of_somebody_else_is_refused(portal, database):
    his = await open_offer(await portal.son())
    browser = await portal.mother()
    check = await fill_offer(browser)
    await browser.submit(check.form(OFFER), {"akkoord": "ja", "csrf": his.form(OFFER).values["csrf"]}, expect=403)
    assert await offers_in(database) == 0
