"""Request and response models of four eyes, in the Dutch terms of the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from machtiging.delegation.assignments.insertion import AssignmentKind
from machtiging.delegation.assignments.proposals import Proposal
from machtiging.organisations.schemas import PaginaOut
from machtiging.web.validation import StrictRequestModel


class Besluit(StrEnum):
    """The decision of the second person."""

    CONFIRM = "bevestigen"
    REFUSE = "weigeren"


class VierOgenBesluitIn(StrictRequestModel):
    """Uw besluit over één toewijzing."""

    besluit: Besluit


class VierOgenBesluitOut(BaseModel):
    """Wat er met de toewijzing is gedaan."""

    toewijzingId: UUID  # noqa: N815
    resultaat: Literal["bevestigd", "geweigerd"]


class VierOgenOut(BaseModel):
    """Een toewijzing die op een tweede persoon wacht. Zij geeft nog geen toegang."""

    toewijzingId: UUID  # noqa: N815
    machtigingId: UUID = Field(description="De machtiging van uw organisatie.")  # noqa: N815
    medewerkerId: UUID | None = Field(default=None, description="Wie de post straks leest. Ontbreekt bij een team.")  # noqa: N815
    teamId: UUID | None = Field(default=None, description="Alleen bij een toewijzing aan of via een team.")  # noqa: N815
    soort: AssignmentKind
    voorgesteldDoor: UUID | None = Field(default=None, description="De medewerker die dit voorstelde.")  # noqa: N815
    voorgesteldOp: datetime  # noqa: N815
    verlooptOp: datetime = Field(description="Daarna vervalt de toewijzing vanzelf.")  # noqa: N815


class VierOgenLijstOut(BaseModel):
    """Een deel van wat op een tweede persoon wacht."""

    voorstellen: list[VierOgenOut]
    links: PaginaOut = Field(alias="_links")


def describe_proposal(proposal: Proposal) -> dict[str, Any]:
    """Describe one assignment that waits."""
    authority = proposal.authority
    return {
        "toewijzingId": authority.machtiging_id,
        "machtigingId": authority.root.id,
        "medewerkerId": authority.leaf.employee_id,
        "teamId": authority.team_id,
        "soort": proposal.kind,
        "voorgesteldDoor": proposal.proposed_by,
        "voorgesteldOp": proposal.proposed_at,
        "verlooptOp": proposal.expires_at,
    }
