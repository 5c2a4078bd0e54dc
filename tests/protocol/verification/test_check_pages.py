"""The page where an employee of an agency checks a machtiging with a code."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from machtiging.delegation.pause import pause_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.verification.codes.rules import generate_code
from tests.builders.keys import NOON
from tests.builders.machtiging import SVB, UWV, grant_machtiging
from tests.builders.organisations import change_organisation
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE
from tests.protocol.verification.check_desk import (
    DESK_KVK,
    OTHER_DESK_KVK,
    add_clerk,
    add_desk,
    check_code,
    find_code,
    make_code,
)
from tests.storage.verification.verification_codes import CODES

CHECK = ISSUER + "/controle"


@pytest.fixture
async def machtiging(portal):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        return await grant_machtiging(session, portal.people)


@pytest.fixture
async def clerk(portal):
    return await portal.browser_of(await add_clerk(portal, await add_desk(portal)), kvk=DESK_KVK)


@pytest.fixture
async def code(portal, machtiging):
    return find_code(await make_code(await portal.son(), machtiging.id))


async def test_valid_code_shows_the_answer_and_nothing_more(portal, clerk, code, machtiging):
    page = await check_code(clerk, code)
    for words in ("Ja, dit mag", "B. ", "WW-uitkering", "familie of bekende", "Nummer van dit antwoord"):
        assert words in page.text
    for name in ("Bram", "999990019", "999990020", "post bijhouden", str(machtiging.id), code):
        assert name not in page.text
    line = (await JOURNAL_INTAKE.read(portal.world, act="verificatie:gevraagd"))[-1]
    assert (line.reason, line.for_person_id) == ("ja", portal.people.mother)
    assert str(line.id) in page.text
    assert line.policy_digest


async def test_use_is_seen_by_giver_and_maker_without_the_name_of_the_employee(portal, clerk, code):
    await check_code(clerk, code)
    history = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert "Een medewerker, namens Kantoor 90000091" in history.text
    assert "controleerde of uw helper uw post mag zien" in history.text
    assert "Karin" not in history.text
    listed = await (await portal.son()).open_page(ISSUER + "/controleren")
    assert "Ons antwoord aan de organisatie was: ja." in listed.text


async def test_form_sent_twice_shows_the_same_answer_and_costs_no_try(portal, clerk, code):
    pages = [await check_code(clerk, code) for _ in range(2)]
    assert pages[0].url == pages[1].url
    assert await JOURNAL_INTAKE.count(portal.world, act="verificatie:gevraagd") == 1
    both = await asyncio.gather(check_code(clerk, generate_code(), expect=400), check_code(clerk, code))
    assert "nog 4 keer" in both[0].text


async def test_paused_machtiging_is_a_no_without_a_reason(portal, clerk, code, machtiging):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await pause_machtiging(session, machtiging.id, portal.people.mother, at=NOON)
    page = await check_code(clerk, code)
    assert "Nee, dit mag niet" in page.text
    for words in ("gepauzeerd", "B. ", "naaste"):
        assert words not in page.text
    line = (await JOURNAL_INTAKE.read(portal.world, act="verificatie:gevraagd"))[-1]
    assert (line.reason, line.for_person_id) == ("nee", portal.people.mother)


async def test_dienst_outside_the_scope_is_a_no(portal, clerk, code):
    assert "Nee, dit mag niet" in (await check_code(clerk, code, dienst="ziektewet")).text


async def test_bad_code_tells_the_tries_left_and_then_when_to_try_again(portal, clerk, code):
    for left in ("nog 4 keer", "nog 3 keer", "nog 2 keer", "nog 1 keer"):
        page = await check_code(clerk, generate_code(), expect=400)
        assert "Deze code is niet geldig." in page.text
        assert left in page.text
    assert "over 60 minuten" in (await check_code(clerk, generate_code(), expect=400)).text
    assert "te vaak" in (await check_code(clerk, code, expect=429)).text
    assert (await CODES.read_one(portal.world)).used_at is None


async def test_code_for_another_purpose_expired_or_withdrawn_gets_the_same_words(portal, clerk, machtiging):
    son = await portal.son()
    phone = await make_code(son, machtiging.id, doel="telefoon")
    withdrawn = await make_code(son, machtiging.id)
    await son.submit_form(withdrawn.find_form("/intrekken"), {})
    other = await make_code(son, machtiging.id, afzender=SVB)
    for page in (phone, withdrawn, other):
        answer = await check_code(clerk, find_code(page), expect=400)
        assert "Deze code is niet geldig." in answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": ""}, "Vul de code in."),
        ({"code": "x" * 500}, "Deze code is te lang"),
        ({"dienst": ""}, "Kies een dienst."),
        ({"dienst": "aow"}, "Kies een dienst."),
        ({"doel": "toegang"}, "Kies waar u de code krijgt."),
    ],
)
async def test_form_with_a_fault_uses_no_code(portal, clerk, code, changes, words):
    page = await check_code(clerk, **({"code": code} | changes), expect=400)
    if words != "Deze code is te lang":
        assert words in page.text
    assert (await CODES.read_one(portal.world)).used_at is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"roles": ["balie"]}, "geen controleur"),
        ({"roles": ["organisatiebeheerder", "hulpverlener"]}, "geen controleur"),
        ({"state": "op_non_actief"}, "geen actieve medewerker"),
        ({"ends_at": NOON, "state": "vertrokken"}, "login van uw organisatie"),
    ],
)
async def test_employee_without_the_role_or_not_active_is_refused_with_a_reason(portal, code, changes, words):
    person = await add_clerk(portal, await add_desk(portal), **changes)
    browser = await portal.browser_of(person, kvk=DESK_KVK)
    assert words in (await browser.open_page(CHECK, expected_status=403)).text
    assert (await CODES.read_one(portal.world)).used_at is None


async def test_private_login_of_an_employee_and_a_citizen_are_refused(portal):
    person = await add_clerk(portal, await add_desk(portal))
    for browser in (await portal.browser_of(person), await portal.mother(), await portal.son(kvk=DESK_KVK)):
        assert "login van uw organisatie" in (await browser.open_page(CHECK, expected_status=403)).text


async def test_organisation_that_is_no_active_agency_is_refused(portal, superuser_connection):
    desk = await add_desk(portal)
    browser = await portal.browser_of(await add_clerk(portal, desk), kvk=DESK_KVK)
    await superuser_connection.execute("UPDATE agency SET active = false WHERE oin = $1", UWV)
    assert "mag hier niet controleren" in (await browser.open_page(CHECK, expected_status=403)).text


async def test_forged_number_of_an_organisation_opens_nothing(portal, superuser_connection):
    desk = await add_desk(portal, oin=SVB, kvk=OTHER_DESK_KVK)
    browser = await portal.browser_of(await add_clerk(portal, desk), kvk=OTHER_DESK_KVK)
    await superuser_connection.execute("SET session_replication_role = replica")
    await superuser_connection.execute("UPDATE organisation SET oin = $1 WHERE id = $2", UWV, desk)
    await browser.open_page(CHECK, expected_status=403)


async def test_employee_of_another_agency_gets_no_answer_and_no_saved_one(portal, clerk, code):
    other_desk = await add_desk(portal, oin=SVB, kvk=OTHER_DESK_KVK)
    person = await add_clerk(portal, other_desk, bsn="999996356", name="Wim de Ander")
    other = await portal.browser_of(person, kvk=OTHER_DESK_KVK)
    assert "niet geldig" in (await check_code(other, code, dienst="aow", expect=400)).text
    answer = await check_code(clerk, code)
    await other.open_page(answer.url, expected_status=404)
    await (await portal.mother()).open_page(answer.url, expected_status=403)


async def test_saved_answer_of_a_colleague_or_of_yesterday_is_not_found(portal, code):
    desk = await add_desk(portal)
    first, second = [
        await add_clerk(portal, desk, bsn=bsn, name=name) for bsn, name in (("999993653", "Een"), ("999996356", "Twee"))
    ]
    browser = await portal.browser_of(first, kvk=DESK_KVK)
    answer = await check_code(browser, code)
    assert "Ja" in (await browser.open_page(CHECK)).text
    await (await portal.browser_of(second, kvk=DESK_KVK)).open_page(answer.url, expected_status=404)
    portal.clock.advance(timedelta(days=1))
    await (await portal.browser_of(first, kvk=DESK_KVK)).open_page(answer.url, expected_status=404)


async def test_organisation_with_a_higher_minimum_refuses_a_lower_login(portal):
    desk = await add_desk(portal)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await change_organisation(session, desk, minimum_level="hoog")
    person = await add_clerk(portal, desk)
    browser = await portal.browser_of(person, kvk=DESK_KVK)
    await browser.open_page(CHECK, expected_status=503)  # a higher login is asked, and the broker of this test is away
    assert (await JOURNAL_INTAKE.read(portal.world, act="controlecode:geprobeerd"))[-1].reason == "niveau_te_laag"


@pytest.mark.parametrize("roles", [["controleur"], ["organisatiebeheerder", "controleur"]])
async def test_start_page_of_a_controleur_is_the_check(portal, roles):
    browser = await portal.browser_of(await add_clerk(portal, await add_desk(portal), roles=roles), kvk=DESK_KVK)
    assert (await browser.open_page(ISSUER + "/")).url == CHECK
