"""Download a bijlage: authorized and journalled once, and access re-checked before every part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_permit
from machtiging.access.permit import Permit
from machtiging.access.session_lookup import load_open_session_authority
from machtiging.access.token_lookup import load_token_for_share
from machtiging.access.verdict import evaluate_standing
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.berichtenbox.queries import build_access_target, build_envelope, find_bijlage
from machtiging.berichtenbox.rules import build_part_context
from machtiging.berichtenbox.tables import BijlagePart
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act, BerichtEnvelope, scope_violation
from machtiging.identity.people import load_data_key
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault, NotInForce
from machtiging.kernel.ids import TokenId
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work

_PART = table_of(BijlagePart)
DOWNLOAD_ABORTED = "toegang_beeindigd_tijdens_downloaden"


@dataclass(frozen=True, slots=True)
class BijlageDownload:
    """A bijlage with a Permit to download, its size and its data key.

    `envelope` is that of the letter, to ask the scope again before each part.
    """

    naam: str
    size: int
    parts: int
    bijlage_id: UUID
    key: DataKey
    permit: Permit
    envelope: BerichtEnvelope


async def authorize_download(
    session: AsyncSession, keyring: KeyRing, policy: Policy, actor: Actor, ids: tuple[UUID, UUID], *, at: datetime
) -> BijlageDownload:
    """Authorize the download. `ids` are those of letter and bijlage. Raises as `access.guard.issue_permit` does."""
    bericht_id, bijlage_id = ids
    found = await find_bijlage(session, bericht_id, bijlage_id, actor.person_id, at)
    permit = await issue_permit(
        session, policy, actor, Act.DOWNLOAD, build_access_target(found, "bijlage", bijlage_id), at=at
    )
    if found is None or found["id"] != permit.bericht_id_for(Act.DOWNLOAD):
        raise Fault("permit_voor_ander_bericht")
    key = await load_data_key(session, keyring, permit.vertegenwoordigde_id)
    naam = key.decrypt(found["naam_sealed"], "bijlage", str(bijlage_id), "naam").decode()
    return BijlageDownload(naam, found["size"], found["parts"], bijlage_id, key, permit, build_envelope(found))


async def stream_bijlage(
    sessions: async_sessionmaker[AsyncSession], actor: Actor, bijlage: BijlageDownload, clock: Clock
) -> AsyncIterator[bytes]:
    """Stream the parts in order. Each has its own short transaction with a check of the access.

    Raises NotInForce `toegang_beeindigd_tijdens_downloaden`: the response is aborted and this is journalled.
    """
    for number in range(bijlage.parts):
        async with unit_of_work(sessions) as session:
            await _assert_access_active(session, actor, bijlage, at=clock.now())
            piece = await _decrypt_part(session, bijlage, number)
        yield piece


async def _decrypt_part(session: AsyncSession, bijlage: BijlageDownload, number: int) -> bytes:
    here = _PART.c.bijlage_id == bijlage.bijlage_id, _PART.c.number == number
    sealed = await session.scalar(select(_PART.c.sealed).where(*here))
    if sealed is None:
        raise Fault("bijlage_onvolledig", private=f"part {number} of {bijlage.bijlage_id} is not there")
    return bijlage.key.decrypt(sealed, *build_part_context(bijlage.bijlage_id, number, bijlage.parts))


def _covers_download(authority: Authority, envelope: BerichtEnvelope) -> bool:
    """Return True if the authority still covers a download of this letter.

    A new agreement or a lower ceiling can take it away meanwhile.
    """
    return Act.DOWNLOAD in authority.acts and scope_violation(authority.scope, envelope) is None


async def _is_token_active(session: AsyncSession, token_id: TokenId, bijlage: BijlageDownload, *, at: datetime) -> bool:
    """Return True if the token still gives this. Its expiry is accepted during a large download."""
    state = await load_token_for_share(session, token_id, at, addressed=bijlage.permit.machtiging_id)
    if state is None or state.revoked_at is not None or state.representation_refusal(at) is not None:
        return False
    if state.representation is None:
        return state.facts.representation_set is None
    return _covers_download(state.representation, bijlage.envelope)


async def _is_session_active(session: AsyncSession, actor: Actor, bijlage: BijlageDownload, *, at: datetime) -> bool:
    """Return True if the login session and its authority still give this. Expiry is accepted, as of a token."""
    if actor.session_id is None or actor.machtiging_id is None:
        return False
    found = await load_open_session_authority(session, actor.session_id, actor.machtiging_id, at=at)
    if found is None:
        return False
    current = replace(actor, authority=found)
    return evaluate_standing(current, at) is None and _covers_download(found, bijlage.envelope)


async def _assert_access_active(session: AsyncSession, actor: Actor, bijlage: BijlageDownload, *, at: datetime) -> None:
    if actor.token_id is not None:
        is_active = await _is_token_active(session, actor.token_id, bijlage, at=at)
    else:
        # The citizen's own box on the portal: that access cannot be revoked.
        is_active = actor.authority is None or await _is_session_active(session, actor, bijlage, at=at)
    if is_active:
        return
    line = NewJournalLine(
        JournalAct.BERICHT_DOWNLOADEN,
        JournalOutcome.REFUSED,
        DOWNLOAD_ABORTED,
        actor_id=actor.person_id,
        capacity=actor.capacity,
        client_id=actor.client_id,
        for_person_id=actor.vertegenwoordigde_id,
        machtiging_id=bijlage.permit.machtiging_id,
        on_behalf_of=actor.organisation_id,
        object_kind="bijlage",
        object_id=str(bijlage.bijlage_id),
    )
    await record(session, line, at=at)
    raise NotInForce(DOWNLOAD_ABORTED)
