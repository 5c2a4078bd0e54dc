"""Request and response models of verifications, in the Dutch terms of the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, StringConstraints

from machtiging.access.entitlements.rules import Purpose
from machtiging.verification.rules import MAX_VERIFICATIONS_PER_CALL, PartyType
from machtiging.web.validation import StrictRequestModel

VERIFICATIONS_PATH = "/api/v1/verificaties"
MAX_REQUEST_BYTES = 1024 * 1024
_Line = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[!-~]([ -~]*[!-~])?$")]


class PartijIn(StrictRequestModel):
    """Een persoon of organisatie. Een BSN of pseudoniem staat alleen in de inhoud, nooit in een adres."""

    type: PartyType = Field(strict=False)
    waarde: SecretStr = Field(max_length=100)


class VerificatieIn(StrictRequestModel):
    """Een vraag: mag deze gemachtigde handelen voor deze vertegenwoordigde, in een dienst van u?"""

    kenmerk: _Line | None = Field(default=None, description="Uw eigen kenmerk. Het komt ongewijzigd terug.")
    dienst: _Line = Field(description="De code van een dienst van u.")
    doel: Purpose = Field(strict=False, description="Waarvoor u het vraagt. U moet er bevoegd voor zijn.")
    vertegenwoordigde: PartijIn | None = None
    gemachtigde: PartijIn | None = None
    machtigingId: str | None = Field(  # noqa: N815
        default=None, max_length=36, description="In plaats van beide partijen, of om ze te vergelijken."
    )
    code: SecretStr | None = Field(
        default=None, max_length=40, description="Een controlecode, in plaats van partijen en nummer. Werkt één keer."
    )
    handeling: Literal["lijst", "lezen", "downloaden"] | None = Field(
        default=None, description="Zonder handeling is het antwoord ja als er minstens één mag."
    )
    op: AwareDatetime | None = Field(default=None, strict=False, description="Een moment in het verleden.")


class VerificatiesIn(StrictRequestModel):
    """De vragen. Elke vraag krijgt een eigen antwoord."""

    verificaties: list[VerificatieIn] = Field(min_length=1, max_length=MAX_VERIFICATIONS_PER_CALL)


class VerificationBatch(StrictRequestModel):
    """The same before each item is checked: so one wrong item refuses only itself."""

    verificaties: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_VERIFICATIONS_PER_CALL)


class HandelingOut(BaseModel):
    """Een handeling die mag, met het laagste niveau van inloggen."""

    handeling: str
    niveau: str


class VertegenwoordigendeOrganisatieOut(BaseModel):
    """De organisatie waarvoor de gemachtigde werkt."""

    naam: str | None = None
    kvkNummer: str | None = None  # noqa: N815


class VerificatieOut(BaseModel):
    """Het antwoord op één vraag, of de reden waarom u haar niet mag stellen."""

    kenmerk: str | None = None
    resultaat: Literal["beantwoord", "geweigerd"]
    verificatieId: str | None = Field(default=None, description="Het nummer van het besluit.")  # noqa: N815
    antwoord: bool | None = None
    reden: str | None = Field(default=None, description="Alleen bij een nee.")
    op: datetime | None = Field(default=None, description="Het moment waarover het antwoord gaat.")
    machtigingId: str | None = None  # noqa: N815
    vertegenwoordigde: str | None = Field(default=None, description="Het pseudoniem voor u.")
    gemachtigde: str | None = Field(default=None, description="Het pseudoniem voor u.")
    hoedanigheid: str | None = None
    grond: str | None = None
    organisatie: VertegenwoordigendeOrganisatieOut | None = None
    geldigTot: datetime | None = None  # noqa: N815
    handelingen: list[HandelingOut] | None = None
    bewijs: str | None = Field(default=None, description="Het ondertekende antwoord (JWS).")
    zout: str | None = Field(default=None, description="Waarmee het bewijs aan uw vraag vastzit.")
    code: str | None = Field(default=None, description="Alleen bij een weigering; bedoeld voor programma's.")
    melding: str | None = Field(default=None, description="Alleen bij een weigering: de reden in gewone taal.")


class VerificatiesOut(BaseModel):
    """De antwoorden, in de volgorde van uw vragen."""

    resultaten: list[VerificatieOut]


class JournaalplaatsOut(BaseModel):
    """De plaats van een antwoord in het verzegelde journaal."""

    verificatieId: str  # noqa: N815
    gevraagdOp: datetime  # noqa: N815
    antwoord: bool
    nummer: int | None = Field(default=None, description="Ontbreekt zolang de regel niet verzegeld is.")
    hash: str | None = None
    ondertekend: str | None = Field(default=None, description="De eerste ondertekende stand van het journaal erna.")
