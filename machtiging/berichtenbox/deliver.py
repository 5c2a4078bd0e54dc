"""Deliver a letter for an afzender: idempotent by kenmerk, and atomic."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.bearer import Sender
from machtiging.agencies.queries import DienstView, agency, dienst_of
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.berichtenbox import rules
from machtiging.berichtenbox.receive import ReceivedBijlage
from machtiging.berichtenbox.schemas import BerichtIn
from machtiging.berichtenbox.tables import Bericht, Bijlage, BijlagePart
from machtiging.crypto.envelope import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import data_key_of, find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, Refusal
from machtiging.kernel.ids import BerichtId, PersonId, uuid7

_BERICHT: Table = Bericht.__table__  # type: ignore[attr-defined]
_BIJLAGE: Table = Bijlage.__table__  # type: ignore[attr-defined]
_PART: Table = BijlagePart.__table__  # type: ignore[attr-defined]
_SAME_LETTER = "uq_bericht_same_letter_is_one_letter"
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=366)


@dataclass(frozen=True)
class Aanlevering:
    """One letter to deliver, with the afzender's kenmerk (reference) and the bijlagen."""

    bericht: BerichtIn
    kenmerk: str
    bijlagen: list[ReceivedBijlage]


@dataclass(frozen=True)
class Delivered:
    """The id of the delivered letter. `created` is False for a repeated delivery."""

    bericht_id: BerichtId
    new: bool


@asynccontextmanager
async def answered_for(session: AsyncSession, sender: Sender, clock: Clock) -> AsyncIterator[None]:
    """Journal every refusal inside this block, with reason and afzender, without any of the content."""
    try:
        yield
    except Refusal as refusal:
        facts = {"afzender": sender.oin}
        act, client = JournalAct.AANLEVERING_GEWEIGERD, sender.client_id
        await record(session, Line(act, Outcome.REFUSED, refusal.code, client_id=client, facts=facts), at=clock.now())
        raise


async def deliver(
    session: AsyncSession, keyring: KeyRing, sender: Sender, aanlevering: Aanlevering, *, at: datetime
) -> Delivered:
    """Store the letter in the citizen's box, encrypted with her data key.

    Refusals are journalled by `journal_refusals`. Raises NotAllowed `afzender_niet_actief`; InvalidInput
    `dienst_onbekend`, `bsn_ongeldig`, `publicatietijdstip_onmogelijk`; Conflict `kenmerk_al_gebruikt` when another
    letter has this kenmerk.
    """
    dienst = await _may_send(session, sender, aanlevering.bericht.dienst)
    published_at = _published(aanlevering.bericht, at)
    ontvanger = _bsn(aanlevering.bericht)
    person_id = await find_or_create_by_bsn(session, keyring, ontvanger, at=at)
    key = await data_key_of(session, keyring, person_id)
    content_hash = _content_hash(keyring, person_id, aanlevering)
    bericht_id = BerichtId(uuid7())
    envelope = {
        "id": bericht_id,
        "ontvanger_id": person_id,
        "afzender_oin": sender.oin,
        "dienst_code": dienst.code,
        "theme": dienst.theme.value,
        "sensitivity": dienst.sensitivity.value,
        "published_at": published_at,
        "received_at": at,
        "sender_reference": aanlevering.kenmerk,
        "content_hash": content_hash,
    }
    if not await _is_first(session, envelope | _sealed(key, bericht_id, aanlevering.bericht)):
        earlier = await _earlier(session, sender, aanlevering.kenmerk, content_hash)
        again = _line(sender, earlier, person_id, aanlevering)
        await record(session, replace(again, outcome=Outcome.ALLOWED, reason="al_ontvangen"), at=at)
        return Delivered(earlier, new=False)
    for position, bijlage in enumerate(aanlevering.bijlagen, start=1):
        await _keep_bijlage(session, _Box(bericht_id, key, keyring), position, bijlage)
    await record(session, _line(sender, bericht_id, person_id, aanlevering), at=at)
    return Delivered(bericht_id, new=True)


def _sealed(key: DataKey, bericht_id: BerichtId, bericht: BerichtIn) -> dict[str, bytes]:
    place = ("bericht", str(bericht_id))
    return {
        "onderwerp_sealed": key.seal(bericht.onderwerp.encode(), *place, "onderwerp"),
        "inhoud_sealed": key.seal(bericht.inhoud.encode(), *place, "inhoud"),
    }


