"""Response models of `/api/v1/clienten`."""

from __future__ import annotations

from datetime import datetime
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
