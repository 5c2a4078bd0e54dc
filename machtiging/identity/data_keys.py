"""Wrapped data keys for use in joins, so that one statement loads key and content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.tables import Party
from machtiging.storage.columns import table_of

_PARTY = table_of(Party)
# Select these, then give the row to `unwrap_data_key`.
DATA_KEY_COLUMNS = (_PARTY.c.data_key_wrapped, _PARTY.c.kek_version)


def data_key_table() -> Table:
    """Return the party table, to join on `id`. Other packages read only DATA_KEY_COLUMNS from it."""
    return _PARTY


def unwrap_data_key(row: Mapping[str, Any], keyring: KeyRing, party_id: UUID) -> DataKey:
    """Unwrap the data key in a row with DATA_KEY_COLUMNS. A key of another party does not unwrap.

    Raises Fault `versleuteling_klopt_niet` or `sleutelversie_onbekend`.
    """
    return keyring.unwrap_data_key(row["data_key_wrapped"], row["kek_version"], party_id)
