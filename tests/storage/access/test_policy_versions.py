"""The policies that the service decided with, and what each changed."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.access.oversight.policy_versions import (
    ChangedPolicyRow,
    list_policy_changes,
    load_policy_change,
    record_policy_version,
)
from machtiging.access.policy_file import PolicyContent, read_casbin_model, read_policy_rows
from machtiging.kernel.errors import NotFound
from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import POLICIES
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON
from tests.builders.rows import JOURNAL_INTAKE

CONTENT = PolicyContent(read_casbin_model(POLICIES), read_policy_rows(POLICIES))
FIRST, SECOND, *REST = CONTENT.rows
CHANGED_FIRST = replace(FIRST, eft="deny" if FIRST.eft == "allow" else "allow")
# Without its first row, with its second one changed.
OTHER = PolicyContent(CONTENT.model, (replace(SECOND, theme=frozenset({"belastingen"})), *REST))


async def store(database, content):
    async with unit_of_work(database.sessions) as session:
        return await record_policy_version(session, content, at=NOON)


async def list_all(database, **options):
    async with unit_of_work(database.sessions) as session:
        return await list_policy_changes(session, limit=10, **options)


async def test_first_policy_is_recorded_with_all_rows_and_a_journal_line(database):
    assert await store(database, CONTENT) is True

    [version] = await list_all(database)
    assert (version.number, version.digest, version.authentic) == (1, CONTENT.compute_digest(), True)
    assert [one.after for one in version.added] == list(CONTENT.rows)
    assert (version.removed, version.changed, version.model_changed) == ((), (), False)
    [line] = await JOURNAL_INTAKE.read(database, act="beleid:geladen")
    assert (line.outcome, line.object_id, line.policy_digest) == ("done", "1", CONTENT.compute_digest())
    assert line.facts == {"rijen": len(CONTENT.rows)}


async def test_same_policy_twice_is_one_version_and_one_line(database):
    await store(database, CONTENT)

    assert await store(database, PolicyContent(CONTENT.model, CONTENT.rows[::-1])) is False
    assert len(await list_all(database)) == 1
    assert len(await JOURNAL_INTAKE.read(database, act="beleid:geladen")) == 1


async def test_processes_that_start_at_once_write_one_version(database):
    results = await asyncio.gather(*(store(database, CONTENT) for _ in range(8)))

    assert sorted(results) == [False] * 7 + [True]
    assert len(await list_all(database)) == 1
    assert len(await JOURNAL_INTAKE.read(database, act="beleid:geladen")) == 1


async def test_two_policies_at_once_get_numbers_in_a_row(database):
    assert await asyncio.gather(store(database, CONTENT), store(database, OTHER)) == [True, True]

    assert [version.number for version in await list_all(database)] == [2, 1]


async def test_rows_added_removed_and_changed_are_told_apart(database):
    await store(database, CONTENT)
    await store(database, OTHER)
    await store(database, CONTENT)

    back, other, _ = await list_all(database)
    assert other.removed == (ChangedPolicyRow(FIRST, None),)
    assert other.changed == (ChangedPolicyRow(SECOND, OTHER.rows[0]),)
    assert other.added == ()
    assert (back.number, back.added, back.removed) == (3, (ChangedPolicyRow(None, FIRST),), ())


async def test_row_that_only_changes_its_effect_is_a_change(database):
    await store(database, CONTENT)
    await store(database, PolicyContent(CONTENT.model, (CHANGED_FIRST, SECOND, *REST)))

    newest, _ = await list_all(database)
    assert newest.changed == (ChangedPolicyRow(FIRST, CHANGED_FIRST),)
    assert (newest.added, newest.removed) == ((), ())


async def test_other_reason_alone_is_no_other_policy(database):
    await store(database, CONTENT)

    reworded = PolicyContent(CONTENT.model, (replace(FIRST, because="anders gezegd"), SECOND, *REST))
    assert await store(database, reworded) is False


async def test_changed_model_is_a_version_without_changed_rows(database):
    await store(database, CONTENT)
    await store(database, PolicyContent(CONTENT.model + "# x\n", CONTENT.rows))

    newest, _ = await list_all(database)
    assert newest.model_changed is True
    assert (newest.added, newest.removed, newest.changed) == ((), (), ())


async def test_words_that_the_code_no_longer_knows_stay_readable(database):
    old = PolicyContent(CONTENT.model, (replace(FIRST, theme=frozenset({"vroeger"})), SECOND))
    await store(database, old)

    [version] = await list_all(database)
    assert version.added[0].after.theme == {"vroeger"}
    assert version.authentic is True


@pytest.mark.parametrize("statement", ["UPDATE policy_version SET digest = digest", "DELETE FROM policy_version"])
@pytest.mark.parametrize("role", list(DatabaseRole))
async def test_version_changed_or_deleted_is_rejected_for_every_role(database, role, statement):
    await store(database, CONTENT)
    engine = make_engine(database.url, role, pool_size=1)
    try:
        with pytest.raises(DBAPIError, match="permission denied|append-only"):
            async with engine.begin() as connection:
                await connection.execute(text(statement))
        with pytest.raises(DBAPIError, match="permission denied|append-only"):
            async with engine.begin() as connection:
                await connection.execute(text("TRUNCATE policy_version"))
    finally:
        await engine.dispose()


async def test_forged_rows_are_seen_by_their_digest(database):
    await store(database, CONTENT)
    eft = "jsonb_set(rows, ARRAY[CAST(:id AS text), 'eft'], to_jsonb(CAST(:eft AS text)))"
    forged = text(f"UPDATE policy_version SET rows = {eft}")
    async with bypass_triggers(database) as connection:
        await connection.execute(forged, {"id": FIRST.id, "eft": CHANGED_FIRST.eft})

    [version] = await list_all(database)
    assert version.authentic is False


@pytest.mark.parametrize("number", [2, 2**31 - 2])
async def test_version_that_is_not_there_is_not_found(database, number):
    await store(database, CONTENT)

    async with unit_of_work(database.sessions) as session:
        with pytest.raises(NotFound, match="beleid_onbekend"):
            await load_policy_change(session, number)


async def test_list_before_a_number_still_compares_with_the_one_before(database):
    await store(database, CONTENT)
    await store(database, OTHER)
    await store(database, CONTENT)

    async with unit_of_work(database.sessions) as session:
        [other] = await list_policy_changes(session, before=3, limit=1)
    assert (other.number, len(other.removed), len(other.changed)) == (2, 1, 1)
