"""List letters in pages. The access policy is compiled to SQL conditions."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, false, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, permit_listing
from machtiging.access.permit import ListingPermit
from machtiging.berichtenbox.queries import BERICHT, Afzender, in_a_box, read_by_this_reader, select_page
from machtiging.crypto.envelope import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Scope
from machtiging.identity.people import data_key_of
from machtiging.kernel.clock import AMSTERDAM
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.ids import BerichtId, PersonId

LARGEST_PAGE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = struct.Struct(">q16s")
_SEAL = 16
_SHOWN = (
    BERICHT.c.id,
    BERICHT.c.ontvanger_id,
    BERICHT.c.afzender_oin,
    BERICHT.c.published_at,
    BERICHT.c.onderwerp_sealed,
    BERICHT.c.read_at,
)


@dataclass(frozen=True, slots=True)
class Summary:
    """One letter in the list. `read` is the mark of this reader."""

    bericht_id: BerichtId
    afzender: Afzender
    onderwerp: str
    published_at: datetime
    bijlagen: int
    read: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page of letters, newest first. `next_cursor` is None on the last page."""

    summaries: list[Summary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The cursor and the size of a requested page."""

    cursor: str | None
    size: int


async def browse(
    session: AsyncSession, keyring: KeyRing, policy: Policy, actor: Actor, wanted: Wanted, *, at: datetime
) -> Page:
    """Authorize the actor and load one page of letters.

    Raises as `issue_listing_permit` does, and InvalidInput `cursor_ongeldig`.
    """
    permit = await permit_listing(session, policy, actor, at=at)
    return await listed(session, keyring, permit, wanted)


async def listed(session: AsyncSession, keyring: KeyRing, permit: ListingPermit, wanted: Wanted) -> Page:
    """Load one page of the letters that the Permit allows. Raises InvalidInput `cursor_ongeldig`."""
    chosen = select(*_SHOWN).where(*in_a_box(permit.at), *conditions(permit))
    if wanted.cursor is not None:
        place = tuple_(BERICHT.c.published_at, BERICHT.c.id)
        chosen = chosen.where(place < tuple_(*_opened(keyring, permit, wanted.cursor)))
    chosen = chosen.order_by(BERICHT.c.published_at.desc(), BERICHT.c.id.desc()).limit(wanted.size + 1)
    rows = list((await session.execute(select_page(permit.actor_id, chosen))).all())
    key = await data_key_of(session, keyring, permit.vertegenwoordigde_id)
    shown = rows[: wanted.size]
    more = _cursor(keyring, permit, shown[-1]) if len(rows) > wanted.size else None
    return Page([_summary(key, row, permit.actor_id) for row in shown], more)


def conditions(permit: ListingPermit) -> list[ColumnElement[bool]]:
    """Return the SQL form of `ListingPermit.includes_envelope`.

    A property test checks that both agree with each other and with the guard.
    """
    pairs = [(theme.value, degree.value) for theme, degree in permit.pairs if _in_scope(permit.scope, theme, degree)]
    where = [BERICHT.c.ontvanger_id == permit.vertegenwoordigde_id]
    where.append(tuple_(BERICHT.c.theme, BERICHT.c.sensitivity).in_(sorted(pairs)) if pairs else false())
    if permit.scope is None:
        return where
    if permit.scope.afzenders is not None:
        where.append(BERICHT.c.afzender_oin.in_(sorted(permit.scope.afzenders)))
    if permit.scope.diensten is not None:
        where.append((BERICHT.c.afzender_oin + "/" + BERICHT.c.dienst_code).in_(sorted(permit.scope.diensten)))
    # "From this day on" is a calendar day in the Netherlands.
    where.append(BERICHT.c.published_at >= datetime.combine(permit.scope.letters_from, time(), AMSTERDAM))
    return where


def _in_scope(scope: Scope | None, theme: Any, degree: Any) -> bool:
    if scope is None:
        return True
    wanted = scope.themes is None or theme in scope.themes
    return wanted and theme not in scope.excluded_themes and degree.at_most(scope.highest_sensitivity)


def _summary(key: DataKey, row: Row[Any], reader: PersonId) -> Summary:
    return Summary(
        bericht_id=BerichtId(row.id),
        afzender=Afzender(row.afzender_oin, row.afzender_naam),
        onderwerp=key.open(row.onderwerp_sealed, "bericht", str(row.id), "onderwerp").decode(),
        published_at=row.published_at,
        bijlagen=row.bijlagen,
        read=read_by_this_reader(row, reader),
    )


def _seal(keyring: KeyRing, permit: ListingPermit, place: bytes) -> bytes:
    # Bound to reader and box: a cursor reveals the publication time of a letter.
    whose = f"{permit.vertegenwoordigde_id}|{permit.machtiging_id}|{permit.actor_id}|{place.hex()}"
    return keyring.blind_index("cursor", whose)[:_SEAL]


def _cursor(keyring: KeyRing, permit: ListingPermit, row: Row[Any]) -> str:
    microseconds = (row.published_at - _EPOCH) // timedelta(microseconds=1)
    place = _PLACE.pack(microseconds, row.id.bytes)
    return base64.urlsafe_b64encode(place + _seal(keyring, permit, place)).decode().rstrip("=")


def _opened(keyring: KeyRing, permit: ListingPermit, cursor: str) -> tuple[datetime, UUID]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    place, seal = raw[: _PLACE.size], raw[_PLACE.size :]
    if len(place) != _PLACE.size or not hmac.compare_digest(seal, _seal(keyring, permit, place)):
        raise InvalidInput("cursor_ongeldig", "Deze plaats in de lijst kennen wij niet. Begin opnieuw bij het begin.")
    microseconds, bericht_id = _PLACE.unpack(place)
    return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=bericht_id)
