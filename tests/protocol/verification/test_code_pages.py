"""Pages of a citizen or helper for verification codes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from machtiging.delegation.pause import pause_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.verification.codes.rules import CodePurpose
from tests.builders.keys import NOON
from tests.builders.machtiging import SVB, UWV, grant_machtiging
from tests.builders.organisations import KVK
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE
from tests.protocol.verification.check_desk import find_code, make_code, open_code_form
from tests.storage.verification.verification_codes import CODES

LIST = ISSUER + "/controleren"
CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}")


@pytest.fixture
async def machtiging(portal):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        return await grant_machtiging(session, portal.people)


@pytest.mark.parametrize("who", ["mother", "son"])
async def test_code_is_on_the_page_of_its_maker_with_what_the_agency_hears(portal, machtiging, who):
    browser = await getattr(portal, who)()
    listed = await browser.open_page(LIST)
    assert f"/controleren/nieuw/{machtiging.id}" in dict(listed.links)
    page = await make_code(browser, machtiging.id)
    assert CODE.search(find_code(page))
    for words in (
        "Uw code voor UWV",
        "De code werkt één keer",
        "Dit ziet UWV",
        "mag helpen met de post van",
        "brieven lezen",
    ):
        assert words in page.text
    again = await browser.open_page(page.url)
    assert find_code(again) == find_code(page)
    assert "Codes die werken" in (await browser.open_page(LIST)).text


async def test_form_without_answers_names_every_fault(portal, machtiging):
    son = await portal.son()
    form = await open_code_form(son, machtiging.id)
    page = await son.submit_form(
        form, {"afzender": "", "doel": "", "duur": "", "csrf": form.values["csrf"]}, expected_status=400
    )
    for words in ("Kies een organisatie.", "Kies waar u de code geeft.", "Kies hoe lang de code moet werken."):
        assert words in page.text
    assert await CODES.count(portal.world) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"afzender": SVB},
        {"afzender": "00000000000000000000"},
        {"afzender": "x' OR 1=1"},
        {"doel": "toegang"},
        {"duur": "jaar"},
    ],
)
async def test_form_with_a_value_outside_the_list_makes_no_code(portal, changes):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        machtiging = await grant_machtiging(session, portal.people, afzenders=frozenset({UWV}))
    await make_code(await portal.son(), machtiging.id, expect=400, **changes)
    assert await CODES.count(portal.world) == 0


async def test_form_pressed_twice_makes_one_code(portal, machtiging):
    son = await portal.son()
    form = await open_code_form(son, machtiging.id)
    sent = {"afzender": UWV, "doel": "balie", "duur": "kwartier"}
    first, second = [await son.submit_form(form, sent) for _ in range(2)]
    assert find_code(first) == find_code(second)
    assert await CODES.count(portal.world) == 1


async def test_sixth_open_code_is_refused_with_words(portal, machtiging):
    son = await portal.son()
    for _ in range(5):
        await make_code(son, machtiging.id)
    page = await make_code(son, machtiging.id, expect=409)
    assert "al 5 codes open" in page.text


async def test_paused_machtiging_offers_no_form_and_makes_no_code(portal, machtiging):
    son = await portal.son()
    form = await open_code_form(son, machtiging.id)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await pause_machtiging(session, machtiging.id, portal.people.mother, at=NOON)
    sent = {"afzender": UWV, "doel": "balie", "duur": "dag"}
    page = await son.submit_form(form, sent, expected_status=409)
    assert "geldt nu niet" in page.text
    assert "Kies een organisatie" not in (await son.open_page(f"{LIST}/nieuw/{machtiging.id}")).text
    assert f"/controleren/nieuw/{machtiging.id}" not in dict((await son.open_page(LIST)).links)
    assert await CODES.count(portal.world) == 0


async def test_page_of_another_person_or_login_is_not_found(portal, machtiging):
    page = await make_code(await portal.son(), machtiging.id)
    stranger = await portal.son(kvk=KVK)
    await stranger.open_page(f"{LIST}/nieuw/{machtiging.id}", expected_status=404)
    await (await portal.mother()).open_page(page.url, expected_status=404)


async def test_withdrawal_pressed_twice_withdraws_once_and_hides_the_code(portal, machtiging):
    son = await portal.son()
    page = await make_code(son, machtiging.id)
    form = page.find_form("/intrekken")
    for _ in range(2):
        after = await son.submit_form(form, {})
        assert "U heeft deze code ingetrokken" in after.text
        assert find_code(page) not in after.text
    assert await JOURNAL_INTAKE.count(portal.world, act="controlecode:ingetrokken") == 1


async def test_withdrawal_after_the_life_of_the_code_is_told(portal, machtiging):
    son = await portal.son()
    page = await make_code(son, machtiging.id, duur="kwartier")
    portal.clock.advance(timedelta(minutes=15))
    son = await portal.son()
    after = await son.open_page(page.url)
    assert "verlopen" in after.text
    form = type(page.find_form("/intrekken"))(
        page.find_form("/intrekken").action, "post", after.find_form("/uitloggen").values
    )
    assert "al gebruikt of verlopen" in (await son.submit_form(form, {}, expected_status=409)).text


async def test_giver_sees_the_code_of_her_helper_without_its_text(portal, machtiging):
    page = await make_code(await portal.son(), machtiging.id)
    listed = await (await portal.mother()).open_page(LIST)
    assert "Door uw helper gemaakt" in listed.text
    assert find_code(page) not in listed.text


async def test_helper_page_of_the_giver_leads_to_the_form(portal, machtiging):
    mother = await portal.mother()
    links = (await mother.open_page(f"{ISSUER}/helpers/{machtiging.id}")).links
    assert f"/controleren/nieuw/{machtiging.id}" in dict(links)
    assert CodePurpose.COUNTER.value in (await open_code_form(mother, machtiging.id)).choices["doel"]
