"""Resolve the numbers by which an agency names people and organisations, and its own pseudonyms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import constant_time_equals
from machtiging.identity.people import find_ids_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.organisations.queries import find_ids_by_kvk
from machtiging.storage.columns import table_of
from machtiging.verification.rules import PartyReference, PartyType
from machtiging.verification.tables import AgencyPseudonym

_PSEUDONYM = table_of(AgencyPseudonym)
_NOBODY: frozenset[UUID] = frozenset()
ResolvedParties = Mapping[PartyReference, frozenset[UUID]]


async def resolve_parties(
    session: AsyncSession, keyring: KeyRing, oin: str, references: Iterable[PartyReference]
) -> ResolvedParties:
    """Resolve each reference to the parties behind it. An unknown number gives none.

    Always three statements, whatever the numbers are, so that the work tells nothing about a person.
    """
    wanted = set(references)
    by_type = {kind: [one for one in wanted if one.type is kind] for kind in PartyType}
    bsns = [one.number for one in by_type[PartyType.BSN] if isinstance(one.number, Bsn)]
    people = await find_ids_by_bsn(session, keyring, bsns)
    texts = {kind: [str(one.number) for one in by_type[kind]] for kind in (PartyType.PSEUDONYM, PartyType.KVK)}
    pseudonyms = await _find_by_pseudonym(session, keyring, oin, texts[PartyType.PSEUDONYM])
    organisations = await find_ids_by_kvk(session, texts[PartyType.KVK])
    found: dict[PartyReference, frozenset[UUID]] = {}
    for reference in wanted:
        if isinstance(reference.number, Bsn):
            person_id = people.get(reference.number)
            found[reference] = _NOBODY if person_id is None else frozenset({person_id})
        elif reference.type is PartyType.PSEUDONYM:
            party_id = pseudonyms.get(reference.number)
            found[reference] = _NOBODY if party_id is None else frozenset({party_id})
        else:
            found[reference] = organisations.get(reference.number, _NOBODY)
    return found


async def _find_by_pseudonym(
    session: AsyncSession, keyring: KeyRing, oin: str, pseudonyms: Collection[str]
) -> dict[str, UUID]:
    wanted = literal(sorted(pseudonyms), ARRAY(Text))
    mine = (_PSEUDONYM.c.oin == oin, _PSEUDONYM.c.pseudonym == any_(wanted))
    rows = (await session.execute(select(_PSEUDONYM.c.pseudonym, _PSEUDONYM.c.party_id).where(*mine))).all()
    # A changed row would make one pseudonym name another party: computed again, it does not match.
    return {
        row.pseudonym: row.party_id
        for row in rows
        if constant_time_equals(row.pseudonym, compute_pseudonym(keyring, oin, row.party_id))
    }


def compute_pseudonym(keyring: KeyRing, oin: str, party_id: UUID) -> str:
    """Compute the pseudonym of a party for one agency. Another agency gets an unrelated one."""
    return keyring.pairwise_subject(party_id, f"urn:nld:oin:{oin}")


async def save_pseudonyms(
    session: AsyncSession, keyring: KeyRing, oin: str, party_ids: Collection[UUID], *, at: datetime
) -> None:
    """Save the pseudonyms that this agency gets now, so that it can ask by them. Safe to repeat.

    One statement, also for no party: the work tells nothing about the answer.
    """
    by_pseudonym = {compute_pseudonym(keyring, oin, party_id): party_id for party_id in sorted(set(party_ids))}
    arrays = (literal(list(by_pseudonym), ARRAY(Text)), literal(list(by_pseudonym.values()), ARRAY(Uuid())))
    new = func.unnest(*arrays).table_valued("pseudonym", "party_id", name="issued").render_derived()
    rows = select(literal(oin), new.c.pseudonym, new.c.party_id, literal(at, _PSEUDONYM.c.issued_at.type))
    names = ["oin", "pseudonym", "party_id", "issued_at"]
    await session.execute(insert(_PSEUDONYM).from_select(names, rows).on_conflict_do_nothing())
