"""Read one letter: find the envelope, ask the guard, decrypt it, mark it read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_permit, issue_permit_and_fetch
from machtiging.access.permit import Permit
from machtiging.berichtenbox.queries import (
    BERICHT,
    CONTENT_FETCH,
    READER_MARK,
    Afzender,
    TokenAndEnvelopeQuery,
    build_access_target,
    conditional_content_fetch,
    find_bericht,
)
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Act, Capacity
from machtiging.identity.data_keys import unwrap_data_key
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import BerichtId, BijlageId
from machtiging.storage.statement import Executor, ResultRow, Statement

_UPDATE_READ_AT = Statement(
    update(BERICHT)
    .where(BERICHT.c.id == bindparam("bericht"), BERICHT.c.read_at.is_(None))
    .values(read_at=bindparam("at"))
)
_INSERT_READER_MARK = Statement(
    insert(READER_MARK).on_conflict_do_nothing(), ("bericht_id", "person_id", "first_read_at")
)


@dataclass(frozen=True, slots=True)
class BijlageView:
    """A bijlage without its content."""

    bijlage_id: BijlageId
    naam: str
    mime_type: str
    size: int


@dataclass(frozen=True, slots=True)
class BerichtView:
    """A decrypted letter. `folder` and `changed_at` are the citizen's own; None for a helper."""

    bericht_id: BerichtId
    afzender: Afzender
    dienst: str
    onderwerp: str
    inhoud: str
    published_at: datetime
    received_at: datetime
    bijlagen: list[BijlageView]
    folder: str | None
    changed_at: datetime | None


async def read_bericht(
    executor: Executor, keyring: KeyRing, policy: Policy, actor: Actor, bericht_id: UUID, *, at: datetime
) -> BerichtView:
    """Read a letter, journal the access and mark it as read. Raises as `access.guard.issue_permit` does."""
    found = await find_bericht(executor, bericht_id, actor.person_id, at)
    read_permit, content = await issue_permit_and_fetch(
        executor, policy, actor, build_access_target(found, "bericht", bericht_id), CONTENT_FETCH, at=at
    )
    return await _decrypt_and_mark(executor, keyring, read_permit, found, content)


async def authorize_reading(
    executor: Executor, policy: Policy, actor: Actor, bericht_id: UUID, *, at: datetime
) -> None:
    """Authorize and journal reading, without decrypting or marking. Raises as `access.guard.issue_permit` does."""
    found = await find_bericht(executor, bericht_id, actor.person_id, at)
    await issue_permit(executor, policy, actor, Act.READ, build_access_target(found, "bericht", bericht_id), at=at)


async def authorize_reading_if_unchanged(
    executor: Executor, policy: Policy, actor: Actor, query: TokenAndEnvelopeQuery, *, at: datetime
) -> bool:
    """As `authorize_reading`, with an optimistic lock. Returns False if something changed since `query`."""
    found = query.envelope
    fetch = CONTENT_FETCH if found is None else conditional_content_fetch(found)
    target = build_access_target(found, "bericht", query.bericht_id)
    _, content = await issue_permit_and_fetch(executor, policy, actor, target, fetch, at=at)
    return content is not None


async def read_bericht_if_unchanged(
    executor: Executor, keyring: KeyRing, policy: Policy, actor: Actor, query: TokenAndEnvelopeQuery, *, at: datetime
) -> BerichtView | None:
    """As `read_bericht`, with an optimistic lock. Returns None if something changed since `query`."""
    found = query.envelope
    target = build_access_target(found, "bericht", query.bericht_id)
    fetch = CONTENT_FETCH if found is None else conditional_content_fetch(found)
    read_permit, content = await issue_permit_and_fetch(executor, policy, actor, target, fetch, at=at)
    return None if content is None else await _decrypt_and_mark(executor, keyring, read_permit, found, content)


async def _decrypt_and_mark(
    executor: Executor, keyring: KeyRing, read_permit: Permit, envelope: ResultRow | None, content: ResultRow | None
) -> BerichtView:
    letter = decrypt_bericht(keyring, read_permit, envelope, content)
    if envelope is not None and envelope["read_at" if read_permit.capacity is Capacity.SELF else "marked_at"] is None:
        await _mark_as_read(executor, read_permit)
    return letter


def decrypt_bericht(
    keyring: KeyRing, read_permit: Permit, envelope: ResultRow | None, content: ResultRow | None
) -> BerichtView:
    """Decrypt a letter. Raises Fault `permit_voor_ander_bericht` when the Permit is for another letter."""
    bericht_id = read_permit.bericht_id_for(Act.READ)
    if (
        envelope is None
        or content is None
        or content["inhoud_sealed"] is None
        or envelope["id"] != bericht_id
        or envelope["ontvanger_id"] != read_permit.vertegenwoordigde_id
    ):
        raise Fault("permit_voor_ander_bericht")
    key = unwrap_data_key(content, keyring, read_permit.vertegenwoordigde_id)
    own = read_permit.capacity is Capacity.SELF
    place = ("bericht", str(bericht_id))
    return BerichtView(
        bericht_id=bericht_id,
        afzender=Afzender(envelope["afzender_oin"], envelope["afzender_naam"]),
        dienst=envelope["dienst_code"],
        onderwerp=key.decrypt(content["onderwerp_sealed"], *place, "onderwerp").decode(),
        inhoud=key.decrypt(content["inhoud_sealed"], *place, "inhoud").decode(),
        published_at=envelope["published_at"],
        received_at=envelope["received_at"],
        bijlagen=[_build_bijlage_view(key, bijlage) for bijlage in content["bijlagen"] or ()],
        folder=envelope["folder"] if own else None,
        changed_at=envelope["changed_at"] if own else None,
    )


def _build_bijlage_view(key: DataKey, row: dict[str, Any]) -> BijlageView:
    naam = key.decrypt(bytes.fromhex(row["naam_sealed"]), "bijlage", row["id"], "naam").decode()
    return BijlageView(BijlageId(UUID(row["id"])), naam, row["mime_type"], row["size"])


async def _mark_as_read(executor: Executor, read_permit: Permit) -> None:
    # A helper has a separate mark: reading does not change the citizen's view.
    bericht_id = read_permit.bericht_id_for(Act.READ)
    if read_permit.capacity is Capacity.SELF:
        await _UPDATE_READ_AT.execute(executor, {"bericht": bericht_id, "at": read_permit.at})
        return
    await _INSERT_READER_MARK.execute(
        executor, {"bericht_id": bericht_id, "person_id": read_permit.actor_id, "first_read_at": read_permit.at}
    )
