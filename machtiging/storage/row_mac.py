"""Row MACs: a MAC over named columns. A database writer without the key cannot forge a sealed row.

Each table that grants access has one `SealedTable`, beside its row class. Insert `seal_row(...)`, and call
`verify_row(...)` before using any value of the row (docs/decisions/0008).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.errors import Fault
from machtiging.storage.statement import Executor

MAC_COLUMN = "mac"
# Exemption reason: SQL sets this column without the key. Resetting it equals restoring an older row (threat model).
EXEMPT_ENDS_ROW = "only ends the row"
ROW_KEYS_INFO_KEY = "row_mac_keys"
_NULL = b"n"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_log = structlog.get_logger(__name__)


class RowKeys(Protocol):
    """The part of the key ring for row MACs and bearer token hashes."""

    def row_mac(self, message: bytes) -> bytes:
        """Compute a MAC."""

    def row_mac_verifies(self, mac: bytes, message: bytes) -> bool:
        """Return True if the MAC is valid for this message."""

    def bearer_hash(self, token: str) -> bytes:
        """Hash a token for a new row."""

    def bearer_hashes(self, token: str) -> list[bytes]:
        """Hash a token under every key, to find its row."""


class SealedTable:
    """A table with its MAC version, covered columns, and exempt columns with a reason.

    The primary key is always covered. Every column is in one of the two lists; an architecture test checks that.
    `personal` are the covered columns with words of a person: they enter the journal encrypted only. `added_later` are
    covered columns that older rows do not have. While one is NULL it is left out of the message, so that the MAC of an
    older row stays valid. Each column carries its name, so no other row has the same message.
    """

    def __init__(
        self,
        table: Table,
        version: int,
        covered: tuple[str, ...],
        exempt: Mapping[str, str],
        personal: tuple[str, ...] = (),
        added_later: tuple[str, ...] = (),
    ) -> None:
        self.table, self.version, self.covered, self.exempt = table, version, covered, dict(exempt)
        self.personal, self._added_later = frozenset(personal), frozenset(added_later)
        self.key = tuple(column.name for column in table.primary_key.columns)
        columns = (*self.key, *(name for name in covered if name not in self.key))
        # A read verifies ten rows of a chain: the encoded names are made once.
        self._columns = tuple(
            (name, _encode_field(b"c", name.encode()), isinstance(table.c[name].type, JSONB)) for name in columns
        )
        self._message_header = _encode_field(b"h", f"machtiging row {version} {table.name}".encode())

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns needed to verify a row, its MAC last."""
        return (*(name for name, _, _ in self._columns), MAC_COLUMN)

    def encode_row(self, row: Mapping[str, Any], prefix: str = "") -> bytes:
        """Encode the authenticated message: name, type, length and value of each column, without ambiguity.

        `prefix` precedes the names in `row`. A column that an INSERT omits is NULL. Raises ValueError for a time
        without a zone and TypeError for a type that has no encoding.
        """
        parts = [self._message_header]
        for name, encoded_name, is_json in self._columns:
            value = row.get(prefix + name)
            if value is None and name in self._added_later:
                continue
            parts.append(encoded_name)
            if value is None:
                parts.append(_NULL)
            elif is_json:
                parts.append(_encode_field(b"j", _canonical_json(value)))
            else:
                parts.append(_encode_value(value))
        return b"".join(parts)


def get_row_keys(executor: Executor) -> RowKeys:
    """Return the row keys of this session or connection. Raises Fault `rijsleutel_ontbreekt`."""
    keys = executor.info.get(ROW_KEYS_INFO_KEY) if isinstance(executor, AsyncSession) else executor.row_keys
    if keys is None:
        raise Fault("rijsleutel_ontbreekt", private="these sessions were made without the key ring")
    found: RowKeys = keys
    return found


def session_info(keys: RowKeys | None) -> dict[str, Any]:
    """Return the session `info` that carries the row keys."""
    return {} if keys is None else {ROW_KEYS_INFO_KEY: keys}


