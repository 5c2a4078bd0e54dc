"""Request and response models of departures and hand-overs, in the Dutch terms of the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from machtiging.delegation.assignments.rules import MAX_CASE_REFERENCE_LENGTH, AssignmentRequest
from machtiging.delegation.assignments.schemas import LIST_SIZE
from machtiging.delegation.handover.departure import Departure
from machtiging.delegation.handover.queries import HandoverView, ItemView
from machtiging.delegation.waiting_clients.rules import HandoverOccasion, ItemState
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.schemas import PaginaOut
from machtiging.web.validation import StrictRequestModel


class VertrekOut(BaseModel):
    """Wat er door het vertrek is gestopt, en wie nu een lezer nodig heeft."""

    beeindigdeToewijzingen: int  # noqa: N815
    clientenZonderLezer: int = Field(description="Zoveel cliënten staan nu in de overdracht.")  # noqa: N815
    overdrachtId: UUID | None = Field(default=None, description="Ontbreekt als elke cliënt een lezer heeft.")  # noqa: N815


class OverdrachtOut(BaseModel):
    """Een overdracht: de cliënten van een medewerker die geen lezer meer hadden."""

    overdrachtId: UUID  # noqa: N815
    medewerkerId: UUID  # noqa: N815
    aanleiding: HandoverOccasion
    geopendOp: datetime  # noqa: N815
    aantalClienten: int  # noqa: N815
    aantalWacht: int = Field(description="Zoveel cliënten hebben nog geen lezer.")  # noqa: N815


class OverdrachtenOut(BaseModel):
    """Een deel van de overdrachten van uw organisatie, de nieuwste eerst."""

    overdrachten: list[OverdrachtOut]
    links: PaginaOut = Field(alias="_links")


class OverdrachtRegelOut(BaseModel):
    """Een cliënt in een overdracht."""

    machtigingId: UUID  # noqa: N815
    status: ItemState
    uiterlijkOp: datetime = Field(description="Dan hoort de cliënt dat niemand de post leest.")  # noqa: N815
    gemeldOp: datetime | None = Field(default=None, description="Sinds dan weet de cliënt het.")  # noqa: N815
    toewijzingId: UUID | None = Field(default=None, description="Alleen bij een cliënt die is toegewezen.")  # noqa: N815


class OverdrachtRegelsOut(BaseModel):
    """Een deel van de cliënten in een overdracht."""

    regels: list[OverdrachtRegelOut]
    links: PaginaOut = Field(alias="_links")


class VerdeelRegelIn(StrictRequestModel):
    """Een cliënt uit de overdracht, en de medewerker die verder leest."""

    machtigingId: UUID  # noqa: N815
    medewerkerId: UUID  # noqa: N815
    zaakkenmerk: str | None = Field(
        default=None,
        description="Eén regel, voor uw eigen administratie.",
        json_schema_extra={"maxLength": MAX_CASE_REFERENCE_LENGTH},
    )


class VerdelingIn(StrictRequestModel):
    """De cliënten die u verdeelt."""

    regels: list[VerdeelRegelIn] = Field(min_length=1, json_schema_extra=LIST_SIZE)


def parse_request(item: VerdeelRegelIn, handover_id: UUID, idempotency_key: str | None) -> AssignmentRequest:
    """Convert one item of the body into a request to assign."""
    return AssignmentRequest(
        MachtigingId(item.machtigingId),
        item.medewerkerId,
        case_reference=item.zaakkenmerk,
        idempotency_key=idempotency_key,
        handover_id=handover_id,
    )


def describe_departure(departure: Departure) -> dict[str, Any]:
    """Describe the result of a departure."""
    return {
        "beeindigdeToewijzingen": departure.ended,
        "clientenZonderLezer": departure.waiting,
        "overdrachtId": departure.handover_id,
    }


def describe_handover(view: HandoverView) -> dict[str, Any]:
    """Describe one hand-over in the list."""
    return {
        "overdrachtId": view.id,
        "medewerkerId": view.employee_id,
        "aanleiding": view.occasion,
        "geopendOp": view.opened_at,
        "aantalClienten": view.total,
        "aantalWacht": view.waiting,
    }


def describe_item(view: ItemView) -> dict[str, Any]:
    """Describe one client in a hand-over."""
    return {
        "machtigingId": view.machtiging_id,
        "status": view.state,
        "uiterlijkOp": view.due_at,
        "gemeldOp": view.told_at,
        "toewijzingId": view.assignment_id,
    }
