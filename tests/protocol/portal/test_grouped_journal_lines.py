"""Grouping in the overview. Equal requests in one minute are one line with a count; the journal keeps each."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machtiging.audit.access_history import line_groups
from machtiging.audit.access_history.line_groups import load_line_groups
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.queries import JournalCursor, load_lines_for_person
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER

LIST, READ = JournalAct.BERICHT_LIJST, JournalAct.BERICHT_LEZEN


async def insert_journal_lines(portal, *lines):
    """Insert journal lines about the mother: age in seconds, act, changes."""
    people = portal.people
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for ago, act, members in lines:
            values = {"actor_id": people.son, "for_person_id": people.mother, **members}
            line = NewJournalLine(act=act, outcome=JournalOutcome.ALLOWED, reason="mag", **values)
            await record(session, line, at=portal.clock.now() - timedelta(seconds=ago))


async def every_page(portal, limit):
    """Read all pages of groups."""
    pages, before = [], None
    async with unit_of_work(portal.app.state.services.sessions) as session:
        while True:
            page = await load_line_groups(session, portal.people.mother, limit=limit, before=before)
            pages.append(page.groups)
            if page.older is None:
                return pages
            before = JournalCursor(page.older.occurred_at, page.older.id)


async def test_flood_is_grouped_per_minute_with_its_count(portal):
    letter = {"object_kind": "bericht", "object_id": str(uuid4())}
    flood = [(70 + number / 50, LIST, {}) for number in range(150)]
    await insert_journal_lines(portal, (200, READ, letter), *flood)
    page = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert page.text.count("150 keer in één minuut") == page.text.count("keer in één minuut") == 1
    assert "een brief" in page.text
    async with unit_of_work(portal.app.state.services.sessions) as session:
        assert len(await load_lines_for_person(session, portal.people.mother, limit=1_000)) >= 151


@pytest.mark.parametrize(
    "other",
    [
        {"act": READ},
        {"outcome": JournalOutcome.REFUSED},
        {"reason": "anders"},
        {"object_id": "0190a000-0000-7000-8000-000000000000"},
        {"client_id": "andere-app"},
        {"machtiging_id": UUID(int=1)},
        {"on_behalf_of": UUID(int=3)},
        {"capacity": "operator"},
        {"actor_id": UUID(int=2)},
        {"occurred_at": datetime.fromisoformat("2026-11-23T11:59:59.999999+00:00")},
    ],
)
def test_lines_with_different_shown_members_are_not_grouped(other):
    at = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
    names = ("object_kind", "object_id", "actor_id", "capacity", "client_id", "machtiging_id", "on_behalf_of")
    shown = dict.fromkeys(names)
    line = {"id": uuid4(), "occurred_at": at, "act": LIST, "outcome": JournalOutcome.ALLOWED, "reason": "mag", **shown}
    same = {**line, "id": uuid4(), "occurred_at": at + timedelta(seconds=59)}
    assert line_groups._group_key(SimpleNamespace(**line)) == line_groups._group_key(SimpleNamespace(**same))
    assert line_groups._group_key(SimpleNamespace(**line)) != line_groups._group_key(
        SimpleNamespace(**{**line, **other})
    )


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
async def test_grouped_pages_hold_every_line_once(portal, limit):
    kinds = [{"client_id": name} for name in ("a", "b", "c")]
    lines = [(number * 1.7, LIST if number % 5 else READ, kinds[number * number % 3]) for number in range(400)]
    await insert_journal_lines(portal, *lines)
    pages = await every_page(portal, limit)
    groups = [group for page in pages for group in page]
    assert sum(group.count for group in groups) == 400
    places = [(group.line.occurred_at, group.line.id) for group in groups]
    assert places == sorted(places, reverse=True)
    assert len({line_groups._group_key(group.line) for group in groups}) == len(groups)
    assert all(len(page) == limit for page in pages[:-1])


async def test_group_larger_than_a_window_is_counted(portal, monkeypatch):
    monkeypatch.setattr(line_groups, "WINDOW_SIZES", (5, 20))
    await insert_journal_lines(portal, *((number / 3, LIST, {}) for number in range(150)), (90, READ, {}))
    groups = [group for page in await every_page(portal, 3) for group in page]
    # the counts are per window, but every distinct line is shown
    assert [group.line.act for group in groups][-1] == READ
    assert sum(group.count for group in groups) > 140


def make_journal_entry(second, kind):
    at = datetime.fromisoformat("2026-11-23T12:00:00+00:00") - timedelta(seconds=second)
    names = ("act", "outcome", "reason", "object_kind", "object_id", "actor_id", "capacity", "machtiging_id")
    return SimpleNamespace(id=uuid4(), occurred_at=at, client_id=kind, on_behalf_of=None, **dict.fromkeys(names))


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from("abc")), max_size=80), st.integers(1, 6))
@settings(max_examples=200)
def test_groups_of_random_lines_count_every_line_once(drawn, limit):
    lines = sorted((make_journal_entry(*one) for one in drawn), key=lambda line: line.occurred_at, reverse=True)
    shown, total, seen = 0, 0, []
    while True:
        page = line_groups._build_page(lines, shown, limit, full=False, last=True)
        seen += [line_groups._group_key(group.line) for group in page.groups]
        total += sum(group.count for group in page.groups)
        if page.older is None:
            break
        shown = lines.index(page.older) + 1
    assert total == len(lines)
    assert len(set(seen)) == len(seen)
