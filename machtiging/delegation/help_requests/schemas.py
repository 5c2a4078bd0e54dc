"""Request and response models of requests by an organisation, in Dutch wire terms."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from machtiging.agencies.bundles import Bundle
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.help_requests.creation import RequestedHelp
from machtiging.delegation.help_requests.queries import MAX_LISTED_REQUESTS
from machtiging.delegation.help_requests.rules import HelpRequest, HelpRequestState, RequestWords
from machtiging.delegation.machtigingscode import format_code
from machtiging.delegation.rules import Act, MachtigingScope
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.schemas import PaginaOut
from machtiging.web.validation import StrictRequestModel

VerzoekenPerPagina = Annotated[int, Query(ge=1, le=MAX_LISTED_REQUESTS, description="Hoeveel er per keer komen.")]
_MAX_SENDERS = 200


class VerzoekStatus(StrEnum):
    """De status van een verzoek."""

    WACHT = "wacht"
    GEZIEN = "gezien"
    INGEWILLIGD = "ingewilligd"
    GEWEIGERD = "geweigerd"
    INGETROKKEN = "ingetrokken"
    VERLOPEN = "verlopen"


_STATUSES = {
    HelpRequestState.AGREED: VerzoekStatus.INGEWILLIGD,
    HelpRequestState.REFUSED: VerzoekStatus.GEWEIGERD,
    HelpRequestState.WITHDRAWN: VerzoekStatus.INGETROKKEN,
    HelpRequestState.EXPIRED: VerzoekStatus.VERLOPEN,
}


class BundelVersie(StrictRequestModel):
    """De versie van een bundel. Alleen de nieuwste kan worden gevraagd."""

    code: str = Field(max_length=40)
    versie: int = Field(ge=1)


class VerzoekIn(StrictRequestModel):
    """Een verzoek aan een nieuwe cliënt. Wie dat is, staat er niet in: de cliënt opent het met de code."""

    voorWie: str = Field(description="Voor uw eigen lijst; de cliënt ziet dit niet. Nooit een BSN.")  # noqa: N815
    doel: str = Field(description="Waarvoor; de cliënt leest dit.")
    afzenders: list[str] | None = Field(
        default=None, description="OIN's; ontbreekt bij alle afzenders.", max_length=_MAX_SENDERS
    )
    themas: list[Theme] | None = Field(default=None, description="Ontbreekt bij alle thema's.")
    bundel: BundelVersie | None = Field(default=None, description="In plaats van afzenders en thema's.")
    hoogsteGevoeligheid: Sensitivity = Sensitivity.GEWOON  # noqa: N815
    berichtenVanaf: date  # noqa: N815
    handelingen: list[Act] = Field(default=[Act.LIST, Act.READ])
    laatsteDag: date  # noqa: N815


class VerzoekOut(BaseModel):
    """Een verzoek. De code is er alleen zolang het wacht."""

    verzoekId: UUID  # noqa: N815
    status: VerzoekStatus
    voorWie: str  # noqa: N815
    doel: str
    afzenders: list[str] | None = None
    themas: list[Theme] | None = None
    diensten: list[str] | None = Field(default=None, description='Van de bundel: "OIN/code".')
    bundel: BundelVersie | None = None
    hoogsteGevoeligheid: Sensitivity  # noqa: N815
    berichtenVanaf: date  # noqa: N815
    handelingen: list[Act]
    laatsteDag: date  # noqa: N815
    gemaaktOp: datetime  # noqa: N815
    verlooptOp: datetime  # noqa: N815
    code: str | None = Field(default=None, description="Ontbreekt als er niets meer te antwoorden is.")
    machtigingId: UUID | None = Field(default=None, description="Wat u als medewerker heeft.")  # noqa: N815


class VerzoekenOut(BaseModel):
    """Een deel van uw verzoeken, de nieuwste eerst."""

    machtigingsverzoeken: list[VerzoekOut]
    links: PaginaOut = Field(alias="_links")


class BundelOut(BaseModel):
    """De nieuwste versie van een bundel."""

    code: str
    versie: int
    naam: str
    diensten: list[str] = Field(description='"OIN/code".')
    gepubliceerdOp: datetime  # noqa: N815


class BundelsOut(BaseModel):
    """De bundels, op naam."""

    bundels: list[BundelOut]


def describe_bundel(bundle: Bundle) -> dict[str, Any]:
    """Describe a bundle."""
    of_version = {"code": bundle.code, "versie": bundle.version, "naam": bundle.name}
    return of_version | {"diensten": sorted(bundle.diensten), "gepubliceerdOp": bundle.published_at}


def parse_content(verzoek: VerzoekIn) -> RequestedHelp:
    """Convert the body to the content of a request, without its bundle.

    Raises InvalidInput `bundel_en_keuze` for a bundle together with senders or themes.
    """
    if verzoek.bundel is not None and (verzoek.afzenders is not None or verzoek.themas is not None):
        raise InvalidInput("bundel_en_keuze")
    scope = MachtigingScope(
        afzenders=None if verzoek.afzenders is None else frozenset(verzoek.afzenders),
        diensten=None,
        themes=None if verzoek.themas is None else frozenset(verzoek.themas),
        excluded_themes=frozenset(),
        highest_sensitivity=verzoek.hoogsteGevoeligheid,
        letters_from=verzoek.berichtenVanaf,
        acts=frozenset(verzoek.handelingen),
    )
    return RequestedHelp(RequestWords(verzoek.voorWie, "", verzoek.doel), scope, verzoek.laatsteDag)


def describe_verzoek(request: HelpRequest, machtiging_id: MachtigingId | None, at: datetime) -> dict[str, Any]:
    """Describe one request. `machtiging_id`: what the employee holds by it."""
    state, scope, bundle = request.state_at(at), request.scope, request.bundle
    waiting = state is HelpRequestState.WAITING
    opened = VerzoekStatus.WACHT if request.opened_by is None else VerzoekStatus.GEZIEN
    return {
        "verzoekId": request.id,
        "status": opened if waiting else _STATUSES[state],
        "voorWie": request.words.for_whom,
        "doel": request.words.purpose,
        "afzenders": None if scope.afzenders is None else sorted(scope.afzenders),
        "themas": None if scope.themes is None else sorted(scope.themes),
        "diensten": None if scope.diensten is None else sorted(scope.diensten),
        "bundel": None if bundle is None else {"code": bundle.code, "versie": bundle.version},
        "hoogsteGevoeligheid": scope.highest_sensitivity,
        "berichtenVanaf": scope.letters_from,
        "handelingen": sorted(scope.acts),
        "laatsteDag": request.last_day,
        "gemaaktOp": request.created_at,
        "verlooptOp": request.expires_at,
        "code": format_code(request.words.code) if waiting else None,
        "machtigingId": machtiging_id,
    }
