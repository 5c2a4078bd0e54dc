"""Acceptance of a machtiging. The helper sees the offer before anything is stored; every wrong code gets one answer."""

import pytest

from machtiging.kernel.birth_date import PartialDate
from machtiging.kernel.bsn import Bsn
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import add_employee, add_organisation, add_recognised_organisation
from tests.builders.people import BORN, ISSUER, add_person
from tests.builders.portal import ACCEPT, CHECK, accept_code, enter_code, fill_offer, make_offer
from tests.builders.rows import CODE_TRIES

KVK = "90000001"
ORGANISATION = f"namens organisatie met KvK-nummer {KVK}"
NAMED_ORGANISATION = f"namens Wijkteam {KVK} met KvK-nummer {KVK}"
BOXES = ("geboren_dag", "geboren_maand", "geboren_jaar")
NOT_A_DAY = {"geboren_dag": "30", "geboren_maand": "2"}


async def test_acceptance_page_shows_the_offer_before_anything_is_stored(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    page = await enter_code(son, code)
    for part in ("Ans Voorbeeld", "post bijhouden", "Belastingdienst", "belastingen", "bijlagen opslaan"):
        assert part in page.text
    assert "UWV" not in page.text
    assert "zorg en gezondheid" not in page.text
    assert "U helpt nog niemand" in (await son.open_page(ISSUER + "/ik-help")).text


async def test_acceptance_shows_the_machtiging_to_both(portal):
    mother, son = await portal.mother(), await portal.son()
    page = await accept_code(son, await make_offer(mother))
    assert "U heeft de machtiging aangenomen" in page.text
    assert "U mag post lezen van Ans Voorbeeld" in page.text
    assert "Bram Voorbeeld" in (await mother.open_page(ISSUER + "/helpers")).text


async def test_refusal_consumes_the_code(portal):
    mother, son = await portal.mother(), await portal.son()
    code = await make_offer(mother)
    shown = await enter_code(son, code)
    page = await son.submit_form(shown.find_form("/besluit"), {"besluit": "weigeren"})
    assert "U heeft de machtiging geweigerd" in page.text
    assert "U heeft de machtiging geweigerd" in (await enter_code(son, code)).text
    await enter_code(await portal.browser_of(portal.people.mother), code, expect=400)
    assert "Geweigerd" in (await mother.open_page(ISSUER + "/helpers")).text


@pytest.mark.parametrize(
    "wrong",
    [{"code": "00000-00000"}, {"geboren_jaar": str(BORN.year + 1)}, {"geboren_dag": ""}, {"geboren_jaar": "0000"}],
    ids=["an unknown code", "another birth date", "no day", "no year"],
)
async def test_enumeration_code_wrong_gets_the_uniform_error_page(portal, wrong):
    code = await make_offer(await portal.mother())
    page = await enter_code(await portal.son(), **{"code": code, "expect": 400, **wrong})
    assert "Wij vinden geen machtiging bij wat u invulde" in page.text
    kept = page.find_form(ACCEPT).values
    assert (kept["code"], kept["geboren_dag"]) == (wrong.get("code", code), wrong.get("geboren_dag", str(BORN.day)))
    assert "U kunt nog 4 keer proberen." in page.text


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"code": ""}, "Vul de machtigingscode in."),
        ({"code": " \u200b\u2013. "}, "Dit kan geen machtigingscode zijn"),
        ({"code": "hallo"}, "Dit kan geen machtigingscode zijn"),
        ({"code": "00000-00001"}, "Dit kan geen machtigingscode zijn"),
        ({"code": "0" * 201}, "Dit is te lang"),
        (NOT_A_DAY, "Deze datum bestaat niet."),
        ({"geboren_maand": "13"}, "Deze datum bestaat niet."),
        ({"geboren_jaar": "51"}, "Deze datum bestaat niet."),
        (dict.fromkeys(BOXES, ""), "Of het controlewoord"),
        (dict.fromkeys(BOXES, "00"), "Of het controlewoord"),
    ],
)
async def test_code_form_input_invalid_is_named_at_its_field_and_costs_no_try(portal, wrong, sentence):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    page = await enter_code(son, **{"code": code, "expect": 400, **wrong})
    for _ in range(6):
        assert sentence in page.text
        page = await son.submit_form(page.find_form(ACCEPT), {}, expected_status=400)
    assert sentence in page.text
    await enter_code(son, code)


@pytest.mark.parametrize("part", ["dag", "maand", "jaar"])
async def test_birth_date_of_400_digits_is_rejected_at_its_field(portal, part):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    huge = {f"geboren_{part}": "1" * 400}
    assert "Deze datum bestaat niet." in (await enter_code(son, code, expect=400, **huge)).text
    decision = (await enter_code(son, code)).find_form("/besluit")
    page = await son.submit_form(decision, {"besluit": "aannemen", **huge}, expected_status=400)
    assert "Deze datum bestaat niet." in page.text


