"""The search index of an organisation: name, birth date and case reference of its clients.

The values are keyed indexes under a key of the organisation (`KeyedIndex`); names stay sealed. The database
itself takes away the rows of a machtiging that ends. A row gives no access: it selects what the Authority decides on.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.envelope_encryption import KeyedIndex
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.search_terms import SearchTerm, list_profile_terms, list_reference_terms
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import AgreementRow, AssignmentRow, ClientSearchKey, MachtigingRow
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, data_key_table, ensure_data_key, unwrap_data_key
from machtiging.identity.people import load_profile
from machtiging.identity.tables import Person
from machtiging.kernel.ids import PersonId
from machtiging.organisations.tables import Employee, Organisation
from machtiging.storage.columns import is_selected_id, table_of
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows

_KEYS, _MACHTIGING, _ASSIGNMENT = table_of(ClientSearchKey), table_of(MachtigingRow), table_of(AssignmentRow)
_AGREEMENT = table_of(AgreementRow)
_ORGANISATION, _EMPLOYEE, _PERSON = table_of(Organisation), table_of(Employee), table_of(Person)
_PURPOSE = "client search"
# The sweep looks this far back, so that it does not read every agreement that ever ended.
_SWEPT_BACK = timedelta(days=7)
_LIVE = (MachtigingState.ACTIVE.value, MachtigingState.PAUSED.value)


def _has_expired() -> ColumnElement[bool]:
    current = and_(
        _MACHTIGING.c.id == _AGREEMENT.c.machtiging_id, _MACHTIGING.c.agreement_number == _AGREEMENT.c.number
    )
    lately = (_AGREEMENT.c.ends_at <= SWEEP_AT, _AGREEMENT.c.ends_at > SWEEP_AT - _SWEPT_BACK)
    over = select(_MACHTIGING.c.id).select_from(_AGREEMENT.join(_MACHTIGING, current)).where(*lately)
    return is_selected_id(_KEYS.c.machtiging_id, over)


# An expired machtiging does not change its state, so the database does not see its end.
EXPIRED_SEARCH_KEYS: ExpiredRows = (_KEYS, _has_expired())


async def index_client(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, root_id: UUID, giver_id: PersonId
) -> None:
    """Index the name and birth date of the giver of a machtiging of this organisation."""
    profile = await load_profile(session, keyring, giver_id)
    terms = frozenset() if profile is None else list_profile_terms(profile)
    await _replace_keys(session, keyring, organisation_id, root_id, terms)


async def index_case_reference(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, assignment_id: UUID, case_reference: str
) -> None:
    """Index the case reference of an assignment of this organisation."""
    await _replace_keys(session, keyring, organisation_id, assignment_id, list_reference_terms(case_reference))


async def index_machtigingen_of_giver(session: AsyncSession, keyring: KeyRing, giver_id: PersonId) -> None:
    """Index again what this person gave to organisations: the name may be another."""
    mine = (_MACHTIGING.c.vertegenwoordigde_id == giver_id, _MACHTIGING.c.state.in_(_LIVE))
    joined = _MACHTIGING.join(_ORGANISATION, _ORGANISATION.c.id == _MACHTIGING.c.gemachtigde_id)
    query = select(_MACHTIGING.c.id, _ORGANISATION.c.id.label("organisation_id")).select_from(joined).where(*mine)
    for row in (await session.execute(query.order_by(_MACHTIGING.c.id))).all():
        await index_client(session, keyring, row.organisation_id, row.id, giver_id)


async def _replace_keys(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, machtiging_id: UUID, terms: Collection[SearchTerm]
) -> None:
    index = KeyedIndex(await ensure_data_key(session, keyring, organisation_id), _PURPOSE)
    values = sorted(index.compute(*term) for term in terms)
    mine = _KEYS.c.machtiging_id == machtiging_id
    await session.execute(delete(_KEYS).where(mine, _KEYS.c.search_key.not_in(values)))
    if values:
        rows = [
            {"organisation_id": organisation_id, "search_key": value, "machtiging_id": machtiging_id}
            for value in values
        ]
        await session.execute(insert(_KEYS).values(rows).on_conflict_do_nothing())


async def compute_search_keys(
    session: AsyncSession,
    keyring: KeyRing,
    person_id: PersonId,
    organisation_kvk: str | None,
    terms: Collection[SearchTerm],
) -> list[bytes]:
    """Compute the keys of these terms under each organisation of this login, in one statement."""
    party = data_key_table()
    joined = _EMPLOYEE.join(_ORGANISATION, _ORGANISATION.c.id == _EMPLOYEE.c.organisation_id)
    joined = joined.join(party, party.c.id == _ORGANISATION.c.id)
    mine = (_EMPLOYEE.c.person_id == person_id, _ORGANISATION.c.kvk == organisation_kvk)
    has_key = party.c.data_key_wrapped.is_not(None)
    query = select(_ORGANISATION.c.id, *DATA_KEY_COLUMNS).select_from(joined).where(*mine, has_key).distinct()
    found = (await session.execute(query)).mappings().all()
    indexes = [KeyedIndex(unwrap_data_key({**row}, keyring, row["id"]), _PURPOSE) for row in found]
    return [index.compute(*term) for index in indexes for term in sorted(terms)]


async def list_unindexed(session: AsyncSession, *, limit: int) -> list[UUID]:
    """List live machtigingen and assignments that should be in the index and are not."""
    indexed = exists().where(_KEYS.c.machtiging_id == _MACHTIGING.c.id)
    joined = (
        _MACHTIGING.outerjoin(_ORGANISATION, _ORGANISATION.c.id == _MACHTIGING.c.gemachtigde_id)
        .outerjoin(_ASSIGNMENT, _ASSIGNMENT.c.machtiging_id == _MACHTIGING.c.id)
        .outerjoin(_PERSON, _PERSON.c.id == _MACHTIGING.c.vertegenwoordigde_id)
    )
    # The client is a business, or a person with a profile.
    is_named = or_(_PERSON.c.id.is_(None), _PERSON.c.profile_sealed.is_not(None))
    is_root = and_(_ORGANISATION.c.id.is_not(None), is_named)
    wanted = or_(is_root, _ASSIGNMENT.c.case_reference_sealed.is_not(None))
    query = select(_MACHTIGING.c.id).select_from(joined).where(_MACHTIGING.c.state.in_(_LIVE), wanted, ~indexed)
    return list(await session.scalars(query.order_by(_MACHTIGING.c.id).limit(limit)))


def has_search_key(any_key: Any, *machtiging_ids: Any) -> ColumnElement[bool]:
    """Build the condition that one of these machtigingen has a key that equals `any_key`."""
    found = (_KEYS.c.search_key == any_key, or_(*(_KEYS.c.machtiging_id == one for one in machtiging_ids)))
    return exists().where(*found)
