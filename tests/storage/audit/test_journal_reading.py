"""Reading the journal of a person: sealed and waiting lines together, newest first."""

from datetime import timedelta
from uuid import UUID

from machtiging.audit.journal import record
from machtiging.audit.queries import JournalCursor, load_lines_for_machtiging, load_lines_for_person
from machtiging.audit.seal import seal_intake
from tests.builders.keys import load_keyring
from tests.storage.audit.journal_lines import SOMEBODY, make_journal_line, record_journal_lines

SOMEBODY_ELSE, A_MACHTIGING, AN_ORGANISATION = UUID(int=2), UUID(int=3), UUID(int=5)


async def test_sealed_and_waiting_lines_are_listed_newest_first(database, clock):
    await record_journal_lines(database, clock, 1, reason="sealed")
    await seal_intake(database.sealer, load_keyring(), clock)
    clock.advance(timedelta(seconds=1))
    await record_journal_lines(database, clock, 1, reason="waiting")
    async with database.sessions() as session:
        lines = await load_lines_for_person(session, SOMEBODY)
    assert [(line.reason, line.seq) for line in lines] == [("waiting", None), ("sealed", 1)]


async def test_journal_line_is_read_as_written(session, clock):
    line = make_journal_line(
        actor_id=SOMEBODY_ELSE,
        machtiging_id=A_MACHTIGING,
        object_kind="bericht",
        facts={"aantal": 3},
        on_behalf_of=AN_ORGANISATION,
    )
    line_id = await record(session, line, at=clock.now())
    (read,) = await load_lines_for_machtiging(session, A_MACHTIGING)
    assert (read.id, read.occurred_at, read.facts) == (line_id, clock.now(), {"aantal": 3})
    assert (read.act, read.outcome) == ("bericht:lezen", "allowed")
    assert (read.actor_id, read.for_person_id, read.machtiging_id) == (SOMEBODY_ELSE, SOMEBODY, A_MACHTIGING)
    assert read.request_id
    assert (read.format, read.on_behalf_of, len(read.trace_id)) == (2, AN_ORGANISATION, 32)


async def test_journal_lines_about_another_person_are_not_listed(session, clock):
    await record(session, make_journal_line(for_person_id=SOMEBODY_ELSE, actor_id=SOMEBODY), at=clock.now())
    await record(session, make_journal_line(for_person_id=None), at=clock.now())
    assert await load_lines_for_person(session, SOMEBODY) == []


async def test_journal_lines_under_another_machtiging_are_not_listed(session, clock):
    await record(session, make_journal_line(machtiging_id=UUID(int=4)), at=clock.now())
    await record(session, make_journal_line(machtiging_id=None), at=clock.now())
    assert await load_lines_for_machtiging(session, A_MACHTIGING) == []


async def test_paging_lists_every_line_once_with_equal_timestamps(database, clock):
    for _ in range(3):
        await record_journal_lines(database, clock, 3)
        await seal_intake(database.sealer, load_keyring(), clock, batch=2)
    await record_journal_lines(database, clock, 2)
    seen, before = [], None
    async with database.sessions() as session:
        while lines := await load_lines_for_person(session, SOMEBODY, limit=2, before=before):
            seen += [line.id for line in lines]
            before = JournalCursor(lines[-1].occurred_at, lines[-1].id)
    assert len(seen) == len(set(seen)) == 11


async def test_paging_before_an_instant_lists_older_lines_only(session, clock):
    await record(session, make_journal_line(reason="old"), at=clock.now())
    clock.advance(timedelta(seconds=1))
    await record(session, make_journal_line(reason="new"), at=clock.now())
    assert [line.reason for line in await load_lines_for_person(session, SOMEBODY, before=clock.now())] == ["old"]
