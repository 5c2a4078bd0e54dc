"""The hash chain of the journal without a database. A valid chain verifies, tampering is detected."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from machtiging.audit.acts import JournalAct
from machtiging.audit.rules import (
    CHAIN_START,
    COLUMNS_BY_FORMAT,
    CURRENT_FORMAT,
    LINE_COLUMNS,
    ChainPosition,
    check_line,
    describe_missing_lines,
    hash_line,
    head_claims,
)

EMPTY_LINE = dict.fromkeys(LINE_COLUMNS) | {"format": CURRENT_FORMAT}
words = st.none() | st.sampled_from(["", "a", "b", '"', "é"])


def as_lines(rows):
    """Rows with distinct ids, as in the database, and arbitrary values in two other columns."""
    return [EMPTY_LINE | {"id": str(number), "capacity": row[0], "facts": row[1]} for number, row in enumerate(rows)]


contents = st.lists(st.tuples(words, words), min_size=1, max_size=6).map(as_lines)


def chained(rows):
    lines, before = [], CHAIN_START
    for row in rows:
        place = ChainPosition(before.seq + 1, hash_line(before.hash, before.seq + 1, row))
        lines.append({**row, "seq": place.seq, "previous_hash": before.hash, "hash": place.hash})
        before = place
    return lines


def problems(lines):
    found, before = [], CHAIN_START
    for line in lines:
        found += check_line(before, line)
        if line["seq"] > before.seq:
            before = ChainPosition(line["seq"], line["hash"])
    return found


def renumbered(lines):
    """Renumber the lines as an attacker would who cannot recompute the hashes."""
    return [{**line, "seq": number} for number, line in enumerate(lines, 1)]


@given(contents)
def test_untouched_hash_chain_verifies(rows):
    assert problems(chained(rows)) == []


@given(contents, st.data())
def test_changed_column_is_detected_at_its_line_only(rows, data):
    lines = chained(rows)
    place = data.draw(st.integers(0, len(lines) - 1))
    column = data.draw(st.sampled_from(LINE_COLUMNS))
    value = data.draw(words)
    assume(value != lines[place][column])
    lines[place] = {**lines[place], column: value}
    assert {(problem.kind, problem.seq) for problem in problems(lines)} == {("veranderd", place + 1)}


@given(contents, st.data())
def test_deleted_line_is_detected_unless_last(rows, data):
    assume(len(rows) > 1)
    lines = chained(rows)
    place = data.draw(st.integers(0, len(lines) - 2))
    del lines[place]
    assert [(problem.kind, problem.seq) for problem in problems(lines)] == [("ontbreekt", place + 1)]
    assert problems(renumbered(lines))


@given(contents, st.data())
def test_reordered_lines_are_detected_even_when_renumbered(rows, data):
    lines = chained(rows)
    order = data.draw(st.permutations(lines))
    assume(order != lines)
    assert problems(order)
    assert problems(renumbered(order))


@given(contents, st.data())
def test_inserted_line_is_detected_even_when_renumbered(rows, data):
    lines = chained(rows)
    place = data.draw(st.integers(0, len(lines) - 1))
    invented = {**data.draw(st.sampled_from(lines)), "id": "invented"}
    lines.insert(place, invented)
    assert problems(lines)
    assert problems(renumbered(lines))


def test_value_moved_to_another_column_changes_the_hash():
    rows = [dict(EMPTY_LINE), dict(EMPTY_LINE)]
    rows[0]["capacity"], rows[1]["client_id"] = "x", "x"
    assert hash_line(CHAIN_START.hash, 1, rows[0]) != hash_line(CHAIN_START.hash, 1, rows[1])


def test_null_and_empty_string_have_different_hashes():
    rows = [EMPTY_LINE, {**EMPTY_LINE, "capacity": ""}]
    assert hash_line(CHAIN_START.hash, 1, rows[0]) != hash_line(CHAIN_START.hash, 1, rows[1])


def test_hash_of_known_line_is_stable():
    # A published value: new code must verify an old journal.
    row = EMPTY_LINE | {"id": UUID(int=7), "occurred_at": "1795435200.000000", "facts": "{}"}
    assert (
        hash_line(CHAIN_START.hash, 1, row | {"format": 1}).hex()
        == "62dc721fe361be39331bbcecc6cd63af4fb68d1cfa5e2c65272bcdca71f8c52e"
    )
    full = row | {"on_behalf_of": UUID(int=8), "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    assert (
        hash_line(CHAIN_START.hash, 1, full).hex() == "266bc7a5ff44671d648748bf8625edb44011b10bd261c779c72d15a377208a4a"
    )


def test_every_format_keeps_the_columns_of_the_one_before():
    assert list(COLUMNS_BY_FORMAT) == list(range(1, CURRENT_FORMAT + 1))
    for older, newer in zip(COLUMNS_BY_FORMAT.values(), list(COLUMNS_BY_FORMAT.values())[1:], strict=False):
        assert newer[: len(older)] == older


@pytest.mark.parametrize("unknown", [None, 0, -1, CURRENT_FORMAT + 1])
def test_line_of_unknown_format_is_reported(unknown):
    (line,) = chained([EMPTY_LINE])
    assert {(one.kind, one.seq) for one in problems([line | {"format": unknown}])} == {("veranderd", 1)}


@pytest.mark.parametrize("other", set(COLUMNS_BY_FORMAT) - {1})
def test_downgrade_of_line_to_older_format_is_reported(other):
    (line,) = chained([EMPTY_LINE | {"format": other}])
    assert {(one.kind, one.seq) for one in problems([line | {"format": 1}])} == {("veranderd", 1)}


@pytest.mark.parametrize("column", [name for name in LINE_COLUMNS if name not in (*COLUMNS_BY_FORMAT[1], "format")])
def test_value_in_column_that_the_format_does_not_cover_is_reported(column):
    (line,) = chained([EMPTY_LINE | {"format": 1}])
    assert problems([line]) == []
    assert {(one.kind, one.seq) for one in problems([line | {column: "x"}])} == {("veranderd", 1)}


def test_head_claims_are_independent_of_time_zone():
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert head_claims(1, b"h", 0, noon) == head_claims(1, b"h", 0, noon.astimezone(timezone(timedelta(hours=1))))


def test_missing_lines_are_reported_in_one_sentence():
    assert describe_missing_lines(3, 3) == "Regel 3 ontbreekt."
    assert describe_missing_lines(3, 5) == "De regels 3 tot en met 5 ontbreken."


def test_journal_acts_are_sorted_and_named_subject_colon_verb():
    assert list(JournalAct) == sorted(JournalAct)
    assert all(act.value.count(":") == 1 for act in JournalAct)
    assert all(act.name == act.value.upper().replace(":", "_") for act in JournalAct)
