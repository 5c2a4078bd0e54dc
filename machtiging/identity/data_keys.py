"""Data keys of parties, for use in joins; and the party of an organisation.

One statement loads the wrapped data key and the content. The party of a person is made with the person (`people`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.tables import Party
from machtiging.kernel.errors import Fault, NotFound
from machtiging.kernel.ids import uuid7
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


async def insert_organisation_party(session: AsyncSession, keyring: KeyRing, *, at: datetime) -> UUID:
    """Insert the party of a new organisation, with a data key. Returns its id."""
    party_id = uuid7()
    data_key = keyring.create_data_key(party_id)
    row = {"id": party_id, "kind": "organisation", "created_at": at}
    row |= {"data_key_wrapped": data_key.wrapped, "kek_version": data_key.kek_version}
    await session.execute(insert(_PARTY).values(row))
    return party_id


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
