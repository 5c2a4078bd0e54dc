"""Response models of `/api/v1/clienten`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from machtiging.agencies.rules import Theme
from machtiging.berichtenbox.schemas import BerichtSummaryOut, LinksOut, VertegenwoordigdeOut


class _ClientModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClientOut(_ClientModel):
    """A client of an employee. The id is that of the machtiging that the employee holds."""

    machtigingId: UUID  # noqa: N815
    vertegenwoordigde: VertegenwoordigdeOut | None = Field(default=None, description="Ontbreekt zonder naam.")
    zaakkenmerk: str | None = Field(default=None, description="Het kenmerk van uw organisatie.")
    ongelezen: int = Field(description="Hoeveel berichten u nog niet las, hoogstens 100.")
    bijnaVoorbij: bool = Field(description="Of dit binnen 30 dagen eindigt.")  # noqa: N815
    geldigTot: datetime  # noqa: N815
    toegewezenOp: datetime  # noqa: N815


class TellingenOut(_ClientModel):
    """The numbers of clients that the search finds, before `toon`."""

    totaal: int
    ongelezen: int = Field(description="Met berichten die u nog niet las.")
    bijnaVoorbij: int = Field(description="Die binnen 30 dagen eindigen.")  # noqa: N815


class ClientenOut(_ClientModel):
    """One page of the clients, and the counts of the whole list."""

    clienten: list[ClientOut]
    tellingen: TellingenOut
    links: LinksOut = Field(alias="_links")


class ClientBerichtOut(BerichtSummaryOut):
    """A letter in the list, and the client whose box it is in."""

    machtigingId: UUID  # noqa: N815
    vertegenwoordigde: VertegenwoordigdeOut | None = Field(default=None, description="Ontbreekt zonder naam.")
    thema: Theme


class ClientBerichtenOut(_ClientModel):
    """One page of the letters of all clients."""

    berichten: list[ClientBerichtOut]
    links: LinksOut = Field(alias="_links")


class HandelingAfzenderOut(_ClientModel):
    """The sender of a letter that an act was on."""

    naam: str


class ClientHandelingOut(_ClientModel):
    """One act of the employee for a client. A refused act tells no more than the refusal did."""

    tijdstip: datetime
    handeling: str = Field(description="Wat u deed, zoals `bericht:lezen` of `toewijzing:aangenomen`.")
    uitkomst: Literal["gedaan", "geweigerd"]
    machtigingId: UUID  # noqa: N815
    vertegenwoordigde: VertegenwoordigdeOut | None = Field(default=None, description="Ontbreekt zonder naam.")
    berichtId: UUID | None = Field(  # noqa: N815
        default=None, description="Alleen van een bericht dat u nu nog mag zien."
    )
    afzender: HandelingAfzenderOut | None = Field(default=None, description="Van dat bericht.")
    clientId: str | None = Field(default=None, description="De app waarmee u het deed.")  # noqa: N815


class ClientHandelingenOut(_ClientModel):
    """One page of the acts of the employee, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "handelingen": [
                        {
                            "tijdstip": "2026-11-30T10:15:00Z",
                            "handeling": "bericht:lezen",
                            "uitkomst": "gedaan",
                            "machtigingId": "019ab0c4-7a5e-7c3e-9f1a-123456789012",
                            "vertegenwoordigde": {"naam": "R. van der Linden"},
                            "berichtId": "019ab0c4-7a5e-7c3e-9f1a-123456789013",
                            "afzender": {"naam": "Sociale Verzekeringsbank"},
                        }
                    ],
                    "_links": {"self": {"href": "https://machtiging.example/api/v1/clienten/handelingen?aantal=50"}},
                }
            ]
        }
    )

    handelingen: list[ClientHandelingOut]
    links: LinksOut = Field(alias="_links")
