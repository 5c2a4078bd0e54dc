"""State facts: rows to typed JSON and back, at any instant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Boolean, Column, Date, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from machtiging.audit.state_facts import (
    UNREADABLE,
    PersonalWords,
    format_row_key,
    read_states,
    rebuild_state,
    resealed_facts,
    seal_states,
    state_facts,
    state_seal_verifies,
)
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.kernel.errors import Fault
from machtiging.storage.row_mac import EXEMPT_ENDS_ROW, MAC_COLUMN, SealedTable
from tests.builders.keys import NOON, load_keyring

COLUMNS = ("id", "number", "words", "day", "at", "flag", "content", "owner", "list", "document")
METADATA = MetaData()
TABLE = Table(
    "thing",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("words", Text),
    Column("day", Date),
    Column("at", DateTime(timezone=True)),
    Column("flag", Boolean),
    Column("content", LargeBinary),
    Column("owner", Uuid),
    Column("list", ARRAY(Text)),
    Column("document", JSONB),
    Column("ended_at", DateTime(timezone=True)),
    Column("last_seen_at", DateTime(timezone=True)),
    Column("mac", LargeBinary),
)
SEALED_THING = SealedTable(
    TABLE, version=3, covered=COLUMNS, exempt={"ended_at": EXEMPT_ENDS_ROW, "last_seen_at": "decides nothing"}
)
HASHED = Table("hashed", METADATA, Column("hash", LargeBinary, primary_key=True), Column("mac", LargeBinary))
SEALED_HASHED = SealedTable(HASHED, version=1, covered=("hash",), exempt={})
PERSON, LINE_ID = UUID(int=9), UUID(int=4)
words = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=6)
instants = st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
contents = st.fixed_dictionaries(
    {
        "words": st.none() | words,
        "day": st.none() | st.dates(),
        "at": st.none() | instants,
        "flag": st.none() | st.booleans(),
        "content": st.none() | st.binary(max_size=5),
        "owner": st.none() | st.uuids(),
        "list": st.none() | st.lists(words, max_size=3),
        "document": st.none() | documents,
        "ended_at": st.none() | instants,
        "mac": st.binary(min_size=1, max_size=36),
    }
)
keys = st.sampled_from([(UUID(int=1), 1), (UUID(int=1), 2), (UUID(int=2), 1)])


@dataclass(frozen=True)
class Line:
    """A journal line, as far as state facts need it."""

    facts: dict[str, Any]
    occurred_at: datetime = NOON
    id: UUID = LINE_ID


def make_row(**changes: Any) -> dict[str, Any]:
    return dict.fromkeys(TABLE.c.keys()) | {"id": UUID(int=1), "number": 1, MAC_COLUMN: b"m"} | changes


def store(facts: Any) -> Any:
    """As the facts are read back from the journal."""
    return json.loads(json.dumps(facts))


def stored_columns(row):
    return {name: value for name, value in row.items() if name not in ("mac", "last_seen_at")}


@given(key=keys, content=contents)
def test_row_is_rebuilt_from_its_line_with_every_type(key, content):
    row = make_row(id=key[0], number=key[1], **content)
    rebuilt = rebuild_state([Line(store(state_facts([(SEALED_THING, row)])))], NOON)
    state = rebuilt[format_row_key(SEALED_THING, row)]
    assert (state.table, state.version, state.mac, state.since) == ("thing", 3, row["mac"], NOON)
    assert dict(state.row) == stored_columns(row)
    assert SEALED_THING.encode_row(state.row) == SEALED_THING.encode_row(row)


changes = st.lists(st.tuples(keys, contents, st.integers(0, 5)), max_size=8)


@given(history=changes, minutes=st.integers(-1, 45))
def test_state_at_any_instant_is_that_of_the_tables_then(history, minutes):
    """A model: the tables as they were after each change. A row of which no line is older is not known."""
    asked, at, lines = NOON + timedelta(minutes=minutes), NOON, []
    tables: dict[str, Any] = {}
    for key, content, later in history:
        at += timedelta(minutes=later)
        row = make_row(id=key[0], number=key[1], **content)
        lines.append(Line(store(state_facts([(SEALED_THING, row)])), at))
        if at <= asked:
            tables[format_row_key(SEALED_THING, row)] = stored_columns(row)
    assert {key: dict(state.row) for key, state in rebuild_state(lines, asked).items()} == tables


def test_several_rows_of_one_line_are_all_rebuilt():
    rows = [(SEALED_THING, make_row(number=1)), (SEALED_THING, make_row(number=2)), (SEALED_HASHED, hashed())]
    assert set(rebuild_state([Line(state_facts(rows))], NOON)) == {
        f"thing:{UUID(int=1)}:1",
        f"thing:{UUID(int=1)}:2",
        "hashed:00ff",
    }


def hashed(**changes):
    return {"hash": b"\x00\xff", MAC_COLUMN: b"m"} | changes


def test_line_after_the_instant_is_ignored_also_before_an_older_line():
    early, late = (Line(state_facts([(SEALED_THING, make_row(words=word))]), at) for word, at in (
        ("early", NOON - timedelta(seconds=1)), ("late", NOON + timedelta(seconds=1))))  # fmt: skip
    for lines in ([early, late], [late, early]):
        (state,) = rebuild_state(lines, NOON).values()
        assert state.row["words"] == "early"


def test_state_before_the_first_line_is_not_known():
    line = Line(state_facts([(SEALED_THING, make_row())]), NOON)
    assert rebuild_state([line], NOON - timedelta(microseconds=1)) == {}


def test_resealed_row_keeps_its_content_and_gets_the_new_mac():
    first = Line(state_facts([(SEALED_THING, make_row(words="x"))]))
    again = Line(resealed_facts([(SEALED_THING, make_row(mac=b"new"))]), NOON + timedelta(days=1))
    (state,) = rebuild_state([first, again], NOON + timedelta(days=2)).values()
    assert (state.row["words"], state.mac, state.since) == ("x", b"new", NOON)
    assert rebuild_state([again], NOON + timedelta(days=2)) == {}


def personal_words(data_key, *columns):
    return PersonalWords(PERSON, data_key, {"thing": frozenset(columns)})


def test_personal_words_are_encrypted_and_readable_with_the_data_key_only():
    data_key = DataKey(b"k" * 32)
    facts = state_facts([(SEALED_THING, make_row(words="mijn zus"))], personal_words(data_key, "words"))
    assert "zus" not in json.dumps(facts)
    (state,) = rebuild_state([Line(store(facts))], NOON, {PERSON: data_key}).values()
    assert state.row["words"] == "mijn zus"
    (state,) = rebuild_state([Line(store(facts))], NOON).values()
    assert state.row["words"] is UNREADABLE
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        rebuild_state([Line(store(facts))], NOON, {PERSON: DataKey(b"x" * 32)})


def test_personal_words_of_one_row_do_not_decrypt_in_another():
    data_key = DataKey(b"k" * 32)
    facts = store(state_facts([(SEALED_THING, make_row(words="a"))], personal_words(data_key, "words")))
    facts["toestand"][0]["sleutel"] = f"thing:{UUID(int=1)}:2"
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        rebuild_state([Line(facts)], NOON, {PERSON: data_key})


def test_empty_personal_column_is_null():
    facts = state_facts([(SEALED_THING, make_row())], personal_words(DataKey(b"k" * 32), "words"))
    assert facts["toestand"][0]["rij"]["words"] is None


@pytest.mark.parametrize(
    ("row", "personal", "error"),
    [
        (make_row(mac=None), None, ValueError),
        (make_row(mac=b""), None, ValueError),
        (make_row(words=object()), None, TypeError),
        (make_row(words=1.5), None, TypeError),
        (make_row(at=datetime(2026, 1, 1)), None, ValueError),  # noqa: DTZ001
        (make_row(number=1), personal_words(DataKey(b"k" * 32), "number"), TypeError),
        (make_row(), personal_words(DataKey(b"k" * 32), "last_seen_at"), ValueError),
        (make_row(), personal_words(DataKey(b"k" * 32), "unknown"), ValueError),
    ],
)
def test_row_that_has_no_form_is_refused(row, personal, error):
    with pytest.raises(error):
        state_facts([(SEALED_THING, row)], personal)


def test_column_that_the_table_calls_personal_is_never_written_in_plain_words():
    table = SealedTable(TABLE, 3, COLUMNS, SEALED_THING.exempt, personal=("words",))
    with pytest.raises(ValueError, match=r"thing\.words"):
        state_facts([(table, make_row(words="mijn zus"))])
    facts = state_facts([(table, make_row(words="mijn zus"))], PersonalWords(PERSON, DataKey(b"k" * 32)))
    assert "zus" not in json.dumps(facts)
    assert state_facts([(table, make_row())])["toestand"][0]["rij"]["words"] is None


def test_form_of_a_row_is_stable():
    # A published form: later versions must rebuild the tables from old lines.
    amsterdam = timezone(timedelta(hours=1))
    row = make_row(
        words="w",
        day=date(2026, 11, 29),
        at=datetime(2026, 11, 29, 13, tzinfo=amsterdam),
        flag=True,
        content=b"\xff",
        owner=PERSON,
        list=["a", None],
        document={"b": [1, {"c": None}]},
    )
    assert state_facts([(SEALED_THING, row)]) == {
        "toestand": [
            {
                "tabel": "thing",
                "versie": 3,
                "sleutel": "thing:00000000-0000-0000-0000-000000000001:1",
                "mac": "6d",
                "rij": {
                    "id": {"uuid": "00000000-0000-0000-0000-000000000001"},
                    "number": 1,
                    "words": "w",
                    "day": {"datum": "2026-11-29"},
                    "at": {"tijd": "2026-11-29T12:00:00.000000+00:00"},
                    "flag": True,
                    "content": {"bytes": "/w=="},
                    "owner": {"uuid": "00000000-0000-0000-0000-000000000009"},
                    "list": {"lijst": ["a", None]},
                    "document": {"json": {"b": [1, {"c": None}]}},
                    "ended_at": None,
                },
            }
        ]
    }


@pytest.mark.parametrize("facts", [{}, {"toestand": None}, {"toestand": {}}, {"toestand": [1, {}, {"tabel": 1}]}])
def test_line_without_state_changes_nothing(facts):
    assert list(read_states(Line(facts))) == []
    assert rebuild_state([Line(facts)], NOON) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"tijd": "soon"},
        {"uuid": 1},
        {"unknown": 1},
        {},
        {"a": 1, "b": 2},
        {"bytes": "-"},
        {"versleuteld": "a", "van": "b"},
    ],
)
def test_unreadable_value_is_a_fault_with_the_line(wrong):
    facts = state_facts([(SEALED_THING, make_row())])
    facts["toestand"][0]["rij"]["words"] = wrong
    with pytest.raises(Fault, match=f"journaalregel_onleesbaar.*{LINE_ID}"):
        rebuild_state([Line(facts)], NOON)


@given(content=contents)
def test_seal_over_state_verifies_in_its_own_line_only(content):
    keyring, row = load_keyring(), make_row(**content)
    line_id = uuid4()
    facts = store(seal_states(keyring, line_id, NOON, state_facts([(SEALED_THING, row)])))
    assert state_seal_verifies(keyring, Line(facts, NOON, line_id))
    assert not state_seal_verifies(keyring, Line(facts, NOON, uuid4()))
    assert not state_seal_verifies(keyring, Line(facts, NOON + timedelta(microseconds=1), line_id))
    facts["toestand"][0]["mac"] += "00"
    assert not state_seal_verifies(keyring, Line(facts, NOON, line_id))


@pytest.mark.parametrize("seal", [None, "", "zz", "00", 1, "0" * 72])
def test_missing_or_malformed_seal_does_not_verify(seal):
    facts = state_facts([(SEALED_THING, make_row())]) | {"zegel": seal}
    assert not state_seal_verifies(load_keyring(), Line(facts))
    del facts["zegel"]
    assert not state_seal_verifies(load_keyring(), Line(facts))


def test_mac_of_a_row_is_no_seal_over_state():
    keyring, row = load_keyring(), hashed()
    facts = state_facts([(SEALED_HASHED, row)])
    facts["zegel"] = keyring.row_mac(SEALED_HASHED.encode_row(row)).hex()
    assert not state_seal_verifies(keyring, Line(facts))
