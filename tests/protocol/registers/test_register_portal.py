"""Machtigingen from a register on pages: visible to both parties, and closed to their changes."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from machtiging.cli.demo.browser import StoryFailed
from machtiging.delegation.statutory.register_events import receive_event
from machtiging.delegation.statutory.rules import EventType, StatutoryKind
from machtiging.kernel.clock import to_dutch_date
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import KVK, add_employee, add_organisation
from tests.builders.people import ISSUER
from tests.builders.portal import CHECK, fill_offer
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, STATUTORY_RELATIONS
from tests.storage.statutory.register_world import CONTEXT, RegisterWorld

NO_CHANGE = "U kunt er zelf niets aan veranderen."


async def tell(portal, type_=EventType.BEGIN, **changes):
    """Let the register tell about the mother. Returns the present machtiging of the relation."""
    people, today = portal.people, to_dutch_date(portal.clock.now())
    async with unit_of_work(portal.world.sessions) as session:
        world = RegisterWorld(session, people.mother, people.son, people.son, people)
        event = world.event(type_, **changes)
        event = replace(event, effective_on=changes.get("effective_on", today), registered_on=today)
        await receive_event(session, CONTEXT, event, at=portal.clock.now())
        return (await STATUTORY_RELATIONS.read_one(session, relation_reference="r1")).machtiging_id


async def test_page_of_helper_from_register_tells_decision_begin_and_objection(portal):
    machtiging_id = await tell(portal)
    mother = await portal.mother()
    page = await mother.open_page(f"{ISSUER}/helpers/{machtiging_id}")
    for text in (
        "Bram Voorbeeld",
        "De rechter heeft Bram Voorbeeld aangewezen om u te vertegenwoordigen.",
        "C/10/2026/77",
        "Dit geldt sinds 23 november 2026.",
        "tot de rechter anders beslist",
        "Schrijf dan aan de rechtbank.",
    ):
        assert text in page.text, text
    for path in ("intrekken", "beperken", "verlengen", "pauzeren"):
        assert f"/{path}" not in page.text
    assert "Dit komt uit een register." in (await mother.open_page(f"{ISSUER}/helpers")).text


@pytest.mark.parametrize("path", ["intrekken", "beperken", "verlengen"])
async def test_form_to_change_it_shows_it_as_it_is(portal, path):
    machtiging_id = await tell(portal)
    page = await (await portal.mother()).open_page(f"{ISSUER}/helpers/{machtiging_id}/{path}")
    assert "Waarom deze persoon meeleest" in page.text
    assert not any(form.action.endswith(f"/{path}") for form in page.forms)


async def send(browser, path, **fields):
    """Post with the token of a form on another page."""
    page = await browser.open_page(f"{ISSUER}/helpers/stop-alles")
    form = replace(page.find_form("/stop-alles"), action=path)
    return await submit(browser, form, fields)


async def submit(browser, form, fields):
    """Submit, and return the page also when it refuses."""
    with suppress(StoryFailed):
        return await browser.submit_form(form, fields)
    return browser.page


@pytest.mark.parametrize("path", ["pauzeren", "hervatten", "intrekken"])
async def test_change_by_citizen_of_machtiging_from_register_is_refused_with_a_sentence(portal, path):
    machtiging_id = await tell(portal)
    mother = await portal.mother()
    page = await send(mother, f"/helpers/{machtiging_id}/{path}")
    assert (mother.status, NO_CHANGE in page.text) == (409, True)
    assert (await MACHTIGINGEN.read_one(portal.world, id=machtiging_id)).state == "active"


async def test_representative_reads_and_cannot_give_it_back(portal):
    machtiging_id = await tell(portal)
    son = await portal.son()
    page = await son.open_page(f"{ISSUER}/ik-help/{machtiging_id}")
    assert "U en Ans Voorbeeld kunnen dit niet zelf stoppen." in page.text
    assert "teruggeven" not in page.text
    assert "teruggeven" not in (await son.open_page(f"{ISSUER}/ik-help")).text
    await son.open_page(f"{ISSUER}/ik-help/{machtiging_id}/brieven")
    assert son.status == 200
    sent = await send(son, f"/ik-help/{machtiging_id}/teruggeven")
    assert NO_CHANGE in sent.text


async def test_representative_is_refused_on_the_request_after_the_end(portal):
    machtiging_id = await tell(portal)
    son, letters = await portal.son(), f"{ISSUER}/ik-help/{machtiging_id}/brieven"
    await son.open_page(letters)
    portal.clock.advance(timedelta(minutes=1))
    await tell(portal, EventType.END)
    with pytest.raises(StoryFailed):
        await son.open_page(letters)
    page = await (await portal.mother()).open_page(f"{ISSUER}/helpers/{machtiging_id}")
    assert "Het register meldde het einde." in page.text


async def test_offer_under_curatele_is_refused_with_its_reason_on_the_page(portal):
    await tell(portal, kind=StatutoryKind.CURATELE)
    mother = await portal.mother()
    check = await fill_offer(mother)
    page = await submit(mother, check.find_form(CHECK), {"akkoord": "ja"})
    assert (mother.status, "U staat onder curatele." in page.text) == (409, True)
    assert await MACHTIGINGEN.count(portal.world) == 1
    lines = await JOURNAL_INTAKE.read(portal.world, act="machtiging:aangeboden")
    assert [line.reason for line in lines] == ["onder_curatele"]


async def test_office_has_the_client_without_a_reader_first(portal):
    async with unit_of_work(portal.world.sessions) as session:
        office = await add_organisation(session, KVK)
        roles = {"roles": ["teamleider"]}
        await add_employee(session, office, portal.people.son, **roles)
    machtiging_id = await tell(portal, vertegenwoordiger_id=office, is_organisation=True)
    leader = await portal.son(kvk=KVK)
    page = await leader.open_page(f"{ISSUER}/organisatie")
    assert "Ans Voorbeeld" in page.text
    assert any(str(machtiging_id) in str(form.values) for form in page.forms) or str(machtiging_id) in str(page)
    assert "tot de rechter anders beslist" in page.text


async def test_history_says_that_a_register_gave_it(portal):
    await tell(portal)
    page = await (await portal.mother()).open_page(f"{ISSUER}/wie-keek-mee")
    assert "Een register gaf iemand een machtiging" in " ".join(page.text.split())
