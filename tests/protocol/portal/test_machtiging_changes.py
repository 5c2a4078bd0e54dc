"""Pausing, resuming, revoking and giving back: by form only, and by the right party only."""

import pytest

from tests.builders.people import ISSUER
from tests.builders.portal import accept_code, make_offer

CHANGES = ["helpers/intrekken", "helpers/pauzeren", "helpers/hervatten", "ik-help/teruggeven"]


async def accept_machtiging(portal):
    mother, son = await portal.mother(), await portal.son()
    await accept_code(son, await make_offer(mother))
    return mother, son, son.url.replace("/ik-help/", "/helpers/").split("?")[0]


def address_of(address, deed):
    """The address to which the form of this deed is posted."""
    section, _, word = deed.partition("/")
    return f"{address.replace('/helpers/', f'/{section}/')}/{word}"


def as_helper(address):
    """The page of the helper of the same machtiging."""
    return address.replace("/helpers/", "/ik-help/")


async def press(browser, address, deed, *, expect=200):
    page = await browser.open_page(address)
    return await browser.submit_form(page.find_form(f"/{deed}"), {}, expected_status=expect)


async def test_machtiging_is_paused_and_resumed_by_giver(portal):
    mother, son, address = await accept_machtiging(portal)
    assert "Deze machtiging staat op pauze." in (await press(mother, address, "pauzeren")).text
    assert "Op pauze" in (await son.open_page(as_helper(address))).text
    assert "Deze machtiging werkt nu." in (await press(mother, address, "hervatten")).text


async def test_revocation_asks_for_confirmation(portal):
    mother, _, address = await accept_machtiging(portal)
    sure = await mother.open_page(address + "/intrekken")
    assert "Bram Voorbeeld kan dan meteen geen brieven meer van u lezen" in sure.text
    assert "Deze machtiging werkt nu." in (await mother.open_page(address)).text
    await mother.open_page(address + "/intrekken")
    assert "U heeft deze machtiging gestopt." in (await press(mother, address + "/intrekken", "intrekken")).text


async def test_revoked_machtiging_has_no_buttons(portal):
    mother, son, address = await accept_machtiging(portal)
    await press(mother, address + "/intrekken", "intrekken")
    for browser, where in ((mother, address), (son, as_helper(address))):
        page = await browser.open_page(where)
        assert [form.action for form in page.forms if "/helpers/" in form.action or "/ik-help/" in form.action] == []
    assert "U heeft deze machtiging gestopt." in (await mother.open_page(address + "/intrekken")).text


async def test_machtiging_is_given_back_by_helper(portal):
    mother, son, address = await accept_machtiging(portal)
    assert "Teruggegeven" in (await press(son, as_helper(address) + "/teruggeven", "teruggeven")).text
    assert "Uw helper is met deze machtiging gestopt." in (await mother.open_page(address)).text


async def test_machtiging_change_by_get_is_ignored(portal):
    mother, _, address = await accept_machtiging(portal)
    cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in mother.cookies[ISSUER].items()), "Accept": "text/html"}
    for deed in CHANGES:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            await portal.http.request(method, address_of(address, deed), headers=cookie)
        assert "Deze machtiging werkt nu." in (await mother.open_page(address)).text, deed


async def test_csrf_machtiging_change_without_token_is_rejected(portal):
    mother, _, address = await accept_machtiging(portal)
    form = (await mother.open_page(address + "/intrekken")).find_form("/intrekken")
    for deed in CHANGES:
        form.action = address_of(address, deed)
        await mother.submit_form(form, {"csrf": ""}, expected_status=403)
        assert "Deze machtiging werkt nu." in (await mother.open_page(address)).text, deed


async def test_machtiging_change_of_giver_by_helper_returns_404(portal):
    mother, son, address = await accept_machtiging(portal)
    form = (await son.open_page(as_helper(address) + "/teruggeven")).find_form("/teruggeven")
    for deed in CHANGES[:3]:
        form.action = address_of(address, deed)
        await son.submit_form(form, {}, expected_status=404)
        assert "Deze machtiging werkt nu." in (await mother.open_page(address)).text, deed


async def test_idor_machtiging_of_another_looks_like_unknown(portal):
    from machtiging.kernel.bsn import Bsn
    from machtiging.storage.unit_of_work import unit_of_work
    from tests.builders.people import add_person

    _, _, address = await accept_machtiging(portal)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        stranger = await add_person(session, Bsn("999990044"))
    browser = await portal.browser_of(stranger)
    theirs = await browser.open_page(address, expected_status=404)
    nothing = await browser.open_page(address[:-12] + "0" * 12, expected_status=404)
    assert theirs.text.split("Noem dan")[0] == nothing.text.split("Noem dan")[0]


@pytest.mark.parametrize("word", ["toverij", "aangenomen<script>"])
async def test_message_unknown_in_query_is_not_shown(portal, word):
    mother, _, address = await accept_machtiging(portal)
    page = await mother.open_page(f"{address}?gedaan={word}")
    assert word not in page.text
