"""Queries for consents in force: a person's own, and helpers' consents under her machtigingen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, func, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens import tokens
from machtiging.delegation.queries import load_machtiging as machtiging_with
from machtiging.delegation.queries import load_machtigingen_of_person, machtiging_table
from machtiging.delegation.rules import Act, EffectiveState, Machtiging, effective_state, organisation_matches
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId
from machtiging.oauth.queries import Grant
from machtiging.oauth.refresh.rules import compute_deadline
from machtiging.oauth.rules import extract_acts
from machtiging.oauth.tables import AuthorizationCode, BackchannelRequest, OAuthClient, OAuthGrant, RefreshToken
from machtiging.storage.columns import table_of

_CLIENT = table_of(OAuthClient)
_GRANT = table_of(OAuthGrant)
_CODE = table_of(AuthorizationCode)
_REFRESH = table_of(RefreshToken)
_SERVER = _CLIENT.alias("server")
_MACHTIGING = machtiging_table()
_REQUEST = table_of(BackchannelRequest)
# Maximum lifetime of an access token (see the settings); it starts when a CIBA client fetches it.
_MAX_TOKEN_LIFETIME = timedelta(hours=1)
_VISIBLE_STANDINGS = (EffectiveState.IN_FORCE, EffectiveState.PAUSED)


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


async def list_consents(session: AsyncSession, person_id: PersonId, *, at: datetime) -> list[Consent]:
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
    machtigingen = await load_machtigingen_of_person(session, set(under), person_id)
    return await _load_consents_in_force(session, mine, machtigingen, at)


async def has_access(session: AsyncSession, grant: Grant, *, at: datetime) -> bool:
    """Return whether this grant gives its client access now.

    The answer is the same as in the person's own list.
    """
    machtiging = None if grant.machtiging_id is None else await machtiging_with(session, grant.machtiging_id)
    machtigingen = {} if machtiging is None else {machtiging.id: machtiging}
    return bool(await _load_consents_in_force(session, _GRANT.c.id == grant.id, machtigingen, at))


async def _load_consents_in_force(
    session: AsyncSession, condition: ColumnElement[bool], machtigingen: Mapping[MachtigingId, Machtiging], at: datetime
) -> list[Consent]:
    wanted = (
        select(_GRANT, _CLIENT.c.registration["client_name"].astext.label("app"))
        .add_columns(
            or_(_has_redeemable(_REFRESH, at), _has_redeemable(_CODE, at)).label("renewable"),
            _select_ciba_fetch_deadline(at),
        )
        .add_columns(_SERVER.c.registration["client_name"].astext.label("resource_name"))
        .join_from(_GRANT, _CLIENT, _CLIENT.c.client_id == _GRANT.c.client_id)
        .outerjoin(_SERVER, _SERVER.c.registration["resource"].astext == _GRANT.c.resource)
        .where(condition, _GRANT.c.ended_at.is_(None), _CLIENT.c.state == "active")
        .order_by(_GRANT.c.created_at.desc(), _GRANT.c.id.desc())
    )
    rows = list(await session.execute(wanted))
    ends = await tokens.load_latest_expiry_by_grant(session, [GrantId(row.id) for row in rows], at)
    found = (_build_consent(row, machtigingen, ends.get(row.id)) for row in rows)
    return [one for one in found if one is not None and _is_visible(one, at)]


def _has_redeemable(table: Table, at: datetime) -> ColumnElement[bool]:
    """Build the condition that this table has an unused, unexpired row of the grant."""
    good = (table.c.grant_id == _GRANT.c.id, table.c.used_at.is_(None), table.c.expires_at > at)
    return select(table.c.grant_id).where(*good).exists()


def _select_ciba_fetch_deadline(at: datetime) -> ColumnElement[datetime | None]:
    """Build the subquery for the time until which a CIBA client can fetch its tokens."""
    hers = (_REQUEST.c.person_id == _GRANT.c.person_id, _REQUEST.c.grant_id == _GRANT.c.id)
    good = (*hers, _REQUEST.c.state == "approved", _REQUEST.c.expires_at > at)
    return select(func.max(_REQUEST.c.expires_at)).where(*good).scalar_subquery().label("fetchable_until")


def _build_consent(
    row: Row[Any], machtigingen: Mapping[MachtigingId, Machtiging], token_expires_at: datetime | None
) -> Consent | None:
    machtiging = machtigingen.get(row.machtiging_id)
    ends = token_expires_at
    last = compute_deadline(row.created_at, None if machtiging is None else machtiging.period.ends_at)
    if row.renewable:
        ends = last
    elif row.fetchable_until is not None:
        ends = min(last, row.fetchable_until + _MAX_TOKEN_LIFETIME)
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
        acts=extract_acts(row.authorization_details),
        given_at=row.created_at,
        until=ends,
        resource=row.resource or None,
        resource_name=row.resource_name,
    )


def _is_visible(consent: Consent, at: datetime) -> bool:
    return consent.machtiging is None or effective_state(consent.machtiging, at) in _VISIBLE_STANDINGS
