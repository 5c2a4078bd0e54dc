"""The bestuurder (director) behind a login: the trade register names person and business."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import Capacity, MachtigingState
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotAllowed
from machtiging.kernel.ids import PersonId

NO_DIRECTOR = "geen_bestuurder"
_MACHTIGING = machtiging_table()


@dataclass(frozen=True, slots=True)
class DirectorLogin:
    """The person, the KvK number and the level of a login."""

    person_id: PersonId
    kvk: str | None
    assurance: Assurance


@dataclass(frozen=True, slots=True)
class Director:
    """A director in a login for the business. `authority` is in force, and a register told it."""

    person_id: PersonId
    assurance: Assurance
    business_id: UUID
    business_name: str
    authority: Authority


def describe_director_login(visitor: Visitor) -> DirectorLogin:
    """Describe the login of this visitor."""
    return DirectorLogin(visitor.person_id, visitor.organisation_kvk, visitor.assurance)


async def find_director(session: AsyncSession, login: DirectorLogin, *, at: datetime) -> Director | None:
    """Find the business that this login directs now; None if it directs none.

    Two registers may tell of one person: the one that is told last counts. A forged row counts for nothing.
    """
    if login.kvk is None:
        return None
    mine = and_(
        _MACHTIGING.c.gemachtigde_id == login.person_id,
        _MACHTIGING.c.capacity == Capacity.DIRECTOR.value,
        _MACHTIGING.c.state == MachtigingState.ACTIVE.value,
    )
    for authority in await load_authorities(session, mine, at=at):
        business = authority.represented_organisation
        if business is not None and authority.refusal(login.person_id, login.kvk, login.assurance, at) is None:
            return Director(login.person_id, login.assurance, business.id, business.name, authority)
    return None


async def require_director(session: AsyncSession, login: DirectorLogin, *, at: datetime) -> Director:
    """Return the director of this login. Raises NotAllowed `geen_bestuurder`."""
    found = await find_director(session, login, at=at)
    if found is None:
        raise NotAllowed(NO_DIRECTOR)
    return found
