"""Double clicks: the second press of a button leads to the present state."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from machtiging.identity.session import SESSION_COOKIE
from tests.builders.people import ISSUER
from tests.builders.portal import ACCEPT, CHECK, accept_code, enter_code, fill_offer, make_offer


async def _offered(portal):
    browser = await portal.mother()
    await make_offer(browser)
    page = await browser.open_page(ISSUER + "/helpers")
    return browser, next(href for href, _ in page.links if href.count("-") == 4)


async def _accepted(portal):
    giver, helper = await portal.mother(), await portal.son()
    await accept_code(helper, await make_offer(giver))
    return giver, helper, urlsplit(helper.url.replace("/ik-help/", "/helpers/")).path


def as_helper(where):
    """The page of the helper of the same machtiging."""
    return where.replace("/helpers/", "/ik-help/")


async def withdraw(portal):
    giver, _, where = await _accepted(portal)
    return giver, (await giver.open_page(ISSUER + where + "/intrekken")).find_form("/intrekken"), {}


async def withdraw_an_offer(portal):
    giver, where = await _offered(portal)
    return giver, (await giver.open_page(ISSUER + where + "/intrekken")).find_form("/intrekken"), {}


async def pause(portal):
    giver, _, where = await _accepted(portal)
    return giver, (await giver.open_page(ISSUER + where)).find_form("/pauzeren"), {}


async def resume(portal):
    giver, form, _ = await pause(portal)
    return giver, (await giver.submit_form(form, {})).find_form("/hervatten"), {}


async def give_back(portal):
    _, helper, where = await _accepted(portal)
    return helper, (await helper.open_page(ISSUER + as_helper(where) + "/teruggeven")).find_form("/teruggeven"), {}


async def accept(portal):
    helper = await portal.son()
    shown = await enter_code(helper, await make_offer(await portal.mother()))
    return helper, shown.find_form("/besluit"), {"besluit": "aannemen"}


async def refuse(portal):
    helper, form, _ = await accept(portal)
    return helper, form, {"besluit": "weigeren"}


async def log_out(portal):
    browser = await portal.mother()
    return browser, (await browser.open_page(ISSUER + "/uitloggen")).find_form("/uitloggen"), {}


async def log_out_for_an_app(portal):
    browser = await portal.mother()
    return browser, (await browser.open_page(ISSUER + "/logout")).find_form("/bevestigen"), {"besluit": "uitloggen"}


async def new_meldcode(portal):
    browser = await portal.mother()
    return browser, (await browser.open_page(ISSUER + "/aan-de-balie")).find_form("/aan-de-balie"), {}


async def offer(portal):
    browser = await portal.mother()
    return browser, (await fill_offer(browser)).find_form(CHECK), {"akkoord": "ja"}


async def renew_code(portal):
    giver, where = await _offered(portal)
    return giver, (await giver.open_page(ISSUER + where)).find_form("/nieuwe-code"), {}


# button, message and state after the second press
LEADS_ON = [
    (withdraw, "U heeft de machtiging gestopt", "U heeft deze machtiging gestopt."),
    (withdraw_an_offer, "U heeft de machtiging gestopt", "U heeft deze machtiging gestopt."),
    (pause, "U heeft de machtiging op pauze gezet", "Weer aanzetten"),
    (resume, "U heeft de machtiging weer aangezet", "Op pauze zetten"),
    (give_back, "U bent gestopt met helpen", "Teruggegeven"),
    (accept, "U heeft de machtiging aangenomen", "Bekijk de post"),
    (refuse, "U heeft de machtiging geweigerd", "Mensen die ik help"),
    (log_out, "Inloggen", "Zo werkt het"),
    (log_out_for_an_app, "U bent uitgelogd", "sluiten"),
    (new_meldcode, "Uw meldcode", "Lees de code voor"),
]


@pytest.mark.parametrize(("button", "message", "so"), LEADS_ON, ids=lambda one: getattr(one, "__name__", None))
async def test_double_click_leads_where_the_first_click_led(portal, button, message, so):
    browser, form, values = await button(portal)
    for _ in range(3):
        page = await browser.submit_form(form, values)
        assert message in page.text
        assert so in page.text


@pytest.mark.parametrize(("button", "says"), [(offer, "al gemaakt"), (renew_code, "al een nieuwe code")])
async def test_double_click_that_makes_a_code_says_it_exists(portal, button, says):
    browser, form, values = await button(portal)
    await browser.submit_form(form, values)
    page = await browser.submit_form(form, values, expected_status=409)
    assert says in page.text
    assert "/nieuwe-code" in " ".join(other.action for other in page.forms)


@pytest.mark.parametrize("late", ["pauzeren", "hervatten", "nieuwe-code", "teruggeven"])
async def test_button_pressed_after_withdrawal_shows_the_present_state(portal, late):
    giver, helper, where = await _accepted(portal)
    presser = helper if late == "teruggeven" else giver
    section = as_helper(where) if late == "teruggeven" else where
    csrf = (await presser.open_page(ISSUER + section)).forms[0].values["csrf"]
    await giver.submit_form((await giver.open_page(ISSUER + where + "/intrekken")).find_form("/intrekken"), {})
    form = (await presser.open_page(ISSUER + section)).forms[0]
    form.action, form.values = ISSUER + section + "/" + late, {"csrf": csrf}
    page = await presser.submit_form(form, {}, expected_status=409)
    assert ("Gestopt" if late == "teruggeven" else "U heeft deze machtiging gestopt.") in page.text
    assert "Hieronder ziet u wat er nu geldt." in page.text
    assert "U heeft de machtiging" not in page.text


async def test_refused_code_of_another_helper_gets_the_uniform_error(portal):
    helper, form, values = await refuse(portal)
    await helper.submit_form(form, values)
    other = await portal.mother()
    csrf = (await other.open_page(ISSUER + "/")).forms[0].values["csrf"]
    form.values["csrf"] = csrf
    page = await other.submit_form(form, values, expected_status=400)
    assert "geweigerd" not in page.text


@pytest.mark.parametrize(
    "gedaan", ["ingetrokken", "gepauzeerd", "hervat", "teruggegeven", "aangenomen", "beperkt", "verlengd", "x", ""]
)
async def test_message_in_query_is_shown_only_while_true(portal, gedaan):
    giver, helper, where = await _accepted(portal)
    for browser, place, true in ((giver, where, {"hervat"}), (helper, as_helper(where), {"aangenomen"})):
        page = await browser.open_page(f"{ISSUER}{place}?gedaan={gedaan}")
        said = any(one in page.text for one in ("U heeft de machtiging", "Gelukt."))
        assert said is (gedaan in true)


async def test_double_logout_leaves_other_sessions_active(portal):
    browser, form, values = await log_out(portal)
    other = await portal.mother()
    for _ in range(2):
        await browser.submit_form(form, values)
    assert SESSION_COOKIE not in browser.cookies[ISSUER]
    assert (await other.open_page(ISSUER + ACCEPT)).find_form(ACCEPT)


@pytest.mark.parametrize("app", ["", "&app=x", "&app=018f0000-0000-7000-8000-000000000001"])
async def test_message_app_stopped_in_query_is_shown_only_if_true(portal, app):
    browser = await portal.mother()
    page = await browser.open_page(f"{ISSUER}/apps?gedaan=app-gestopt{app}")
    assert "U heeft de toegang gestopt" not in page.text


@pytest.mark.parametrize("gedaan", ["akkoord", "weigeren", "niet_gevraagd"])
async def test_message_decision_in_query_is_shown_only_if_true(portal, gedaan):
    page = await (await portal.mother()).open_page(f"{ISSUER}/verzoeken?gedaan={gedaan}")
    assert "U heeft" not in page.text
    assert "Goed dat u dit meldt" not in page.text
