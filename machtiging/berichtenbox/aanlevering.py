"""Deliver a letter for an afzender: idempotent by kenmerk, and atomic."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.bearer import AgencyActor
from machtiging.agencies.queries import DienstView, find_active_agency, find_active_dienst
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.berichtenbox import rules
from machtiging.berichtenbox.multipart import ReceivedBijlage
from machtiging.berichtenbox.schemas import BerichtIn, OntvangerIn
from machtiging.berichtenbox.tables import Bericht, Bijlage, BijlagePart
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_keys import ensure_data_key
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Conflict, InvalidInput, Message, NotAllowed, Refusal
from machtiging.kernel.ids import BerichtId, uuid7
from machtiging.organisations.registration import find_or_register_business
from machtiging.organisations.rules import ActingAfzender, OrganisationNumbers
from machtiging.storage.columns import table_of

_BERICHT = table_of(Bericht)
_BIJLAGE = table_of(Bijlage)
_PART = table_of(BijlagePart)
_IDEMPOTENCY_CONSTRAINT = "uq_bericht_same_letter_is_one_letter"
_EARLIEST_PUBLICATION = datetime(2000, 1, 1, tzinfo=UTC)
_MAX_PUBLICATION_LEAD = timedelta(days=366)


@dataclass(frozen=True)
class Aanlevering:
    """One letter to deliver, with the afzender's kenmerk (reference) and the bijlagen."""

    bericht: BerichtIn
    kenmerk: str
    bijlagen: list[ReceivedBijlage]


@dataclass(frozen=True)
class DeliveryReceipt:
    """The id of the delivered letter. `created` is False for a repeated delivery."""

    bericht_id: BerichtId
    created: bool


@asynccontextmanager
async def journal_refusals(session: AsyncSession, sender: AgencyActor, clock: Clock) -> AsyncIterator[None]:
    """Journal every refusal inside this block, with reason and afzender, without any of the content."""
    try:
        yield
    except Refusal as refusal:
        facts = {"afzender": sender.oin}
        act, client = JournalAct.AANLEVERING_GEWEIGERD, sender.client_id
        await record(
            session,
            NewJournalLine(act, JournalOutcome.REFUSED, refusal.code, client_id=client, facts=facts),
            at=clock.now(),
        )
        raise


async def deliver_bericht(
    session: AsyncSession, keyring: KeyRing, sender: AgencyActor, aanlevering: Aanlevering, *, at: datetime
) -> DeliveryReceipt:
    """Store the letter in the box of the ontvanger, encrypted with that party's data key.

    Refusals are journalled by `journal_refusals`. Raises NotAllowed `afzender_niet_actief`; InvalidInput
    `dienst_onbekend`, `publicatietijdstip_onmogelijk` or as `_parse_ontvanger`; Conflict `kenmerk_al_gebruikt` when
    another letter has this kenmerk.
    """
    dienst = await _require_active_dienst(session, sender, aanlevering.bericht.dienst)
    published_at = _validate_published_at(aanlevering.bericht, at)
    ontvanger = _parse_ontvanger(aanlevering.bericht.ontvanger)
    ontvanger_id = await _find_or_create_ontvanger(session, keyring, sender, ontvanger, at)
    key = await ensure_data_key(session, keyring, ontvanger_id)
    content_hash = _hash_content(keyring, ontvanger_id, aanlevering)
    bericht_id = BerichtId(uuid7())
    envelope = {
        "id": bericht_id,
        "ontvanger_id": ontvanger_id,
        "afzender_oin": sender.oin,
        "dienst_code": dienst.code,
        "theme": dienst.theme.value,
        "sensitivity": dienst.sensitivity.value,
        "published_at": published_at,
        "received_at": at,
        "sender_reference": aanlevering.kenmerk,
        "content_hash": content_hash,
    }
    if not await _insert_if_new(session, envelope | _encrypt_content(key, bericht_id, aanlevering.bericht)):
        earlier = await _find_earlier_bericht(session, sender, aanlevering.kenmerk, content_hash)
        again = _build_journal_line(sender, earlier, ontvanger_id, aanlevering)
        await record(session, replace(again, outcome=JournalOutcome.ALLOWED, reason="al_ontvangen"), at=at)
        return DeliveryReceipt(earlier, created=False)
    for position, bijlage in enumerate(aanlevering.bijlagen, start=1):
        await _insert_bijlage(session, _BijlageTarget(bericht_id, key, keyring), position, bijlage)
    await record(session, _build_journal_line(sender, bericht_id, ontvanger_id, aanlevering), at=at)
    return DeliveryReceipt(bericht_id, created=True)


def _encrypt_content(key: DataKey, bericht_id: BerichtId, bericht: BerichtIn) -> dict[str, bytes]:
    place = ("bericht", str(bericht_id))
    return {
        "onderwerp_sealed": key.encrypt(bericht.onderwerp.encode(), *place, "onderwerp"),
        "inhoud_sealed": key.encrypt(bericht.inhoud.encode(), *place, "inhoud"),
    }


async def _require_active_dienst(session: AsyncSession, sender: AgencyActor, code: str) -> DienstView:
    # The OIN comes from the token, so that no afzender can send in another's name.
    dienst = await find_active_dienst(session, sender.oin, code)
    if dienst is not None:
        return dienst
    if await find_active_agency(session, sender.oin) is None:
        raise NotAllowed("afzender_niet_actief")
    raise InvalidInput("dienst_onbekend", fields={"dienst": Message("dienst_onbekend.afzender")})


