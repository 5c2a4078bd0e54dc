"""Queries for consents in force: a person's own, and helpers' consents under her machtigingen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, func, or_, select, true, union
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens import tokens
from machtiging.access_tokens.representation import Representation
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.oauth.authorization_details.parsing import extract_representation_set, list_acts
from machtiging.oauth.queries import Grant, load_set_refusal
from machtiging.oauth.refresh.rules import compute_deadline
from machtiging.oauth.tables import AuthorizationCode, BackchannelRequest, OAuthClient, OAuthGrant, RefreshToken
from machtiging.storage.columns import is_selected_id, table_of

_CLIENT = table_of(OAuthClient)
_GRANT = table_of(OAuthGrant)
_CODE = table_of(AuthorizationCode)
_REFRESH = table_of(RefreshToken)
_SERVER = _CLIENT.alias("server")
_REQUEST = table_of(BackchannelRequest)
# Maximum lifetime of an access token (see the settings); it starts when a CIBA client fetches it.
_MAX_TOKEN_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Consent:
    """One app with access now. `until`: the latest end without a new consent.

    `representation_set`: of a consent for several. `is_shared`: it is of another person, for several and not only those
    of the reader, who cannot revoke it. `is_paused`: of another person, for several, and none of the reader's stands
    now. `resource`: URI and name of the resource server of its tokens; None for our own API.
    """

    id: GrantId
    client_id: str
    app: str
    person_id: PersonId
    machtiging_id: MachtigingId | None
    representation: Representation | None
    representation_set: Mapping[str, Any] | None
    organisation_kvk: str | None
    acts: list[str]
    given_at: datetime
    until: datetime
    resource: str | None
    resource_name: str | None
    is_shared: bool = False
    is_paused: bool = False

    @property
    def is_several(self) -> bool:
        """True for a consent for several representations."""
        return self.representation_set is not None


async def list_consents(
    session: AsyncSession, handler: AuthorizationDetailsHandler, person_id: PersonId, *, at: datetime
) -> list[Consent]:
    """List the consents in force that give access to this person's own things, newest first.

    She gave it, or somebody who represents her did.
    """
    # An index scan for each kind: a person may have many machtigingen without a consent.
    open_ones = select(_GRANT.c.id).where(_GRANT.c.ended_at.is_(None))
    hers = union(
        open_ones.where(_GRANT.c.person_id == person_id),
        open_ones.where(_GRANT.c.machtiging_id.in_(handler.select_given_ids(person_id))),
        handler.select_covering_grants(person_id, _GRANT).where(_GRANT.c.ended_at.is_(None)),
    )
    found = await _load_consents_in_force(session, handler, is_selected_id(_GRANT.c.id, hers), at)
    read = [await _read_as_person(session, handler, one, person_id, at) for one in found]
    return [one for one in read if one is not None]


async def _read_as_person(
    session: AsyncSession, handler: AuthorizationDetailsHandler, consent: Consent, person_id: PersonId, at: datetime
) -> Consent | None:
    """Return the consent as this person may see it.

    Another person's consent for several is shown as far as it covers her own things. None if it does not.
    """
    several = consent.representation_set
    if several is None or consent.person_id == person_id:
        return consent
    holder = consent.person_id, consent.organisation_kvk
    found = await handler.find_represented_in_set(session, several, *holder, person_id, at)
    if found is None or not found.acts.intersection(consent.acts):
        return None
    return replace(
        consent,
        acts=[act for act in consent.acts if act in found.acts],
        is_shared=not await handler.represents_only(session, several, person_id, at),
        is_paused=not found.stands,
    )


async def has_access(
    session: AsyncSession, handler: AuthorizationDetailsHandler, grant: Grant, *, at: datetime
) -> bool:
    """Return whether this grant gives its client access now.

    The answer is the same as in the person's own list.
    """
    if not await _load_consents_in_force(session, handler, _GRANT.c.id == grant.id, at):
        return False
    return await load_set_refusal(session, handler, grant, at) is None


async def _load_consents_in_force(
    session: AsyncSession, handler: AuthorizationDetailsHandler, condition: ColumnElement[bool], at: datetime
) -> list[Consent]:
    key = RepresentationKey(_GRANT.c.machtiging_id, _GRANT.c.person_id, _GRANT.c.organisation_kvk)
    represented = handler.select_representation(key).lateral("represented")
    wanted = (
        select(_GRANT, _CLIENT.c.registration["client_name"].astext.label("app"))
        .add_columns(
            or_(_has_redeemable(_REFRESH, at), _has_redeemable(_CODE, at)).label("renewable"),
            _select_ciba_fetch_deadline(at),
        )
        .add_columns(_SERVER.c.registration["client_name"].astext.label("resource_name"), *represented.c)
        .join_from(_GRANT, _CLIENT, _CLIENT.c.client_id == _GRANT.c.client_id)
        .outerjoin(_SERVER, _SERVER.c.registration["resource"].astext == _GRANT.c.resource)
        .outerjoin(represented, true())
        .where(condition, _GRANT.c.ended_at.is_(None), _CLIENT.c.state == "active")
        .order_by(_GRANT.c.created_at.desc(), _GRANT.c.id.desc())
    )
    rows = list(await session.execute(wanted))
    ends = await tokens.load_latest_expiry_by_grant(session, [GrantId(row.id) for row in rows], at)
    shown = [(row, handler.read_representation(session, row._mapping)) for row in rows]  # noqa: SLF001
    found = (_build_consent(row, one, ends.get(row.id)) for row, one in shown if _is_current(row, one, at))
    return [one for one in found if one is not None]


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
    row: Row[Any], representation: Representation | None, token_expires_at: datetime | None
) -> Consent | None:
    ends = token_expires_at
    last = compute_deadline(row.created_at, None if representation is None else representation.ends_at)
    if row.renewable:
        ends = last
    elif row.fetchable_until is not None:
        ends = min(last, row.fetchable_until + _MAX_TOKEN_LIFETIME)
    if ends is None:
        return None
    return Consent(
        id=row.id,
        client_id=row.client_id,
        app=row.app,
        person_id=row.person_id,
        machtiging_id=row.machtiging_id,
        representation=representation,
        representation_set=extract_representation_set(row.authorization_details),
        organisation_kvk=row.organisation_kvk,
        acts=list_acts(row.authorization_details),
        given_at=row.created_at,
        until=ends,
        resource=row.resource or None,
        resource_name=row.resource_name,
    )


def _is_current(row: Row[Any], representation: Representation | None, at: datetime) -> bool:
    if representation is None:
        return row.machtiging_id is None
    return representation.is_current(row.organisation_kvk, at)