async def _may_send(session: AsyncSession, sender: Sender, code: str) -> DienstView:
    # The OIN comes from the token, so that no afzender can send in another's name.
    dienst = await dienst_of(session, sender.oin, code)
    if dienst is not None:
        return dienst
    if await agency(session, sender.oin) is None:
        raise NotAllowed("afzender_niet_actief", "Deze afzender mag nu niet aanleveren.")
    fields = {"dienst": "Deze dienst is niet bekend voor deze afzender."}
    raise InvalidInput("dienst_onbekend", "Deze dienst kennen wij niet.", fields=fields)


def _bsn(bericht: BerichtIn) -> Bsn:
    try:
        return Bsn(bericht.ontvanger.waarde.get_secret_value())
    except InvalidInput as error:
        raise InvalidInput(error.code, error.public, fields={"ontvanger.waarde": error.public}) from None


def _published(bericht: BerichtIn, at: datetime) -> datetime:
    # Compare before converting: near the limits of datetime, conversion to UTC overflows.
    offered = bericht.publicatietijdstip or at
    if not _EARLIEST <= offered <= at + _AHEAD:
        sentence = "Dit tijdstip ligt te ver terug of te ver vooruit."
        raise InvalidInput("publicatietijdstip_onmogelijk", sentence, fields={"publicatietijdstip": sentence})
    return offered.astimezone(UTC)


def _content_hash(keyring: KeyRing, person_id: PersonId, aanlevering: Aanlevering) -> bytes:
    # A keyed hash: a reader of the database cannot test guesses of the content.
    bericht = aanlevering.bericht
    told = bericht.publicatietijdstip and bericht.publicatietijdstip.astimezone(UTC).isoformat()
    bijlagen = [(bijlage.naam, bijlage.digest.hexdigest()) for bijlage in aanlevering.bijlagen]
    parts = [str(person_id), bericht.dienst, bericht.onderwerp, bericht.inhoud, told, bijlagen]
    return keyring.blind_index("bericht", json.dumps(parts, ensure_ascii=False))


async def _is_first(session: AsyncSession, row: dict[str, Any]) -> bool:
    # A concurrent delivery of the same letter blocks this INSERT until it commits, and then wins.
    statement = upsert(_BERICHT).values(row).on_conflict_do_nothing(constraint=_SAME_LETTER).returning(_BERICHT.c.id)
    return await session.scalar(statement) is not None


async def _earlier(session: AsyncSession, sender: Sender, kenmerk: str, content_hash: bytes) -> BerichtId:
    columns = select(_BERICHT.c.id, _BERICHT.c.content_hash)
    here = _BERICHT.c.afzender_oin == sender.oin, _BERICHT.c.sender_reference == kenmerk
    row = (await session.execute(columns.where(*here))).one()
    if row.content_hash != content_hash:
        raise Conflict("kenmerk_al_gebruikt", "Met dit kenmerk is al een ander bericht aangeleverd.")
    return BerichtId(row.id)


@dataclass(frozen=True)
class _Box:
    """The bericht to store bijlagen for, with its keys."""

    bericht_id: BerichtId
    key: DataKey
    keyring: KeyRing


async def _keep_bijlage(session: AsyncSession, box: _Box, position: int, bijlage: ReceivedBijlage) -> None:
    bijlage_id: UUID = uuid7()
    parts = rules.parts_of(bijlage.size)
    row = {
        "id": bijlage_id,
        "bericht_id": box.bericht_id,
        "position": position,
        "naam_sealed": box.key.seal(bijlage.naam.encode(), "bijlage", str(bijlage_id), "naam"),
        "mime_type": rules.PDF,
        "size": bijlage.size,
        "sha256": box.keyring.blind_index("bijlage", bijlage.digest.hexdigest()),
        "parts": parts,
    }
    await session.execute(insert(_BIJLAGE).values(row))
    for number, content in enumerate(bijlage.contents()):
        sealed = box.key.seal(content, *rules.place_of_part(bijlage_id, number, parts))
        await session.execute(insert(_PART).values(bijlage_id=bijlage_id, number=number, sealed=sealed))


def _line(sender: Sender, bericht_id: UUID, person_id: UUID, aanlevering: Aanlevering) -> Line:
    return Line(
        JournalAct.AANLEVERING_ONTVANGEN,
        Outcome.DONE,
        "ontvangen",
        client_id=sender.client_id,
        for_person_id=person_id,
        object_kind="bericht",
        object_id=str(bericht_id),
        facts={"afzender": sender.oin, "dienst": aanlevering.bericht.dienst, "bijlagen": len(aanlevering.bijlagen)},
    )
