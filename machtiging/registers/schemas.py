"""Request and response models of register events, in the Dutch terms of the wire. BSNs stand in bodies only."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from machtiging.agencies.rules import Theme
from machtiging.web.validation import StrictRequestModel

# With the largest references they fit in a body of the default size.
MAX_EVENTS_PER_CALL = 250
_Reference = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[!-~]([ -~]*[!-~])?$")]


class VertegenwoordigdeIn(StrictRequestModel):
    """Een persoon met een BSN, of bij een bestuurder een bedrijf met een KvK-nummer."""

    bsn: SecretStr | None = None
    kvkNummer: str | None = Field(default=None, max_length=8)  # noqa: N815


class VertegenwoordigerIn(StrictRequestModel):
    """Een persoon met een BSN, of een kantoor met een KvK-nummer."""

    bsn: SecretStr | None = None
    kvkNummer: str | None = Field(default=None, max_length=8)  # noqa: N815
    vestigingsnummer: str | None = Field(default=None, max_length=12)


class GebeurtenisIn(StrictRequestModel):
    """Een gebeurtenis over een vertegenwoordiging volgens de wet of de rechter."""

    gebeurtenisId: _Reference = Field(description="Het nummer van uw register. Herhalen verandert niets.")  # noqa: N815
    volgnummer: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="Telt vanaf 1, per vertegenwoordigde. Na een gat wacht een gebeurtenis.",
    )
    gebeurtenis: Annotated[str, Field(max_length=40)] = Field(description="begin, wijziging of einde")
    soort: Annotated[str, Field(max_length=40)] = Field(
        description="curatele, bewind, mentorschap, ouderlijk_gezag of bestuurder"
    )
    relatieId: _Reference = Field(description="Het nummer van de maatregel of relatie in uw register.")  # noqa: N815
    vertegenwoordigde: VertegenwoordigdeIn
    vertegenwoordiger: VertegenwoordigerIn | None = Field(default=None, description="Niet bij een einde.")
    ingangsdatum: date = Field(strict=False, description="De eerste dag van de nieuwe toestand.")
    einddatum: date | None = Field(
        default=None, strict=False, description="De laatste dag van een tijdelijke maatregel."
    )
    themas: list[Theme] | None = Field(
        default=None, min_length=1, strict=False, description="Alleen als de maatregel niet over alles gaat."
    )
    kenmerk: _Reference = Field(description="Het kenmerk van de beschikking of de akte.")
    registerdatum: date = Field(strict=False, description="De dag van inschrijving in uw register.")
    geboortedatum: str | None = Field(
        default=None, max_length=10, description="Van het kind, bij ouderlijk gezag. 00 is een onbekende maand of dag."
    )


class GebeurtenissenIn(StrictRequestModel):
    """De gebeurtenissen, in de volgorde van uw register."""

    gebeurtenissen: list[GebeurtenisIn] = Field(min_length=1, max_length=MAX_EVENTS_PER_CALL)


class EventBatch(StrictRequestModel):
    """The same before each item is checked: so one wrong item refuses only itself."""

    gebeurtenissen: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_EVENTS_PER_CALL)


class GebeurtenisResultaatOut(BaseModel):
    """Wat er met één gebeurtenis is gedaan."""

    gebeurtenisId: str | None = Field(default=None, description="Ontbreekt als het niet te lezen was.")  # noqa: N815
    resultaat: Literal["verwerkt", "wacht", "achterhaald", "geweigerd"]
    code: str | None = Field(default=None, description="Alleen bij een weigering; bedoeld voor programma's.")
    melding: str | None = Field(default=None, description="Alleen bij een weigering: de reden in gewone taal.")


class GebeurtenisResultatenOut(BaseModel):
    """De resultaten, in de volgorde van uw verzoek."""

    resultaten: list[GebeurtenisResultaatOut]
