"""An act of an operator or organisatiebeheerder ends access at the next request."""

from __future__ import annotations

from datetime import date

import pytest

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.organisations.employees import end_employment, resume_employee, suspend_employee
from machtiging.organisations.recognition import confirm_recognition, propose_recognition
from machtiging.organisations.rules import ActingOperator, RecognitionProposal, RecognitionStatus
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import record_queries
from tests.builders.letters import HELPING
from tests.builders.people import add_person_without_bsn
from tests.builders.rows import EMPLOYEES, ORGANISATIONS, RECOGNITIONS
from tests.protocol.organisation.organisations import move_rows

KVK = "90000001"
MOST_ROWS = 3  # with the journal line
COMMAND_LINE = ActingOperator(None, "jan")


async def decide(world, database, status):
    """Propose and confirm, by two operators. Returns the statements of the confirmation."""
    organisation = await ORGANISATIONS.read_value(world, "id")
    at, keys = world.clock.now(), world.keyring
    async with unit_of_work(world.sessions) as session:
        operators = [
            ActingOperator(await add_person_without_bsn(session, f"{name} {await RECOGNITIONS.count(session)}", born))
            for name, born in (("Saskia", date(1975, 3, 1)), ("Omar", date(1982, 7, 9)))
        ]
        proposal = RecognitionProposal(status, "besluit")
        number = await propose_recognition(session, operators[0], organisation, proposal, at=at)
    with record_queries(database) as statements:
        async with unit_of_work(world.sessions) as session:
            await confirm_recognition(session, keys, operators[1], organisation, number, practice=False, at=at)
    return statements


async def change_employee(world, database, act):
    """Do this act on the employee. Returns its statements."""
    employee = await EMPLOYEES.read_value(world, "id")
    with record_queries(database) as statements:
        async with unit_of_work(world.sessions) as session:
            await act(session, world.keyring, COMMAND_LINE, employee, at=world.clock.now())
    return statements


ACTS = {
    "organisatie_opgeschort": lambda *both: decide(*both, RecognitionStatus.SUSPENDED),
    "erkenning_ingetrokken": lambda *both: decide(*both, RecognitionStatus.WITHDRAWN),
    "medewerker_niet_actief": lambda *both: change_employee(*both, suspend_employee),
    "medewerker_vertrokken": lambda *both: change_employee(*both, end_employment),
}


async def read_statuses(world, letter, token):
    async with world.client(token) as client:
        paths = (f"{API_PREFIX}/berichten", f"{API_PREFIX}/berichten/{letter}")
        return [(await client.get(path)).status_code for path in paths]


@pytest.fixture
async def letter_and_token(world):
    """A letter of the citizen, and a token of the employee who may read it."""
    machtiging = await world.grant_machtiging(KVK, capacity="professional")
    letter = await world.deliver_letter()
    token = await world.issue_token(world.helper, under=machtiging, acts=HELPING)
    async with world.sessions.begin() as session:
        await move_rows(session, KVK, "issued_token")
    assert await read_statuses(world, letter, token) == [200, 200]
    return letter, token


@pytest.mark.parametrize("reason", ACTS)
async def test_access_ends_at_the_next_request_after_the_act(world, database, letter_and_token, reason):
    await ACTS[reason](world, database)
    assert 200 not in await read_statuses(world, *letter_and_token)
    assert {(await world.reasons(f"bericht:{act}"))[-1] for act in ("lijst", "lezen")} == {reason}


@pytest.mark.parametrize("reason", ACTS)
async def test_act_writes_at_most_three_rows(world, database, letter_and_token, reason):
    statements = await ACTS[reason](world, database)
    writes = [one for one in statements if one.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert 2 <= len(writes) <= MOST_ROWS, writes


@pytest.mark.parametrize("code", ["organisatie_opgeschort", "medewerker_niet_actief"])
async def test_access_returns_when_the_act_is_undone(world, database, letter_and_token, code):
    await ACTS[code](world, database)
    if code == "organisatie_opgeschort":
        await decide(world, database, RecognitionStatus.RECOGNISED)
    else:
        await change_employee(world, database, resume_employee)
    assert await read_statuses(world, *letter_and_token) == [200, 200]