async def test_brute_force_code_sixth_try_returns_429(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    page = await enter_code(son, "00000-00000", expect=400)
    for _ in range(4):
        page = await son.submit_form(page.find_form(ACCEPT), {}, expected_status=400)
    page = await enter_code(son, code, expect=429)
    assert "te vaak" in page.text


async def test_acceptance_of_own_offer_returns_403(portal):
    mother = await portal.mother()
    page = await enter_code(mother, await make_offer(mother), expect=403)
    assert "U kunt uzelf niet machtigen" in page.text


async def test_acceptance_for_an_organisation_by_private_person_returns_403(portal):
    mother, son = await portal.mother(), await portal.son()
    page = await enter_code(son, await make_offer(mother, soort="professional"), expect=403)
    [sentence] = [word for href, word in page.links if href == "#code"]
    assert sentence.startswith("Deze machtiging is voor een hulpverlener van een organisatie.")
    assert page.text.count(sentence) == 2
    assert "Deze machtiging is voor een organisatie." in (await mother.open_page(ISSUER + "/wie-keek-mee")).text


async def test_acceptance_for_a_relative_by_employee_returns_403(portal):
    code = await make_offer(await portal.mother())
    page = await enter_code(await portal.browser_of(portal.people.son, kvk=KVK), code, expect=403)
    assert "Deze machtiging is voor familie of een bekende." in page.text
    await accept_code(await portal.son(), code)


async def hire_son(portal):
    """The son works for a recognised organisation."""
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await add_recognised_organisation(session, KVK, portal.people.son)


async def test_acceptance_for_an_organisation_that_is_not_recognised_tells_so(portal):
    code = await make_offer(await portal.mother(), soort="professional")
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await add_employee(session, await add_organisation(session, KVK, "aangevraagd"), portal.people.son)
    page = await enter_code(await portal.browser_of(portal.people.son, kvk=KVK), code, expect=403)
    assert "Deze organisatie is nog niet erkend." in page.text


async def test_acceptance_form_of_employee_session_in_private_session_is_rejected(portal):
    await hire_son(portal)
    code = await make_offer(await portal.mother(), soort="professional")
    employee, son = await portal.browser_of(portal.people.son, kvk=KVK), await portal.son()
    form = (await enter_code(employee, code)).find_form("/besluit")
    own = (await son.open_page(ISSUER + ACCEPT)).find_form(ACCEPT).values["csrf"]
    for decision in ("aannemen", "weigeren"):
        page = await son.submit_form(form, {"besluit": decision, "csrf": own}, expected_status=403)
        assert "hulpverlener van een organisatie" in page.text


async def test_acceptance_by_professional_shows_the_organisation_to_both(portal):
    await hire_son(portal)
    mother, employee = await portal.mother(), await portal.browser_of(portal.people.son, kvk=KVK)
    code = await make_offer(mother, soort="professional")
    shown = await enter_code(employee, code)
    assert ORGANISATION in shown.text
    page = await employee.submit_form(shown.find_form("/besluit"), {"besluit": "aannemen"})
    assert NAMED_ORGANISATION in page.text
    own = employee.url.replace("/ik-help/", "/helpers/").split("?")[0]
    for browser, listed in ((mother, "/helpers"), (employee, "/ik-help")):
        for address in (own.replace("/helpers/", f"{listed}/"), ISSUER + listed):
            assert NAMED_ORGANISATION in (await browser.open_page(address)).text
    assert f"namens Wijkteam {KVK}" in (await mother.open_page(ISSUER + "/wie-keek-mee")).text


async def test_ended_machtiging_of_professional_is_shown_in_past_tense(portal):
    await hire_son(portal)
    employee = await portal.browser_of(portal.people.son, kvk=KVK)
    page = await accept_code(employee, await make_offer(await portal.mother(), soort="professional"))
    assert f"U helpt {NAMED_ORGANISATION}" in page.text
    question = await employee.open_page(employee.url.split("?")[0] + "/teruggeven")
    page = await employee.submit_form(question.find_form("/teruggeven"), {})
    assert f"U hielp {NAMED_ORGANISATION}" in page.text


async def test_machtiging_of_relative_shows_no_organisation(portal):
    mother, son = await portal.mother(), await portal.son()
    page = await accept_code(son, await make_offer(mother))
    assert "KvK" not in page.text
    assert "KvK" not in (await mother.open_page(ISSUER + "/helpers")).text


async def test_decision_without_choice_is_rejected(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    shown = await enter_code(son, code)
    await son.submit_form(shown.find_form("/besluit"), {"besluit": "misschien"}, expected_status=400)
    await accept_code(son, code)


async def test_csrf_decision_from_other_site_is_rejected(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    form = (await enter_code(son, code)).find_form("/besluit")
    cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in son.cookies[ISSUER].items())}
    for headers in ({"Origin": "https://boef.example"}, {"Sec-Fetch-Site": "cross-site", "Origin": ISSUER}, {}):
        data = form.values | {"besluit": "aannemen"}
        asked = {**cookie, **headers, "Accept": "text/html"}
        answer = await portal.http.post(ISSUER + form.action, data=data, headers=asked)
        assert answer.status_code == 403
    await accept_code(son, code)


@pytest.mark.parametrize("paste", ["\u201c{}\u201d", "{}.", " {}\u200b", "\u202a{}\u202c"])
async def test_code_pasted_with_odd_punctuation_is_accepted(portal, paste):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    page = await enter_code(son, paste.format(code.replace("-", "\u2013")))
    accepted = await son.submit_form(page.find_form("/besluit"), {"besluit": "aannemen"})
    assert "U heeft de machtiging aangenomen" in accepted.text


async def test_code_used_again_by_same_helper_shows_the_machtiging_and_costs_no_try(portal, database):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    await accept_code(son, code)
    for wrong in ({}, {"geboren_dag": ""}, {"geboren_jaar": "1950"}):
        page = await enter_code(son, code, **wrong)
        assert "U mag post lezen van Ans Voorbeeld" in page.text
    question = await son.open_page(son.url.split("?")[0] + "/teruggeven")
    await son.submit_form(question.find_form("/teruggeven"), {})
    page = await enter_code(son, code)
    assert "Teruggegeven" in page.text
    assert "U heeft de machtiging aangenomen" not in page.text
    async with database.sessions() as session:
        assert await CODE_TRIES.count(session) == 0


async def test_code_page_without_tries_left_says_when_to_retry(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    page = await enter_code(son, "00000-00000", expect=400)
    for _ in range(4):
        page = await son.submit_form(page.find_form(ACCEPT), {}, expected_status=400)
    for told in (page, await enter_code(son, code, expect=429)):
        assert "U kunt het over 60 minuten weer proberen." in told.text
        assert "Vraag intussen om een nieuwe code." in told.text


async def log_in_giver_born(portal, born):
    """A logged-in giver with this known birth date."""
    async with unit_of_work(portal.app.state.services.sessions) as session:
        giver = await add_person(session, Bsn("999990032"), "Nel Voorbeeld", born)
    return await portal.browser_of(giver)


async def test_check_word_replaces_birth_date_of_giver_without_one(portal):
    mother, son = await log_in_giver_born(portal, None), await portal.son()
    check = await fill_offer(mother)
    made = await mother.submit_form(check.find_form(CHECK), {"akkoord": "ja"})
    code, word = made.codes
    assert "Uw controlewoord" in made.text
    assert "Vul ook het controlewoord in." in made.text
    empty = dict.fromkeys(BOXES, "")
    for answers in ({"woord": "bamoka"}, {"woord": word[:-1], **empty}, {}):
        page = await enter_code(son, code, expect=400, **answers)
        assert "Wij vinden geen machtiging bij wat u invulde" in page.text
    page = await enter_code(son, code, **{"woord": word.upper(), **empty})
    assert "Nel Voorbeeld" in page.text
    await son.submit_form(page.find_form("/besluit"), {"besluit": "aannemen"})
    looked = (await mother.open_page(ISSUER + "/wie-keek-mee")).text
    assert "(gecontroleerd met het controlewoord)" in looked
    assert word not in looked


async def test_code_with_known_birth_year_only_is_accepted(portal):
    mother, son = await log_in_giver_born(portal, PartialDate(1950, None, None)), await portal.son()
    code = await make_offer(mother)
    page = await enter_code(son, code, geboren_dag="00", geboren_maand="", geboren_jaar="1950")
    await son.submit_form(page.find_form("/besluit"), {"besluit": "aannemen"})
    assert "(gecontroleerd met alleen het geboortejaar)" in (await mother.open_page(ISSUER + "/wie-keek-mee")).text


async def test_acceptance_leads_to_a_page_with_the_letters(portal):
    son = await portal.son()
    page = await accept_code(son, await make_offer(await portal.mother()))
    path = son.url.split("?")[0].removeprefix(ISSUER)
    assert (f"{path}/brieven", "Bekijk de post") in page.links
    assert "Brieven van Ans Voorbeeld" in (await son.open_page(f"{ISSUER}{path}/brieven")).text


async def test_former_address_of_the_form_redirects(portal):
    answer = await portal.http.get(ISSUER + "/machtigingen/aannemen")
    assert (answer.status_code, answer.headers["location"]) == (308, "/ik-help/code")


async def test_page_of_a_scanned_code_says_what_to_do_and_logs_in(portal):
    answer = await portal.http.get(ISSUER + "/code", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert "U kreeg een code van iemand" in answer.text
    assert 'href="/inloggen?terug=/ik-help/code"' in answer.text


async def test_page_of_a_scanned_code_leads_a_visitor_to_the_form(portal):
    son = await portal.son()
    await son.open_page(ISSUER + "/code")
    assert son.url == ISSUER + ACCEPT
