"""The hash chain of the journal without a database. A valid chain verifies, tampering is detected."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from machtiging.audit.acts import JournalAct
from machtiging.audit.rules import (
    CHAIN_START,
    LINE_COLUMNS,
    ChainPosition,
    check_line,
    describe_missing_lines,
    hash_line,
    head_claims,
)

words = st.none() | st.sampled_from(["", "a", "b", '"', "é"])


def as_lines(rows):
    """Rows with distinct ids, as in the database, and arbitrary values in two other columns."""
    return [
        dict.fromkeys(LINE_COLUMNS) | {"id": str(number), "capacity": row[0], "facts": row[1]}
        for number, row in enumerate(rows)
    ]


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
    rows = [dict.fromkeys(LINE_COLUMNS), dict.fromkeys(LINE_COLUMNS)]
    rows[0]["capacity"], rows[1]["client_id"] = "x", "x"
    assert hash_line(CHAIN_START.hash, 1, rows[0]) != hash_line(CHAIN_START.hash, 1, rows[1])


def test_null_and_empty_string_have_different_hashes():
    rows = [dict.fromkeys(LINE_COLUMNS), {**dict.fromkeys(LINE_COLUMNS), "capacity": ""}]
    assert hash_line(CHAIN_START.hash, 1, rows[0]) != hash_line(CHAIN_START.hash, 1, rows[1])


def test_hash_of_known_line_is_stable():
    # A published value: new code must verify an old journal.
    row = dict.fromkeys(LINE_COLUMNS) | {"id": UUID(int=7), "occurred_at": "1795435200.000000", "facts": "{}"}
    assert (
        hash_line(CHAIN_START.hash, 1, row).hex() == "62dc721fe361be39331bbcecc6cd63af4fb68d1cfa5e2c65272bcdca71f8c52e"
    )


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
