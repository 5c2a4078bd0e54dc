"""Request and response models of assignments, in the Dutch terms of the wire."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from machtiging.delegation.assignments.queries import MAX_PAGE_SIZE, AssignmentView
from machtiging.delegation.assignments.rules import (
    MAX_ASSIGNMENTS_PER_CALL,
    MAX_CASE_REFERENCE_LENGTH,
    AssignmentRequest,
)
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal
from machtiging.organisations.schemas import PaginaOut
from machtiging.web.validation import StrictRequestModel

ToewijzingenPerPagina = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel er per keer komen.")]
# Described and not enforced by the model: a longer list is refused as a whole, with a code and a journal line.
LIST_SIZE: JsonDict = {"maxItems": MAX_ASSIGNMENTS_PER_CALL}
_REFERENCE_SIZE: JsonDict = {"maxLength": MAX_CASE_REFERENCE_LENGTH}


class ToewijzingIn(StrictRequestModel):
    """Een machtiging van uw organisatie, en de medewerker of het team dat haar krijgt."""

    machtigingId: UUID  # noqa: N815
    medewerkerId: UUID | None = None  # noqa: N815
    teamId: UUID | None = Field(  # noqa: N815
        default=None, description="In plaats van een medewerker: wie in het team zit, leest mee zolang dat zo is."
    )
    zaakkenmerk: str | None = Field(
        default=None, description="Eén regel, voor uw eigen administratie.", json_schema_extra=_REFERENCE_SIZE
    )


class ToewijzingenIn(StrictRequestModel):
    """De machtigingen die u toewijst."""

    toewijzingen: list[ToewijzingIn] = Field(min_length=1, json_schema_extra=LIST_SIZE)


class BeeindigingenIn(StrictRequestModel):
    """De toewijzingen die u beëindigt."""

    toewijzingIds: list[UUID] = Field(min_length=1, json_schema_extra=LIST_SIZE)  # noqa: N815


class ToewijzingResultaatOut(BaseModel):
    """Wat er met één machtiging of toewijzing uit uw verzoek is gedaan."""

    resultaat: Literal["toegewezen", "voorgesteld", "beeindigd", "geweigerd"] = Field(
        description="`voorgesteld`: geeft pas toegang als een tweede persoon bevestigt."
    )
    toewijzingId: UUID | None = Field(default=None, description="Ontbreekt als de toewijzing niet is gemaakt.")  # noqa: N815
    machtigingId: UUID | None = Field(default=None, description="Alleen bij toewijzen: die uit uw verzoek.")  # noqa: N815
    code: str | None = Field(default=None, description="Alleen bij een weigering; bedoeld voor programma's.")
    melding: str | None = Field(default=None, description="Alleen bij een weigering: de reden in gewone taal.")


class ToewijzingResultatenOut(BaseModel):
    """De resultaten, in de volgorde van uw verzoek."""

    resultaten: list[ToewijzingResultaatOut]


class ToewijzingOut(BaseModel):
    """Een toewijzing die niet beëindigd is."""

    toewijzingId: UUID  # noqa: N815
    machtigingId: UUID = Field(description="De machtiging van uw organisatie.")  # noqa: N815
    medewerkerId: UUID | None = Field(default=None, description="Ontbreekt bij de toewijzing aan het team zelf.")  # noqa: N815
    teamId: UUID | None = Field(default=None, description="Alleen bij een toewijzing aan of via een team.")  # noqa: N815
    zaakkenmerk: str | None = Field(default=None, description="Ontbreekt als er geen is.")
    toegewezenOp: datetime  # noqa: N815
    geldigTot: datetime  # noqa: N815
    reden: str | None = Field(default=None, description="Waarom de toewijzing nu niet geldt. Ontbreekt als zij geldt.")


class ToewijzingenOut(BaseModel):
    """Een deel van de toewijzingen van uw organisatie."""

    toewijzingen: list[ToewijzingOut]
    links: PaginaOut = Field(alias="_links")


def parse_request(toewijzing: ToewijzingIn, idempotency_key: str | None = None) -> AssignmentRequest:
    """Convert one item of the body. `idempotency_key`: that of the call."""
    return AssignmentRequest(
        MachtigingId(toewijzing.machtigingId),
        toewijzing.medewerkerId,
        toewijzing.teamId,
        toewijzing.zaakkenmerk,
        idempotency_key,
    )


def describe_assigned(
    machtiging_id: UUID, result: MachtigingId | Refusal, proposed: Collection[UUID] = ()
) -> dict[str, Any]:
    """Describe the result of one assignment. `proposed`: those that wait for a second person."""
    named = {"machtigingId": machtiging_id}
    if isinstance(result, Refusal):
        return named | _describe_refused(result)
    return named | _describe("voorgesteld" if result in proposed else "toegewezen", result)


def describe_ended(assignment_id: UUID, result: MachtigingId | Refusal) -> dict[str, Any]:
    """Describe the result of one ending."""
    if isinstance(result, Refusal):
        return {"toewijzingId": assignment_id} | _describe_refused(result)
    return _describe("beeindigd", result)


def _describe(result: str, assignment_id: UUID) -> dict[str, Any]:
    return {"resultaat": result, "toewijzingId": assignment_id}


def _describe_refused(refusal: Refusal) -> dict[str, Any]:
    return {"resultaat": "geweigerd", "code": refusal.code, "melding": describe_refusal(refusal)}


def describe_assignment(view: AssignmentView) -> dict[str, Any]:
    """Describe one assignment in the list."""
    authority = view.authority
    return {
        "toewijzingId": authority.machtiging_id,
        "machtigingId": authority.root.id,
        "medewerkerId": authority.leaf.employee_id,
        "teamId": authority.team_id,
        "zaakkenmerk": view.case_reference,
        "toegewezenOp": view.assigned_at,
        "geldigTot": authority.ends_at,
        "reden": view.stop_code,
    }
