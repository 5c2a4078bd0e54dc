"""Renewal of a machtigingscode that was lost or never seen. By the giver only, while the offer is open."""

import asyncio

from sqlalchemy import text

from machtiging.cli.demo.html import parse_page
from tests.builders.people import ISSUER
from tests.builders.portal import CHECK, OFFER, accept_code, enter_code, fill_offer, make_offer
from tests.builders.rows import MACHTIGINGSCODES

RENEWAL_PATH = "/nieuwe-code"


async def offered(portal):
    """The giver's browser on her open offer, the URL and the first code."""
    mother = await portal.mother()
    code = await make_offer(mother)
    page = await mother.open_page(ISSUER + "/helpers")
    address = ISSUER + next(href for href, _ in page.links if href.count("/") == 2 and href.count("-") == 4)
    await mother.open_page(address)
    return mother, address, code


def has_button(page) -> bool:
    return any(form.action.endswith(RENEWAL_PATH) for form in page.forms)


async def codes_in(database) -> int:
    async with database.sessions() as session:
        return await MACHTIGINGSCODES.count(session)


async def twice(portal, browser, form, extra):
    """Submit a form twice concurrently; returns the responses with pages, by status."""
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())}
    headers = {**cookie, "Origin": ISSUER, "Accept": "text/html"}
    target = form.action if form.action.startswith("http") else ISSUER + form.action
    clicks = [portal.http.post(target, data=form.values | extra, headers=headers) for _ in range(2)]
    answers = sorted(await asyncio.gather(*clicks), key=lambda answer: answer.status_code)
    return [(answer, parse_page(answer.text, target)) for answer in answers]


async def test_code_renewal_shows_new_code_and_invalidates_the_old(portal):
    mother, _, old = await offered(portal)
    shown = await mother.submit_form(mother.page.find_form(RENEWAL_PATH), {})
    [code] = shown.codes
    assert "De oude code werkt niet meer" in shown.text
    assert "post bijhouden" in shown.text
    await enter_code(await portal.son(), old, expect=400)
    await accept_code(await portal.son(), code)


async def test_code_renewal_after_double_click_on_offer_works(portal, database):
    mother = await portal.mother()
    form = (await fill_offer(mother)).find_form(CHECK)
    (_, made), (answer, again) = await twice(portal, mother, form, {"akkoord": "ja"})
    assert (answer.status_code, again.codes) == (409, [])
    assert "twee keer geklikt" in again.text
    mother.url = ISSUER + OFFER
    [code] = (await mother.submit_form(again.find_form(RENEWAL_PATH), {})).codes
    await enter_code(await portal.son(), made.codes[0], expect=400)
    await accept_code(await portal.son(), code)


async def test_code_renewal_double_click_creates_one_code(portal, database):
    mother, _, _ = await offered(portal)
    (_, made), (answer, again) = await twice(portal, mother, mother.page.find_form(RENEWAL_PATH), {})
    assert (answer.status_code, again.codes) == (409, [])
    assert "Er is al een nieuwe code" in again.text
    assert await codes_in(database) == 2
    await enter_code(await portal.son(), made.codes[0])
    [code] = (await mother.submit_form(again.find_form(RENEWAL_PATH), {})).codes
    await accept_code(await portal.son(), code)


async def test_code_renewal_after_acceptance_is_rejected(portal, database):
    mother, address, code = await offered(portal)
    old = mother.page.find_form(RENEWAL_PATH)
    await accept_code(await portal.son(), code)
    assert not has_button(await mother.open_page(address))
    page = await mother.submit_form(old, {}, expected_status=409)
    assert "al aangenomen" in page.text
    assert await codes_in(database) == 1
    assert "wilde een nieuwe machtigingscode maken" in (await mother.open_page(ISSUER + "/wie-keek-mee")).text


async def test_code_renewal_after_withdrawal_is_rejected(portal, database):
    mother, address, _ = await offered(portal)
    old = mother.page.find_form(RENEWAL_PATH)
    await mother.submit_form((await mother.open_page(address + "/intrekken")).find_form("/intrekken"), {})
    assert not has_button(await mother.open_page(address))
    assert "al gestopt" in (await mother.submit_form(old, {}, expected_status=409)).text
    assert await codes_in(database) == 1


