"""List letters in pages (keyset pagination). The access policy is compiled to SQL conditions."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, exists, false, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_listing_permit
from machtiging.access.permit import ListingPermit
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.berichtenbox.queries import BERICHT, READER_MARK, Afzender, in_box_conditions, is_read_by, select_page
from machtiging.berichtenbox.rules import ARCHIVE_FOLDER, WHOLE_BOX, BoxFilter
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Capacity, MachtigingScope
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, unwrap_data_key
from machtiging.kernel.clock import AMSTERDAM
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.ids import BerichtId

MAX_PAGE_SIZE = 100
# The publication time and the id of a letter: the keyset of the list.
Position: TypeAlias = tuple[datetime, UUID]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR_FORMAT = struct.Struct(">q16s")
_CURSOR_MAC_BYTES = 16
_SUMMARY_COLUMNS = (
    BERICHT.c.id,
    BERICHT.c.ontvanger_id,
    BERICHT.c.afzender_oin,
    BERICHT.c.published_at,
    BERICHT.c.onderwerp_sealed,
    BERICHT.c.read_at,
    BERICHT.c.folder,
)


@dataclass(frozen=True, slots=True)
class BerichtSummary:
    """One letter in the list. `read` is the mark of this reader. `folder` is the citizen's own; None for a helper."""

    bericht_id: BerichtId
    afzender: Afzender
    onderwerp: str
    published_at: datetime
    bijlagen: int
    read: bool
    folder: str | None


