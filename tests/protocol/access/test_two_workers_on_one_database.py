"""Two workers on one database. What is revoked at one is refused by the other at the next request."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from machtiging.access_tokens.token_revocation import revoke_token
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.kernel.errors import Refusal
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import replace_services
from tests.builders.keys import load_keyring
from tests.builders.letters import HELPING, make_api_world
from tests.builders.rows import ISSUED_TOKENS, JOURNAL_INTAKE

BERICHTEN_URL = f"{API_PREFIX}/berichten/"


async def start_second_worker(world, url):
    """A second worker with its own application, connections and policy cache."""
    made = await make_api_world(world.database, world.clock, worker="second")
    engine = make_engine(url, DatabaseRole.SERVICE, pool_size=3)
    made.sessions = make_sessions(engine, load_keyring())
    replace_services(made.app, sessions=made.sessions)
    return made, engine


@pytest.fixture
async def workers(database, clock):
    first = await make_api_world(database, clock, worker="first")
    first.database = database
    second, engine = await start_second_worker(first, database.url)
    yield first, second
    await engine.dispose()


async def read(worker, token, bericht_id):
    async with worker.client(token) as client:
        answer = await client.get(BERICHTEN_URL + bericht_id)
    return answer.status_code, answer.json().get("code")


TAKEN_AWAY = {
    "withdrawn by her": (revoke_machtiging, "citizen", "machtiging_beeindigd", 403),
    "given back by him": (give_back_machtiging, "helper", "machtiging_beeindigd", 403),
    "paused by her": (pause_machtiging, "citizen", "machtiging_gepauzeerd", 403),
}


@pytest.mark.parametrize("how", TAKEN_AWAY)
async def test_row_48_revocation_at_one_worker_is_refused_by_the_other_at_the_next_request(workers, how):
    first, second = workers
    verb, whose, code, status = TAKEN_AWAY[how]
    bericht_id, under = await first.deliver_letter(), await first.grant_machtiging()
    token = await first.issue_token(first.helper, under=under, acts=HELPING)
    for worker in (first, second, second):  # fills any cache that a worker might have
        assert await read(worker, token, bericht_id) == (200, None)
    async with unit_of_work(first.sessions) as session:
        await verb(session, under, getattr(first, whose), at=first.clock.now())
    assert await read(second, token, bericht_id) == (status, code)
    assert await read(first, token, bericht_id) == (status, code)


async def test_row_48_token_revoked_at_one_worker_is_refused_by_the_other(workers):
    first, second = workers
    bericht_id = await first.deliver_letter()
    token = await first.issue_helper_token()
    assert await read(second, token, bericht_id) == (200, None)
    ((jti,),) = await ISSUED_TOKENS.read(first, "id", ISSUED_TOKENS.c.machtiging_id.is_not(None))
    async with unit_of_work(first.sessions) as session:
        await revoke_token(session, jti, first.clock.now())
    assert await read(second, token, bericht_id) == (401, "token_ingetrokken")


async def test_row_48_pause_and_resume_at_one_worker_hold_at_the_other_and_each_request_is_journalled(workers):
    first, second = workers
    bericht_id, under = await first.deliver_letter(), await first.grant_machtiging()
    token = await first.issue_token(first.helper, under=under, acts=HELPING)
    seen = []
    for worker, verb in ((first, pause_machtiging), (second, resume_machtiging), (first, revoke_machtiging)):
        async with unit_of_work(worker.sessions) as session:
            await verb(session, under, worker.citizen, at=worker.clock.now())
        seen += [(await read(looking, token, bericht_id))[0] for looking in (second, first, second)]
    assert seen == [403] * 3 + [200] * 3 + [403] * 3
    looks = Counter(await JOURNAL_INTAKE.read_column(first, "outcome", act="bericht:lezen"))
    assert looks == {"allowed": 3, "refused": 6}


class TwoWorkers(RuleBasedStateMachine):
    """Random changes and reads of machtigingen at either worker, compared with a model."""

    workers: tuple = ()
    runner: asyncio.Runner | None = None

    def wait(self, work):
        return self.runner.run(work)

    @initialize()
    def begin(self):
        first = self.workers[0]
        self.bericht_id = self.wait(first.deliver_letter())
        self.under = self.wait(first.grant_machtiging())
        self.token = self.wait(first.issue_token(first.helper, under=self.under, acts=HELPING))
        self.state, self.expected_lines = "active", 0
        self.before = self.wait(self.lines())

    async def lines(self):
        return await JOURNAL_INTAKE.count(self.workers[0], act="bericht:lezen")

    @rule(at=st.sampled_from([0, 1]), what=st.sampled_from(["pause", "resume", "revoke"]))
    def change(self, at, what):
        verb = {"pause": pause_machtiging, "resume": resume_machtiging, "revoke": revoke_machtiging}[what]
        moves = {"pause": {"active": "paused"}, "resume": {"paused": "active"}}
        moves["revoke"] = {"active": "ended", "paused": "ended"}

        async def act():
            worker = self.workers[at]
            async with unit_of_work(worker.sessions) as session:
                await verb(session, self.under, worker.citizen, at=worker.clock.now())

        try:
            self.wait(act())
            self.state = moves[what][self.state]
        except Refusal:
            assert self.state not in moves[what]

    @rule(at=st.sampled_from([0, 1]), times=st.integers(1, 3))
    def look(self, at, times):
        for _ in range(times):
            status, _ = self.wait(read(self.workers[at], self.token, self.bericht_id))
            self.expected_lines += 1
            assert (status == 200) is (self.state == "active"), (self.state, status)

    @invariant()
    def every_look_is_in_the_journal(self):
        if hasattr(self, "before"):
            assert self.wait(self.lines()) == self.before + self.expected_lines


@pytest.mark.whole
def test_row_48_random_changes_and_reads_on_two_workers_agree_with_the_model(template_url, clock):
    from tests.builders.database import Database, create_database_clone, drop_database

    runner = asyncio.Runner()
    url = runner.run(create_database_clone(template_url))
    database = Database(
        url, make_engine(url, DatabaseRole.SERVICE, pool_size=3), make_engine(url, DatabaseRole.SEALER, pool_size=1)
    )

    async def build():
        first = await make_api_world(database, clock, worker="first")
        first.database = database
        return first, *(await start_second_worker(first, url))

    first, second, engine = runner.run(build())

    class Machine(TwoWorkers):
        pass

    Machine.workers, Machine.runner = (first, second), runner
    limits = settings(max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    try:
        run_state_machine_as_test(Machine, settings=limits)
    finally:
        for one in (engine, database.service, database.sealer):
            runner.run(one.dispose())
        runner.run(drop_database(url))
        runner.close()
