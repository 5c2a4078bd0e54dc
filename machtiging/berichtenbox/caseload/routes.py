"""/api/v1/clienten: the clients of an employee, and their letters.

For an app with one consent for all clients. A client is a machtiging of the token. Letters of one client:
`/api/v1/machtigingen/{machtigingId}/berichten`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from machtiging.access.bearer import TokenUser
from machtiging.access.dependencies import access_services
from machtiging.access.guard import require_token_act
from machtiging.agencies.rules import Theme
from machtiging.audit.acts import JournalOutcome
from machtiging.berichtenbox.bericht_list import MAX_PAGE_SIZE
from machtiging.berichtenbox.caseload.client_letters import (
    ClientLetter,
    ClientLettersQuery,
    LetterOrder,
    list_client_letters,
)
from machtiging.berichtenbox.caseload.client_list import ClientQuery, ClientSummary, list_clients
from machtiging.berichtenbox.caseload.client_order import ClientFilter, ClientOrder
from machtiging.berichtenbox.caseload.own_record import (
    OwnRecordEntry,
    OwnRecordQuery,
    list_own_acts,
    position_of_line,
    read_position,
)
from machtiging.berichtenbox.caseload.schemas import ClientBerichtenOut, ClientenOut, ClientHandelingenOut
from machtiging.berichtenbox.caseload.signed_cursor import MAX_CURSOR_LENGTH, CursorBinding
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.search_terms import MAX_SEARCH_LENGTH
from machtiging.delegation.rules import Act
from machtiging.kernel.clock import month_period
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable
from machtiging.web.openapi import declare_required_action

CLIENTEN_PATH = "/clienten"
router = APIRouter(prefix=API_PREFIX + CLIENTEN_PATH, tags=["Cliënten"])
_ORDER_DESCRIPTION = (
    "De volgorde van de lijst. Bij `ongelezen` tellen tien of meer gelijk; wat het eerst eindigt, staat dan voorop."
)
_JSON_ONLY = [Depends(require_acceptable("application/json"))]
CursorInQuery = Annotated[
    str | None, Query(max_length=MAX_CURSOR_LENGTH, description="Waar de lijst verder gaat, uit `_links`.")
]
AantalInQuery = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel er per keer komen.")]
MaandInQuery = Annotated[
    str | None, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="Alleen in deze maand, zoals 2026-11.")
]
ZoekInQuery = Annotated[
    str | None,
    Query(
        max_length=MAX_SEARCH_LENGTH,
        description="De eerste letters van de achternaam, de geboortedatum of het zaakkenmerk. Nooit een BSN.",
    ),
]


@router.get(
    "",
    response_model=ClientenOut,
    response_model_exclude_none=True,
    summary="De cliënten van een medewerker",
    operation_id="lijstClienten",
    dependencies=_JSON_ONLY,
    openapi_extra=declare_required_action(Act.LIST),
)
async def get_clienten(
    request: Request,
    actor: TokenUser,
    session: Transaction,
    zoek: ZoekInQuery = None,
    toon: Annotated[ClientFilter | None, Query(description="Alleen deze cliënten.")] = None,
    volgorde: Annotated[ClientOrder, Query(description=_ORDER_DESCRIPTION)] = ClientOrder.UNREAD,
    aantal: AantalInQuery = 50,
    cursor: CursorInQuery = None,
) -> dict[str, Any]:
    """De cliënten van wie u nu brieven mag zien. Leeg als dit toegangsbewijs voor uw eigen berichtenbox is."""
    services = access_services(request)
    at = services.clock.now()
    await require_token_act(session, services.policy, actor, Act.LIST, at=at)
    query = ClientQuery(aantal, zoek, toon, volgorde, cursor)
    page = await list_clients(session, services.keyring, services.policy, actor, query, at=at)
    counts = page.counts
    return {
        "clienten": [_to_client_out(one) for one in page.summaries],
        "tellingen": {"totaal": counts.total, "ongelezen": counts.unread, "bijnaVoorbij": counts.ends_soon},
        "_links": _link_pages(
            f"{services.issuer}{API_PREFIX}{CLIENTEN_PATH}",
            {"zoek": zoek, "toon": toon, "volgorde": volgorde, "aantal": aantal},
            cursor,
            page.next_cursor,
        ),
    }


@router.get(
    "/berichten",
    response_model=ClientBerichtenOut,
    response_model_exclude_none=True,
    summary="De berichten van alle cliënten van een medewerker",
    operation_id="lijstBerichtenVanClienten",
    dependencies=_JSON_ONLY,
    openapi_extra=declare_required_action(Act.LIST),
)
async def get_berichten_of_clienten(
    request: Request,
    actor: TokenUser,
    session: Transaction,
    volgorde: Annotated[LetterOrder, Query(description="De volgorde van de lijst.")] = LetterOrder.NEWEST,
    machtiging_id: Annotated[UUID | None, Query(alias="machtigingId", description="Alleen van deze cliënt.")] = None,
    afzender: Annotated[str | None, Query(pattern=r"^[0-9]{20}$", description="Alleen van dit OIN.")] = None,
    thema: Annotated[Theme | None, Query(description="Alleen over dit thema.")] = None,
    ongelezen: Annotated[bool, Query(description="Alleen wat u zelf nog niet las.")] = False,  # noqa: FBT002
    aantal: AantalInQuery = 20,
    cursor: CursorInQuery = None,
) -> dict[str, Any]:
    """De berichten die u nu mag zien. `gelezen` is uw eigen merk; dat van de cliënt verandert nooit."""
    services = access_services(request)
    at = services.clock.now()
    await require_token_act(session, services.policy, actor, Act.LIST, at=at)
    query = ClientLettersQuery(aantal, volgorde, machtiging_id, afzender, thema, ongelezen, cursor)
    page = await list_client_letters(session, services.keyring, services.policy, actor, query, at=at)
    chosen: dict[str, Any] = {"volgorde": volgorde, "machtigingId": machtiging_id}
    chosen |= {"afzender": afzender, "thema": thema}
    chosen |= {"ongelezen": "true" if ongelezen else None, "aantal": aantal}
    url = f"{services.issuer}{API_PREFIX}{CLIENTEN_PATH}/berichten"
    return {
        "berichten": [_to_bericht_out(one) for one in page.letters],
        "_links": _link_pages(url, chosen, cursor, page.next_cursor),
    }


@router.get(
    "/handelingen",
    response_model=ClientHandelingenOut,
    response_model_exclude_none=True,
    summary="Wat een medewerker deed voor cliënten",
    operation_id="lijstHandelingenVoorClienten",
    dependencies=_JSON_ONLY,
    openapi_extra=declare_required_action(Act.LIST),
)
async def get_handelingen(
    request: Request,
    actor: TokenUser,
    session: Transaction,
    machtiging_id: Annotated[UUID | None, Query(alias="machtigingId", description="Alleen voor deze cliënt.")] = None,
    maand: MaandInQuery = None,
    aantal: AantalInQuery = 50,
    cursor: CursorInQuery = None,
) -> dict[str, Any]:
    """Wat u zelf deed voor cliënten van wie u nu brieven mag zien. Het nieuwste eerst.

    Alleen voor de cliënten van dit toegangsbewijs. Een pagina kan korter zijn dan `aantal`: wat u voor anderen deed,
    staat er niet in. Ga verder met `next`.
    """
    services = access_services(request)
    at = services.clock.now()
    await require_token_act(session, services.policy, actor, Act.LIST, at=at)
    binding = CursorBinding(services.keyring, "handelingen", actor, (str(machtiging_id or ""), maand or ""))
    query = OwnRecordQuery(
        aantal,
        machtiging_id,
        None if maand is None else month_period(date.fromisoformat(f"{maand}-01")),
        None if cursor is None else read_position(binding.decode(cursor)),
    )
    page = await list_own_acts(session, services.keyring, services.policy, actor, query, at=at)
    return {
        "handelingen": [_to_handeling_out(services.keyring, one) for one in page.entries],
        "_links": _link_pages(
            f"{services.issuer}{API_PREFIX}{CLIENTEN_PATH}/handelingen",
            {"machtigingId": machtiging_id, "maand": maand, "aantal": aantal},
            cursor,
            None if page.last is None else binding.encode(position_of_line(page.last)),
        ),
    }


def _to_client_out(one: ClientSummary) -> dict[str, Any]:
    return {
        "machtigingId": one.machtiging_id,
        "vertegenwoordigde": one.name and {"naam": one.name},
        "zaakkenmerk": one.case_reference,
        "ongelezen": one.unread,
        "bijnaVoorbij": one.ends_soon,
        "geldigTot": one.ends_at,
        "toegewezenOp": one.assigned_at,
    }


def _to_bericht_out(one: ClientLetter) -> dict[str, Any]:
    return {
        "machtigingId": one.client.machtiging_id,
        "vertegenwoordigde": one.client_name and {"naam": one.client_name},
        "berichtId": str(one.bericht_id),
        "afzender": {"oin": one.afzender.oin, "naam": one.afzender.naam},
        "thema": one.theme,
        "onderwerp": one.onderwerp,
        "publicatietijdstip": one.published_at,
        "bijlagen": one.bijlagen,
        "gelezen": one.read,
    }


def _to_handeling_out(keyring: KeyRing, one: OwnRecordEntry) -> dict[str, Any]:
    name, letter = one.client.assigned.open_name(keyring), one.letter
    return {
        "tijdstip": one.line.occurred_at,
        "handeling": one.line.act,
        "uitkomst": "geweigerd" if one.line.outcome == JournalOutcome.REFUSED else "gedaan",
        "machtigingId": one.client.machtiging_id,
        "vertegenwoordigde": name and {"naam": name},
        "berichtId": letter and letter.bericht_id,
        "afzender": letter and {"naam": letter.sender},
        "clientId": one.line.client_id,
    }


def _link_pages(url: str, chosen: dict[str, Any], cursor: str | None, following: str | None) -> dict[str, Any]:
    """Build the links of a page: itself, and the next one if there is more."""

    def make_link(position: str | None) -> dict[str, str]:
        values = {**chosen, "cursor": position}
        return {"href": f"{url}?" + urlencode({name: str(one) for name, one in values.items() if one is not None})}

    return {"self": make_link(cursor)} | ({} if following is None else {"next": make_link(following)})
