"""Data keys for a join: the wrapped key of a person comes with what it opens, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table

from machtiging.crypto.envelope import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.tables import Person
from machtiging.kernel.ids import PersonId

_PERSON: Table = Person.__table__  # type: ignore[attr-defined]
# Select these, then give the row to `data_key_in`.
DATA_KEY_COLUMNS = (_PERSON.c.data_key_wrapped, _PERSON.c.kek_version)


def data_key_holders() -> Table:
    """The table, to join on `id`. Others read nothing of it but DATA_KEY_COLUMNS."""
    return _PERSON


def data_key_in(row: Mapping[str, Any], keyring: KeyRing, person_id: PersonId) -> DataKey:
    """The key of this person from a row with DATA_KEY_COLUMNS; that of another person does not unwrap.

    Raises Fault `versleuteling_klopt_niet` or `sleutelversie_onbekend`.
    """
    return keyring.unwrap_data_key(row["data_key_wrapped"], row["kek_version"], person_id)