async def test_double_click_on_withdrawn_offer_shows_no_renewal_button(portal):
    mother = await portal.mother()
    check = (await fill_offer(mother)).find_form(CHECK)
    await mother.submit_form(check, {"akkoord": "ja"})
    page = await mother.open_page(ISSUER + "/helpers")
    address = ISSUER + next(href for href, _ in page.links if href.count("/") == 2 and href.count("-") == 4)
    await mother.submit_form((await mother.open_page(address + "/intrekken")).find_form("/intrekken"), {})
    assert not has_button(await mother.submit_form(check, {"akkoord": "ja"}, expected_status=409))


async def test_idor_code_renewal_by_another_person_looks_like_unknown_offer(portal, database):
    mother, address, code = await offered(portal)
    hers = mother.page.find_form(RENEWAL_PATH)
    son = await portal.son()
    mine = (await son.open_page(ISSUER + "/ik-help/code")).find_form("/ik-help/code").values["csrf"]
    theirs = await son.submit_form(hers, {"csrf": mine}, expected_status=404)
    hers.action = address[len(ISSUER) : -12] + "0" * 12 + RENEWAL_PATH
    nothing = await son.submit_form(hers, {"csrf": mine}, expected_status=404)
    assert theirs.text.split("Noem dan")[0] == nothing.text.split("Noem dan")[0]
    assert await codes_in(database) == 1
    await enter_code(son, code)


async def test_csrf_code_renewal_without_token_is_rejected(portal, database):
    mother, _, code = await offered(portal)
    await mother.submit_form(mother.page.find_form(RENEWAL_PATH), {"csrf": ""}, expected_status=403)
    assert await codes_in(database) == 1
    await enter_code(await portal.son(), code)


async def test_code_renewal_with_invalid_code_id_is_rejected(portal, database):
    mother, _, _ = await offered(portal)
    form = mother.page.find_form(RENEWAL_PATH)
    for names in ("", "onzin", "0" * 32, "x" * 10_000, "\x00"):
        page = await mother.submit_form(form, {"vervangt": names}, expected_status=409)
        assert page.codes == [], names
        assert await codes_in(database) == 1, names


async def test_code_renewal_by_get_changes_nothing(portal, database):
    mother, address, code = await offered(portal)
    cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in mother.cookies[ISSUER].items()), "Accept": "text/html"}
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        await portal.http.request(method, address + RENEWAL_PATH, headers=cookie)
    assert await codes_in(database) == 1
    await enter_code(await portal.son(), code)


async def test_offer_page_shows_code_expiry_and_not_the_code(portal, database):
    mother, address, code = await offered(portal)
    assert "De code werkt tot 23 december 2026" in mother.page.text
    assert code not in mother.page.text
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE machtigingscode SET tries_left = 0"))
    assert "De code werkt niet meer" in (await mother.open_page(address)).text


async def test_double_click_on_acceptance_redirects_like_the_first(portal):
    code = await make_offer(await portal.mother())
    son = await portal.son()
    decision = (await enter_code(son, code)).find_form("/besluit")
    answers = await twice(portal, son, decision, {"besluit": "aannemen"})
    assert [answer.status_code for answer, _ in answers] == [303, 303]
    first, second = [answer.headers["location"] for answer, _ in answers]
    assert first == second
    assert first.endswith("?gedaan=aangenomen")


async def test_stale_refusal_form_after_acceptance_is_rejected(portal):
    mother = await portal.mother()
    code = await make_offer(mother)
    son = await portal.son()
    decision = (await enter_code(son, code)).find_form("/besluit")
    await son.submit_form(decision, {"besluit": "aannemen"})
    page = await son.submit_form(decision, {"besluit": "weigeren"})
    assert "U mag post lezen van Ans Voorbeeld" in page.text
    assert "geweigerd" not in page.text
    assert "Bram Voorbeeld" in (await mother.open_page(ISSUER + "/helpers")).text


async def test_enumeration_used_code_by_another_helper_gets_the_uniform_error(portal):
    code = await make_offer(await portal.mother())
    son, mother = await portal.son(), await portal.mother()
    decision = (await enter_code(son, code)).find_form("/besluit")
    await son.submit_form(decision, {"besluit": "aannemen"})
    mine = (await mother.open_page(ISSUER + "/ik-help/code")).find_form("/ik-help/code").values["csrf"]
    page = await mother.submit_form(decision, {"besluit": "aannemen", "csrf": mine}, expected_status=400)
    assert "Wij vinden geen machtiging bij wat u invulde" in page.text
