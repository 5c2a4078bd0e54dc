"""The wizard for giving a machtiging: steps, drafts, confirmation, one offer per draft."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.cli.demo.html import HtmlForm, parse_page
from machtiging.identity.form_drafts import DRAFT_LIFETIME, MAX_DRAFTS_PER_PERSON
from machtiging.kernel.ids import PersonId
from tests.builders.people import ISSUER
from tests.builders.portal import (
    CHECK,
    OFFER,
    OFFER_STEPS,
    enter_code,
    fill_offer,
    make_offer,
    make_step_form,
    open_offer,
)
from tests.builders.rows import MACHTIGINGEN

RIGHT_TO_LEFT = "Bram\u202egnp.exe"


async def offers_in(database) -> int:
    async with database.sessions() as session:
        return await MACHTIGINGEN.count(session)


async def drafts_in(database) -> list:
    async with database.sessions() as session:
        return list((await session.execute(text("SELECT * FROM form_draft ORDER BY id"))).all())


def draft_path(browser) -> str:
    """The path of the draft on the screen, without its step."""
    return urlsplit(browser.url).path.rpartition("/")[0]


async def send_step(browser, path: str, step: str, *, expect: int = 200, **changes):
    """Send one step of a draft, as its page would."""
    csrf = (await open_offer(browser)).find_form(OFFER).values["csrf"]
    form = HtmlForm(f"{ISSUER}{path}/{step}", "post", {"csrf": csrf})
    return await browser.submit_form(form, make_step_form(step, **changes), expected_status=expect)


# One error of each step; all are in tests/unit/portal/test_offer_form.py.
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"soort": ""}, "soort"),
        ({"naam": ""}, "naam"),
        ({"naam": RIGHT_TO_LEFT}, "naam"),
        ({"naam": "x" * 200}, "naam"),
        ({"doel": "x"}, "doel"),
        ({"keuze": "iets"}, "keuze"),
        ({"organisaties": "alle"}, "organisaties"),
        ({"afzenders": []}, "afzenders"),
        ({"themas": ["geheim"]}, "themas"),
        ({"bestaand": ""}, "bestaand"),
        ({"gevoelig": "misschien"}, "gevoelig"),
        ({"bijlagen": ""}, "bijlagen"),
        ({"duur": ""}, "duur"),
        ({"einde_dag": "1"}, "duur"),
        ({"duur": "eigen", "einde_dag": "1", "einde_maand": "1", "einde_jaar": "1700"}, "einde"),
    ],
)
async def test_offer_error_is_shown_in_summary_and_at_its_field(portal, database, changes, field):
    page = await fill_offer(await portal.mother(), expect=400, **changes)
    [sentence] = [word for href, word in page.links if href == f"#{field}"]
    assert page.text.count(sentence) == 2
    assert await offers_in(database) == 0


async def test_offer_error_keeps_all_input(portal):
    page = await fill_offer(await portal.mother(), expect=400, doel="<b>mijn post</b>", soort="")
    values = page.find_form(OFFER).values
    assert (values["doel"], values["naam"]) == ("<b>mijn post</b>", "mijn zoon Bram")


async def test_offer_error_on_own_choice_keeps_ticks(portal):
    page = await fill_offer(await portal.mother(), expect=400, organisaties="alle")
    values = page.find_form("/zelf-kiezen").values
    assert values["afzenders"] == ["00000099000000003000"]
    assert len(values["themas"]) == 11


async def test_offer_errors_are_listed_in_page_order(portal):
    page = await fill_offer(await portal.mother(), expect=400, soort="", naam="", doel="")
    links = [href for href, _ in page.links if href.startswith("#") and href != "#inhoud"]
    assert links == ["#soort", "#naam", "#doel"]


async def test_offer_steps_are_numbered(portal):
    browser = await portal.mother()
    page = await open_offer(browser)
    assert "Stap 1 van 5" in page.text
    await fill_offer(browser)
    path = draft_path(browser)
    for step, number in {"brieven": 2, "zelf-kiezen": 2, "lezen": 3, "duur": 4, "controle": 5}.items():
        assert f"Stap {number} van 5" in (await browser.open_page(f"{ISSUER}{path}/{step}")).text


@pytest.mark.parametrize(
    ("preset", "says"), [("behalve-medisch", "Alles behalve medisch"), ("belasting", "Alleen belasting en toeslagen")]
)
async def test_offer_with_preset_skips_own_choice(portal, preset, says):
    browser = await portal.mother()
    page = await fill_offer(browser, keuze=preset)
    assert says in page.text
    assert "Van welke organisaties" not in page.text
    assert await make_offer(browser, keuze=preset)


async def test_offer_check_page_shows_answers_and_stores_no_offer(portal, database):
    page = await fill_offer(await portal.mother())
    for expected in ("Klopt dit?", "Belastingdienst", "mijn zoon Bram", "post bijhouden", "belastingen"):
        assert expected in page.text
    assert "zorg en gezondheid" not in page.text
    assert page.codes == []
    assert await offers_in(database) == 0


async def test_offer_row_changed_from_check_page_returns_there(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser)
    for step in ("wie", "lezen", "duur"):
        href = next(href for href, _ in check.links if f"/{step}?" in href)
        form = (await browser.open_page(ISSUER + href)).find_form(f"/{step}")
        check = await browser.submit_form(form, {"doel": "iets anders"} if step == "wie" else {})
        assert "Klopt dit?" in check.text
    assert "iets anders" in check.text
    assert await offers_in(database) == 0


async def test_offer_preset_changed_to_own_choice_asks_it_first(portal):
    browser = await portal.mother()
    check = await fill_offer(browser, keuze="belasting")
    href = next(href for href, _ in check.links if "/brieven?" in href)
    form = (await browser.open_page(ISSUER + href)).find_form("/brieven")
    page = await browser.submit_form(form, {"keuze": "zelf"})
    assert page.find_form("/zelf-kiezen").values["wijzig"] == "ja"
    check = await browser.submit_form(page.find_form("/zelf-kiezen"), make_step_form("zelf-kiezen"))
    assert "Klopt dit?" in check.text


async def test_offer_answers_are_kept_when_going_back(portal):
    browser = await portal.mother()
    await fill_offer(browser)
    path = draft_path(browser)
    for step in (each for each in OFFER_STEPS if each != "organisatie"):  # not asked for a relative
        values = (await browser.open_page(f"{ISSUER}{path}/{step}")).find_form(f"/{step}").values
        expected = {name: value for name, value in make_step_form(step).items() if value != ""}
        assert {name: value for name, value in values.items() if name != "csrf" and value != ""} == expected


async def test_offer_check_page_before_all_answers_leads_to_the_missing_step(portal):
    browser = await portal.mother()
    await browser.submit_form((await open_offer(browser)).find_form(OFFER), make_step_form("wie"))
    page = await browser.open_page(f"{ISSUER}{draft_path(browser)}{CHECK}")
    assert "Welke brieven mag uw helper lezen?" in page.text


async def test_offer_code_is_shown_once(portal, database):
    browser = await portal.mother()
    code = await make_offer(browser)
    assert await offers_in(database) == 1
    assert await drafts_in(database) == []
    later = await browser.open_page(ISSUER + "/helpers")
    assert "Wacht op antwoord" in later.text
    assert code not in later.text
    details = await browser.open_page(
        ISSUER + next(h for h, _ in later.links if h.count("/") == 2 and h.count("-") == 4)
    )
    assert code not in details.text
    assert details.codes == []


async def test_offer_code_page_has_code_in_groups_of_four_and_in_the_fragment_only(portal):
    browser = await portal.mother()
    check = await fill_offer(browser)
    made = await browser.submit_form(check.find_form(CHECK), {"akkoord": "ja"})
    assert [len(part) for part in made.codes[0].split("-")] == [4, 4, 2]
    assert f"{ISSUER}/code." in made.text
    assert "mijn zoon Bram" in made.text
    await enter_code(await portal.son(), made.codes[0])


async def test_concurrent_offers_of_one_draft_create_one_offer(portal, database):
    browser = await portal.mother()
    form = (await fill_offer(browser)).find_form(CHECK)
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())}
    headers = {**cookie, "Origin": ISSUER, "Accept": "text/html"}
    data = form.values | {"akkoord": "ja"}
    click = [portal.http.post(ISSUER + form.action, data=data, headers=headers) for _ in range(2)]
    answers = sorted(await asyncio.gather(*click), key=lambda answer: answer.status_code)
    made, again = [parse_page(answer.text, ISSUER + OFFER) for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert await offers_in(database) == 1
    assert (len(made.codes), again.codes) == (1, [])
    assert "al gemaakt" in again.text
    assert "één keer" in again.text
    assert made.codes[0] not in again.text
    await enter_code(await portal.son(), made.codes[0])


async def test_offer_draft_reused_later_creates_nothing(portal, database):
    browser = await portal.mother()
    check = (await fill_offer(browser)).find_form(CHECK)
    await browser.submit_form(check, {"akkoord": "ja"})
    page = await browser.open_page(ISSUER + "/helpers")
    address = next(href for href, _ in page.links if href.count("/") == 2 and href.count("-") == 4)
    withdraw = (await browser.open_page(f"{ISSUER}{address}/intrekken")).find_form("/intrekken")
    await browser.submit_form(withdraw, {})
    page = await browser.submit_form(check, {"akkoord": "ja"}, expected_status=409)
    assert page.codes == []
    assert await offers_in(database) == 1
    assert "Deze machtiging was al gemaakt." in (await browser.open_page(ISSUER + "/wie-keek-mee")).text


async def test_offer_step_opened_after_the_offer_says_it_is_made(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser)
    path = draft_path(browser)
    await browser.submit_form(check.find_form(CHECK), {"akkoord": "ja"})
    for step in OFFER_STEPS:
        assert "al gemaakt" in (await browser.open_page(f"{ISSUER}{path}/{step}", expected_status=409)).text
        assert "al gemaakt" in (await send_step(browser, path, step, expect=409)).text
    assert await offers_in(database) == 1
    assert await drafts_in(database) == []


async def test_offer_drafts_of_two_tabs_do_not_mix(portal, database):
    browser = await portal.mother()
    first = await fill_offer(browser, doel="de eerste")
    second = await fill_offer(browser, doel="de tweede")
    assert "de tweede" in second.text
    for check in (first, second):
        await browser.submit_form(check.find_form(CHECK), {"akkoord": "ja"})
    assert await offers_in(database) == 2


async def test_offer_of_answers_changed_in_another_tab_is_shown_again(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser)
    await send_step(browser, draft_path(browser), "wie", doel="heel iets anders")
    page = await browser.submit_form(check.find_form(CHECK), {"akkoord": "ja"}, expected_status=409)
    assert "Uw antwoorden zijn veranderd" in page.text
    assert "heel iets anders" in page.text
    assert await offers_in(database) == 0
    await browser.submit_form(page.find_form(CHECK), {"akkoord": "ja"})
    assert await offers_in(database) == 1


NOTHING = {"afzenders": ["00000099000000005000"], "themas": ["belastingen"]}
EVERYTHING = {
    "organisaties": "alle",
    "afzenders": [],
    "themas": [*make_step_form("zelf-kiezen")["themas"], "zorg"],
    "gevoelig": "ja",
}


@pytest.mark.parametrize(
    ("changes", "value", "says"),
    [(NOTHING, "niets", "geen enkele brief"), (EVERYTHING, "alles", "alles lezen wat een helper kan lezen")],
    ids=["nothing", "everything"],
)
async def test_offer_that_covers_an_extreme_is_asked_again(portal, database, changes, value, says):
    browser = await portal.mother()
    check = await fill_offer(browser, **changes)
    assert says in check.text
    other = {"niets": "alles", "alles": "niets"}[value]
    for answer in ({}, {"zeker": other}, {"zeker": "ja"}):
        page = await browser.submit_form(check.find_form(CHECK), {"akkoord": "ja", **answer}, expected_status=400)
        assert "#zeker" in [href for href, _ in page.links]
        assert await offers_in(database) == 0
    made = await browser.submit_form(page.find_form(CHECK), {"akkoord": "ja", "zeker": value})
    assert len(made.codes) == 1


async def test_offer_that_covers_a_part_is_not_asked_again(portal):
    check = await fill_offer(await portal.mother())
    assert "zeker" not in check.find_form(CHECK).choices


@pytest.mark.parametrize("whose", ["unknown", "of another person", "expired"])
async def test_offer_draft_that_is_not_there_is_refused_with_typed_answers_kept(portal, database, whose):
    browser = await (portal.son() if whose == "of another person" else portal.mother())
    await fill_offer(browser, doel="geheim van een ander")
    path = f"{OFFER}/{uuid4()}" if whose == "unknown" else draft_path(browser)
    mother = await portal.mother()
    if whose == "expired":
        portal.clock.advance(DRAFT_LIFETIME)
        mother = await portal.mother()
    for step in (*OFFER_STEPS, "controle"):
        gone = await mother.open_page(f"{ISSUER}{path}/{step}", expected_status=404)
        assert "Deze antwoorden zijn er niet meer" in gone.text
        assert "geheim" not in gone.text
    page = await send_step(mother, path, "lezen", gevoelig="ja")
    assert "Wij konden uw eerdere antwoorden niet meer vinden." in page.text
    assert "geheim" not in page.text
    fresh = draft_path(mother)
    assert fresh != path
    values = (await mother.open_page(f"{ISSUER}{fresh}/lezen")).find_form("/lezen").values
    assert values["gevoelig"] == "ja"
    assert await offers_in(database) == 0


async def test_offer_check_page_of_a_draft_that_is_gone_makes_nothing(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser)
    portal.clock.advance(DRAFT_LIFETIME)
    browser = await portal.mother()
    browser.url = ISSUER + "/"
    csrf = (await open_offer(browser)).find_form(OFFER).values["csrf"]
    await browser.submit_form(check.find_form(CHECK), {"csrf": csrf, "akkoord": "ja"}, expected_status=404)
    assert await offers_in(database) == 0


async def test_offer_drafts_per_person_are_limited(portal, database):
    browser = await portal.mother()
    form = (await open_offer(browser)).find_form(OFFER)
    for _ in range(MAX_DRAFTS_PER_PERSON + 3):
        portal.clock.advance(timedelta(seconds=1))
        await browser.submit_form(form, make_step_form("wie"))
    rows = await drafts_in(database)
    assert len(rows) == MAX_DRAFTS_PER_PERSON


async def test_offer_draft_is_stored_encrypted(portal, database):
    browser = await portal.mother()
    await fill_offer(browser, doel="Geheime post", naam="Mijn buurvrouw")
    (row,) = await drafts_in(database)
    assert PersonId(row.person_id) == portal.people.mother
    assert b"Geheime" not in row.sealed
    assert b"buurvrouw" not in row.sealed


@pytest.mark.parametrize("change", ["sealed = ''", "sealed = overlay(sealed placing '\\x00' from 30)"])
async def test_offer_draft_with_tampered_row_is_not_shown(portal, database, change):
    browser = await portal.mother()
    await fill_offer(browser, doel="Geheime post")
    async with database.sessions() as session, session.begin():
        await session.execute(text(f"UPDATE form_draft SET {change}"))
    page = await browser.open_page(f"{ISSUER}{draft_path(browser)}/wie", expected_status=404)
    assert "Geheime post" not in page.text


async def test_offer_draft_moved_to_another_person_does_not_open(portal, database):
    browser, son = await portal.mother(), await portal.son()
    await fill_offer(browser, doel="Geheime post")
    async with database.sessions() as session, session.begin():
        await session.execute(text("UPDATE form_draft SET person_id = :son"), {"son": portal.people.son})
    page = await son.open_page(f"{ISSUER}{draft_path(browser)}/wie", expected_status=404)
    assert "Geheime post" not in page.text


async def test_offer_step_unknown_or_draft_id_malformed_is_not_found(portal):
    browser = await portal.mother()
    await fill_offer(browser)
    for path in (f"{draft_path(browser)}/bestaat-niet", f"{OFFER}/geen-uuid/wie", f"{OFFER}/06-12345678/wie"):
        await browser.open_page(ISSUER + path, expected_status=404)


async def test_helper_name_is_shown_to_the_giver_until_acceptance(portal, database):
    mother, son = await portal.mother(), await portal.son()
    code = await make_offer(mother, naam="mijn buurvrouw Ans")
    listed = await mother.open_page(ISSUER + "/helpers")
    assert "mijn buurvrouw Ans" in listed.text
    address = next(href for href, _ in listed.links if href.count("/") == 2 and "-" in href)
    renewed = (await mother.open_page(ISSUER + address)).find_form("/nieuwe-code")
    code = (await mother.submit_form(renewed, {})).codes[0]
    assert "mijn buurvrouw Ans" in mother.page.text
    shown = await enter_code(son, code)
    assert "buurvrouw" not in shown.text
    await son.submit_form(shown.find_form("/besluit"), {"besluit": "aannemen"})
    assert "buurvrouw" not in son.page.text
    assert "buurvrouw" not in (await mother.open_page(ISSUER + "/helpers")).text
    async with database.sessions() as session:
        (sealed,) = (await session.scalars(text("SELECT sealed FROM helper_name"))).all()
    assert b"buurvrouw" not in sealed


@pytest.mark.parametrize("login", [{"kvk": "90000001"}])
async def test_offer_in_a_work_login_is_refused_at_the_first_step(portal, database, login):
    browser = await portal.mother(**login)
    for path in (OFFER, f"{OFFER}/{uuid4()}/wie"):
        page = await browser.open_page(ISSUER + path, expected_status=403)
        assert "U bent ingelogd voor uw werk" in page.text
        assert "Log in met uw eigen DigiD." in page.text
        form = HtmlForm(ISSUER + path, "post", {"csrf": page.find_form("/uitloggen").values["csrf"]})
        await browser.submit_form(form, make_step_form("wie"), expected_status=403)
    assert await drafts_in(database) == []


async def test_offer_end_date_is_inclusive(portal):
    page = await fill_offer(
        await portal.mother(), duur="eigen", einde_dag="31", einde_maand="december", einde_jaar="2026"
    )
    assert "tot en met 31 december 2026" in page.text
    assert "1 januari 2027" not in page.text


async def test_offer_form_asks_every_question_without_an_answer_chosen(portal):
    browser = await portal.mother()
    await fill_offer(browser)
    form = (await open_offer(browser)).find_form(OFFER)
    assert "soort" not in form.values
    assert (form.values["naam"], form.values["doel"]) == ("", "")


async def test_offer_page_without_session_redirects_to_login(portal):
    response = await portal.http.get(ISSUER + OFFER, headers={"Accept": "text/html"})
    assert response.status_code == 303
    assert response.headers["location"] == f"/inloggen?terug={OFFER}"


async def test_offer_of_all_existing_letters_says_so(portal):
    check = await fill_offer(await portal.mother(), bestaand="alles")
    assert "Ja, alle brieven die ik heb" in check.text
    assert "1900" not in check.text


async def test_offer_old_address_redirects_permanently(portal):
    response = await portal.http.get(ISSUER + "/machtigingen/aanbieden", headers={"Accept": "text/html"})
    assert (response.status_code, response.headers["location"]) == (308, OFFER)


async def test_csrf_offer_without_token_is_rejected(portal, database):
    browser = await portal.mother()
    check = await fill_offer(browser)
    await browser.submit_form(check.find_form(CHECK), {"akkoord": "ja", "csrf": "x" * 43}, expected_status=403)
    assert await offers_in(database) == 0


async def test_csrf_offer_with_token_of_another_person_is_rejected(portal, database):
    his = await open_offer(await portal.son())
    browser = await portal.mother()
    check = await fill_offer(browser)
    await browser.submit_form(
        check.find_form(CHECK), {"akkoord": "ja", "csrf": his.find_form(OFFER).values["csrf"]}, expected_status=403
    )
    assert await offers_in(database) == 0
