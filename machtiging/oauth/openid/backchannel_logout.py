"""Send logout tokens to clients (OpenID Connect Back-Channel Logout 1.0), at least once.

A notice is claimed first: its next try is set and committed. Then the client is called with no transaction open. So a
slow client holds no lock, two senders never send the same notice at the same moment, and a notice of a killed sender is
tried again. After the last try it is given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import MachtigingError
from machtiging.kernel.ids import uuid7
from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.logout_notices import derive_sid
from machtiging.oauth.tables import LogoutNotice
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, Sweep
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.outbound.http_client import OutboundHttpClient

LOGOUT_TOKEN_TYP = "logout+jwt"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_LIFETIME = timedelta(minutes=2)
RETRY_DELAYS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
MAX_TRIES = len(RETRY_DELAYS)
_NOTICE_RETENTION = timedelta(days=7)
_BATCH_SIZE = 10
_NOTICE = table_of(LogoutNotice)
_sweep = Sweep((_NOTICE, _NOTICE.c.created_at < SWEEP_AT - _NOTICE_RETENTION))
_log = structlog.get_logger("machtiging.oauth")
# Posts a form to a URI and returns the status. Raises MachtigingError when there is no response.
PostForm = Callable[[str, Mapping[str, str]], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class LogoutSender:
    """The dependencies for sending logout tokens."""

    sessions: async_sessionmaker[AsyncSession]
    issuer: Issuer
    clock: Clock
    post: PostForm


def build_post_form(outbound: OutboundHttpClient) -> PostForm:
    """Build a `PostForm` that uses the SSRF guard, since clients choose the URIs."""

    async def post_form(uri: str, form: Mapping[str, str]) -> int:
        return (await outbound.post(uri, form)).status

    return post_form


def sign_logout_token(issuer: Issuer, client: Client, notice: Row[Any], at: datetime) -> str:
    """Sign the logout token (section 2.4). It has no nonce, so it cannot pass for an ID token."""
    now = int(at.timestamp())
    claims = {
        "iss": issuer.url,
        "aud": client.client_id,
        "iat": now,
        "exp": now + int(LOGOUT_TOKEN_LIFETIME.total_seconds()),
        "jti": str(uuid7()),
        "events": {LOGOUT_EVENT: {}},
        "sub": issuer.keyring.pairwise_subject(notice.person_id, client.sector_identifier),
        "sid": derive_sid(issuer.keyring, client.client_id, notice.session_id),
    }
    return issuer.keyring.sign_jwt(claims, typ=LOGOUT_TOKEN_TYP, alg=client.id_token_alg)


async def send_due_notices(sender: LogoutSender) -> int:
    """Send the due notices concurrently; return the number that clients accepted."""
    claimed = await _claim_due_notices(sender)
    outcomes = await asyncio.gather(*(_deliver_notice(sender, notice, client) for notice, client in claimed))
    return sum(outcomes)


async def _claim_due_notices(sender: LogoutSender) -> list[tuple[Row[Any], Client]]:
    at = sender.clock.now()
    async with unit_of_work(sender.sessions) as session:
        await _sweep(session, at=at)
        waiting = (_NOTICE.c.sent_at.is_(None), _NOTICE.c.given_up_at.is_(None), _NOTICE.c.next_try_at <= at)
        due = select(_NOTICE).where(*waiting).order_by(_NOTICE.c.next_try_at).limit(_BATCH_SIZE)
        claimed = []
        for notice in (await session.execute(due.with_for_update(skip_locked=True))).all():
            client = await queries.find_active_client(session, notice.client_id)
            if client is None or client.backchannel_logout_uri is None or notice.tries >= MAX_TRIES:
                await _update_notice(session, notice.id, {"given_up_at": at})
                _log.warning("logout_notice_given_up", client_id=notice.client_id)
                continue
            await _update_notice(
                session, notice.id, {"tries": notice.tries + 1, "next_try_at": at + RETRY_DELAYS[notice.tries]}
            )
            claimed.append((notice, client))
        return claimed


async def _deliver_notice(sender: LogoutSender, notice: Row[Any], client: Client) -> bool:
    uri = client.backchannel_logout_uri  # from the client row, which has a MAC; the notice has none
    if uri is None:
        return False
    form = {"logout_token": sign_logout_token(sender.issuer, client, notice, sender.clock.now())}
    try:
        status = await sender.post(uri, form)
    except MachtigingError as trouble:
        _log.warning("logout_notice_not_taken", client_id=notice.client_id, code=trouble.code)
        return False
    if status not in (200, 204):  # section 2.8: some frameworks turn an empty 200 into 204
        _log.warning("logout_notice_not_taken", client_id=notice.client_id, code=str(status))
        return False
    async with unit_of_work(sender.sessions) as session:
        await _update_notice(session, notice.id, {"sent_at": sender.clock.now()})
    return True


async def _update_notice(session: AsyncSession, notice_id: UUID, values: dict[str, Any]) -> None:
    await session.execute(update(_NOTICE).where(_NOTICE.c.id == notice_id).values(values))
