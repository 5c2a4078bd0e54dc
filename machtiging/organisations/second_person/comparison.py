"""Four eyes: the second person is another person than the first, not another account."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import compare_people
from machtiging.kernel.errors import NotAllowed
from machtiging.kernel.ids import PersonId

# After this time a proposal has lapsed: nobody confirms it any more.
CONFIRMATION_PERIOD = timedelta(hours=72)


def has_lapsed(proposed_at: datetime, at: datetime) -> bool:
    """Return True if a proposal of this instant can no longer be confirmed."""
    return at >= proposed_at + CONFIRMATION_PERIOD


async def require_second_person(
    session: AsyncSession, keyring: KeyRing, first: PersonId, second: PersonId, *, practice: bool
) -> None:
    """Require two people. Two accounts with one BSN, or with one name and birth date, are one person.

    The practice world accepts two of whom it is not known. Raises NotAllowed `eigen_voorstel`, `persoon_niet_zeker` or
    `rij_ongeldig`.
    """
    same = await compare_people(session, keyring, first, second)
    if same:
        raise NotAllowed("eigen_voorstel")
    if same is None and not practice:
        raise NotAllowed("persoon_niet_zeker")
