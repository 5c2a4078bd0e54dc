"""A director who works at the office of the business is not on both sides."""

from datetime import timedelta

from machtiging.delegation.stand_ins.creation import create_stand_in
from machtiging.delegation.stand_ins.rules import StandInRequest
from machtiging.delegation.statutory.rules import EventType
from machtiging.kernel.clock import to_dutch_date
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.teams.administration import add_member, create_team
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import add_employee
from tests.builders.rows import MACHTIGINGEN
from tests.protocol.organisation_pages.test_machtigingen_of_business import business, give_to_office, log_in, offer
from tests.protocol.organisation_pages.test_machtigingen_of_business import decide as press_decision
from tests.storage.assignments.four_eyes_acts import decide, demand, hire_second

__all__ = ["business"]


async def offer_and_accept(business, office):
    """Offered by the director and accepted by the office. Returns the root."""
    await offer(await log_in(business), office.rows.organisation)
    root = (await MACHTIGINGEN.read_one(business.world, offered_to=office.rows.organisation)).id
    await press_decision(await office.log_in(), root)
    return root


async def hire_at_office(business, office, person, *roles):
    async with business.world.sessions.begin() as session:
        return await add_employee(session, office.rows.organisation, person, roles=list(roles))


async def test_director_is_not_assigned_what_the_business_gave(business, office):
    """As a client is not. Also when the director is the administrator who assigns."""
    root, people = await offer_and_accept(business, office), business.portal.people
    roles = ("organisatiebeheerder", "hulpverlener")
    director = await hire_at_office(business, office, people.son, *roles)
    for login in (office.rows.login(), office.rows.login(people.son)):
        assert await office.rows.assign(root, director, login=login) == "toewijzing_aan_client_zelf"
    assert await MACHTIGINGEN.count(business.world, parent_id=root) == 0
    refused = [line for line in await office.rows.lines("gemaakt") if line.outcome == "refused"]
    assert [(line.reason, line.for_person_id) for line in refused] == [("toewijzing_aan_client_zelf", business.id)] * 2
    assert await office.rows.assign(await office.rows.grant(), director) != "toewijzing_aan_client_zelf"


async def test_next_director_and_former_giving_director_are_not_assigned(business, office):
    root, people = await offer_and_accept(business, office), business.portal.people
    business.portal.clock.advance(timedelta(minutes=1))
    await business.tell(EventType.END)
    await business.tell(director=people.mother, relation_reference="b2")
    for person in (people.son, people.mother):
        employee = await hire_at_office(business, office, person, "hulpverlener")
        assert await office.rows.assign(root, employee) == "toewijzing_aan_client_zelf"


async def test_former_director_without_an_offer_is_assigned(business, office):
    root, people = await offer_and_accept(business, office), business.portal.people
    await business.tell(director=people.mother, relation_reference="b2")
    business.portal.clock.advance(timedelta(minutes=1))
    await business.tell(EventType.END, director=people.mother, relation_reference="b2")
    employee = await hire_at_office(business, office, people.mother, "hulpverlener")
    assert await office.rows.assign(root, employee) != "toewijzing_aan_client_zelf"


async def test_director_is_no_second_person_for_what_the_business_gave(business, office):
    root, people = await offer_and_accept(business, office), business.portal.people
    await demand(office.rows)
    await hire_at_office(business, office, people.son, "teamleider")
    assignment = await office.rows.assign(root)
    assert await decide(office.rows, assignment, person=people.son) == "toewijzing_aan_client_zelf"
    second = await hire_second(office.rows)
    assert await decide(office.rows, assignment, person=second) == assignment


async def test_director_stands_in_for_no_reader_of_the_business(business, office):
    _, assignment = await give_to_office(business, office)
    await office.rows.assign(await office.rows.grant())
    director = await hire_at_office(business, office, business.portal.people.son, "hulpverlener")
    at = business.portal.clock.now()
    request = StandInRequest(office.rows.worker_id, director, to_dutch_date(at), to_dutch_date(at))
    async with unit_of_work(business.world.sessions) as session:
        await create_stand_in(session, load_keyring(), office.rows.login(), request, at=at)
    assert await MACHTIGINGEN.count(business.world, parent_id=assignment) == 0
    assert await MACHTIGINGEN.count(business.world, employee_id=director) == 1


async def test_director_in_a_team_does_not_read_what_the_business_gave_to_the_team(business, office):
    root = await offer_and_accept(business, office)
    director = await hire_at_office(business, office, business.portal.people.son, "hulpverlener")
    team = await make_team(office, director)
    assert await office.rows.assign(root, employee_id=None, team_id=team) == "team_zonder_lezer"
    team = await make_team(office, director, office.rows.worker_id)
    assignment = await office.rows.assign(root, employee_id=None, team_id=team)
    employees = await MACHTIGINGEN.read_column(business.world, "employee_id", parent_id=assignment)
    assert employees == [office.rows.worker_id]


async def make_team(office, *employees):
    """A team of the office with these members."""
    actor = ActingEmployee(*await office.rows.hire("Astrid", roles=["organisatiebeheerder"]), office.rows.organisation)
    async with unit_of_work(office.rows.database.sessions) as session:
        team = await create_team(session, actor, f"Team {len(employees)}", at=NOON)
        for employee in employees:
            await add_member(session, actor, team, employee, at=NOON)
    return team
