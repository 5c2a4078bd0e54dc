"""Using a refresh token: one statement decides who was first, and whoever comes second ends the whole family."""

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
    """A used token came again. `first`: this request is the one that ended the family."""

    def __init__(self, *, first: bool) -> None:
        super().__init__(Wire.INVALID_GRANT, REUSED)
        self.first = first


@dataclass(frozen=True, slots=True)
class Used:
    """A refresh token that this very request used up."""

    token_hash: bytes
    grant_id: GrantId
    resource: str | None
    expires_at: datetime
    organisation_kvk: str | None


async def use_up(session: AsyncSession, text: str, client: Client, bound: Binding, *, at: datetime) -> Used:
    """Use a token of this client up, if its holder shows what it is tied to.

    Raises OAuthRefusal `invalid_grant`, `invalid_dpop_proof`, and Reused for one that was used before: then the family
    has been ended in this transaction, which must commit. The client is held first, then the token, then the grant: so
    does everybody.
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
    """Of another client, or never made: unknown, and nothing happens. Tied to something else: it stays as it is."""
    mine = (_TOKEN.c.token_hash == digest, _TOKEN.c.client_id == client.client_id)
    found = (await session.execute(select(_TOKEN).where(*mine))).one_or_none()
    if found is None:
        raise OAuthRefusal(Wire.INVALID_GRANT, "verversing_onbekend")
    if found.used_at is None:
        raise unfit(client, Binding(found.jkt, found.x5t), bound)
    raise Reused(first=await end_family(session, GrantId(found.grant_id), client, at=at))


async def give_back(session: AsyncSession, used: Used) -> None:
    """Let it be unused again, in the transaction that used it: a refusal uses nothing up.

    Otherwise a client that asks too much, or while the machtiging is paused, would seem a thief when it tries again.
    """
    await session.execute(update(_TOKEN).where(_TOKEN.c.token_hash == used.token_hash).values(used_at=None))
