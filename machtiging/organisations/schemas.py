"""Request and response models of organisations, in the Dutch terms of the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field, StringConstraints

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.queries import MAX_PAGE_SIZE
from machtiging.organisations.rules import (
    EmployeeInvitation,
    EmployeeRole,
    EmployeeState,
    OrganisationKind,
    RecognitionStatus,
    parse_roles,
)
from machtiging.web.validation import StrictRequestModel, parse_body

JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
NaInQuery = Annotated[UUID | None, Query(description="Waar de lijst verder gaat, uit `_links`.")]
AantalInQuery = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel er per keer komen.")]

_Line = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Oin = Annotated[str, StringConstraints(pattern=r"^[0-9]{20}$")]


class ErkenningIn(StrictRequestModel):
    """Een voorstel voor een status van de erkenning."""

    status: RecognitionStatus
    grond: _Line
    besluitkenmerk: str = ""


class PlafondIn(StrictRequestModel):
    """Het hele nieuwe plafond. Zonder lijst zijn het alle thema's of afzenders."""

    themas: list[Theme] | None = None
    afzenders: list[_Oin] | None = None
    hoogsteGevoeligheid: Sensitivity  # noqa: N815
    langsteDuurDagen: int = Field(ge=1)  # noqa: N815
    laagsteNiveau: Assurance  # noqa: N815


class MedewerkerIn(StrictRequestModel):
    """Een uitnodiging. Het kenmerk is dat van de medewerker bij het inlogmiddel."""

    inlogkenmerk: _Line
    naam: _Line
    rollen: list[EmployeeRole]


class MedewerkerWijziging(StrictRequestModel):
    """Andere rollen, of op non-actief en terug. Wie vertrekt, gaat met `_vertrek`."""

    rollen: list[EmployeeRole] | None = None
    status: EmployeeState | None = None


class PlafondOut(BaseModel):
    """Het meeste dat machtigingen aan deze organisatie kunnen bevatten."""

    themas: list[Theme] | None = Field(default=None, description="Ontbreekt bij alle thema's.")
    afzenders: list[str] | None = Field(default=None, description="OIN's; ontbreekt bij alle afzenders.")
    hoogsteGevoeligheid: Sensitivity  # noqa: N815
    langsteDuurDagen: int  # noqa: N815
    laagsteNiveau: Assurance  # noqa: N815


class VoorstelOut(BaseModel):
    """Een voorstel dat een andere beheerder nog moet bevestigen."""

    nummer: int
    status: RecognitionStatus
    grond: str
    besluitkenmerk: str
    voorgesteldOp: datetime  # noqa: N815


class OrganisatieOut(BaseModel):
    """Een organisatie, voor een beheerder."""

    organisatieId: UUID  # noqa: N815
    naam: str
    soort: OrganisationKind
    kvkNummer: str | None = None  # noqa: N815
    vestigingsnummer: str | None = None
    rsin: str | None = None
    oin: str | None = None
    plafond: PlafondOut
    erkenning: RecognitionStatus | None = Field(default=None, description="Ontbreekt als er nooit om is gevraagd.")
    voorstel: VoorstelOut | None = None
    verzegeld: bool = Field(description="Of de rij is zoals wij hem schreven. Zo niet, dan opent die niets.")


class VerwijzingOut(BaseModel):
    """Een verwijzing naar een andere plaats."""

    href: str


class PaginaOut(BaseModel):
    """De verwijzingen bij een lijst."""

    self: VerwijzingOut
    next: VerwijzingOut | None = None


class OrganisatiesOut(BaseModel):
    """Een deel van de lijst van organisaties."""

    organisaties: list[OrganisatieOut]
    links: PaginaOut = Field(alias="_links")


class NieuwVoorstelOut(BaseModel):
    """Het nummer van een nieuw voorstel."""

    nummer: int


class BesluitOut(BaseModel):
    """De erkenning zoals die nu is."""

    erkenning: RecognitionStatus


class NieuweMedewerkerOut(BaseModel):
    """De uitgenodigde medewerker."""

    medewerkerId: UUID  # noqa: N815


class MedewerkerOut(BaseModel):
    """Een medewerker van uw organisatie."""

    medewerkerId: UUID  # noqa: N815
    naam: str
    rollen: list[EmployeeRole]
    status: EmployeeState
    uitgenodigdOp: datetime  # noqa: N815


class MedewerkersOut(BaseModel):
    """Een deel van de medewerkers die niet vertrokken zijn."""

    medewerkers: list[MedewerkerOut]
    links: PaginaOut = Field(alias="_links")


def parse_invitation(body: bytes, broker_issuer: str) -> EmployeeInvitation:
    """Parse an invitation for an account at the login broker. Raises InvalidInput."""
    medewerker = parse_body(MedewerkerIn, body)
    roles = parse_roles(medewerker.rollen)
    return EmployeeInvitation(broker_issuer, medewerker.inlogkenmerk, medewerker.naam, roles)


def describe_page(url: str, after: UUID | None, last: UUID | None) -> dict[str, Any]:
    """Describe the links of a page: itself, and the next one if there is more."""
    here = url if after is None else f"{url}&na={after}"
    return {"self": {"href": here}} | ({} if last is None else {"next": {"href": f"{url}&na={last}"}})
