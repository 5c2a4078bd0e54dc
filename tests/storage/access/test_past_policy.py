"""The policy of a past instant: found, built, and refused when it is not authentic."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, insert, update

from machtiging.access.oversight.past_policy import load_policy_at
from machtiging.access.oversight.policy_versions import PolicyVersion, record_policy_version
from machtiging.access.policy_decision import PolicyAllowed, PolicyDenied
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import PolicyContent
from machtiging.access.policy_request import PolicyRequest
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.seal import seal_intake
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotInForce
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import POLICIES
from tests.builders.database import bypass_triggers, record_queries
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import JOURNAL_INTAKE

VERSION = table_of(PolicyVersion)
HOUR = timedelta(hours=1)
NOW = Policy.load(POLICIES)
# The rows without those of a relative.
STRICTER = PolicyContent(NOW.content.model, tuple(row for row in NOW.rows if "relative" not in row.capacity))


async def record(database, content, at):
    async with unit_of_work(database.sessions) as session:
        assert await record_policy_version(session, content, at=at)


@pytest.fixture
async def recorded(database):
    """A first version at noon, a stricter one an hour later, and the first again after two."""
    for number, content in enumerate((NOW.content, STRICTER, NOW.content)):
        await record(database, content, NOON + number * HOUR)
    return database


async def load(database, at):
    async with database.sessions() as session:
        return await load_policy_at(session, at)


async def find_problem(database, at):
    with pytest.raises(NotInForce) as refused:
        await load(database, at)
    assert refused.value.code == "beleid_van_toen_onbekend"
    return refused.value.private


async def forge(database, **changes):
    """Change the first version with SQL."""
    async with bypass_triggers(database) as superuser:
        await superuser.execute(update(VERSION).where(VERSION.c.number == 1).values(changes))


async def test_policy_of_each_instant_is_the_one_that_was_loaded_then(recorded):
    moment = timedelta(microseconds=1)
    digests = [(await load(recorded, NOON + passed)).digest for passed in (HOUR * 0, HOUR - moment, HOUR, 2 * HOUR)]
    assert digests == [NOW.digest, NOW.digest, STRICTER.compute_digest(), NOW.digest]


async def test_policy_of_then_decides_as_it_did(recorded):
    asked = PolicyRequest(Capacity.RELATIVE, Act.READ, Theme.INKOMEN, Sensitivity.GEWOON, Assurance.HIGH, *[True] * 4)
    assert isinstance((await load(recorded, NOON)).decide(asked), PolicyAllowed)
    assert isinstance((await load(recorded, NOON + HOUR)).decide(asked), PolicyDenied)
    assert (await load(recorded, NOON)).decide(asked) == NOW.decide(asked)


async def test_policy_of_then_is_built_once_and_loaded_in_one_statement(recorded):
    first = await load(recorded, NOON)
    with record_queries(recorded) as queries:
        assert await load(recorded, NOON + 3 * HOUR) is first
    assert len([query for query in queries if query.lstrip().startswith("SELECT policy_version")]) == 1


async def test_policy_of_then_is_known_after_sealing(recorded, clock):
    await seal_intake(recorded.sealer, load_keyring(), clock)
    assert (await load(recorded, NOON)).digest == NOW.digest


async def test_instant_before_the_first_policy_is_refused(recorded):
    assert await find_problem(recorded, NOON - HOUR) == "no version at that instant"


async def test_policy_with_changed_rows_is_refused(recorded):
    async with recorded.sessions() as session:
        rows = dict((await session.execute(VERSION.select().where(VERSION.c.number == 1))).one().rows)
    name = next(iter(rows))
    await forge(recorded, rows={**rows, name: {**rows[name], "eft": "deny"}})
    assert await find_problem(recorded, NOON) == "version 1 is not authentic"
    assert (await load(recorded, NOON + HOUR)).digest == STRICTER.compute_digest()


@pytest.mark.parametrize(
    "rows", [{"x": {}}, {"x": 7}, {"x": {"eft": "allow", "because": "", "capacity": 7}}, {"x": []}]
)
async def test_policy_with_malformed_rows_is_refused(recorded, rows):
    await forge(recorded, rows=rows)
    assert await find_problem(recorded, NOON) == "version 1 is not authentic"


async def test_policy_with_rows_and_digest_changed_together_is_refused(recorded):
    """The journal line of the version names another digest."""
    async with recorded.sessions() as session:
        other = (await session.execute(VERSION.select().where(VERSION.c.number == 2))).one()
    await forge(recorded, rows=other.rows, digest=other.digest)
    assert await find_problem(recorded, NOON) == "version 1 is not authentic"


async def test_policy_with_a_row_moved_into_the_model_is_refused(recorded):
    """The digest is the same, and the row decides no longer."""
    first = min(NOW.rows, key=lambda row: row.canonical_text())
    without = [row for row in NOW.rows if row is not first]
    moved = PolicyContent("\n".join([NOW.content.model, first.canonical_text()]), tuple(without))
    assert moved.compute_digest() == NOW.digest
    async with recorded.sessions() as session:
        rows = dict((await session.execute(VERSION.select().where(VERSION.c.number == 1))).one().rows)
    del rows[first.id]
    await forge(recorded, model=moved.model, rows=rows)
    assert await find_problem(recorded, NOON) == "version 1 is not authentic"


async def test_policy_without_its_journal_line_is_refused(recorded):
    async with bypass_triggers(recorded) as superuser:
        await superuser.execute(delete(JOURNAL_INTAKE.table).where(JOURNAL_INTAKE.c.object_id == "1"))
    assert await find_problem(recorded, NOON) == "version 1 is not authentic"


async def test_policy_put_in_between_later_is_refused(recorded):
    """The service may add versions, also with an instant in the past."""
    wider = PolicyContent(NOW.content.model, (replace(NOW.rows[0], because="x"), *NOW.rows[2:]))
    await record(recorded, wider, NOON + HOUR / 2)
    assert await find_problem(recorded, NOON + HOUR / 2) == "version 4 is not authentic"
    assert (await load(recorded, NOON)).digest == NOW.digest


async def test_second_journal_line_of_a_version_is_refused(recorded):
    line = dict((await JOURNAL_INTAKE.read_one(recorded, object_id="1"))._mapping)
    del line["intake_number"]
    async with recorded.sessions.begin() as session:
        changed = {"id": uuid4(), "policy_digest": "0" * 64}
        await session.execute(insert(JOURNAL_INTAKE.table).values(line | changed))
    assert await find_problem(recorded, NOON) == "version 1 is not authentic"
