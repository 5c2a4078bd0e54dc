"""Request and response models, in the terms of the federated Berichtenbox."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
)
from pydantic_core import PydanticCustomError

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.berichtenbox.rules import (
    MAX_BIJLAGEN,
    MAX_INHOUD_BYTES,
    MAX_KENMERK_LENGTH,
    MAX_MAP_LENGTH,
    MAX_ONDERWERP_LENGTH,
)
from machtiging.delegation.authority.capacity_terms import Hoedanigheid
from machtiging.delegation.rules import Act
from machtiging.kernel.text import require_plain_line
from machtiging.web.validation import StrictRequestModel

# One line with a visible character: the pattern form of `require_plain_line`.
_ONE_LINE_PATTERN = r"^[^\p{C}\p{Zl}\p{Zp}]*[^\p{C}\p{Z}][^\p{C}\p{Zl}\p{Zp}]*$"


def _validate_plain_line(text: str) -> str:
    try:
        return require_plain_line(text)
    except ValueError:
        raise PydanticCustomError("string_pattern_mismatch", "not a plain line") from None


# Normalised, so that two encodings of the same line are equal.
_PlainLine = AfterValidator(_validate_plain_line)
Kenmerk = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_KENMERK_LENGTH, pattern=_ONE_LINE_PATTERN), _PlainLine
]
Onderwerp = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ONDERWERP_LENGTH, pattern=_ONE_LINE_PATTERN), _PlainLine
]
Map = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MAP_LENGTH, pattern=_ONE_LINE_PATTERN), _PlainLine]


class OntvangerIn(StrictRequestModel):
    """For whom the letter is. The number only ever travels in a body, and this model does not print it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "BSN", "waarde": "999990019"},
                {"type": "KVK", "waarde": "90000001", "vestigingsnummer": "000012345678"},
                {"type": "RSIN", "waarde": "123456782"},
            ]
        }
    )

    type: Literal["BSN", "KVK", "RSIN"] = Field(
        description="Een burger heeft een BSN; een organisatie een KvK-nummer of een RSIN."
    )
    waarde: SecretStr = Field(
        max_length=9,
        description="Negen cijfers; bij een KvK-nummer acht.",
        json_schema_extra={"pattern": r"^[0-9]{8,9}$", "writeOnly": True},
    )
    vestigingsnummer: str | None = Field(
        default=None,
        max_length=12,
        description="Twaalf cijfers, alleen bij een KvK-nummer: de box van die vestiging.",
        json_schema_extra={"pattern": r"^[0-9]{12}$"},
    )


class BerichtIn(StrictRequestModel):
    """The JSON part of an aanlevering. The afzender is not in it: that is whoever the token was given to."""

    ontvanger: OntvangerIn
    dienst: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,60}$")]
    onderwerp: Onderwerp
    inhoud: Annotated[str, StringConstraints(min_length=1)]
    kenmerk: Kenmerk | None = None
    publicatietijdstip: AwareDatetime | None = None

    @field_validator("inhoud")
    @classmethod
    def _check_inhoud_size(cls, inhoud: str) -> str:
        if len(inhoud.encode()) > MAX_INHOUD_BYTES:
            raise PydanticCustomError("bytes_too_long", "too long")
        return inhoud


class AanleveringIn(StrictRequestModel):
    """The parts of an aanlevering, for the description of the API."""

    bericht: BerichtIn
    bijlage: list[bytes] = Field(
        default=[], max_length=MAX_BIJLAGEN, description="PDF-bestanden, hoogstens 25 MiB elk."
    )


class KenmerkHeader(StrictRequestModel):
    """The afzender's kenmerk in the Idempotency-Key header."""

    kenmerk: Kenmerk


def _omit_default(schema: dict[str, Any]) -> None:
    """Remove the default from the JSON schema of a member of a merge patch.

    A generated client would send the default for an absent member, and so change a value that should stay.
    """
    schema.pop("default", None)


class StatusIn(StrictRequestModel):
    """A merge patch (RFC 7396) on the citizen's own marks. An absent member stays. `map: null` removes the map."""

    gelezen: bool = Field(default=False, json_schema_extra=_omit_default)
    map: Map | None = Field(default=None, json_schema_extra=_omit_default)