def seal_row(executor: Executor, sealed: SealedTable, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with its MAC, ready for INSERT."""
    return {**row, MAC_COLUMN: get_row_keys(executor).row_mac(sealed.encode_row(row))}


def reseal_changes(executor: Executor, sealed: SealedTable, row: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of a row, with the MAC over its new values.

    An invalid row is changed but not sealed: a forged row must not become valid by suspending or renewing it.
    """
    if not verify_row(executor, sealed, row):
        return dict(changes)
    return {**changes, MAC_COLUMN: get_row_keys(executor).row_mac(sealed.encode_row({**_as_mapping(row), **changes}))}


def _as_mapping(row: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(row, "_mapping", row)
    return found


def verify_row(executor: Executor, sealed: SealedTable, row: Any, prefix: str = "") -> bool:
    """Verify the MAC of a row; on failure log table and key, no values.

    `row` is a mapping of columns, or a result row with them as attributes. A missing or NULL MAC is invalid.
    """
    found = _as_mapping(row)
    mac = found.get(prefix + MAC_COLUMN)
    if isinstance(mac, bytes) and get_row_keys(executor).row_mac_verifies(mac, sealed.encode_row(found, prefix)):
        return True
    _log.error("row_mac_invalid", table=sealed.table.name, key=format_primary_key(sealed, found, prefix))
    return False


def format_primary_key(sealed: SealedTable, row: Mapping[str, Any], prefix: str = "") -> str:
    """Format a row's primary key for log, journal and doctor; a hash is truncated."""
    return " ".join(_format_key_part(row.get(prefix + name)) for name in sealed.key)


def _format_key_part(value: Any) -> str:
    return value.hex()[:16] if isinstance(value, bytes) else str(value)[:100]


def encode_statement(header: str, values: Sequence[Any], document: Any) -> bytes:
    """Encode the message of a MAC that is not over a row. The header says what it is over."""
    parts = (_encode_field(b"h", header.encode()), *(_encode_value(value) for value in values))
    return b"".join((*parts, _encode_field(b"j", _canonical_json(document))))


def _encode_field(tag: bytes, content: bytes) -> bytes:
    return tag + len(content).to_bytes(4, "big") + content


def _encode_value(value: Any) -> bytes:
    """Encode one value as read from PostgreSQL. NULL differs from empty, a number from its text."""
    encoder = _ENCODERS.get(type(value)) or _find_encoder(value)
    return encoder(value)


def _find_encoder(value: Any) -> Callable[[Any], bytes]:
    """Find the encoder of a subclass, such as a StrEnum."""
    for kind, encoder in _ENCODERS.items():
        if isinstance(value, kind):
            return encoder
    raise TypeError(f"no encoding for {type(value).__name__}")


def _encode_time(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return _encode_field(b"d", str((value - _EPOCH) // _MICROSECOND).encode())


def _encode_list(value: Sequence[Any]) -> bytes:
    return _encode_field(b"a", b"".join(map(_encode_value, value)))


# The more special type before its base: bool is an int, datetime is a date. UUID first: the driver has a subclass.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    UUID: lambda value: _encode_field(b"u", value.bytes),
    type(None): lambda _: _NULL,
    str: lambda value: _encode_field(b"t", value.encode()),
    bytes: lambda value: _encode_field(b"b", value),
    datetime: _encode_time,
    date: lambda value: _encode_field(b"y", value.isoformat().encode()),
    bool: lambda value: _encode_field(b"o", b"1" if value else b"0"),
    int: lambda value: _encode_field(b"i", str(value).encode()),
    list: _encode_list,
    tuple: _encode_list,
}


def _canonical_json(value: Any) -> bytes:
    """Encode JSON as jsonb stores it: sorted members, numbers by value."""
    return json.dumps(normalize_json(value), sort_keys=True, separators=(",", ":")).encode()


def normalize_json(value: Any) -> Any:
    """Return a JSON value as it is read back from jsonb."""
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))  # jsonb stores 1e16 as 10000000000000000, which is read back as an integer
    if isinstance(value, Mapping):
        return {name: normalize_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [normalize_json(one) for one in value]
    return value
