"""Give, pause, resume and end a machtiging of a business, as its director.

The machtiging is of the business: it stays when the director leaves, and every present director can end it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.businesses.directors import Director, DirectorLogin, require_director
from machtiging.delegation.locks import lock_giver_shared
from machtiging.delegation.offer import Giver, OfferResult, offer_machtiging
from machtiging.delegation.rules import Capacity, Machtiging, MachtigingAction, MachtigingLimits
from machtiging.delegation.tables import AgreementRow
from machtiging.delegation.terms import MachtigingTerms
from machtiging.delegation.transition import JOURNAL_ACT_BY_ACTION, transition_machtiging
from machtiging.kernel.errors import InvalidInput, NotAllowed, NotFound
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.storage.columns import table_of

_AGREEMENT = table_of(AgreementRow)
GIVER_ACTIONS = frozenset({MachtigingAction.PAUSE, MachtigingAction.RESUME, MachtigingAction.WITHDRAW})


async def _lock_director(session: AsyncSession, login: DirectorLogin, act: JournalAct, at: datetime) -> Director:
    """Return the director of this login, who stays director until the transaction ends.

    An event of the register takes the same lock alone. Raises NotAllowed `geen_bestuurder`, and journals that.
    """
    async with _journal_refused_login(session, login, act, at):
        found = await require_director(session, login, at=at)
        await lock_giver_shared(session, PersonId(found.business_id))
        return await require_director(session, login, at=at)


@asynccontextmanager
async def _journal_refused_login(
    session: AsyncSession, login: DirectorLogin, act: JournalAct, at: datetime
) -> AsyncIterator[None]:
    try:
        yield
    except NotAllowed as refusal:
        line = NewJournalLine(act, JournalOutcome.REFUSED, refusal.code, actor_id=login.person_id)
        await record(session, line, at=at)
        raise


async def require_viewing_director(session: AsyncSession, login: DirectorLogin, *, at: datetime) -> Director:
    """Return the director of a login that looks. Raises NotAllowed `geen_bestuurder`, and journals that."""
    async with _journal_refused_login(session, login, JournalAct.MACHTIGING_BEKEKEN, at):
        return await require_director(session, login, at=at)


async def offer_for_business(
    session: AsyncSession,
    keyring: KeyRing,
    limits: MachtigingLimits,
    login: DirectorLogin,
    terms: MachtigingTerms,
    *,
    offered_to: UUID,
    idempotency_key: str,
    at: datetime,
) -> OfferResult:
    """Offer a machtiging of the business to an office, or to the business itself.

    Raises NotAllowed `geen_bestuurder`, InvalidInput `hoedanigheid_niet_te_kiezen`, and as `offer_machtiging`.
    """
    if terms.capacity is not Capacity.PROFESSIONAL:
        raise InvalidInput("hoedanigheid_niet_te_kiezen")
    director = await _lock_director(session, login, JournalAct.MACHTIGING_AANGEBODEN, at)
    giver = Giver(director.person_id, director.assurance, idempotency_key, PersonId(director.business_id))
    return await offer_machtiging(session, keyring, limits, giver, terms, at=at, offered_to=offered_to)


async def change_for_business(
    session: AsyncSession, login: DirectorLogin, action: MachtigingAction, machtiging_id: MachtigingId, *, at: datetime
) -> Machtiging:
    """Pause, resume or end a machtiging that the business gave, whichever director gave it.

    Raises NotAllowed `geen_bestuurder`, NotFound `machtiging_onbekend`, and as `transition_machtiging`.
    """
    if action not in GIVER_ACTIONS:
        raise InvalidInput("machtiging_kan_dit_niet")
    director = await _lock_director(session, login, JOURNAL_ACT_BY_ACTION[action], at)
    business_id = PersonId(director.business_id)
    return await transition_machtiging(
        session, action, machtiging_id, business_id, at=at, director_id=director.person_id
    )


async def load_given_by_business(
    session: AsyncSession, director: Director, machtiging_id: MachtigingId, *, at: datetime
) -> Authority:
    """Load a machtiging that the business gave.

    Raises NotFound `machtiging_onbekend` for every other one, and journals that.
    """
    found = await load_authority(session, machtiging_id, at=at)
    if found is None or found.vertegenwoordigde_id != director.business_id or not is_given(found):
        line = NewJournalLine(
            act=JournalAct.MACHTIGING_BEKEKEN,
            outcome=JournalOutcome.REFUSED,
            reason="bestaat_niet" if found is None else "niet_van_u",
            actor_id=director.person_id,
            capacity=Capacity.DIRECTOR,
            for_person_id=None if found is None else found.vertegenwoordigde_id,
            machtiging_id=None if found is None else found.machtiging_id,
            on_behalf_of=PersonId(director.business_id),
        )
        await record(session, line, at=at)
        raise NotFound("machtiging_onbekend")
    return found


def is_given(authority: Authority) -> bool:
    """Return True for an authentic root that a director gave, and not for a directorship."""
    root = authority.root
    return authority.is_authentic and len(authority.links) == 1 and root.capacity is Capacity.PROFESSIONAL


async def find_giving_director(session: AsyncSession, machtiging_id: MachtigingId) -> PersonId | None:
    """Find the person who gave this machtiging in the name of the business."""
    first = (_AGREEMENT.c.machtiging_id == machtiging_id, _AGREEMENT.c.number == 1)
    found: PersonId | None = await session.scalar(select(_AGREEMENT.c.agreed_by).where(*first))
    return found