@dataclass(frozen=True, slots=True)
class BerichtPage:
    """A page of letters, newest first. `next_cursor` is None on the last page."""

    summaries: list[BerichtSummary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class BerichtPageRequest:
    """The cursor, the size and the filter of a requested page."""

    cursor: str | None
    size: int
    filter: BoxFilter = WHOLE_BOX


async def list_berichten(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    actor: Actor,
    page_request: BerichtPageRequest,
    *,
    at: datetime,
) -> BerichtPage:
    """Authorize the actor and load one page of letters.

    Raises as `issue_listing_permit` does, and InvalidInput `cursor_ongeldig`.
    """
    permit = await issue_listing_permit(session, policy, actor, at=at)
    return await load_page(session, keyring, permit, page_request)


async def load_page(
    session: AsyncSession, keyring: KeyRing, permit: ListingPermit, page_request: BerichtPageRequest
) -> BerichtPage:
    """Load one page of the letters that the Permit allows. Raises InvalidInput `cursor_ongeldig`."""
    position = None if page_request.cursor is None else decode_cursor(keyring, permit, page_request.cursor)
    chosen = select_summaries(permit, page_request.filter, position).limit(page_request.size + 1)
    rows = list((await session.execute(select_page(permit.actor_id, chosen))).all())
    shown = rows[: page_request.size]
    more = encode_cursor(keyring, permit, shown[-1]) if len(rows) > page_request.size else None
    if not shown:
        return BerichtPage([], None)
    wrapped = {column.name: getattr(shown[0], column.name) for column in DATA_KEY_COLUMNS}
    key = unwrap_data_key(wrapped, keyring, permit.vertegenwoordigde_id)
    return BerichtPage([build_summary(permit, row, decrypt_onderwerp(key, row)) for row in shown], more)


def select_summaries(permit: ListingPermit, box_filter: BoxFilter, position: Position | None) -> Select[Any]:
    """Select the letters that the Permit and the filter allow, newest first, after this position."""
    chosen = select(*_SUMMARY_COLUMNS).where(*in_box_conditions(permit.at), *permit_conditions(permit))
    chosen = chosen.where(*filter_conditions(permit, box_filter))
    if position is not None:
        chosen = chosen.where(tuple_(BERICHT.c.published_at, BERICHT.c.id) < tuple_(*position))
    return chosen.order_by(BERICHT.c.published_at.desc(), BERICHT.c.id.desc())


def permit_conditions(permit: ListingPermit) -> list[ColumnElement[bool]]:
    """Return the SQL form of `ListingPermit.includes_envelope`.

    A property test checks that both agree with each other and with the guard.
    """
    pairs = pairs_in_scope(permit.allowed_pairs, permit.scope)
    where = [BERICHT.c.ontvanger_id == permit.vertegenwoordigde_id]
    where.append(tuple_(BERICHT.c.theme, BERICHT.c.sensitivity).in_(pairs) if pairs else false())
    if permit.scope is None:
        return where
    if permit.scope.afzenders is not None:
        where.append(BERICHT.c.afzender_oin.in_(sorted(permit.scope.afzenders)))
    if permit.scope.diensten is not None:
        where.append((BERICHT.c.afzender_oin + "/" + BERICHT.c.dienst_code).in_(sorted(permit.scope.diensten)))
    if permit.scope.letters is not None:
        where.append(BERICHT.c.id.in_(sorted(permit.scope.letters)))
    where.append(BERICHT.c.published_at >= first_instant(permit.scope))
    return where


def pairs_in_scope(
    allowed_pairs: Collection[tuple[Theme, Sensitivity]], scope: MachtigingScope | None
) -> list[tuple[str, str]]:
    """Return the pairs of theme and sensitivity that a list has, as words."""
    return sorted(
        (theme.value, sensitivity.value)
        for theme, sensitivity in allowed_pairs
        if _is_in_scope(scope, theme, sensitivity)
    )


def first_instant(scope: MachtigingScope) -> datetime:
    """Return the first instant in scope: the beginning of a calendar day in the Netherlands."""
    return datetime.combine(scope.letters_from, time(), AMSTERDAM)


def filter_conditions(permit: ListingPermit, box_filter: BoxFilter) -> list[ColumnElement[bool]]:
    """Return the SQL conditions of a filter, for the reader of this Permit."""
    own = permit.capacity is Capacity.SELF
    where: list[ColumnElement[bool]] = []
    if box_filter.unread:
        mark = exists().where(READER_MARK.c.bericht_id == BERICHT.c.id, READER_MARK.c.person_id == permit.actor_id)
        where.append(BERICHT.c.read_at.is_(None) if own else ~mark)
    if box_filter.folder is not None:
        where.append(BERICHT.c.folder == box_filter.folder if own else false())
    if box_filter.without_archive and own:
        where.append(BERICHT.c.folder.is_distinct_from(ARCHIVE_FOLDER))
    return where


def _is_in_scope(scope: MachtigingScope | None, theme: Any, sensitivity: Any) -> bool:
    if scope is None:
        return True
    wanted = scope.themes is None or theme in scope.themes
    return wanted and theme not in scope.excluded_themes and sensitivity.is_at_most(scope.highest_sensitivity)


def decrypt_onderwerp(key: DataKey, row: Row[Any]) -> str:
    """Decrypt the subject of a letter in the list."""
    return decrypt_subject(key, row.id, row.onderwerp_sealed)


def decrypt_subject(key: DataKey, bericht_id: UUID, sealed: bytes) -> str:
    """Decrypt the sealed subject of this letter."""
    return key.decrypt(sealed, "bericht", str(bericht_id), "onderwerp").decode()


def build_summary(permit: ListingPermit, row: Row[Any], onderwerp: str) -> BerichtSummary:
    """Build the summary of a letter from its row and its decrypted subject."""
    return BerichtSummary(
        bericht_id=BerichtId(row.id),
        afzender=Afzender(row.afzender_oin, row.afzender_naam),
        onderwerp=onderwerp,
        published_at=row.published_at,
        bijlagen=row.bijlagen,
        read=is_read_by(row, permit.actor_id),
        folder=row.folder if permit.capacity is Capacity.SELF else None,
    )


def _compute_cursor_mac(keyring: KeyRing, permit: ListingPermit, position: bytes) -> bytes:
    # Bound to reader and box: a cursor reveals the publication time of a letter.
    whose = f"{permit.vertegenwoordigde_id}|{permit.machtiging_id}|{permit.actor_id}|{position.hex()}"
    return keyring.blind_index("cursor", whose)[:_CURSOR_MAC_BYTES]


def encode_cursor(keyring: KeyRing, permit: ListingPermit, row: Row[Any]) -> str:
    """Encode the position of a letter as a cursor, bound to reader and box."""
    microseconds = (row.published_at - _EPOCH) // timedelta(microseconds=1)
    place = _CURSOR_FORMAT.pack(microseconds, row.id.bytes)
    return base64.urlsafe_b64encode(place + _compute_cursor_mac(keyring, permit, place)).decode().rstrip("=")


def decode_cursor(keyring: KeyRing, permit: ListingPermit, cursor: str) -> Position:
    """Decode a cursor. Raises InvalidInput `cursor_ongeldig`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    place, seal = raw[: _CURSOR_FORMAT.size], raw[_CURSOR_FORMAT.size :]
    if len(place) != _CURSOR_FORMAT.size or not hmac.compare_digest(seal, _compute_cursor_mac(keyring, permit, place)):
        raise InvalidInput("cursor_ongeldig")
    microseconds, bericht_id = _CURSOR_FORMAT.unpack(place)
    return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=bericht_id)
