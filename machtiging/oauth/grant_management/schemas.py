"""Schemas of the consents API."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class PlaatsOut(BaseModel):
    """Een verwijzing."""

    href: str


class PlaatsenOut(BaseModel):
    """De verwijzingen bij de lijst."""

    self: PlaatsOut


class ToestemmingOut(BaseModel):
    """Een app die nu toegang heeft."""

    toestemmingId: UUID  # noqa: N815
    app: str = Field(description="Hoe de app heet.")
    doorHelper: bool = Field(description="Of een helper de toegang gaf, met een machtiging van u.")  # noqa: N815
    machtigingId: UUID | None = Field(default=None, description="De machtiging waar dit bij hoort.")  # noqa: N815
    meerMachtigingen: bool = Field(description="Of de toegang voor meer machtigingen is.")  # noqa: N815
    teStoppen: bool = Field(  # noqa: N815
        description="Of u de toegang kunt stoppen. Niet als een helper er ook post van anderen mee leest."
    )
    handelingen: list[str] = Field(description="Wat de app mag met de post.")
    resource: str | None = Field(default=None, description="De dienst waar de app dit gebruikt; anders is dat hier.")
    resourceNaam: str | None = Field(default=None, description="Hoe die dienst heet.")  # noqa: N815
    gegevenOp: datetime  # noqa: N815
    uiterlijkTot: datetime = Field(description="Dan stopt de toegang vanzelf, als dat niet eerder gebeurt.")  # noqa: N815


class ToestemmingenOut(BaseModel):
    """Alle apps die nu toegang hebben."""

    toestemmingen: list[ToestemmingOut]
    links: PlaatsenOut = Field(alias="_links")
