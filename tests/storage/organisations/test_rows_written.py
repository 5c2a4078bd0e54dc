"""One act at an organisation writes few rows, for any number of clients."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.agencies.rules import Sensitivity
from machtiging.delegation.authority.queries import load_authority
from machtiging.kernel.ids import uuid7
from machtiging.organisations.employees import end_employment, suspend_employee
from machtiging.organisations.recognition import confirm_recognition, narrow_ceiling, propose_recognition
from machtiging.organisations.rules import Ceiling, RecognitionProposal, RecognitionStatus
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import insert_machtiging
from tests.storage.organisations.organisation_world import CARE_WORKER, CEILING

KEYS = load_keyring()
ROWS_WRITTEN = text(
    "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS written FROM pg_stat_xact_user_tables "
    "WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
)
# A root and an assignment for each client, with their agreements.
MORE_CLIENTS = """
CREATE TABLE client AS SELECT gen_random_uuid() AS person_id, gen_random_uuid() AS root_id, gen_random_uuid() AS link_id
    FROM generate_series(2, :clients);
INSERT INTO party (id, kind, data_key_wrapped, kek_version, created_at)
SELECT person_id, 'person', 'x', 1, now() FROM client;
INSERT INTO machtiging SELECT (jsonb_populate_record(m, jsonb_build_object('id', root_id, 'vertegenwoordigde_id',
    person_id))).* FROM client, machtiging m WHERE m.parent_id IS NULL;
INSERT INTO machtiging SELECT (jsonb_populate_record(m, jsonb_build_object('id', link_id, 'parent_id', root_id,
    'vertegenwoordigde_id', person_id))).* FROM client, machtiging m WHERE m.parent_id = :root_id;
INSERT INTO agreement SELECT (jsonb_populate_record(a, jsonb_build_object('machtiging_id', made.id))).*
FROM (SELECT root_id AS id FROM client UNION ALL SELECT link_id FROM client) made, agreement a
WHERE a.machtiging_id = :root_id;
DROP TABLE client
"""


async def read_rows_written(session):
    return Counter({row.relname: row.written for row in await session.execute(ROWS_WRITTEN)})


class Clients:
    """An organisation with an employee to whom clients are assigned."""

    def __init__(self, world, organisation, administrator, employee, link):
        self.world, self.organisation, self.administrator = world, organisation, administrator
        self.employee, self.link = employee, link

    @classmethod
    async def assign_clients(cls, world, clients):
        organisation = await world.recognise()
        administrator = await world.administer(organisation)
        employee = await world.invite(administrator, organisation, "fatima", CARE_WORKER)
        await world.log_in("fatima")
        citizen, root, link = await world.add_person("Ans Voorbeeld"), uuid7(), uuid7()
        row = {"vertegenwoordigde_id": citizen, "capacity": "professional", "purpose": "post", "state": "active"}
        row |= {"legal_ground": "BW 3:60", "accepted_assurance": "substantieel", "assurance": "substantieel"}
        row |= {"excluded_themes": [], "highest_sensitivity": "gewoon", "letters_from": NOON.date(), "acts": ["lijst"]}
        row |= {"starts_at": NOON, "ends_at": NOON + timedelta(days=90), "offered_at": NOON, "accepted_at": NOON}
        async with unit_of_work(world.database.sessions) as session:
            await insert_machtiging(session, id=root, gemachtigde_id=organisation, **row)
            await insert_machtiging(session, id=link, parent_id=root, employee_id=employee, **row)
        if clients > 1:
            async with bypass_triggers(world.database) as superuser:
                for statement in MORE_CLIENTS.split(";"):
                    named = {"clients": clients, "root_id": root}
                    used = {name: value for name, value in named.items() if f":{name}" in statement}
                    await superuser.execute(text(statement), used)
        return cls(world, organisation, administrator, employee, link)

    async def count_rows(self, act, *values, **named):
        """Do the act, and count the rows that it wrote, by table."""
        async with unit_of_work(self.world.database.sessions) as session:
            # The backend has not yet reported what transactions before this one wrote.
            before = await read_rows_written(session)
            await act(session, *values, **named, at=self.world.clock.now())
            return dict(await read_rows_written(session) - before)

    async def decide_recognition(self, status):
        proposal = RecognitionProposal(status, "besluit", "B-4")
        operators = self.world.operators
        number = await self.world.do(propose_recognition, operators[0], self.organisation, proposal)
        return await self.count_rows(confirm_recognition, KEYS, operators[1], self.organisation, number, practice=False)

    async def is_stopped(self):
        async with self.world.database.sessions() as session:
            authority = await load_authority(session, self.link)
        return authority.stop_reason(self.world.clock.now()) is not None


@pytest.mark.parametrize("clients", [1, pytest.param(10_000, marks=pytest.mark.long)])
async def test_act_at_an_organisation_writes_at_most_three_rows_for_any_number_of_clients(world, clients):
    made = await Clients.assign_clients(world, clients)
    assert not await made.is_stopped()
    decision = {"recognition": 1, "organisation": 1, "journal_intake": 1}
    assert await made.decide_recognition(RecognitionStatus.SUSPENDED) == decision
    assert await made.is_stopped()
    assert await made.decide_recognition(RecognitionStatus.RECOGNISED) == decision
    ceiling = Ceiling(CEILING.themes, None, Sensitivity.GEWOON, 30)
    narrowed = await made.count_rows(narrow_ceiling, world.operators[0], made.organisation, ceiling)
    assert narrowed == {"organisation": 1, "journal_intake": 1}
    assert not await made.is_stopped()
    one_employee = {"employee": 1, "journal_intake": 1}
    assert await made.count_rows(suspend_employee, KEYS, made.administrator, made.employee) == one_employee
    assert await made.is_stopped()
    assert await made.count_rows(end_employment, KEYS, made.administrator, made.employee) == one_employee
    assert await made.decide_recognition(RecognitionStatus.WITHDRAWN) == decision
    assert await made.is_stopped()