class _BerichtenboxOut(BaseModel):
    model_config = ConfigDict(frozen=True)


class AanleveringOut(_BerichtenboxOut):
    """The id of the letter; the same letter again has the same id."""

    berichtId: str  # noqa: N815


class AfzenderOut(_BerichtenboxOut):
    """The sender of a bericht."""

    oin: str
    naam: str


class LinkOut(_BerichtenboxOut):
    """A link to another resource."""

    href: str


class LinksOut(_BerichtenboxOut):
    """This page, and the next if there is more."""

    self: LinkOut
    next: LinkOut | None = None


class BerichtSummaryOut(_BerichtenboxOut):
    """A letter in the list."""

    berichtId: str  # noqa: N815
    afzender: AfzenderOut
    onderwerp: str
    publicatietijdstip: datetime
    bijlagen: int = Field(description="Hoeveel bijlagen er zijn.")
    gelezen: bool = Field(description="Of u zelf dit bericht opende.")


class BerichtenOut(_BerichtenboxOut):
    """One page of the list, newest first."""

    berichten: list[BerichtSummaryOut]
    links: LinksOut = Field(alias="_links")


class BijlageOut(_BerichtenboxOut):
    """The metadata of a bijlage, known without downloading it."""

    bijlageId: str  # noqa: N815
    naam: str
    mimeType: str  # noqa: N815
    grootte: int = Field(description="In bytes.")


class StatusOut(_BerichtenboxOut):
    """The reader's own marks. Only the citizen has a map."""

    gelezen: bool
    map: str | None = None
    gewijzigdOp: datetime | None = None  # noqa: N815


class BerichtOut(_BerichtenboxOut):
    """A whole letter."""

    berichtId: str  # noqa: N815
    afzender: AfzenderOut
    dienst: str
    onderwerp: str
    inhoud: str
    publicatietijdstip: datetime
    tijdstipOntvangst: datetime  # noqa: N815
    bijlagen: list[BijlageOut]
    status: StatusOut


class VertegenwoordigdeOut(_BerichtenboxOut):
    """The represented person. There is no number: an app gets a pseudonym in `represents`."""

    naam: str


class MachtigingOrganisatieOut(_BerichtenboxOut):
    """The organisation through which the holder acts."""

    naam: str
    kvkNummer: str | None = None  # noqa: N815


class BereikOut(_BerichtenboxOut):
    """The letters and acts that are left after every link, the organisation and the consent."""

    afzenders: list[str] | None = Field(default=None, description="OIN's; ontbreekt bij alle afzenders.")
    diensten: list[str] | None = Field(default=None, description="OIN en code; ontbreekt bij alle diensten.")
    themas: list[Theme] | None = Field(default=None, description="Ontbreekt bij alle thema's.")
    uitgezonderdeThemas: list[Theme]  # noqa: N815
    handelingen: list[Act]
    hoogsteGevoeligheid: Sensitivity  # noqa: N815
    berichten: list[str] | None = Field(default=None, description="Ontbreekt als er geen losse berichten zijn genoemd.")
    berichtenVanaf: date = Field(description="De eerste dag, in Nederland.")  # noqa: N815


class MachtigingOut(_BerichtenboxOut):
    """A machtiging that the token can be used for. If it does not hold now, there is only the reason."""

    machtigingId: UUID  # noqa: N815
    geldt: bool = Field(description="Of het toegangsbewijs er nu iets mee kan.")
    reden: str | None = Field(default=None, description="Waarom niet, als code.")
    vertegenwoordigde: VertegenwoordigdeOut | None = None
    organisatie: MachtigingOrganisatieOut | None = Field(default=None, description="Ontbreekt bij een naaste.")
    hoedanigheid: Hoedanigheid | None = None
    bereik: BereikOut | None = None
    geldigTot: datetime | None = None  # noqa: N815


class MachtigingenOut(_BerichtenboxOut):
    """One page of the machtigingen of the token, in the order of their ids."""

    machtigingen: list[MachtigingOut]
    links: LinksOut = Field(alias="_links")
