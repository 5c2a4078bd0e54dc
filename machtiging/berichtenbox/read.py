"""Read one letter: find the envelope, ask the guard, decrypt with the Permit, mark as read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, permit, permit_and_fetch
from machtiging.access.permit import Permit
from machtiging.berichtenbox.queries import (
    BERICHT,
    CONTENT,
    MARK,
    Afzender,
    LookAlong,
    content_while_open,
    find_bericht,
    target_of,
)
from machtiging.crypto.envelope import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Act, Capacity
from machtiging.identity.keys import data_key_in
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import BerichtId, BijlageId
from machtiging.storage.statement import Found, Statement, Work

_OWN_MARK = Statement(
    update(BERICHT)
    .where(BERICHT.c.id == bindparam("bericht"), BERICHT.c.read_at.is_(None))
    .values(read_at=bindparam("at"))
)
_MARK = Statement(insert(MARK).on_conflict_do_nothing(), ("bericht_id", "person_id", "first_read_at"))


@dataclass(frozen=True, slots=True)
class BijlageView:
    """A bijlage without its content."""

    bijlage_id: BijlageId
    naam: str
    mime_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Letter:
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


async def read(work: Work, keyring: KeyRing, policy: Policy, actor: Actor, bericht_id: UUID, *, at: datetime) -> Letter:
    """Read a letter, journal the access and mark it as read. Raises as `access.guard.issue_permit` does."""
    found = await find_bericht(work, bericht_id, actor.person_id, at)
    leave, content = await permit_and_fetch(
        work, policy, actor, target_of(found, "bericht", bericht_id), CONTENT, at=at
    )
    return await _opened_and_marked(work, keyring, leave, found, content)


async def check_readable(work: Work, policy: Policy, actor: Actor, bericht_id: UUID, *, at: datetime) -> None:
    """Authorize and journal reading, without decrypting or marking. Raises as `access.guard.issue_permit` does."""
    found = await find_bericht(work, bericht_id, actor.person_id, at)
    await permit(work, policy, actor, Act.READ, target_of(found, "bericht", bericht_id), at=at)


async def check_readable_while_open(work: Work, policy: Policy, actor: Actor, look: LookAlong, *, at: datetime) -> bool:
    """As `authorize_reading`, with an optimistic lock. Returns False if something changed since `query`."""
    found = look.found
    fetch = CONTENT if found is None else content_while_open(found)
    target = target_of(found, "bericht", look.asked)
    _, content = await permit_and_fetch(work, policy, actor, target, fetch, at=at)
    return content is not None


async def read_while_open(
    work: Work, keyring: KeyRing, policy: Policy, actor: Actor, look: LookAlong, *, at: datetime
) -> Letter | None:
    """As `read_bericht`, with an optimistic lock. Returns None if something changed since `query`."""
    found = look.found
    target = target_of(found, "bericht", look.asked)
    fetch = CONTENT if found is None else content_while_open(found)
    leave, content = await permit_and_fetch(work, policy, actor, target, fetch, at=at)
    return None if content is None else await _opened_and_marked(work, keyring, leave, found, content)


async def _opened_and_marked(
    work: Work, keyring: KeyRing, leave: Permit, found: Found | None, content: Found | None
) -> Letter:
    letter = opened(keyring, leave, found, content)
    if found is not None and found["read_at" if leave.capacity is Capacity.SELF else "marked_at"] is None:
        await _mark(work, leave)
    return letter


def opened(keyring: KeyRing, leave: Permit, found: Found | None, content: Found | None) -> Letter:
    """Decrypt a letter. Raises Fault `permit_voor_ander_bericht` when the Permit is for another letter."""
    bericht_id = leave.bericht(Act.READ)
    if (
        found is None
        or content is None
        or content["inhoud_sealed"] is None
        or found["id"] != bericht_id
        or found["ontvanger_id"] != leave.vertegenwoordigde_id
    ):
        raise Fault("permit_voor_ander_bericht")
    key = data_key_in(content, keyring, leave.vertegenwoordigde_id)
    own = leave.capacity is Capacity.SELF
    place = ("bericht", str(bericht_id))
    return Letter(
        bericht_id=bericht_id,
        afzender=Afzender(found["afzender_oin"], found["afzender_naam"]),
        dienst=found["dienst_code"],
        onderwerp=key.open(content["onderwerp_sealed"], *place, "onderwerp").decode(),
        inhoud=key.open(content["inhoud_sealed"], *place, "inhoud").decode(),
        published_at=found["published_at"],
        received_at=found["received_at"],
        bijlagen=[_bijlage(key, known) for known in content["bijlagen"] or ()],
        folder=found["folder"] if own else None,
        changed_at=found["changed_at"] if own else None,
    )


def _bijlage(key: DataKey, known: dict[str, Any]) -> BijlageView:
    naam = key.open(bytes.fromhex(known["naam_sealed"]), "bijlage", known["id"], "naam").decode()
    return BijlageView(BijlageId(UUID(known["id"])), naam, known["mime_type"], known["size"])


async def _mark(work: Work, leave: Permit) -> None:
    # A helper has a separate mark: reading does not change the citizen's view.
    bericht_id = leave.bericht(Act.READ)
    if leave.capacity is Capacity.SELF:
        await _OWN_MARK.run(work, {"bericht": bericht_id, "at": leave.at})
        return
    await _MARK.run(work, {"bericht_id": bericht_id, "person_id": leave.actor_id, "first_read_at": leave.at})
