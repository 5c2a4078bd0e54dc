"""Read one letter: find the envelope, ask the guard, decrypt it, mark it read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_permit_and_fetch
from machtiging.access.permit import Permit
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.berichtenbox.queries import (
    BERICHT,
    READER_MARK,
    Afzender,
    EnvelopeLookup,
    build_access_target,
    build_content_query,
)
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Act, Capacity
from machtiging.identity.data_keys import unwrap_data_key
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import BerichtId, BijlageId, PersonId
from machtiging.storage.statement import Executor, ResultRow, Statement

# A retry follows a concurrent change of what the reader relies on. Even one is rare.
_MAX_ATTEMPTS = 5
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
    """A decrypted letter. `folder`, `changed_at` and `read_at` are the citizen's own; None for a helper."""

    bericht_id: BerichtId
    ontvanger_id: PersonId
    afzender: Afzender
    dienst: str
    theme: Theme
    sensitivity: Sensitivity
    onderwerp: str
    inhoud: str
    published_at: datetime
    received_at: datetime
    bijlagen: list[BijlageView]
    folder: str | None
    changed_at: datetime | None
    read_at: datetime | None


# The letter; for HEAD only the Permit.
ReadResult: TypeAlias = BerichtView | Permit


async def retry_while_changed(attempt: Callable[[int], Awaitable[ReadResult | None]]) -> ReadResult:
    """Run an attempt until it has a result, at most five times.

    An attempt gets its number, from zero. It loads everything again, and returns None if something changed meanwhile.
    Raises Fault `opslag_niet_bereikbaar`.
    """
    for number in range(_MAX_ATTEMPTS):
        result = await attempt(number)
        if result is not None:
            return result
    raise Fault("opslag_niet_bereikbaar", private="what the reader relies on changed again and again")


async def read_bericht(
    executor: Executor, keyring: KeyRing, policy: Policy, actor: Actor, lookup: EnvelopeLookup, *, at: datetime
) -> BerichtView | None:
    """Read a letter, journal the access and mark it as read.

    Returns None if something changed since the lookup (optimistic lock): see `retry_while_changed`. Raises as
    `access.guard.issue_permit` does.
    """
    read_permit, content = await _fetch_content(executor, policy, actor, lookup, at)
    if content is None:
        return None
    letter = decrypt_bericht(keyring, read_permit, lookup.envelope, content)
    mark = "read_at" if read_permit.capacity is Capacity.SELF else "marked_at"
    if lookup.envelope is not None and lookup.envelope[mark] is None:
        await _mark_as_read(executor, read_permit)
    return letter


async def authorize_reading(
    executor: Executor, policy: Policy, actor: Actor, lookup: EnvelopeLookup, *, at: datetime
) -> Permit | None:
    """Authorize and journal reading, without decrypting or marking. Returns and raises as `read_bericht`."""
    read_permit, content = await _fetch_content(executor, policy, actor, lookup, at)
    return None if content is None else read_permit


async def _fetch_content(
    executor: Executor, policy: Policy, actor: Actor, lookup: EnvelopeLookup, at: datetime
) -> tuple[Permit, ResultRow | None]:
    target = build_access_target(lookup.envelope, "bericht", lookup.bericht_id)
    return await issue_permit_and_fetch(executor, policy, actor, target, build_content_query(lookup), at=at)


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
        ontvanger_id=read_permit.vertegenwoordigde_id,
        afzender=Afzender(envelope["afzender_oin"], envelope["afzender_naam"]),
        dienst=envelope["dienst_code"],
        theme=Theme(envelope["theme"]),
        sensitivity=Sensitivity(envelope["sensitivity"]),
        onderwerp=key.decrypt(content["onderwerp_sealed"], *place, "onderwerp").decode(),
        inhoud=key.decrypt(content["inhoud_sealed"], *place, "inhoud").decode(),
        published_at=envelope["published_at"],
        received_at=envelope["received_at"],
        bijlagen=[_build_bijlage_view(key, bijlage) for bijlage in content["bijlagen"] or ()],
        folder=envelope["folder"] if own else None,
        changed_at=envelope["changed_at"] if own else None,
        read_at=(envelope["read_at"] or read_permit.at) if own else None,
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
