"""The start page: an overview that knows the visitor, in the chosen language."""

from datetime import timedelta

import pytest

from machtiging.kernel.assurance import Assurance
from machtiging.web.language import LANGUAGE_COOKIE
from tests.builders.people import ISSUER
from tests.builders.portal import accept_code, make_offer

SAME_ORIGIN = {"Origin": ISSUER, "Accept": "text/html"}


async def test_start_page_without_session_says_how_it_works(portal):
    page = await portal.http.get(ISSUER + "/", headers={"Accept": "text/html"})
    assert "Laat iemand die u vertrouwt uw post meelezen" in page.text
    assert "Geef nooit uw DigiD" in page.text
    assert "Uw helpers" not in page.text


async def test_overview_without_helpers_offers_to_add_one(portal):
    page = await (await portal.mother()).open_page(ISSUER + "/")
    assert "Welkom, Ans Voorbeeld" in page.text
    assert "Niemand mag uw post lezen." in page.text
    assert "U heeft nog geen brieven." in page.text


async def test_overview_with_an_unused_code_names_the_offer(portal):
    await make_offer(mother := await portal.mother())
    page = await mother.open_page(ISSUER + "/")
    assert "Nog niemand heeft de code gebruikt." in page.text


async def test_overview_shows_helper_to_giver_and_giver_to_helper(portal):
    mother, son = await portal.mother(), await portal.son()
    await accept_code(son, await make_offer(mother))
    assert "Bram Voorbeeld" in (await mother.open_page(ISSUER + "/")).text
    page = await son.open_page(ISSUER + "/")
    assert "Mensen die u helpt" in page.text
    assert "Ans Voorbeeld" in page.text


async def test_overview_warns_of_a_machtiging_that_ends_within_thirty_days(portal):
    mother, son = await portal.mother(), await portal.son()
    await accept_code(son, await make_offer(mother, duur="30"))
    assert "Daarna stopt dat vanzelf." not in (await mother.open_page(ISSUER + "/")).text
    portal.clock.advance(timedelta(days=2))
    assert "Daarna stopt dat vanzelf." in (await (await portal.mother()).open_page(ISSUER + "/")).text


@pytest.mark.parametrize("assurance", list(Assurance))
async def test_overview_opens_at_each_level_of_assurance(portal, assurance):
    browser = await portal.mother(assurance=assurance)
    assert "Uw helpers" in (await browser.open_page(ISSUER + "/")).text


async def test_start_page_of_an_employee_leads_to_work_and_not_to_own_post(portal):
    browser = await portal.son(kvk="90000001")
    page = await browser.open_page(ISSUER + "/")
    assert page.url == ISSUER + "/werk"
    assert "Welkom, Bram Voorbeeld" not in page.text


async def choose_language(portal, *, headers=SAME_ORIGIN, **form):
    return await portal.http.post(ISSUER + "/taal", data=form, headers=headers)


async def test_chosen_language_is_kept_in_a_cookie_and_used(portal):
    answer = await choose_language(portal, taal="en", terug="/aan-de-balie?a=b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/aan-de-balie?a=b")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{LANGUAGE_COOKIE}=en;")
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute.lower() in cookie.lower()
    page = await portal.http.get(
        ISSUER + "/", headers={"Accept": "text/html", "Accept-Language": "nl", "Cookie": f"{LANGUAGE_COOKIE}=en"}
    )
    assert '<html lang="en"' in page.text
    assert page.headers["content-language"] == "en"
    assert "Let somebody you trust read your letters with you" in page.text


async def test_problem_follows_accept_language(portal):
    for language, title in (("nl", "Niet gevonden"), ("en", "Not found")):
        answer = await portal.http.get(ISSUER + "/api/v1/bestaat-niet", headers={"Accept-Language": language})
        assert answer.json()["title"] == title
        assert answer.headers["content-language"] == language


@pytest.mark.parametrize("taal", ["", "de", "EN", "nl; secure", "../en", "x" * 500])
async def test_unknown_language_is_refused_without_a_cookie(portal, taal):
    answer = await choose_language(portal, taal=taal, terug="/")
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "terug", ["https://elders.example/", "//elders.example", "\\\\elders.example", "javascript:1", ""]
)
async def test_language_choice_never_redirects_elsewhere(portal, terug):
    assert (await choose_language(portal, taal="en", terug=terug)).headers["location"] == "/"


@pytest.mark.parametrize("headers", [{"Origin": "https://elders.example"}, {}, {"Sec-Fetch-Site": "cross-site"}])
async def test_language_choice_from_another_site_is_refused(portal, headers):
    answer = await choose_language(portal, headers=headers, taal="en", terug="/")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_overview_during_an_emergency_stop_says_so_and_offers_no_new_helper(portal):
    mother = await portal.mother()
    page = await mother.open_page(ISSUER + "/")
    assert "Iemand laten helpen" in page.text
    stop = await mother.open_page(ISSUER + "/helpers/stop-alles")
    await mother.submit_form(stop.find_form("/stop-alles"), {})
    page = await mother.open_page(ISSUER + "/")
    assert "U heeft alles stopgezet op" in page.text
    assert "Iemand laten helpen" not in page.text
