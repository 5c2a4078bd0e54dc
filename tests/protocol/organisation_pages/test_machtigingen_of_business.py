"""A director gives in the name of the business: to an office and to own employees, and every director can end it."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.delegation.statutory.rules import EventType
from tests.builders.database import bypass_triggers
from tests.builders.helping import open_helper_session
from tests.builders.organisations import add_employee, add_organisation, decide_recognition
from tests.builders.people import ISSUER
from tests.builders.rows import EMPLOYEES, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS
from tests.protocol.organisation_pages.business import NAME, NOT_HERE, SUBJECT, make_business

BUSINESS_KVK, THIRD_KVK = "90000005", "90000006"
GIVE = "/bedrijf/helpers/nieuw"
TERMS = {"doel": "de boekhouding", "bestaand": "jaar", "gevoelig": "ja", "bijlagen": "ja", "duur": "90"}


@pytest.fixture
async def business(portal, world):
    return await make_business(portal, world, BUSINESS_KVK, status="erkend")


async def log_in(business, person=None, kvk=BUSINESS_KVK):
    return await business.portal.browser_of(person or business.portal.people.son, kvk=kvk)


async def offer(director, organisation, *, expect=200, **changes):
    """Fill in the form for this organisation. Returns the page after the button."""
    form = (await director.open_page(f"{ISSUER}{GIVE}/{organisation}")).find_form(str(organisation))
    return await director.submit_form(form, TERMS | changes, expected_status=expect)


async def decide(browser, machtiging, choice="aannemen"):
    form = (await browser.open_page(f"{ISSUER}/organisatie/aangeboden/{machtiging}")).find_form(str(machtiging))
    return await browser.submit_form(form, {"besluit": choice})


async def give_to_office(business, office):
    """Offered by the director, accepted and assigned to the care worker. Returns root and assignment."""
    await offer(await log_in(business), office.rows.organisation)
    root = (await MACHTIGINGEN.read_one(business.world, offered_to=office.rows.organisation)).id
    leader = await office.log_in()
    await decide(leader, root)
    await office.assign(leader, root)
    assignment = (await MACHTIGINGEN.read_one(business.world, parent_id=root)).id
    return root, assignment


async def press(browser, path, button=None, *, expect=200):
    """Press a button of the page of a machtiging."""
    form = (await browser.open_page(f"{ISSUER}/uitloggen")).find_form("/uitloggen")
    if expect == 200:
        form = (await browser.open_page(f"{ISSUER}{path}")).find_form(path)
    fields = {} if button is None else {"besluit": button}
    return await browser.submit_form(replace(form, action=path), fields, expected_status=expect)


def read_as_employee(office):
    return open_helper_session(office.portal, office.rows.worker, None, kvk=office.rows.kvk)


async def test_office_of_director_reads_the_business_as_a_client(business, office):
    root, assignment = await give_to_office(business, office)
    employee = await read_as_employee(office)
    for path in ("/werk", "/werk/clienten", f"/werk/clienten/{assignment}", f"/werk/clienten/{assignment}/brieven"):
        page = await employee.request(path)
        assert (page.status_code, NAME in page.text) == (200, True), path
    letter = f"/werk/clienten/{assignment}/brieven/{business.letter}"
    assert SUBJECT in (await employee.request(letter)).text
    assert (await employee.request(f"{letter}/bijlagen/{business.bijlage}")).status_code == 200
    shown = (await (await log_in(business)).open_page(f"{ISSUER}/bedrijf/helpers/{root}")).text
    for words in (
        "Hugo Hulpverlener",
        "Gegeven door Bram Voorbeeld, bestuurder van Bakkerij De Korst.",
        "de boekhouding",
    ):
        assert words in shown, words


async def test_office_of_director_reads_with_an_app(business, office, world):
    _, assignment = await give_to_office(business, office)
    worker = {"organisation_kvk": office.rows.kvk}
    token = await world.issue_token(office.rows.worker, under=assignment, **worker)
    async with world.client(token) as client:
        answer = await client.get(f"/api/v1/berichten/{business.letter}")
        [held] = (await client.get("/api/v1/machtigingen")).json()["machtigingen"]
        assert (answer.status_code, answer.json()["onderwerp"]) == (200, SUBJECT)
        assert (held["hoedanigheid"], held["vertegenwoordigde"]["naam"]) == ("hulpverlener", NAME)
        await press(await log_in(business), f"/bedrijf/helpers/{await root_of(business)}/intrekken")
        assert (await client.get(f"/api/v1/berichten/{business.letter}")).status_code in {401, 403}


async def root_of(business):
    return (
        await MACHTIGINGEN.read_one(
            business.world, vertegenwoordigde_id=business.id, capacity="professional", parent_id=None
        )
    ).id


async def test_pause_and_end_by_director_close_the_letters_with_the_next_request(business, office):
    root, assignment = await give_to_office(business, office)
    employee, director = await read_as_employee(office), await log_in(business)
    letters, path = f"/werk/clienten/{assignment}/brieven", f"/bedrijf/helpers/{root}"
    for button, status in (("pauzeren", 403), ("hervatten", 200)):
        await press(director, path, button)
        assert (await employee.request(letters)).status_code == status
    await press(director, f"{path}/intrekken")
    assert (await employee.request(letters)).status_code == 403
    assert (await MACHTIGINGEN.read_one(business.world, id=root)).end_reason == "ingetrokken"
    again = await press(director, path, "pauzeren", expect=409)
    assert NAME in again.text


async def test_lines_of_giving_name_director_and_business(business, office):
    root, _ = await give_to_office(business, office)
    await press(await log_in(business), f"/bedrijf/helpers/{root}/intrekken")
    for act in ("machtiging:aangeboden", "machtiging:ingetrokken"):
        line = (await JOURNAL_INTAKE.read(business.world, act=act))[-1]
        found = (line.actor_id, line.capacity, line.for_person_id, line.on_behalf_of)
        assert found == (business.portal.people.son, "bestuurder", business.id, business.id), act
    assert business.id not in await NOTIFICATIONS.read_column(business.world, "person_id")


async def test_business_gives_to_its_own_employee(business):
    people = business.portal.people
    async with business.world.sessions.begin() as session:
        await add_employee(session, business.id, people.mother, roles=["organisatiebeheerder", "hulpverlener"])
    await offer(await log_in(business), business.id)
    root = await root_of(business)
    administrator = await log_in(business, people.mother)
    await decide(administrator, root)
    form = (await administrator.open_page(f"{ISSUER}/organisatie")).find_form_with_field("medewerker")
    employee = await EMPLOYEES.read_value(business.world, "id", person_id=people.mother)
    await administrator.submit_form(form, {"client": [str(root)], "medewerker": str(employee)})
    reader = await open_helper_session(business.portal, people.mother, None, kvk=BUSINESS_KVK)
    assignment = (await MACHTIGINGEN.read_one(business.world, parent_id=root)).id
    assert SUBJECT in (await reader.request(f"/werk/clienten/{assignment}/brieven")).text


async def test_machtiging_stays_when_the_director_leaves_and_the_next_one_ends_it(business, office):
    root, assignment = await give_to_office(business, office)
    employee, former = await read_as_employee(office), await log_in(business)
    business.portal.clock.advance(timedelta(minutes=1))
    await business.tell(EventType.END)
    letters, path = f"/werk/clienten/{assignment}/brieven", f"/bedrijf/helpers/{root}"
    assert (await employee.request(letters)).status_code == 200
    await former.open_page(f"{ISSUER}{path}", expected_status=403)
    form = replace((await former.open_page(f"{ISSUER}/uitloggen")).find_form("/uitloggen"), action=f"{path}/intrekken")
    page = await former.submit_form(form, {}, expected_status=403)
    assert NOT_HERE in page.text
    assert (await JOURNAL_INTAKE.read(business.world, act="machtiging:ingetrokken"))[-1].reason == "geen_bestuurder"
    assert (await MACHTIGINGEN.read_one(business.world, id=root)).state == "active"
    await business.tell(director=business.portal.people.mother, relation_reference="b2")
    await press(await log_in(business, business.portal.people.mother), f"{path}/intrekken")
    assert (await employee.request(letters)).status_code == 403


@pytest.mark.parametrize("kvk", [None, THIRD_KVK])
async def test_giving_in_a_login_for_another_is_refused(business, office, kvk):
    director = await log_in(business, kvk=kvk)
    for path in (GIVE, f"{GIVE}/{office.rows.organisation}"):
        await director.open_page(f"{ISSUER}{path}", expected_status=403)
    form = replace(
        (await director.open_page(f"{ISSUER}/uitloggen")).find_form("/uitloggen"),
        action=f"{GIVE}/{office.rows.organisation}",
    )
    await director.submit_form(form, TERMS, expected_status=403)
    assert await MACHTIGINGEN.count(business.world, capacity="professional") == 0
    assert [line.reason for line in await JOURNAL_INTAKE.read(business.world, act="machtiging:aangeboden")] == [
        "geen_bestuurder"
    ]


async def test_administrator_of_the_business_gives_and_ends_nothing_in_its_name(business, office):
    root, _ = await give_to_office(business, office)
    async with business.world.sessions.begin() as session:
        await add_employee(session, business.id, business.portal.people.mother, roles=["organisatiebeheerder"])
    administrator = await log_in(business, business.portal.people.mother)
    uitloggen = (await administrator.open_page(f"{ISSUER}/uitloggen")).find_form("/uitloggen")
    for path in (
        f"{GIVE}/{office.rows.organisation}",
        f"/bedrijf/helpers/{root}/intrekken",
        f"/bedrijf/helpers/{root}",
    ):
        await administrator.submit_form(
            replace(uitloggen, action=path), TERMS | {"besluit": "pauzeren"}, expected_status=403
        )
    assert (await MACHTIGINGEN.read_one(business.world, id=root)).state == "active"


async def test_director_of_one_business_names_the_machtiging_of_another(business, office, world):
    """Also a machtiging of a citizen, the own directorship, an assignment and an unknown id."""
    root, assignment = await give_to_office(business, office)
    people = business.portal.people
    citizens = await office.rows.grant()
    async with world.sessions.begin() as session:
        other = await add_organisation(session, THIRD_KVK, name="Slagerij De Os")
    stranger = type(business)(business.portal, world, other, business.letter, business.bijlage)
    await stranger.tell(director=people.mother, relation_reference="b9")
    director = await log_in(business, people.mother, THIRD_KVK)
    uitloggen = (await director.open_page(f"{ISSUER}/uitloggen")).find_form("/uitloggen")
    before = await MACHTIGINGEN.read(world)
    for named in (root, assignment, citizens, stranger.directorship, business.directorship, uuid4()):
        await director.open_page(f"{ISSUER}/bedrijf/helpers/{named}", expected_status=404)
        for path in (f"/bedrijf/helpers/{named}/intrekken", f"/bedrijf/helpers/{named}"):
            await director.submit_form(replace(uitloggen, action=path), {"besluit": "pauzeren"}, expected_status=404)
    assert await MACHTIGINGEN.read(world) == before


@pytest.mark.parametrize("end", ["", "/intrekken"])
async def test_refused_look_at_what_the_business_gave_is_journalled(business, office, end):
    """Of no director, and of a director who names what is of others or unknown."""
    root, assignment = await give_to_office(business, office)
    citizens, people = await office.rows.grant(), business.portal.people
    private = await log_in(business, kvk=None)
    await private.open_page(f"{ISSUER}/bedrijf/helpers/{root}{end}", expected_status=403)
    director = await log_in(business)
    await director.open_page(f"{ISSUER}/bedrijf/helpers/{root}{end}")
    for named in (citizens, assignment, uuid4()):
        await director.open_page(f"{ISSUER}/bedrijf/helpers/{named}{end}", expected_status=404)
    lines = await JOURNAL_INTAKE.read(business.world, act="machtiging:bekeken")
    assert {(line.outcome, line.actor_id) for line in lines} == {("refused", people.son)}
    assert [(line.reason, line.machtiging_id, line.for_person_id, line.on_behalf_of) for line in lines] == [
        ("geen_bestuurder", None, None, None),
        ("niet_van_u", citizens, office.rows.client, business.id),
        ("niet_van_u", assignment, business.id, business.id),
        ("bestaat_niet", None, None, business.id),
    ]


@pytest.mark.parametrize("kvk", [None, THIRD_KVK])
async def test_refused_look_at_the_forms_of_giving_is_journalled(business, office, kvk):
    director = await log_in(business, kvk=kvk)
    for path in (GIVE, f"{GIVE}/{office.rows.organisation}"):
        await director.open_page(f"{ISSUER}{path}", expected_status=403)
    lines = await JOURNAL_INTAKE.read(business.world, act="machtiging:bekeken")
    assert [(line.outcome, line.reason) for line in lines] == [("refused", "geen_bestuurder")] * 2


async def test_suspended_office_reads_nothing_of_the_business(business, office):
    _, assignment = await give_to_office(business, office)
    async with business.world.sessions.begin() as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    employee = await read_as_employee(office)
    page = await employee.request(f"/werk/clienten/{assignment}/brieven/{business.letter}")
    assert (page.status_code in {403, 404}, SUBJECT in page.text) == (True, False)


async def test_unrecognised_organisation_is_never_offered_anything(business, world):
    async with world.sessions.begin() as session:
        other = await add_organisation(session, THIRD_KVK, status="opgeschort")
    director = await log_in(business)
    await director.open_page(f"{ISSUER}{GIVE}/{other}", expected_status=404)
    await director.open_page(f"{ISSUER}{GIVE}/{uuid4()}", expected_status=404)


async def test_form_sent_twice_is_one_machtiging(business, office):
    director = await log_in(business)
    form = (await director.open_page(f"{ISSUER}{GIVE}/{office.rows.organisation}")).find_form(
        "nieuw/" + str(office.rows.organisation)
    )
    for _ in range(2):
        await director.submit_form(form, TERMS)
    assert await MACHTIGINGEN.count(business.world, capacity="professional") == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("doel", ""),
        ("doel", "x"),
        ("bestaand", "ooit"),
        ("gevoelig", ""),
        ("bijlagen", ""),
        ("duur", "9999"),
        ("duur", "eigen"),
    ],
)
async def test_form_with_a_fault_is_kept_and_gives_nothing(business, office, field, value):
    page = await offer(await log_in(business), office.rows.organisation, expect=400, **{field: value})
    kept = "gevoelig" if field == "bestaand" else "bestaand"
    assert page.find_form(str(office.rows.organisation)).values[kept] == TERMS[kept]
    assert await MACHTIGINGEN.count(business.world, capacity="professional") == 0


async def test_machtiging_with_forged_business_is_not_shown_to_the_director(business, office, database):
    citizens = await office.rows.grant()
    async with bypass_triggers(database) as connection:
        forging = text("UPDATE machtiging SET vertegenwoordigde_id = :business WHERE id = :id")
        await connection.execute(forging, {"business": business.id, "id": citizens})
    director = await log_in(business)
    await director.open_page(f"{ISSUER}/bedrijf/helpers/{citizens}", expected_status=404)
    assert str(citizens) not in str(await director.open_page(f"{ISSUER}/bedrijf"))


async def test_director_and_employee_of_the_office_reads_each_in_its_login(business, office):
    """The assignment is read in a login for the office, the box in one for the business."""
    _, assignment = await give_to_office(business, office)
    async with business.world.sessions.begin() as session:
        await add_employee(session, office.rows.organisation, business.portal.people.son)
    own = await open_helper_session(business.portal, business.portal.people.son, None, kvk=BUSINESS_KVK)
    assert SUBJECT in (await own.request(business.letters)).text
    at_office = await open_helper_session(business.portal, business.portal.people.son, None, kvk=office.rows.kvk)
    assert (await at_office.request(business.letters)).status_code in {403, 404}
    assert NOT_HERE in (await at_office.request("/bedrijf")).text
    assert (await own.request(f"/werk/clienten/{assignment}/brieven")).status_code in {403, 404}
