"""Random histories of acts on organisations: the journal alone gives every table at every instant."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from machtiging.agencies.rules import Sensitivity
from machtiging.audit.row_states.row_check import RowCheck
from machtiging.audit.row_states.statement_lines import mark_finished
from machtiging.audit.seal import seal_intake
from machtiging.audit.state_facts import format_row_key, rebuild_state, state_columns
from machtiging.audit.verification import verify_journal
from machtiging.identity.data_keys import ensure_data_key
from machtiging.journalled_tables import JOURNALLED_TABLES
from machtiging.kernel.errors import Refusal
from machtiging.organisations.employees import change_roles, end_employment, resume_employee, suspend_employee
from machtiging.organisations.recognition import drop_proposal, narrow_ceiling, propose_recognition
from machtiging.organisations.rules import EmployeeRole, RecognitionProposal, RecognitionStatus
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import JOURNAL
from tests.storage.organisations.organisation_world import CEILING, OrganisationWorld

KEYS = load_keyring()
SECOND = timedelta(seconds=1)


class OrganisationHistory:
    """One organisation with employees; each step is one act, which may be refused."""

    def __init__(self, world: OrganisationWorld, number: int) -> None:
        self.world, self.kvk, self.days = world, f"9{number:07}", CEILING.days
        self.organisation: Any = None
        self.administrator: Any = None
        self.employee: Any = None

    async def register(self) -> None:
        self.organisation = await self.world.register(self.kvk)

    async def recognise(self) -> None:
        await self.world.decide(self.organisation, RecognitionStatus.RECOGNISED)

    async def suspend_recognition(self) -> None:
        await self.world.decide(self.organisation, RecognitionStatus.SUSPENDED)

    async def drop_proposal(self) -> None:
        proposal = RecognitionProposal(RecognitionStatus.WITHDRAWN, "besluit", "B-9")
        operator = self.world.operators[0]
        number = await self.world.do(propose_recognition, operator, self.organisation, proposal)
        await self.world.do(drop_proposal, operator, self.organisation, number)

    async def narrow_ceiling(self) -> None:
        self.days -= 1
        ceiling = replace(CEILING, days=self.days, sensitivity=Sensitivity.GEWOON)
        await self.world.do(narrow_ceiling, self.world.operators[0], self.organisation, ceiling)

    async def hire_administrator(self) -> None:
        self.administrator = await self.world.administer(self.organisation, self.kvk)

    async def invite(self) -> None:
        self.employee = await self.world.invite(
            self.administrator, self.organisation, f"fatima-{self.kvk}", frozenset({EmployeeRole.CARE_WORKER})
        )

    async def log_in(self) -> None:
        await self.world.log_in(f"fatima-{self.kvk}", self.kvk)

    async def change_roles(self) -> None:
        roles = frozenset({EmployeeRole.TEAM_LEADER})
        await self.world.do(change_roles, KEYS, self.administrator, self.employee, roles)

    async def suspend(self) -> None:
        await self.world.do(suspend_employee, KEYS, self.administrator, self.employee)

    async def resume(self) -> None:
        await self.world.do(resume_employee, KEYS, self.administrator, self.employee)

    async def leave(self) -> None:
        await self.world.do(end_employment, KEYS, self.administrator, self.employee)


STEPS = [name for name in vars(OrganisationHistory) if not name.startswith("_")]
NEEDS = {"administrator": {"invite"}, "employee": {"change_roles", "suspend", "resume", "leave"}}
steps = st.lists(st.tuples(st.booleans(), st.sampled_from(STEPS)), min_size=4, max_size=25)


async def read_tables(database: Any) -> dict[str, tuple[dict[str, Any], bytes]]:
    """The content of every journalled table now, by the key of the row."""
    found = {}
    async with database.sessions() as session:
        for table in JOURNALLED_TABLES:
            columns = state_columns(table.sealed)
            for row in (await session.execute(select(table.sealed.table))).mappings():
                content = {name: row[name] for name in columns}
                found[format_row_key(table.sealed, row)] = (content, row["mac"])
    return found


async def perform(histories: list[OrganisationHistory], which: bool, name: str) -> None:
    history = histories[which]
    if name != "register" and history.organisation is None:
        return
    if any(getattr(history, needed) is None for needed, names in NEEDS.items() if name in names):
        return
    with suppress(Refusal):
        await getattr(history, name)()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8)
@given(history=steps)
async def test_organisations_are_rebuilt_from_the_journal_at_any_instant(world, history):
    before = await read_tables(world.database)
    begin = world.clock.now()
    number = int((begin - NOON).total_seconds()) * 2
    histories = [OrganisationHistory(world, number), OrganisationHistory(world, number + 1)]
    snapshots = []
    for which, name in [(False, "register"), (False, "recognise"), (False, "hire_administrator"), *history]:
        world.clock.advance(SECOND)
        await perform(histories, which, name)
        snapshots.append((world.clock.now(), await read_tables(world.database)))
    world.clock.advance(SECOND)
    await seal_intake(world.database.sealer, KEYS, world.clock)
    lines = await JOURNAL.read(world.database, order_by="seq")
    async with world.database.sessions() as session:
        owners = [one.organisation for one in histories if one.organisation is not None]
        data_keys = {owner: await ensure_data_key(session, KEYS, owner) for owner in owners}
    ours = [line for line in lines if line.occurred_at > begin]
    for at, tables in snapshots:
        rebuilt = {key: (dict(state.row), state.mac) for key, state in rebuild_state(ours, at, data_keys).items()}
        assert rebuilt == {key: row for key, row in tables.items() if key not in before}
    assert (await verify_journal(world.database.service, KEYS)).ok


async def test_rows_made_by_acts_are_what_the_journal_says(world):
    history = OrganisationHistory(world, 1)
    for name in ("register", "recognise", "hire_administrator", "invite", "log_in", "suspend", "resume", "leave"):
        world.clock.advance(SECOND)
        await getattr(history, name)()
    async with world.database.sessions.begin() as session:
        for table in JOURNALLED_TABLES:
            await mark_finished(session, table, at=world.clock.now(), operator=None)
    check = RowCheck(world.database.sessions, KEYS, world.clock, JOURNALLED_TABLES)
    for _ in JOURNALLED_TABLES:
        await check.check_next_batch()
    assert check.findings == {}
