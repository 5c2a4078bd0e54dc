"""One poll of a CIBA client: record it, slow the client down, consume an approval.

One statement does all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sqlalchemy import CTE, Update, and_, case, func, literal, select, true, update

from machtiging.access_tokens.representation import UNUSABLE
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import ROW_INVALID, Message
from machtiging.kernel.ids import GrantId
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.oauth.ciba.rules import (
    MAX_POLL_INTERVAL_SECONDS,
    MAX_REQUEST_LIFETIME,
    POLL_TOLERANCE,
    SLOW_DOWN_SECONDS,
)
from machtiging.oauth.client import Client
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.protocol.server import RequestContext
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, BackchannelRequest
from machtiging.storage.columns import table_of

_REQUEST = table_of(BackchannelRequest)
_MAX_AUTH_REQ_ID_LENGTH = 128


@dataclass(frozen=True, slots=True)
class PendingPoll:
    """The person has not decided. `slow_down`: the client polled before its interval had passed."""

    slow_down: bool


@dataclass(frozen=True, slots=True)
class ApprovedPoll:
    """The person approved, and this poll consumed the approval.

    `jkt`: thumbprint of the DPoP key to which the tokens are bound.
    """

    grant_id: GrantId
    jkt: str | None


def auth_req_id_refusal(reason: str) -> OAuthRefusal:
    """Build `invalid_grant`, with one text for unknown, another client's and used before."""
    return OAuthRefusal(OAuthErrorCode.INVALID_GRANT, reason, description=Message("oauth.auth_req_id_invalid"))


async def poll_request(context: RequestContext, client: Client, auth_req_id: str) -> PendingPoll | ApprovedPoll:
    """Poll a request and return its state.

    Raises OAuthRefusal `invalid_grant`, `expired_token`, `access_denied`.
    """
    if len(auth_req_id) > _MAX_AUTH_REQ_ID_LENGTH:
        raise auth_req_id_refusal("verzoek_onbekend")
    digest, handler = secrets.sha256_digest(auth_req_id), context.issuer.details_handler
    polling = _build_poll_statement(handler, digest, client, context.at)
    found = (await context.session.execute(polling)).mappings().one_or_none()
    if found is None:
        raise auth_req_id_refusal("verzoek_onbekend")
    if not await authenticate_row(context.session, SEALED_BACKCHANNEL_REQUEST, found, "b_", at=context.at):
        raise auth_req_id_refusal(ROW_INVALID)
    if found["b_state"] == "used":
        raise auth_req_id_refusal("verzoek_hergebruikt")
    if found["b_state"] == "denied":
        raise OAuthRefusal(OAuthErrorCode.ACCESS_DENIED, "verzoek_geweigerd")
    ends = min(found["b_expires_at"], found["b_created_at"] + MAX_REQUEST_LIFETIME)  # the MAC covers created_at only
    if found["b_state"] == "expired" or context.at >= ends:
        await _raise_expired(context, found)
    if found["b_state"] == "approved":
        return ApprovedPoll(GrantId(found["b_grant_id"]), found["b_jkt"])
    if not _is_representation_usable(context, found):
        await _deny_pending_request(context, digest)
        raise OAuthRefusal(OAuthErrorCode.ACCESS_DENIED, UNUSABLE)
    return PendingPoll(found["too_soon"])


def _build_request_lock_cte(handler: AuthorizationDetailsHandler, digest: bytes, client: Client) -> CTE:
    """Build the CTE that reads and locks the request row.

    A concurrent poll waits for the lock and then reads the result of this one.
    """
    key = RepresentationKey(_REQUEST.c.machtiging_id, _REQUEST.c.person_id, _REQUEST.c.organisation_kvk)
    represented = handler.select_representation(key).lateral("represented")
    both = _REQUEST.outerjoin(represented, true())
    columns = (*(column.label(f"b_{column.name}") for column in _REQUEST.c), *represented.c)
    mine = (_REQUEST.c.request_hash == digest, _REQUEST.c.client_id == client.client_id)
    return select(*columns).select_from(both).where(*mine).with_for_update(of=_REQUEST).cte("before")


def _build_poll_statement(handler: AuthorizationDetailsHandler, digest: bytes, client: Client, at: datetime) -> Update:
    was = _build_request_lock_cte(handler, digest, client)
    live = was.c.b_expires_at > at
    waits = was.c.b_interval_seconds * literal(timedelta(seconds=1)) - literal(POLL_TOLERANCE)
    too_soon = and_(was.c.b_state == "pending", live, func.coalesce(was.c.b_polled_at + waits > at, False))
    slower = func.least(was.c.b_interval_seconds + SLOW_DOWN_SECONDS, MAX_POLL_INTERVAL_SECONDS)
    becomes = case(
        (and_(was.c.b_state == "approved", live), "used"),
        (and_(was.c.b_state == "pending", ~live), "expired"),
        else_=was.c.b_state,
    )
    interval = case((too_soon, slower), else_=was.c.b_interval_seconds)
    noting = update(_REQUEST).where(_REQUEST.c.request_hash == was.c.b_request_hash)
    noting = noting.values(polled_at=at, state=becomes, interval_seconds=interval)
    return noting.returning(*was.c, too_soon.label("too_soon"))


def _is_representation_usable(context: RequestContext, row: Mapping[Any, Any]) -> bool:
    if row["b_machtiging_id"] is None:
        return True
    representation = context.issuer.details_handler.read_representation(context.session, row)
    if representation is None:
        return False
    return representation.refusal(row["b_person_id"], row["b_organisation_kvk"], None, context.at) is None


async def _deny_pending_request(context: RequestContext, digest: bytes) -> None:
    mine = (_REQUEST.c.request_hash == digest, _REQUEST.c.state == "pending")
    await context.session.execute(update(_REQUEST).where(*mine).values(state="denied"))


async def _raise_expired(context: RequestContext, row: Mapping[Any, Any]) -> NoReturn:
    """Refuse an expired request. End its grant when it was approved and never fetched.

    Raises OAuthRefusal `expired_token`.
    """
    if row["b_grant_id"] is not None:
        ending = GrantEnding("verzoek_verlopen")
        handler, grant_id = context.issuer.details_handler, GrantId(row["b_grant_id"])
        await end_grant(context.session, handler, grant_id, ending, at=context.at)
    raise OAuthRefusal(OAuthErrorCode.EXPIRED_TOKEN, "verzoek_verlopen")
