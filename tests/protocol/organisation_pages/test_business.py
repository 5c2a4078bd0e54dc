"""Pages of a director: the business of the login, its letters, and nothing for anybody else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.delegation.statutory.rules import EventType
from tests.builders.database import bypass_triggers
from tests.builders.helping import open_helper_session
from tests.builders.organisations import KVK, OTHER_KVK, add_employee
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS
from tests.protocol.organisation_pages.business import NAME, NOT_HERE, SUBJECT, make_business


@pytest.fixture
async def business(portal, world):
    return await make_business(portal, world, KVK)


async def log_in(portal, person, kvk=KVK, **login):
    return await open_helper_session(portal, person, None, kvk=kvk, **login)


async def test_director_finds_the_business_and_its_letters_after_login(portal, business):
    director = await log_in(portal, portal.people.son)
    start = await director.request("/")
    assert (start.status_code, start.headers["location"]) == (303, "/bedrijf")
    home = (await director.request("/bedrijf")).text
    for words in (f"<h1>{NAME}</h1>", "C/10/2026/77", business.letters):
        assert words in home, words
    listed, letter, attachment = [await director.request(path) for path in business.pages]
    assert (listed.status_code, letter.status_code, attachment.status_code) == (200, 200, 200)
    assert SUBJECT in listed.text
    assert SUBJECT in letter.text
    assert NAME in letter.text
    assert "/notitie" not in letter.text
    assert "rechter" not in listed.text + home


async def test_reading_on_a_page_is_journalled_with_director_and_business(portal, business):
    director = await log_in(portal, portal.people.son)
    await director.request(business.pages[1])
    line = (await JOURNAL_INTAKE.read(business.world, act="bericht:lezen"))[-1]
    assert (line.actor_id, line.for_person_id, line.capacity) == (portal.people.son, business.id, "bestuurder")


@pytest.mark.parametrize("kvk", [None, OTHER_KVK])
async def test_director_in_a_login_for_another_sees_nothing_of_the_business(portal, business, kvk):
    director = await log_in(portal, portal.people.son, kvk)
    assert NOT_HERE in (await director.request("/bedrijf")).text
    for path in (*business.pages, *(path.replace("/bedrijf/", "/ik-help/") for path in business.pages)):
        answer = await director.request(path)
        assert answer.status_code in {403, 404}, path
        assert SUBJECT not in answer.text
        assert NAME not in answer.text
    shown = (await director.request("/ik-help")).text
    assert NAME not in shown
    assert (await director.request("/")).headers.get("location") == (None if kvk is None else "/werk")


@pytest.mark.parametrize("role", ["hulpverlener", "teamleider", "organisatiebeheerder", "toezicht"])
async def test_employee_of_the_business_without_directorship_reads_nothing(portal, business, role):
    async with business.world.sessions.begin() as session:
        await add_employee(session, business.id, portal.people.mother, roles=[role])
    employee = await log_in(portal, portal.people.mother)
    assert NOT_HERE in (await employee.request("/bedrijf")).text
    for path in business.pages:
        answer = await employee.request(path)
        assert (answer.status_code, SUBJECT in answer.text) == (404, False), path


async def test_director_after_loss_of_office_is_refused_in_the_open_session(portal, business):
    director = await log_in(portal, portal.people.son)
    former = business.pages
    assert (await director.request(former[1])).status_code == 200
    portal.clock.advance(timedelta(minutes=1))
    await business.tell(EventType.END)
    for path in former:
        answer = await director.request(path)
        assert answer.status_code in {403, 404}, path
        assert SUBJECT not in answer.text
    assert NOT_HERE in (await director.request("/bedrijf")).text


async def test_next_director_reads_and_the_former_does_not(portal, business):
    former = business.pages
    portal.clock.advance(timedelta(minutes=1))
    await business.tell(EventType.END)
    await business.tell(director=portal.people.mother, relation_reference="b2")
    successor = await log_in(portal, portal.people.mother)
    assert SUBJECT in (await successor.request(business.letters)).text
    assert (await successor.request(former[0])).status_code == 404
    director = await log_in(portal, portal.people.son)
    assert (await director.request(business.letters)).status_code == 404


async def test_director_and_employee_in_one_login_keeps_both(portal, business):
    async with business.world.sessions.begin() as session:
        await add_employee(session, business.id, portal.people.son)
    director = await log_in(portal, portal.people.son)
    assert SUBJECT in (await director.request(business.letters)).text
    work = await director.request("/werk")
    assert (work.status_code, SUBJECT in work.text) == (200, False)


async def test_director_cannot_end_give_back_or_pause_it(portal, business):
    director = await portal.son(kvk=KVK)
    page = await director.open_page(f"{ISSUER}/ik-help/{business.directorship}")
    assert "tot het register iets anders meldt" in page.text
    assert not any("teruggeven" in form.action for form in page.forms)
    path = f"/ik-help/{business.directorship}/teruggeven"
    form = replace((await director.open_page(f"{ISSUER}/uitloggen")).find_form("/uitloggen"), action=path)
    page = await director.submit_form(form, {}, expected_status=409)
    assert "machtiging_uit_register" in [line.reason for line in await JOURNAL_INTAKE.read(business.world)]
    assert (await MACHTIGINGEN.read_one(business.world, id=business.directorship)).state == "active"


async def test_forged_row_of_a_director_opens_nothing(portal, business, database):
    """Somebody writes another person into the row of the register, without a key."""
    async with bypass_triggers(database) as connection:
        forging = text("UPDATE machtiging SET gemachtigde_id = :person WHERE id = :id")
        await connection.execute(forging, {"person": portal.people.mother, "id": business.directorship})
    forger = await log_in(portal, portal.people.mother)
    assert NOT_HERE in (await forger.request("/bedrijf")).text
    for path in business.pages:
        answer = await forger.request(path)
        assert answer.status_code in {403, 404}
        assert SUBJECT not in answer.text


async def test_forged_number_of_the_business_opens_nothing(portal, business, database):
    async with bypass_triggers(database) as connection:
        forging = text("UPDATE organisation SET kvk = :kvk WHERE id = :id")
        await connection.execute(forging, {"kvk": OTHER_KVK, "id": business.id})
    director = await log_in(portal, portal.people.son, OTHER_KVK)
    assert NOT_HERE in (await director.request("/bedrijf")).text
    for path in business.pages:
        assert (await director.request(path)).status_code in {403, 404}


async def test_nothing_is_mailed_to_the_business_itself(business):
    assert set(await NOTIFICATIONS.read_column(business.world, "person_id")) == {business.portal.people.son}
