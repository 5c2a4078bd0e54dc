"""State facts: the whole new state of rows, as typed JSON in the journal line.

The line of every act that changes who may do what has them. The tables can be rebuilt from such lines, for any instant
since. The line also names the MAC of each row, so a row put back to older content is found (`audit.row_states`). A
value is null, a text, a number or a boolean; all other types name themselves: `{"tijd":
"2026-11-29T12:00:00.000000+00:00"}`. Words of a person are encrypted with the data key of that person: without the key
they cannot be read, and the hash chain still verifies.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.kernel.errors import Fault
from machtiging.storage.row_mac import (
    EXEMPT_ENDS_ROW,
    MAC_COLUMN,
    RowKeys,
    SealedTable,
    encode_statement,
    normalize_json,
)

STATE, STATE_SEAL = "toestand", "zegel"
_CONTEXT = "journal-state"
# The value of personal words that cannot be read any more.
UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class PersonalWords:
    """The data key for words of a person, and their columns by table.

    `party_id` is the party of the data key. Columns that `SealedTable.personal` names need not be named here.
    """

    party_id: UUID
    data_key: DataKey
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)


class StateLine(Protocol):
    """A journal line with state facts (`audit.queries.JournalEntry`)."""

    @property
    def id(self) -> UUID:
        """The id of the line."""

    @property
    def occurred_at(self) -> datetime:
        """The instant of the act."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the line."""


@dataclass(frozen=True, slots=True)
class RowState:
    """The content of one row since a journal line. `mac` is that of the newest line that names it."""

    table: str
    version: int
    row: Mapping[str, Any]
    mac: bytes
    since: datetime


def state_facts(
    rows: Iterable[tuple[SealedTable, Any]], personal: PersonalWords | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return the facts with the whole state of these sealed rows, for `NewJournalLine.facts`.

    A row is a mapping or a result row, with its new MAC. `audit.journal.record` adds a seal over the facts. Raises
    ValueError for a row without a MAC or with personal words and no key, TypeError for a type that has no form.
    """
    return {STATE: [_describe_row(sealed, getattr(row, "_mapping", row), personal) for sealed, row in rows]}


def resealed_facts(rows: Iterable[tuple[SealedTable, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the facts of rows with a new MAC and the same content (key rotation)."""
    return {STATE: [_name_row(sealed, getattr(row, "_mapping", row)) for sealed, row in rows]}


def format_row_key(sealed: SealedTable, row: Mapping[str, Any]) -> str:
    """Format table and primary key as state facts name them. `audit.row_states` does the same in SQL."""
    parts = (row[name].hex() if isinstance(row[name], bytes) else str(row[name]) for name in sealed.key)
    return ":".join((sealed.table.name, *parts))


def _name_row(sealed: SealedTable, row: Mapping[str, Any]) -> dict[str, Any]:
    mac = row[MAC_COLUMN]
    if not isinstance(mac, bytes) or not mac:
        raise ValueError(f"a row of {sealed.table.name} without a MAC")
    return {
        "tabel": sealed.table.name,
        "versie": sealed.version,
        "sleutel": format_row_key(sealed, row),
        MAC_COLUMN: mac.hex(),
    }


def _describe_row(sealed: SealedTable, row: Mapping[str, Any], personal: PersonalWords | None) -> dict[str, Any]:
    named = _name_row(sealed, row)
    encrypted = sealed.personal
    if personal is not None:
        encrypted |= personal.columns.get(sealed.table.name, frozenset())
    if unknown := encrypted - set(sealed.columns):
        raise ValueError(f"{sealed.table.name} has no covered column {', '.join(sorted(unknown))}")
    content: dict[str, Any] = {}
    for name in state_columns(sealed):
        value = row.get(name)
        if name in encrypted and value is not None:
            if personal is None:
                raise ValueError(f"{sealed.table.name}.{name} holds words of a person: give the data key")
            content[name] = _encrypt_words(personal, named["sleutel"], name, value)
        else:
            content[name] = _encode_typed(value, is_json=isinstance(sealed.table.c[name].type, JSONB))
    return {**named, "rij": content}


def state_columns(sealed: SealedTable) -> tuple[str, ...]:
    """Return the columns that stand in the journal: covered, or ending the row."""
    ending = (name for name, reason in sealed.exempt.items() if reason == EXEMPT_ENDS_ROW)
    return (*(name for name in sealed.columns if name != MAC_COLUMN), *ending)


def _encrypt_words(personal: PersonalWords, key: str, column: str, value: Any) -> dict[str, str]:
    if not isinstance(value, str):
        raise TypeError(f"personal words of type {type(value).__name__}")
    sealed = personal.data_key.encrypt(value.encode(), _CONTEXT, key, column)
    return {"versleuteld": base64.b64encode(sealed).decode(), "van": str(personal.party_id)}


def _encode_typed(value: Any, *, is_json: bool = False) -> Any:
    """Encode a value as typed JSON. Raises TypeError for a type without a form, ValueError for a time without zone."""
    if is_json and value is not None:
        return {"json": normalize_json(value)}
    match value:
        case None | str() | int():  # a bool is an int
            return value
        case UUID():
            return {"uuid": str(value)}
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a time without a zone")
            return {"tijd": value.astimezone(UTC).isoformat(timespec="microseconds")}
        case date():
            return {"datum": value.isoformat()}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case list() | tuple():
            return {"lijst": [_encode_typed(one) for one in value]}
    raise TypeError(f"no form in the journal for {type(value).__name__}")


def _decode_typed(value: Any, key: str, column: str, data_keys: Mapping[UUID, DataKey]) -> Any:
    """Decode a typed value. Encrypted words without their data key are UNREADABLE. Raises ValueError."""
    if not isinstance(value, dict):
        return value
    if set(value) == {"versleuteld", "van"}:
        data_key = data_keys.get(UUID(value["van"]))
        if data_key is None:
            return UNREADABLE
        return data_key.decrypt(base64.b64decode(value["versleuteld"]), _CONTEXT, key, column).decode()
    ((form, content),) = value.items()
    match form:
        case "json":
            return content
        case "uuid":
            return UUID(content)
        case "tijd":
            return datetime.fromisoformat(content)
        case "datum":
            return date.fromisoformat(content)
        case "bytes":
            return base64.b64decode(content, validate=True)
        case "lijst":
            return [_decode_typed(one, key, column, data_keys) for one in content]
    raise ValueError(f"no such form: {form[:20]}")


def rebuild_state(
    lines: Iterable[StateLine], at: datetime, data_keys: Mapping[UUID, DataKey] | None = None
) -> dict[str, RowState]:
    """Rebuild the state of rows at an instant from the journal alone, by `format_row_key`.

    `lines` are in the order of the chain. A row that is not in the result is not known at that instant: it need not
    have been absent. Encrypted words are UNREADABLE unless `data_keys` has the key of their person. Raises Fault
    `journaalregel_onleesbaar`.
    """
    found: dict[str, RowState] = {}
    for line in lines:
        if line.occurred_at > at:
            continue
        for entry in read_states(line):
            state = _apply_entry(found.get(entry["sleutel"]), entry, line, data_keys or {})
            if state is not None:
                found[entry["sleutel"]] = state
    return found


def describe_state(lines: Iterable[StateLine], key: str, at: datetime) -> dict[str, Any] | None:
    """Describe one row at an instant in typed JSON; None if not known.

    `lines` are in the order of the chain. Personal words stay encrypted.
    """
    described: dict[str, Any] | None = None
    for line in lines:
        for entry in read_states(line) if line.occurred_at <= at else ():
            if entry["sleutel"] == key and "rij" in entry:
                names = {"tabel": entry["tabel"], "versie": entry["versie"], "sleutel": key}
                described = {**names, "sinds": line.occurred_at.isoformat(), "regel": str(line.id), "rij": entry["rij"]}
    return described


def read_states(line: StateLine) -> Sequence[Mapping[str, Any]]:
    """Return the entries with state in the facts of a line. Malformed ones are left out."""
    entries = line.facts.get(STATE)
    if not isinstance(entries, list):
        return ()
    wanted = {"tabel": str, "sleutel": str, MAC_COLUMN: str, "versie": int}
    return [
        entry
        for entry in entries
        if isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in wanted.items())
    ]


