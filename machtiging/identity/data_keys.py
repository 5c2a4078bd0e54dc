"""Data keys of parties, for use in joins; and the insert of a party.

One statement loads the wrapped data key and the content. A party is made in the statement that makes its person or its
organisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Insert, Table, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing, WrappedDataKey
from machtiging.identity.tables import Party
from machtiging.kernel.errors import Fault, NotFound
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import get_row_keys

_PARTY = table_of(Party)
# Select these, then give the row to `unwrap_data_key`.
DATA_KEY_COLUMNS = (_PARTY.c.data_key_wrapped, _PARTY.c.kek_version)


def data_key_table() -> Table:
    """Return the party table, to join on `id`. Other packages read only DATA_KEY_COLUMNS from it."""
    return _PARTY


def session_keyring(session: AsyncSession) -> KeyRing:
    """Return the key ring that this session carries as its row keys. Raises Fault `rijsleutel_ontbreekt`."""
    keys = get_row_keys(session)
    if not isinstance(keys, KeyRing):
        raise Fault("rijsleutel_ontbreekt", private="these sessions were made with row keys that are no key ring")
    return keys


def unwrap_data_key(row: Mapping[str, Any], keyring: KeyRing, party_id: UUID) -> DataKey:
    """Unwrap the data key in a row with DATA_KEY_COLUMNS. A key of another party does not unwrap.

    Raises Fault `versleuteling_klopt_niet` or `sleutelversie_onbekend`.
    """
    return keyring.unwrap_data_key(row["data_key_wrapped"], row["kek_version"], party_id)


def build_party_insert(created: FromClause, kind: str, data_key: WrappedDataKey) -> Insert:
    """Build the insert of the party of the row in `created`.

    `created` has its `id` and `created_at`. The party follows from the inserted row: a conflict there leaves no party
    without a row.
    """
    party = {"kind": kind, "data_key_wrapped": data_key.wrapped, "kek_version": data_key.kek_version}
    values = [literal(value, _PARTY.c[name].type) for name, value in party.items()]
    return insert(_PARTY).from_select(["id", "created_at", *party], select(created.c.id, created.c.created_at, *values))


async def ensure_data_key(session: AsyncSession, keyring: KeyRing, party_id: UUID) -> DataKey:
    """Load the data key of a party, or create it. An organisation from a migration has none.

    Raises NotFound `organisatie_onbekend`.
    """
    mine = select(*DATA_KEY_COLUMNS).where(_PARTY.c.id == party_id)
    row = (await session.execute(mine)).mappings().one_or_none()
    if row is not None and row["data_key_wrapped"] is None:  # locked, so that two calls at once make one key
        row = (await session.execute(mine.with_for_update(key_share=True))).mappings().one()
    if row is None:
        raise NotFound("organisatie_onbekend")
    if row["data_key_wrapped"] is not None:
        return unwrap_data_key({**row}, keyring, party_id)
    data_key = keyring.create_data_key(party_id)
    values = {"data_key_wrapped": data_key.wrapped, "kek_version": data_key.kek_version}
    await session.execute(update(_PARTY).where(_PARTY.c.id == party_id).values(values))
    return data_key.key
