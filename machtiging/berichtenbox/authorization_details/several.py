"""The machtiging set of one consent: usable by a login or not, and whose."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, Text, and_, cast, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.authority.holders import load_employee_authorities, select_holders_of_given
from machtiging.delegation.authority.machtiging_set import ASSIGNED, MachtigingSet
from machtiging.delegation.authority.queries import load_authorities, load_authority_page
from machtiging.delegation.authority.stop_reasons import LEVEL_TOO_LOW
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import NOT_USABLE
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from machtiging.oauth.authorization_details.handler import RepresentedInSet, refuse_authorization_details
from machtiging.storage.columns import is_selected_id
from machtiging.storage.statement import Executor


async def find_set_refusal(
    executor: Executor,
    several: MachtigingSet,
    person_id: PersonId | None,
    organisation_kvk: str | None,
    login: Assurance | None,
    *,
    at: datetime,
) -> str | None:
    """Return the reason code if this login can use none of these.

    Of all that are assigned the employee counts, and not how many there are now: the next assignment is covered too.
    """
    if person_id is None:
        return NOT_USABLE
    if several.ids is None:
        return await _find_employee_refusal(executor, person_id, organisation_kvk, login, at)
    page = await load_authority_page(executor, several, person_id, organisation_kvk, limit=len(several.ids), at=at)
    refusals = [authority.refusal(person_id, organisation_kvk, login, at) for authority in page]
    if not refusals or None in refusals:
        return None if refusals else NOT_USABLE
    return LEVEL_TOO_LOW if LEVEL_TOO_LOW in refusals else NOT_USABLE


async def _find_employee_refusal(
    executor: Executor, person_id: PersonId, organisation_kvk: str | None, login: Assurance | None, at: datetime
) -> str | None:
    if organisation_kvk is None:
        return NOT_USABLE
    employed = await load_employee_authorities(executor, person_id, organisation_kvk, at=at)
    minimums = [one.organisation.ceiling.minimum_level for one in employed if one.refusal(at) is None]
    if not minimums:
        return NOT_USABLE
    return None if login is None or any(map(login.is_at_least, minimums)) else LEVEL_TOO_LOW


async def narrow_to_visible(
    session: AsyncSession, several: MachtigingSet, visitor: Visitor, *, at: datetime
) -> MachtigingSet:
    """Narrow named machtigingen to those of this visitor that stand, or stand still.

    The consent page names these, and a consent must not cover what the page left out. Raises OAuthRefusal when none is
    left.
    """
    if several.ids is None:
        return several
    login = visitor.person_id, visitor.organisation_kvk
    page = await load_authority_page(session, several, *login, limit=len(several.ids), at=at)
    visible = frozenset(
        one.machtiging_id
        for one in page
        if one.is_current(visitor.organisation_kvk, at)
        and one.visibility_refusal(*login, visitor.assurance, at) is None
    )
    if not visible:
        refuse_authorization_details(NOT_USABLE)
    return MachtigingSet(visible)


def select_covering_grants(person_id: PersonId, grants: Table) -> Select[Any]:
    """Build the select of the grants for several that this person is represented in.

    Some may be over: `find_given` decides.
    """
    holders = select_holders_of_given(person_id).subquery("holders")
    first = grants.c.authorization_details[0]
    assigned = and_(first.contains(ASSIGNED.to_json()), holders.c.organisation_kvk == grants.c.organisation_kvk)
    named = first["machtigingen"].cast(JSONB).has_key(cast(holders.c.machtiging_id, Text))
    theirs = (grants.c.person_id == holders.c.person_id, grants.c.machtiging_id.is_(None), or_(assigned, named))
    return select(grants.c.id).select_from(holders.join(grants, and_(*theirs)))


async def find_given(
    session: AsyncSession,
    several: MachtigingSet,
    holder_id: PersonId,
    organisation_kvk: str | None,
    giver_id: PersonId,
    *,
    at: datetime,
) -> RepresentedInSet | None:
    """Find which of these the giver gave the holder; not what is over."""
    holders = select_holders_of_given(giver_id).subquery("holders")
    theirs = select(holders.c.machtiging_id).where(holders.c.person_id == holder_id)
    found = await load_authorities(session, is_selected_id(machtiging_table().c.id, theirs), at=at)
    current = [
        one
        for one in found
        if several.covers(one, holder_id, organisation_kvk) and one.is_current(organisation_kvk, at)
    ]
    if not current:
        return None
    acts = frozenset(act.value for one in current for act in one.acts)
    return RepresentedInSet(acts, any(one.stop_reason(at) is None for one in current))


async def are_all_given_by(session: AsyncSession, several: MachtigingSet, giver_id: PersonId, *, at: datetime) -> bool:
    """Tell if this person gave all of these. False for all that are assigned: those can be of anybody later."""
    if several.ids is None:
        return False
    found = await load_authorities(session, machtiging_table().c.id.in_(several.ids), at=at)
    givers = [one.vertegenwoordigde_id for one in found if one.is_authentic]
    return len(givers) == len(several.ids) and set(givers) == {giver_id}
