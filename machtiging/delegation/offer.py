"""Offers: a citizen offers a machtiging and receives its machtigingscode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import all_agencies
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.code_check import TRIES, CheckKind, check_kind_of, new_word, word_index
from machtiging.delegation.codes import PURPOSE, new_code, shown
from machtiging.delegation.move import told_facts
from machtiging.delegation.queries import machtiging_of_row, machtiging_table
from machtiging.delegation.rules import Limits, Machtiging, State, needs_substantial
from machtiging.delegation.tables import Machtigingscode
from machtiging.delegation.terms import Terms, problems_of, tidy, unknown_in
from machtiging.identity.people import profile_of
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.notifications.tell import tell
from machtiging.notifications.texts import Kind

__all__ = ["Giver", "Offered", "Terms", "made_with", "make_code", "offer"]


@dataclass(frozen=True, slots=True)
class Giver:
    """The offering citizen, her assurance, and the one-time key of the form, if any."""

    person_id: PersonId
    assurance: Assurance
    form_key: str | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """The offer, its code, and a check word if needed. Both are shown only once."""

    machtiging_id: MachtigingId
    code: str
    word: str | None = None


async def offer(
    session: AsyncSession, keyring: KeyRing, limits: Limits, giver: Giver, terms: Terms, *, at: datetime
) -> Offered:
    """Insert the offer and create its code.

    Raises NotAllowed `niveau_te_laag`. Raises InvalidInput with the code of the first problem, and the sentence of
    every problem in `fields` (named as in MachtigingTerms, MachtigingScope and Period). Raises Conflict
    `aanbod_al_gemaakt` if this giver made an offer with the same form key before, whatever its state is now.
    """
    await _may_give(session, giver, at)
    terms = tidy(terms)
    problems = [*problems_of(terms, limits, at), *unknown_in(await all_agencies(session), terms.scope)]
    if problems:
        fields = {problem.field: problem.public for problem in reversed(problems)}
        raise InvalidInput(problems[0].code, problems[0].public, fields=fields)
    offered = await _insert(session, _values(giver, terms, at) | {"id": made_with(keyring, giver)})
    if offered is None:
        await _record(session, giver, Outcome.REFUSED, "aanbod_al_gemaakt", None, at=at)
        raise Conflict("aanbod_al_gemaakt", "U heeft dit aanbod al gemaakt.")
    made = await make_code(session, keyring, limits, offered, at=at)
    await _record(session, giver, Outcome.DONE, "aangeboden", offered, at=at)
    await tell(session, giver.person_id, Kind.AANGEBODEN_DOOR_U, told_facts(offered, None), at=at)
    return made


def made_with(keyring: KeyRing, giver: Giver) -> UUID:
    """Derive the offer id from giver and form key, so that a double submit conflicts.

    The primary key lets only one insert through. The id is keyed, so nobody else can compute it. It is a version 5 UUID
    (RFC 9562 section 5.5), since it comes from a name. Without a form key it is a new version 7 UUID.
    """
    if giver.form_key is None:
        return uuid7()
    index = keyring.blind_index("aanbod", f"{giver.person_id}:{giver.form_key}")
    return UUID(bytes=index[:16], version=5)


async def _insert(session: AsyncSession, values: dict[str, Any]) -> Machtiging | None:
    """Insert the offer and return it; None if the id exists.

    Waits for a concurrent insert of the same id.
    """
    table = machtiging_table()
    inserted = insert(table).values(values).on_conflict_do_nothing(index_elements=[table.c.id]).returning(table)
    row = (await session.execute(inserted)).one_or_none()
    return None if row is None else machtiging_of_row(row)


async def _may_give(session: AsyncSession, giver: Giver, at: datetime) -> None:
    try:
        needs_substantial(giver.assurance)
    except NotAllowed as refusal:
        await _record(session, giver, Outcome.REFUSED, refusal.code, None, at=at)
        raise


async def make_code(
    session: AsyncSession, keyring: KeyRing, limits: Limits, offered: Machtiging, *, at: datetime
) -> Offered:
    """Create a code for this offer, with a check word if needed.

    A check word is needed if too little of the birth date is known. Only their blind indexes are stored.
    """
    profile = await profile_of(session, keyring, offered.vertegenwoordigde_id)
    kind = check_kind_of(None if profile is None else profile.birth_date)
    code, word = new_code(), new_word() if kind is CheckKind.WORD else None
    values = {
        "id": uuid7(),
        "machtiging_id": offered.id,
        "code_hash": keyring.blind_index(PURPOSE, code),
        "word_hash": None if word is None else word_index(keyring, code, word),
        "tries_left": TRIES[kind],
        "created_at": at,
        "expires_at": min(at + limits.code_valid, offered.period.ends_at),
        "used_at": None,
    }
    await session.execute(insert(Machtigingscode).values(values))
    return Offered(offered.id, shown(code), word)


async def _record(
    session: AsyncSession, giver: Giver, outcome: Outcome, reason: str, offered: Machtiging | None, *, at: datetime
) -> None:
    line = Line(
        act=JournalAct.MACHTIGING_AANGEBODEN,
        outcome=outcome,
        reason=reason,
        actor_id=giver.person_id,
        capacity="self",
        for_person_id=giver.person_id,
        machtiging_id=None if offered is None else offered.id,
    )
    await record(session, line, at=at)


def _listed(words: frozenset[str] | None) -> list[str] | None:
    return None if words is None else sorted(words)


def _values(giver: Giver, terms: Terms, at: datetime) -> dict[str, Any]:
    scope = terms.scope
    return {
        "vertegenwoordigde_id": giver.person_id,
        "capacity": terms.capacity,
        "purpose": terms.purpose,
        "legal_ground": terms.legal_ground,
        "state": State.OFFERED,
        "afzenders": _listed(scope.afzenders),
        "diensten": _listed(scope.diensten),
        "themes": _listed(scope.themes),
        "excluded_themes": _listed(scope.excluded_themes),
        "highest_sensitivity": scope.highest_sensitivity,
        "letters_from": scope.letters_from,
        "acts": _listed(scope.acts),
        "assurance": giver.assurance,
        "starts_at": terms.period.starts_at,
        "ends_at": terms.period.ends_at,
        "offered_at": at,
    }
