"""/api/v1/verlengingsronden: an employee asks clients to renew, and reads the result of each."""

from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.delegation.assignments.insertion import NewAssignment, insert_assignment
from machtiging.delegation.queries import load_machtiging
from machtiging.kernel.assurance import Assurance
from tests.builders.organisations import decide_recognition
from tests.builders.rows import EMPLOYEES
from tests.protocol.organisations.test_assignments_api import log_in_as
from tests.storage.assignments.assignment_world import Assignments

PATH = "/verlengingsronden"


@pytest.fixture
async def office(api):
    """A recognised organisation with the KvK number of the personas, and a client."""
    return await Assignments.begin(api.database)


@pytest.fixture
async def worker(api, office):
    """A care worker with one client whose machtiging ends soon and one other."""
    browser, employee = await log_in_as(api, office, "raadslid", "hulpverlener")
    person = await EMPLOYEES.read_value(api.database, "person_id", id=employee)
    office.held = []
    for days in (10, 90):
        root = await office.grant(ends_at=api.clock.now() + timedelta(days=days))
        async with api.database.sessions.begin() as session:
            parent = await load_machtiging(session, root)
            values = NewAssignment(employee, employee, person, Assurance.SUBSTANTIAL)
            office.held.append((await insert_assignment(session, parent, values, at=api.clock.now())).machtiging.id)
    return browser


async def test_round_asks_what_ends_soon_and_tells_the_result_of_each(office, worker):
    made = await worker.call("POST", PATH, {})
    assert made.status_code == 201, made.text
    [result] = made.json()["resultaten"]
    assert (result["machtigingId"], result["status"]) == (str(office.held[0]), "verstuurd")
    assert (await worker.get(f"{PATH}/{made.json()['rondeId']}")).json() == made.json()


async def test_round_with_the_same_idempotency_key_is_one_round(worker):
    first, again = [(await worker.call("POST", PATH, {}, **{"Idempotency-Key": "maandag-1"})).json() for _ in range(2)]
    assert first == again


async def test_round_without_clients_to_ask_is_a_conflict(office, worker):
    refused = await worker.call("POST", PATH, {"machtigingIds": [str(office.held[1]), str(uuid4())]})
    assert (refused.status_code, refused.json()["code"]) == (409, "niets_te_verlengen")
    assert (await worker.call("POST", PATH, {})).status_code == 201
    assert (await worker.call("POST", PATH, {})).status_code == 409


@pytest.mark.parametrize("body", [{"machtigingIds": []}, {"machtigingIds": ["x"]}, {"anders": 1}, []])
async def test_round_with_a_bad_body_is_refused(worker, body):
    assert (await worker.call("POST", PATH, body)).status_code == 400


async def test_round_of_another_employee_is_not_found(api, office, worker):
    made = (await worker.call("POST", PATH, {})).json()
    colleague, _ = await log_in_as(api, office, "collega", "hulpverlener")
    assert (await colleague.get(f"{PATH}/{made['rondeId']}")).status_code == 404
    assert (await colleague.get(f"{PATH}/{uuid4()}")).status_code == 404


async def test_round_of_suspended_organisation_or_private_person_is_refused(api, office, worker):
    private = await api.log_in("vertegenwoordigde")
    assert (await private.call("POST", PATH, {})).status_code == 403
    async with api.database.sessions.begin() as session:
        await decide_recognition(session, office.organisation, 3, "opgeschort")
    assert (await worker.call("POST", PATH, {})).status_code == 403
