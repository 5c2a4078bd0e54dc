"""Queries for consents in force: a person's own, and helpers' consents under her machtigingen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, func, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access import tokens
from machtiging.delegation.queries import machtiging as machtiging_with
from machtiging.delegation.queries import machtiging_table, machtigingen_with
from machtiging.delegation.rules import Act, Machtiging, Standing, organisation_matches, standing
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId
from machtiging.oauth.queries import Grant
from machtiging.oauth.refresh.rules import last_moment
from machtiging.oauth.rules import acts_in
from machtiging.oauth.tables import AuthorizationCode, BackchannelRequest, OAuthClient, OAuthGrant, RefreshToken

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]
_CODE: Table = AuthorizationCode.__table__  # type: ignore[attr-defined]
_REFRESH: Table = RefreshToken.__table__  # type: ignore[attr-defined]
_SERVER = _CLIENT.alias("server")
_MACHTIGING = machtiging_table()
_REQUEST: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]
# Maximum lifetime of an access token (see the settings); it starts when a CIBA client fetches it.
_A_TOKEN = timedelta(hours=1)
_WORTH_SHOWING = (Standing.IN_FORCE, Standing.PAUSED)


@dataclass(frozen=True, slots=True)
class Consent:
    """One app with access now. `until`: the latest end without a new consent.

    `resource`: URI and name of the resource server of its tokens; None for our own API.
    """

    id: GrantId
    client_id: str
    app: str
    person_id: PersonId
    machtiging: Machtiging | None
    acts: frozenset[Act]
    given_at: datetime
    until: datetime
    resource: str | None
    resource_name: str | None


async def consents_about(session: AsyncSession, person_id: PersonId, *, at: datetime) -> list[Consent]:
    """List the consents in force that this person may revoke, newest first."""
    # Two index scans for the consents, then only their machtigingen: a person may have many others.
    open_ones = select(_GRANT.c.id).where(_GRANT.c.ended_at.is_(None))
    hers = open_ones.join(_MACHTIGING, _MACHTIGING.c.id == _GRANT.c.machtiging_id)
    mine = _GRANT.c.id.in_(
        union(
            open_ones.where(_GRANT.c.person_id == person_id),
            hers.where(_MACHTIGING.c.vertegenwoordigde_id == person_id),
        )
    )
    under = await session.scalars(select(_GRANT.c.machtiging_id).where(mine, _GRANT.c.machtiging_id.is_not(None)))
    held = await machtigingen_with(session, set(under), person_id)
    return await _in_force(session, mine, held, at)


async def gives_access(session: AsyncSession, grant: Grant, *, at: datetime) -> bool:
    """Return whether this grant gives its client access now.

    The answer is the same as in the person's own list.
    """
    machtiging = None if grant.machtiging_id is None else await machtiging_with(session, grant.machtiging_id)
    held = {} if machtiging is None else {machtiging.id: machtiging}
    return bool(await _in_force(session, _GRANT.c.id == grant.id, held, at))


async def _in_force(
    session: AsyncSession, which: ColumnElement[bool], held: Mapping[MachtigingId, Machtiging], at: datetime
) -> list[Consent]:
    wanted = (
        select(_GRANT, _CLIENT.c.registration["client_name"].astext.label("app"))
        .add_columns(or_(_good(_REFRESH, at), _good(_CODE, at)).label("renewable"), _fetchable_until(at))
        .add_columns(_SERVER.c.registration["client_name"].astext.label("resource_name"))
        .join_from(_GRANT, _CLIENT, _CLIENT.c.client_id == _GRANT.c.client_id)
        .outerjoin(_SERVER, _SERVER.c.registration["resource"].astext == _GRANT.c.resource)
        .where(which, _GRANT.c.ended_at.is_(None), _CLIENT.c.state == "active")
        .order_by(_GRANT.c.created_at.desc(), _GRANT.c.id.desc())
    )
    rows = list(await session.execute(wanted))
    ends = await tokens.open_until(session, [GrantId(row.id) for row in rows], at)
    found = (_consent(row, held, ends.get(row.id)) for row in rows)
    return [one for one in found if one is not None and _stands(one, at)]


def _good(table: Table, at: datetime) -> ColumnElement[bool]:
    """Build the condition that this table has an unused, unexpired row of the grant."""
    good = (table.c.grant_id == _GRANT.c.id, table.c.used_at.is_(None), table.c.expires_at > at)
    return select(table.c.grant_id).where(*good).exists()


def _fetchable_until(at: datetime) -> ColumnElement[datetime | None]:
    """Build the subquery for the time until which a CIBA client can fetch its tokens."""
    hers = (_REQUEST.c.person_id == _GRANT.c.person_id, _REQUEST.c.grant_id == _GRANT.c.id)
    good = (*hers, _REQUEST.c.state == "approved", _REQUEST.c.expires_at > at)
    return select(func.max(_REQUEST.c.expires_at)).where(*good).scalar_subquery().label("fetchable_until")


def _consent(row: Row[Any], held: Mapping[MachtigingId, Machtiging], opens_until: datetime | None) -> Consent | None:
    machtiging = held.get(row.machtiging_id)
    ends = opens_until
    last = last_moment(row.created_at, None if machtiging is None else machtiging.period.ends_at)
    if row.renewable:
        ends = last
    elif row.fetchable_until is not None:
        ends = min(last, row.fetchable_until + _A_TOKEN)
    if ends is None or (row.machtiging_id is not None and machtiging is None):
        return None
    if machtiging is not None and not organisation_matches(machtiging, row.organisation_kvk):
        return None
    return Consent(
        id=row.id,
        client_id=row.client_id,
        app=row.app,
        person_id=row.person_id,
        machtiging=machtiging,
        acts=acts_in(row.authorization_details),
        given_at=row.created_at,
        until=ends,
        resource=row.resource or None,
        resource_name=row.resource_name,
    )


def _stands(consent: Consent, at: datetime) -> bool:
    return consent.machtiging is None or standing(consent.machtiging, at) in _WORTH_SHOWING
