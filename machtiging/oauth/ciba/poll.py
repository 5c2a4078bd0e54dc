"""One poll of a CIBA client: record it, slow the client down, consume an approval.

One statement does all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sqlalchemy import CTE, Table, Update, and_, case, func, literal, select, update

from machtiging.audit.forged_rows import authenticate_row
from machtiging.crypto import secrets
from machtiging.delegation.queries import MACHTIGING_COLUMNS, machtiging_from_mapping, machtiging_table
from machtiging.delegation.rules import is_usable
from machtiging.kernel.ids import GrantId
from machtiging.oauth.ciba.rules import EARLY, LONGEST_INTERVAL, SLOWER, STANDS_AT_MOST
from machtiging.oauth.client import Client
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.protocol.server import Exchange
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, BackchannelRequest
from machtiging.storage.row_mac import INVALID

_REQUEST: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]
_LONGEST = 128
_NOT_VALID = "The auth_req_id is not valid, or no longer."


@dataclass(frozen=True, slots=True)
class Waiting:
    """The person has not decided. `slow_down`: the client polled before its interval had passed."""

    too_soon: bool


@dataclass(frozen=True, slots=True)
class Approved:
    """The person approved, and this poll consumed the approval.

    `jkt`: thumbprint of the DPoP key to which the tokens are bound.
    """

    grant_id: GrantId
    jkt: str | None


def not_valid(code: str) -> OAuthRefusal:
    """Build `invalid_grant`, with one text for unknown, another client's and used before."""
    return OAuthRefusal(Wire.INVALID_GRANT, code, _NOT_VALID)


async def poll(exchange: Exchange, client: Client, auth_req_id: str) -> Waiting | Approved:
    """Poll a request and return its state.

    Raises OAuthRefusal `invalid_grant`, `expired_token`, `access_denied`.
    """
    if len(auth_req_id) > _LONGEST:
        raise not_valid("verzoek_onbekend")
    digest = secrets.digest(auth_req_id)
    found = (await exchange.session.execute(_polling(digest, client, exchange.at))).mappings().one_or_none()
    if found is None:
        raise not_valid("verzoek_onbekend")
    if not await authenticate_row(exchange.session, SEALED_BACKCHANNEL_REQUEST, found, "b_", at=exchange.at):
        raise not_valid(INVALID)
    if found["b_state"] == "used":
        raise not_valid("verzoek_hergebruikt")
    if found["b_state"] == "denied":
        raise OAuthRefusal(Wire.ACCESS_DENIED, "verzoek_geweigerd")
    ends = min(found["b_expires_at"], found["b_created_at"] + STANDS_AT_MOST)  # the MAC covers created_at only
    if found["b_state"] == "expired" or exchange.at >= ends:
        await _expired(exchange, found)
    if found["b_state"] == "approved":
        return Approved(GrantId(found["b_grant_id"]), found["b_jkt"])
    if not _machtiging_holds(found, exchange.at):
        await _end(exchange, digest)
        raise OAuthRefusal(Wire.ACCESS_DENIED, "machtiging_geldt_niet")
    return Waiting(found["too_soon"])


def _before(digest: bytes, client: Client) -> CTE:
    """Build the CTE that reads and locks the request row.

    A concurrent poll waits for the lock and then reads the result of this one.
    """
    machtiging = machtiging_table()
    both = _REQUEST.outerjoin(machtiging, machtiging.c.id == _REQUEST.c.machtiging_id)
    columns = (*(column.label(f"b_{column.name}") for column in _REQUEST.c), *MACHTIGING_COLUMNS)
    mine = (_REQUEST.c.request_hash == digest, _REQUEST.c.client_id == client.client_id)
    return select(*columns).select_from(both).where(*mine).with_for_update(of=_REQUEST).cte("before")


def _polling(digest: bytes, client: Client, at: datetime) -> Update:
    was = _before(digest, client)
    live = was.c.b_expires_at > at
    waits = was.c.b_interval_seconds * literal(timedelta(seconds=1)) - literal(EARLY)
    too_soon = and_(was.c.b_state == "pending", live, func.coalesce(was.c.b_polled_at + waits > at, False))
    slower = func.least(was.c.b_interval_seconds + SLOWER, LONGEST_INTERVAL)
    becomes = case(
        (and_(was.c.b_state == "approved", live), "used"),
        (and_(was.c.b_state == "pending", ~live), "expired"),
        else_=was.c.b_state,
    )
    interval = case((too_soon, slower), else_=was.c.b_interval_seconds)
    noting = update(_REQUEST).where(_REQUEST.c.request_hash == was.c.b_request_hash)
    noting = noting.values(polled_at=at, state=becomes, interval_seconds=interval)
    return noting.returning(*was.c, too_soon.label("too_soon"))


def _machtiging_holds(found: Mapping[Any, Any], at: datetime) -> bool:
    if found["b_machtiging_id"] is None:
        return True
    return is_usable(machtiging_from_mapping(found), found["b_person_id"], found["b_organisation_kvk"], at)


async def _end(exchange: Exchange, digest: bytes) -> None:
    mine = (_REQUEST.c.request_hash == digest, _REQUEST.c.state == "pending")
    await exchange.session.execute(update(_REQUEST).where(*mine).values(state="denied"))


async def _expired(exchange: Exchange, found: Mapping[Any, Any]) -> NoReturn:
    """Refuse an expired request. End its grant when it was approved and never fetched.

    Raises OAuthRefusal `expired_token`.
    """
    if found["b_grant_id"] is not None:
        ending = Ending("verzoek_verlopen")
        await end_grant(exchange.session, GrantId(found["b_grant_id"]), ending, at=exchange.at)
    raise OAuthRefusal(Wire.EXPIRED_TOKEN, "verzoek_verlopen")
