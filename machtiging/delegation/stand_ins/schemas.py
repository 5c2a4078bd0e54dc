"""Request and response models of stand-ins, in the Dutch terms of the wire."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from machtiging.delegation.stand_ins.creation import CreatedStandIn
from machtiging.delegation.stand_ins.queries import StandInState, StandInView
from machtiging.delegation.stand_ins.rules import StandInRequest
from machtiging.organisations.schemas import PaginaOut
from machtiging.web.validation import StrictRequestModel


class VervangingIn(StrictRequestModel):
    """Wie afwezig is, wie vervangt, en van welke tot en met welke dag."""

    afwezigeId: UUID  # noqa: N815
    vervangerId: UUID  # noqa: N815
    eersteDag: date  # noqa: N815
    laatsteDag: date = Field(description="Die dag hoort erbij. Samen hooguit 42 dagen.")  # noqa: N815


class NieuweVervangingOut(BaseModel):
    """De vervanging die u maakte."""

    vervangingId: UUID  # noqa: N815
    aantalClienten: int | None = Field(  # noqa: N815
        default=None, description="Ontbreekt als deze vervanging er al was, met al deze cliënten."
    )
    aantalVoorgesteld: int | None = Field(  # noqa: N815
        default=None, description="Zoveel cliënten wachten op een tweede persoon. Ontbreekt als er geen wacht."
    )


class VervangingOut(BaseModel):
    """Een vervanging die loopt of nog komt."""

    vervangingId: UUID  # noqa: N815
    afwezigeId: UUID  # noqa: N815
    vervangerId: UUID  # noqa: N815
    eersteDag: date  # noqa: N815
    laatsteDag: date  # noqa: N815
    status: StandInState


class VervangingenOut(BaseModel):
    """Een deel van de vervangingen van uw organisatie."""

    vervangingen: list[VervangingOut]
    links: PaginaOut = Field(alias="_links")


def parse_request(vervanging: VervangingIn) -> StandInRequest:
    """Convert the body."""
    return StandInRequest(vervanging.afwezigeId, vervanging.vervangerId, vervanging.eersteDag, vervanging.laatsteDag)


def describe_created(created: CreatedStandIn) -> dict[str, Any]:
    """Describe a stand-in that was made."""
    return {
        "vervangingId": created.id,
        "aantalClienten": created.clients,
        "aantalVoorgesteld": created.waiting or None,
    }


def describe_stand_in(view: StandInView) -> dict[str, Any]:
    """Describe one stand-in in the list."""
    return {
        "vervangingId": view.id,
        "afwezigeId": view.absent_id,
        "vervangerId": view.replacement_id,
        "eersteDag": view.first_day,
        "laatsteDag": view.last_day,
        "status": view.state,
    }
