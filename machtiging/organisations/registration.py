"""Register organisations: by an operator, for each afzender, for a letter to a business."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.names import agency_name_table
from machtiging.agencies.rules import Sensitivity
from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_keys import build_party_insert
from machtiging.kernel.errors import Conflict, Fault
from machtiging.kernel.ids import uuid7
from machtiging.organisations.journal_lines import OrganisationAct, SealedRows, journal_act, journal_refusal
from machtiging.organisations.queries import (
    ORGANISATION,
    RECOGNITION,
    build_number_condition,
    find_organisation_by_number,
    lock_organisation,
)
from machtiging.organisations.rules import (
    LONGEST_CEILING_DAYS,
    ActingAfzender,
    ActingOperator,
    Ceiling,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionProposal,
    RecognitionStatus,
    describe_numbers,
    require_organisation_name,
)
from machtiging.organisations.tables import SEALED_ORGANISATION, SEALED_RECOGNITION
from machtiging.storage.row_mac import reseal_changes, seal_row

_AGENCY = agency_name_table()
# Without recognition an organisation gets no machtigingen, so the ceiling limits nothing yet. Later it can only be
# narrowed: a lower one would decide for the operators.
_WIDEST_CEILING = Ceiling(sensitivity=Sensitivity.VERTROUWELIJK, days=LONGEST_CEILING_DAYS)


async def register_organisation(
    session: AsyncSession,
    keyring: KeyRing,
    operator: ActingOperator,
    registration: OrganisationRegistration,
    request: RecognitionProposal,
    *,
    at: datetime,
) -> UUID:
    """Register an organisation that asks for recognition. Returns its id.

    `request` has status `aangevraagd`. Raises Conflict `organisatie_bestaat_al` when a number is taken.
    """
    same_number = select(ORGANISATION.c.id).where(build_number_condition(registration.numbers)).limit(1)
    organisation = None
    if await session.scalar(same_number) is None:
        organisation = await _insert_organisation(session, keyring, registration, at)
    if organisation is None:
        raise Conflict("organisatie_bestaat_al")
    rows = await _insert_request(session, organisation, operator, request, at=at)
    act = OrganisationAct(JournalAct.ORGANISATIE_GEREGISTREERD, operator, organisation["id"], at)
    await journal_act(session, act, "geregistreerd", rows)
    found: UUID = organisation["id"]
    return found


async def request_recognition(
    session: AsyncSession,
    operator: ActingOperator,
    organisation_id: UUID,
    request: RecognitionProposal,
    *,
    name: str | None = None,
    at: datetime,
) -> None:
    """Ask for recognition of a registered organisation that never did. Counts at once: it gives nothing.

    `name`: a new name, for one that only has a number because a letter registered it. Raises InvalidInput
    `naam_ongeldig` and Conflict `erkenning_kan_niet`.
    """
    if name is not None:
        require_organisation_name(name)
    act = OrganisationAct(JournalAct.ERKENNING_AANGEVRAAGD, operator, organisation_id, at, "erkenning")
    async with journal_refusal(session, act):
        organisation = await lock_organisation(session, organisation_id, at=at)
        if organisation.recognition_number is not None:
            raise Conflict("erkenning_kan_niet")
    row = dict(zip(ORGANISATION.c.keys(), organisation, strict=True))
    rows = await _insert_request(session, row, operator, request, name=name, at=at)
    await journal_act(session, act, "aangevraagd", rows)


async def _insert_organisation(
    session: AsyncSession, keyring: KeyRing, registration: OrganisationRegistration, at: datetime
) -> dict[str, Any] | None:
    """Insert an organisation with its party and data key; None if a number is taken.

    A concurrent insert of the same number blocks this one until it commits, and then wins.
    """
    ceiling, numbers = registration.ceiling, registration.numbers
    organisation_id = uuid7()
    row = {
        "id": organisation_id,
        "kvk": numbers.kvk,
        "vestiging": numbers.vestiging,
        "rsin": numbers.rsin,
        "oin": numbers.oin,
        "name": registration.name,
        "kind": registration.kind.value,
        "epoch": 0,
        "created_at": at,
        **describe_ceiling(ceiling),
    }
    sealed = seal_row(session, SEALED_ORGANISATION, row)
    created = insert(ORGANISATION).values(sealed).on_conflict_do_nothing()
    organisation_cte = created.returning(ORGANISATION.c.id, ORGANISATION.c.created_at).cte("created")
    party_insert = build_party_insert(organisation_cte, "organisation", keyring.create_data_key(organisation_id))
    statement = select(organisation_cte.c.id).add_cte(party_insert.cte("party_of_organisation"))
    return None if await session.scalar(statement) is None else sealed


def describe_ceiling(ceiling: Ceiling) -> dict[str, Any]:
    """Return the columns of a ceiling, its lists in a fixed order."""
    return {
        "ceiling_themes": None if ceiling.themes is None else sorted(theme.value for theme in ceiling.themes),
        "ceiling_afzenders": None if ceiling.afzenders is None else sorted(ceiling.afzenders),
        "ceiling_sensitivity": ceiling.sensitivity.value,
        "ceiling_days": ceiling.days,
        "minimum_level": ceiling.minimum_level.value,
    }


async def _insert_request(
    session: AsyncSession,
    organisation: dict[str, Any],
    operator: ActingOperator,
    request: RecognitionProposal,
    *,
    name: str | None = None,
    at: datetime,
) -> SealedRows:
    """Insert the first recognition, and point the organisation to it. Returns both rows as they are now."""
    row = {
        "organisation_id": organisation["id"],
        "number": 1,
        "status": RecognitionStatus.REQUESTED.value,
        "ground": request.ground,
        "decision_reference": request.decision_reference,
        "proposed_by": operator.person_id,
        "proposed_at": at,
        "confirmed_at": at,
    }
    recognition = seal_row(session, SEALED_RECOGNITION, row)
    await session.execute(insert(RECOGNITION).values(recognition))
    pointed = {"recognition_number": 1, "epoch": organisation["epoch"] + 1}
    pointed |= {} if name is None else {"name": name}
    changes = reseal_changes(session, SEALED_ORGANISATION, organisation, pointed)
    await session.execute(update(ORGANISATION).where(ORGANISATION.c.id == organisation["id"]).values(changes))
    return [(SEALED_ORGANISATION, {**organisation, **changes}), (SEALED_RECOGNITION, recognition)]


async def register_afzenders(session: AsyncSession, keyring: KeyRing, operator: ActingOperator, *, at: datetime) -> int:
    """Register an organisation for every afzender without one. Returns their number."""
    registered = select(ORGANISATION.c.id).where(ORGANISATION.c.oin == _AGENCY.c.oin)
    query = select(_AGENCY.c.oin, _AGENCY.c.name).where(~registered.exists()).order_by(_AGENCY.c.oin)
    afzenders = (await session.execute(query)).all()
    for afzender in afzenders:
        registration = OrganisationRegistration(
            OrganisationNumbers(oin=afzender.oin), afzender.name, OrganisationKind.OVERHEID, _WIDEST_CEILING
        )
        row = await _insert_organisation(session, keyring, registration, at)
        if row is None:  # a concurrent call registered it
            continue
        act = OrganisationAct(JournalAct.ORGANISATIE_GEREGISTREERD, operator, row["id"], at)
        await journal_act(session, act, "afzender", [(SEALED_ORGANISATION, row)])
    return len(afzenders)


async def find_or_register_business(
    session: AsyncSession, keyring: KeyRing, afzender: ActingAfzender, numbers: OrganisationNumbers, *, at: datetime
) -> UUID:
    """Find the organisation with this one number, or register a business for its letters. Returns its id.

    Concurrent calls give the same organisation. A new one has no recognition, not even a request for one: nobody asked.
    It can receive letters, and cannot act for a citizen until an operator requests recognition and two operators
    confirm it. Raises NotAllowed `rij_ongeldig`.
    """
    found = await find_organisation_by_number(session, numbers, at=at)
    if found is not None:
        return found
    registration = OrganisationRegistration(
        numbers, describe_numbers(numbers), OrganisationKind.BEDRIJF, _WIDEST_CEILING
    )
    row = await _insert_organisation(session, keyring, registration, at)
    if row is None:
        found = await find_organisation_by_number(session, numbers, at=at)
        if found is None:
            raise Fault("organisatie_niet_aangemaakt")
        return found
    act = OrganisationAct(JournalAct.ORGANISATIE_GEREGISTREERD, afzender, row["id"], at)
    await journal_act(session, act, "aanlevering", [(SEALED_ORGANISATION, row)])
    registered: UUID = row["id"]
    return registered


async def add_kvk_number(
    session: AsyncSession, operator: ActingOperator, organisation_id: UUID, kvk: str, *, at: datetime
) -> None:
    """Add the KvK number to the organisation of an afzender. It is added once; repeating it changes nothing.

    Raises InvalidInput `kvk_ongeldig`, NotFound `organisatie_onbekend`, NotAllowed `rij_ongeldig`, Conflict
    `kvk_kan_niet` for an organisation without an OIN or with another number, and Conflict `organisatie_bestaat_al` if
    another organisation has the number.
    """
    numbers = OrganisationNumbers(kvk=kvk)
    act = OrganisationAct(JournalAct.ORGANISATIE_NUMMER, operator, organisation_id, at)
    async with journal_refusal(session, act):
        organisation = await lock_organisation(session, organisation_id, at=at)
        if organisation.kvk == kvk:
            return
        if organisation.oin is None or organisation.kvk is not None:
            raise Conflict("kvk_kan_niet")
        same_number = select(ORGANISATION.c.id).where(build_number_condition(numbers)).limit(1)
        if await session.scalar(same_number) is not None:
            raise Conflict("organisatie_bestaat_al")
        added = {"kvk": kvk, "epoch": organisation.epoch + 1}
        changes = reseal_changes(session, SEALED_ORGANISATION, organisation, added)
        try:
            async with session.begin_nested():
                await session.execute(update(ORGANISATION).where(ORGANISATION.c.id == organisation_id).values(changes))
        except IntegrityError as error:  # a concurrent act registered the number
            raise Conflict("organisatie_bestaat_al") from error
    row = {**dict(zip(ORGANISATION.c.keys(), organisation, strict=True)), **changes}
    await journal_act(session, act, "kvk", [(SEALED_ORGANISATION, row)])
