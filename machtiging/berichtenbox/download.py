"""Download a bijlage: authorized and journalled once, and access re-checked before every part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, permit
from machtiging.access.permit import Permit
from machtiging.access.tokens import hold
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.berichtenbox.queries import find_bijlage, target_of
from machtiging.berichtenbox.rules import place_of_part
from machtiging.berichtenbox.tables import BijlagePart
from machtiging.crypto.envelope import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Act
from machtiging.identity.people import data_key_of
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault, NotInForce
from machtiging.storage.unit_of_work import unit_of_work

_PART: Table = BijlagePart.__table__  # type: ignore[attr-defined]
BROKEN_OFF = "toegang_beeindigd_tijdens_downloaden"


@dataclass(frozen=True, slots=True)
class Download:
    """A bijlage with a Permit to download, its size and its data key."""

    naam: str
    size: int
    parts: int
    bijlage_id: UUID
    key: DataKey
    leave: Permit


async def download(
    session: AsyncSession, keyring: KeyRing, policy: Policy, actor: Actor, asked: tuple[UUID, UUID], *, at: datetime
) -> Download:
    """Authorize the download. `ids` are those of letter and bijlage. Raises as `access.guard.issue_permit` does."""
    bericht_id, bijlage_id = asked
    found = await find_bijlage(session, bericht_id, bijlage_id, actor.person_id, at)
    leave = await permit(session, policy, actor, Act.DOWNLOAD, target_of(found, "bijlage", bijlage_id), at=at)
    if found is None or found["id"] != leave.bericht(Act.DOWNLOAD):
        raise Fault("permit_voor_ander_bericht")
    key = await data_key_of(session, keyring, leave.vertegenwoordigde_id)
    naam = key.open(found["naam_sealed"], "bijlage", str(bijlage_id), "naam").decode()
    return Download(naam, found["size"], found["parts"], bijlage_id, key, leave)


async def contents(
    sessions: async_sessionmaker[AsyncSession], actor: Actor, wanted: Download, clock: Clock
) -> AsyncIterator[bytes]:
    """Stream the parts in order. Each has its own short transaction with a check of the access.

    Raises NotInForce `toegang_beeindigd_tijdens_downloaden`: the response is aborted and this is journalled.
    """
    for number in range(wanted.parts):
        async with unit_of_work(sessions) as session:
            await _still_stands(session, actor, wanted, at=clock.now())
            piece = await _piece(session, wanted, number)
        yield piece


async def _piece(session: AsyncSession, wanted: Download, number: int) -> bytes:
    here = _PART.c.bijlage_id == wanted.bijlage_id, _PART.c.number == number
    sealed = await session.scalar(select(_PART.c.sealed).where(*here))
    if sealed is None:
        raise Fault("bijlage_onvolledig", private=f"part {number} of {wanted.bijlage_id} is not there")
    return wanted.key.open(sealed, *place_of_part(wanted.bijlage_id, number, wanted.parts))


async def _still_stands(session: AsyncSession, actor: Actor, wanted: Download, *, at: datetime) -> None:
    # Without a token this is the citizen's own box on the portal. That access cannot be revoked.
    if actor.token_id is None:
        return
    state = await hold(session, actor.token_id, at)
    # Expiry of the token during a large download is accepted; its revocation is not.
    if state is not None and state.is_usable_at(at) and state.revoked_at is None:
        return
    line = Line(
        JournalAct.BERICHT_DOWNLOADEN,
        Outcome.REFUSED,
        BROKEN_OFF,
        actor_id=actor.person_id,
        capacity=actor.capacity,
        client_id=actor.client_id,
        for_person_id=actor.vertegenwoordigde_id,
        machtiging_id=wanted.leave.machtiging_id,
        object_kind="bijlage",
        object_id=str(wanted.bijlage_id),
    )
    await record(session, line, at=at)
    raise NotInForce(BROKEN_OFF, "De toegang is beëindigd terwijl u downloadde.")
