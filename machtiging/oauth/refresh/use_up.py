"""Refresh token rotation: one atomic UPDATE consumes the token; a second use ends the family."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.proof.binding import Binding
from machtiging.audit.forged_rows import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.ids import GrantId
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.queries import hold_client
from machtiging.oauth.refresh.end_family import REUSED, end_family
from machtiging.oauth.refresh.tied import fitting, unfit
from machtiging.oauth.tables import SEALED_REFRESH_TOKEN, RefreshToken
from machtiging.storage.row_mac import INVALID

_TOKEN: Table = RefreshToken.__table__  # type: ignore[attr-defined]


class Reused(OAuthRefusal):
    """A used refresh token was presented again. `ended_family`: this request ended the family."""

    def __init__(self, *, first: bool) -> None:
        super().__init__(Wire.INVALID_GRANT, REUSED)
        self.first = first


@dataclass(frozen=True, slots=True)
class Used:
    """A refresh token that this request consumed."""

    token_hash: bytes
    grant_id: GrantId
    resource: str | None
    expires_at: datetime
    organisation_kvk: str | None


async def use_up(session: AsyncSession, text: str, client: Client, bound: Binding, *, at: datetime) -> Used:
    """Consume a refresh token of this client, if the binding matches.

    Raises OAuthRefusal `invalid_grant`, `invalid_dpop_proof`. Raises RefreshTokenReuse for a used token: the family was
    ended in this transaction, which must commit. Lock order, as everywhere: client, token, grant.
    """
    if not await hold_client(session, client.client_id):
        raise OAuthRefusal(Wire.INVALID_CLIENT, "client_onbekend")
    digest = secrets.digest(text)
    mine = (_TOKEN.c.token_hash == digest, _TOKEN.c.client_id == client.client_id)
    using = update(_TOKEN).where(*mine, *fitting(client, bound), _TOKEN.c.used_at.is_(None)).values(used_at=at)
    row = (await session.execute(using.returning(*_TOKEN.c))).one_or_none()
    if row is None:
        await _refuse(session, digest, client, bound, at)
    if not await authenticate_row(session, SEALED_REFRESH_TOKEN, row, at=at):
        raise OAuthRefusal(Wire.INVALID_GRANT, INVALID)
    return Used(digest, GrantId(row.grant_id), row.resource, row.expires_at, row.organisation_kvk)


async def _refuse(session: AsyncSession, digest: bytes, client: Client, bound: Binding, at: datetime) -> NoReturn:
    """Raise the refusal for a token that could not be consumed.

    Unknown, or of another client: nothing changes. With another binding: the token stays usable. Used: reuse detection.
    """
    mine = (_TOKEN.c.token_hash == digest, _TOKEN.c.client_id == client.client_id)
    found = (await session.execute(select(_TOKEN).where(*mine))).one_or_none()
    if found is None:
        raise OAuthRefusal(Wire.INVALID_GRANT, "verversing_onbekend")
    if found.used_at is None:
        raise unfit(client, Binding(found.jkt, found.x5t), bound)
    raise Reused(first=await end_family(session, GrantId(found.grant_id), client, at=at))


async def give_back(session: AsyncSession, used: Used) -> None:
    """Mark the token as unused again, in the same transaction: a refusal consumes nothing.

    Otherwise the client's retry, after an excessive request or a paused machtiging, would look like theft.
    """
    await session.execute(update(_TOKEN).where(_TOKEN.c.token_hash == used.token_hash).values(used_at=None))
