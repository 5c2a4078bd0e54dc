"""Request and response models of teams, in the Dutch terms of the wire."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from machtiging.organisations.schemas import PaginaOut
from machtiging.web.validation import StrictRequestModel


class TeamIn(StrictRequestModel):
    """De naam van een team. Een naam die een team had, komt niet terug."""

    naam: str


class NieuwTeamOut(BaseModel):
    """Het nieuwe team."""

    teamId: UUID  # noqa: N815


class TeamOut(BaseModel):
    """Een team van uw organisatie."""

    teamId: UUID  # noqa: N815
    naam: str
    leden: list[UUID] = Field(description="De medewerkers die nu in het team zitten.")


class TeamsOut(BaseModel):
    """Een deel van de teams van uw organisatie."""

    teams: list[TeamOut]
    links: PaginaOut = Field(alias="_links")