def _apply_entry(
    before: RowState | None, entry: Mapping[str, Any], line: StateLine, data_keys: Mapping[UUID, DataKey]
) -> RowState | None:
    """Return the state after an entry. One without content has only a new MAC: without state before it is not known."""
    key = entry["sleutel"]
    try:
        mac = bytes.fromhex(entry[MAC_COLUMN])
        if "rij" not in entry:
            return None if before is None else RowState(before.table, before.version, before.row, mac, before.since)
        row = {name: _decode_typed(value, key, name, data_keys) for name, value in entry["rij"].items()}
    except (ValueError, TypeError, AttributeError, KeyError, binascii.Error) as error:
        raise Fault("journaalregel_onleesbaar", private=f"line {line.id}: {type(error).__name__}") from error
    return RowState(entry["tabel"], entry["versie"], row, mac, line.occurred_at)


def seal_states(keys: RowKeys, line_id: UUID, at: datetime, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with a seal over their state, bound to this line.

    Otherwise a writer of the database without the key could put an older row back, and add a line that names it.
    """
    return {**facts, STATE_SEAL: keys.row_mac(_encode_states(line_id, at, facts)).hex()}


def state_seal_verifies(keys: RowKeys, line: StateLine) -> bool:
    """Verify the seal over the state facts of a line."""
    try:
        seal = bytes.fromhex(line.facts.get(STATE_SEAL, ""))
        return keys.row_mac_verifies(seal, _encode_states(line.id, line.occurred_at, line.facts))
    except (ValueError, TypeError):
        return False


def _encode_states(line_id: UUID, at: datetime, facts: Mapping[str, Any]) -> bytes:
    return encode_statement("machtiging journal state 1", (line_id, at), facts.get(STATE))
