"""Take in one register event: check it, resolve its parties, and let `delegation.statutory` apply it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.statutory.application import EventContext
from machtiging.delegation.statutory.register_events import journal_refused_event, receive_event
from machtiging.delegation.statutory.rules import (
    EventOutcome,
    EventType,
    RegisterEvent,
    StatutoryKind,
    find_earliest_birth_date,
)
from machtiging.identity.data_keys import ensure_data_key
from machtiging.identity.people import find_by_bsn, find_or_create_by_bsn, load_profile
from machtiging.kernel.birth_date import parse_birth_date
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Fault, InvalidInput, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import PersonId
from machtiging.kernel.oin import Oin
from machtiging.organisations.queries import find_organisation_by_number
from machtiging.organisations.rules import OrganisationNumbers
from machtiging.registers.schemas import GebeurtenisIn, VertegenwoordigdeIn, VertegenwoordigerIn

_Word = TypeVar("_Word", EventType, StatutoryKind)
# Days that every reader can hold, before `clock.WITHOUT_END`.
_YEARS = range(1900, 2200)


# A register tells of directors only where the operator named it (`MACHTIGING_REGISTER_KINDS`).
DEFAULT_KINDS = frozenset(StatutoryKind) - {StatutoryKind.DIRECTOR}


class EventSource(NamedTuple):
    """The register that sent the event. `client_id`: None for a file. `kinds`: those that it may tell of."""

    oin: str
    client_id: str | None = None
    kinds: frozenset[StatutoryKind] = DEFAULT_KINDS


RegisterKinds = Mapping[str, frozenset[StatutoryKind]]


def read_register_kinds(configured: Mapping[str, list[str]]) -> RegisterKinds:
    """Read which kinds each register may tell of, by OIN. Raises Fault `registersoorten_ongeldig`."""
    try:
        return {Oin(oin).value: frozenset(map(StatutoryKind, kinds)) for oin, kinds in configured.items()}
    except (ValueError, InvalidInput) as error:
        raise Fault("registersoorten_ongeldig", private="MACHTIGING_REGISTER_KINDS names no OIN or kind") from error


class EventResult(NamedTuple):
    """The result of one item, with the refusal if there is one."""

    event_id: str | None
    outcome: EventOutcome
    code: str | None = None
    refusal: Refusal | None = None


async def take_in_event(
    session: AsyncSession, context: EventContext, source: EventSource, item: Mapping[str, Any], *, at: datetime
) -> EventResult:
    """Take in one event. A refusal stores and changes nothing, and is journalled without its content."""
    event_id = item.get("gebeurtenisId")
    event_id = event_id[:100] if isinstance(event_id, str) else None
    try:
        async with session.begin_nested():
            event = await _resolve_event(session, context.keyring, source, _parse_item(item), at)
            received = await receive_event(session, context, event, source.client_id, at=at)
    except Refusal as refusal:
        await journal_refused_event(session, source.oin, refusal.code, source.client_id, at=at)
        return EventResult(event_id, EventOutcome.REFUSED, refusal.code, refusal)
    return EventResult(event_id, received.outcome, received.reason)


def _parse_item(item: Mapping[str, Any]) -> GebeurtenisIn:
    """Check the form of one item. Raises InvalidInput `gebeurtenis_ongeldig`."""
    try:
        return GebeurtenisIn.model_validate_json(json.dumps(dict(item)))
    except (ValidationError, ValueError, RecursionError) as error:
        raise InvalidInput("gebeurtenis_ongeldig") from error


async def _resolve_event(
    session: AsyncSession, keyring: KeyRing, source: EventSource, item: GebeurtenisIn, at: datetime
) -> RegisterEvent:
    """Resolve kind, parties and birth date.

    Raises InvalidInput `gebeurtenis_onbekend`, `soort_onbekend`, `bsn_ongeldig`, `datum_onmogelijk`,
    `geboortedatum_ongeldig` or `geboortejaar_onbekend`, NotAllowed `soort_niet_van_register`, NotFound
    `vertegenwoordiger_onbekend`, or as `_find_represented`.
    """
    type_ = _find_word(EventType, item.gebeurtenis, "gebeurtenis_onbekend")
    kind = _find_word(StatutoryKind, item.soort, "soort_onbekend")
    if kind not in source.kinds:
        raise NotAllowed("soort_niet_van_register")
    days = (item.ingangsdatum, item.registerdatum, item.einddatum)
    if any(day is not None and day.year not in _YEARS for day in days):
        raise InvalidInput("datum_onmogelijk")
    represented_id = await _find_represented(session, keyring, kind, item.vertegenwoordigde, at)
    representative_id = None
    if item.vertegenwoordiger is not None:
        representative_id = await _find_representative(session, keyring, item.vertegenwoordiger, at)
    return RegisterEvent(
        source=source.oin,
        source_event_id=item.gebeurtenisId,
        sequence_number=item.volgnummer,
        type=type_,
        kind=kind,
        relation_reference=item.relatieId,
        vertegenwoordigde_id=represented_id,
        vertegenwoordiger_id=representative_id,
        is_organisation=item.vertegenwoordiger is not None and item.vertegenwoordiger.bsn is None,
        effective_on=item.ingangsdatum,
        ends_on=item.einddatum,
        themes=None if item.themas is None else frozenset(item.themas),
        evidence_reference=item.kenmerk,
        registered_on=item.registerdatum,
        born_on=await _find_birth_date(session, keyring, represented_id, kind, item.geboortedatum),
        body_hash=_hash_body(keyring, source, item),
    )


def _find_word(words: type[_Word], text: str, code: str) -> _Word:
    try:
        return words(text)
    except ValueError as error:
        raise InvalidInput(code) from error


def _parse_bsn(number: SecretStr) -> Bsn:
    return Bsn(number.get_secret_value())


async def _find_represented(
    session: AsyncSession, keyring: KeyRing, kind: StatutoryKind, represented: VertegenwoordigdeIn, at: datetime
) -> PersonId:
    """Find the person, or of a director the organisation, and see to its data key.

    Raises InvalidInput `vertegenwoordigde_ongeldig`, NotFound `persoon_onbekend` or `bedrijf_onbekend`, NotAllowed
    `rij_ongeldig`.
    """
    bsn, kvk = represented.bsn, represented.kvkNummer
    if kind is not StatutoryKind.DIRECTOR and bsn is not None and kvk is None:
        return await find_by_bsn(session, keyring, _parse_bsn(bsn))
    if kind is not StatutoryKind.DIRECTOR or bsn is not None or kvk is None:
        raise InvalidInput("vertegenwoordigde_ongeldig")
    found = await find_organisation_by_number(session, OrganisationNumbers(kvk=kvk), at=at)
    if found is None:
        raise NotFound("bedrijf_onbekend")
    await ensure_data_key(session, keyring, found)
    return PersonId(found)


async def _find_representative(
    session: AsyncSession, keyring: KeyRing, representative: VertegenwoordigerIn, at: datetime
) -> UUID:
    """Find an office, or find or create a person.

    A person may log in for the first time after the appointment.
    """
    if (representative.bsn is None) == (representative.kvkNummer is None):
        raise InvalidInput("vertegenwoordiger_ontbreekt")
    if representative.bsn is not None:
        return await find_or_create_by_bsn(session, keyring, _parse_bsn(representative.bsn), at=at)
    numbers = OrganisationNumbers(kvk=representative.kvkNummer, vestiging=representative.vestigingsnummer)
    found = await find_organisation_by_number(session, numbers, at=at)
    if found is None:
        raise NotFound("vertegenwoordiger_onbekend")
    return found


async def _find_birth_date(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, kind: StatutoryKind, text: str | None
) -> date | None:
    """Return the earliest birth date that register and login allow: that protects the child."""
    if kind is not StatutoryKind.PARENTAL_AUTHORITY or text is None:
        return None
    try:
        born = parse_birth_date(text)
    except ValueError as error:
        raise InvalidInput("geboortedatum_ongeldig") from error
    if born is None or born.year is None:
        raise InvalidInput("geboortejaar_onbekend")
    if born.year not in _YEARS:
        raise InvalidInput("datum_onmogelijk")
    earliest = find_earliest_birth_date(born)
    profile = await load_profile(session, keyring, person_id)
    login_date = None if profile is None else profile.birth_date
    if login_date is None or login_date.year is None:
        return earliest
    return min(earliest, find_earliest_birth_date(login_date))


def _hash_body(keyring: KeyRing, source: EventSource, item: GebeurtenisIn) -> bytes:
    """Compute a keyed hash: a reader of the database cannot test guesses of a BSN."""
    content = item.model_dump(mode="json", exclude={"vertegenwoordigde", "vertegenwoordiger"})
    represented = item.vertegenwoordigde
    bsn_of_represented = None if represented.bsn is None else represented.bsn.get_secret_value()
    content["vertegenwoordigde"] = bsn_of_represented or ["kvk", represented.kvkNummer]
    party = item.vertegenwoordiger
    if party is not None:
        bsn = None if party.bsn is None else party.bsn.get_secret_value()
        content["vertegenwoordiger"] = [bsn, party.kvkNummer, party.vestigingsnummer]
    return keyring.blind_index("registergebeurtenis", json.dumps([source.oin, content], sort_keys=True))