def _parse_ontvanger(ontvanger: OntvangerIn) -> Bsn | OrganisationNumbers:
    """Parse the number of the ontvanger.

    Raises InvalidInput `bsn_ongeldig`, `kvk_ongeldig`, `rsin_ongeldig` or `vestiging_ongeldig`, with the field.
    """
    number, vestiging = ontvanger.waarde.get_secret_value(), ontvanger.vestigingsnummer
    try:
        if ontvanger.type == "KVK":
            return OrganisationNumbers(kvk=number, vestiging=vestiging)
        if vestiging is not None:
            raise InvalidInput("vestiging_ongeldig")
        return Bsn(number) if ontvanger.type == "BSN" else OrganisationNumbers(rsin=number)
    except InvalidInput as error:
        field = "vestigingsnummer" if error.code == "vestiging_ongeldig" else "waarde"
        raise InvalidInput(error.code, fields={f"ontvanger.{field}": Message(error.code)}) from None


async def _find_or_create_ontvanger(
    session: AsyncSession, keyring: KeyRing, sender: AgencyActor, ontvanger: Bsn | OrganisationNumbers, at: datetime
) -> UUID:
    """Find or create the party of the ontvanger. The afzender cannot tell which. Raises NotAllowed `rij_ongeldig`."""
    if isinstance(ontvanger, Bsn):
        return await find_or_create_by_bsn(session, keyring, ontvanger, at=at)
    afzender = ActingAfzender(sender.oin, sender.client_id)
    return await find_or_register_business(session, keyring, afzender, ontvanger, at=at)


def _validate_published_at(bericht: BerichtIn, at: datetime) -> datetime:
    # Compare before converting: near the limits of datetime, conversion to UTC overflows.
    offered = bericht.publicatietijdstip or at
    if not _EARLIEST_PUBLICATION <= offered <= at + _MAX_PUBLICATION_LEAD:
        code = "publicatietijdstip_onmogelijk"
        raise InvalidInput(code, fields={"publicatietijdstip": Message(code)})
    return offered.astimezone(UTC)


def _hash_content(keyring: KeyRing, ontvanger_id: UUID, aanlevering: Aanlevering) -> bytes:
    # A keyed hash: a reader of the database cannot test guesses of the content.
    bericht = aanlevering.bericht
    publication_time = bericht.publicatietijdstip and bericht.publicatietijdstip.astimezone(UTC).isoformat()
    bijlagen = [(bijlage.naam, bijlage.digest.hexdigest()) for bijlage in aanlevering.bijlagen]
    parts = [str(ontvanger_id), bericht.dienst, bericht.onderwerp, bericht.inhoud, publication_time, bijlagen]
    return keyring.blind_index("bericht", json.dumps(parts, ensure_ascii=False))


async def _insert_if_new(session: AsyncSession, row: dict[str, Any]) -> bool:
    # A concurrent delivery of the same letter blocks this INSERT until it commits, and then wins.
    statement = (
        upsert(_BERICHT).values(row).on_conflict_do_nothing(constraint=_IDEMPOTENCY_CONSTRAINT).returning(_BERICHT.c.id)
    )
    return await session.scalar(statement) is not None


async def _find_earlier_bericht(
    session: AsyncSession, sender: AgencyActor, kenmerk: str, content_hash: bytes
) -> BerichtId:
    columns = select(_BERICHT.c.id, _BERICHT.c.content_hash)
    here = _BERICHT.c.afzender_oin == sender.oin, _BERICHT.c.sender_reference == kenmerk
    row = (await session.execute(columns.where(*here))).one()
    if row.content_hash != content_hash:
        raise Conflict("kenmerk_al_gebruikt")
    return BerichtId(row.id)


@dataclass(frozen=True)
class _BijlageTarget:
    """The bericht to store bijlagen for, with its keys."""

    bericht_id: BerichtId
    key: DataKey
    keyring: KeyRing


async def _insert_bijlage(
    session: AsyncSession, target: _BijlageTarget, position: int, bijlage: ReceivedBijlage
) -> None:
    bijlage_id: UUID = uuid7()
    parts = rules.count_parts(bijlage.size)
    row = {
        "id": bijlage_id,
        "bericht_id": target.bericht_id,
        "position": position,
        "naam_sealed": target.key.encrypt(bijlage.naam.encode(), "bijlage", str(bijlage_id), "naam"),
        "mime_type": rules.PDF_MEDIA_TYPE,
        "size": bijlage.size,
        "sha256": target.keyring.blind_index("bijlage", bijlage.digest.hexdigest()),
        "parts": parts,
    }
    await session.execute(insert(_BIJLAGE).values(row))
    for number, content in enumerate(bijlage.iterate_pieces()):
        sealed = target.key.encrypt(content, *rules.build_part_context(bijlage_id, number, parts))
        await session.execute(insert(_PART).values(bijlage_id=bijlage_id, number=number, sealed=sealed))


def _build_journal_line(
    sender: AgencyActor, bericht_id: UUID, ontvanger_id: UUID, aanlevering: Aanlevering
) -> NewJournalLine:
    return NewJournalLine(
        JournalAct.AANLEVERING_ONTVANGEN,
        JournalOutcome.DONE,
        "ontvangen",
        client_id=sender.client_id,
        for_person_id=ontvanger_id,
        object_kind="bericht",
        object_id=str(bericht_id),
        facts={"afzender": sender.oin, "dienst": aanlevering.bericht.dienst, "bijlagen": len(aanlevering.bijlagen)},
    )
