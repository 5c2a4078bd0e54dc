"""Register organisations, and the organisation of each afzender."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.names import agency_name_table
from machtiging.agencies.rules import Sensitivity
from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_keys import insert_organisation_party
from machtiging.kernel.errors import Conflict
from machtiging.organisations.journal_lines import OrganisationAct, SealedRows, journal_act, journal_refusal
from machtiging.organisations.queries import ORGANISATION, RECOGNITION, lock_organisation
from machtiging.organisations.rules import (
    LONGEST_CEILING_DAYS,
    ActingOperator,
    Ceiling,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionProposal,
    RecognitionStatus,
)
from machtiging.organisations.tables import SEALED_ORGANISATION, SEALED_RECOGNITION
from machtiging.storage.row_mac import reseal_changes, seal_row

_AGENCY = agency_name_table()
# An afzender gets no machtigingen, so its ceiling limits nothing yet.
_CEILING_OF_AFZENDER = Ceiling(sensitivity=Sensitivity.VERTROUWELIJK, days=LONGEST_CEILING_DAYS)


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
    if await session.scalar(select(ORGANISATION.c.id).where(_has_number(registration.numbers)).limit(1)) is not None:
        raise Conflict("organisatie_bestaat_al")
    organisation = await _insert_organisation(session, keyring, registration, at)
    rows = await _insert_request(session, organisation, operator, request, at)
    act = OrganisationAct(JournalAct.ORGANISATIE_GEREGISTREERD, operator, organisation["id"], at)
    await journal_act(session, act, "geregistreerd", rows)
    found: UUID = organisation["id"]
    return found


def _has_number(numbers: OrganisationNumbers) -> ColumnElement[bool]:
    """Build the condition that an organisation has one of these numbers. See the unique indexes."""
    columns = ORGANISATION.c
    conditions: list[ColumnElement[bool]] = []
    if numbers.kvk is not None:
        conditions.append((columns.kvk == numbers.kvk) & columns.vestiging.is_not_distinct_from(numbers.vestiging))
    if numbers.rsin is not None and numbers.vestiging is None:
        conditions.append((columns.rsin == numbers.rsin) & columns.vestiging.is_(None))
    if numbers.oin is not None:
        conditions.append(columns.oin == numbers.oin)
    return or_(*conditions)


async def request_recognition(
    session: AsyncSession,
    operator: ActingOperator,
    organisation_id: UUID,
    request: RecognitionProposal,
    *,
    at: datetime,
) -> None:
    """Ask for recognition of a registered organisation that never did. Counts at once: it gives nothing.

    Raises Conflict `erkenning_kan_niet`.
    """
    act = OrganisationAct(JournalAct.ERKENNING_AANGEVRAAGD, operator, organisation_id, at, "erkenning")
    async with journal_refusal(session, act):
        organisation = await lock_organisation(session, organisation_id, at=at)
        if organisation.recognition_number is not None:
            raise Conflict("erkenning_kan_niet")
    rows = await _insert_request(
        session, dict(zip(ORGANISATION.c.keys(), organisation, strict=True)), operator, request, at
    )
    await journal_act(session, act, "aangevraagd", rows)


async def _insert_organisation(
    session: AsyncSession, keyring: KeyRing, registration: OrganisationRegistration, at: datetime
) -> dict[str, Any]:
    ceiling, numbers = registration.ceiling, registration.numbers
    row = {
        "id": await insert_organisation_party(session, keyring, at=at),
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
    await session.execute(insert(ORGANISATION).values(sealed))
    return sealed


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
            OrganisationNumbers(oin=afzender.oin), afzender.name, OrganisationKind.OVERHEID, _CEILING_OF_AFZENDER
        )
        row = await _insert_organisation(session, keyring, registration, at)
        act = OrganisationAct(JournalAct.ORGANISATIE_GEREGISTREERD, operator, row["id"], at)
        await journal_act(session, act, "afzender", [(SEALED_ORGANISATION, row)])
    return len(afzenders)
