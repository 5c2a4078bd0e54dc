"""/api/v1/machtigingen: the machtigingen of a token, and the box under each.

The routes below `{machtigingId}` are those of `/api/v1/berichten`. The guard compares the id with that of the token.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from machtiging.access.bearer import MACHTIGING_PATH_PARAM, TokenUser
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.machtigingen.token_machtigingen import TokenMachtiging, list_token_machtigingen
from machtiging.berichtenbox.read_route import add_read_route
from machtiging.berichtenbox.routes import API_PREFIX, MACHTIGINGEN_PATH, add_download_route, add_list_route
from machtiging.berichtenbox.schemas import MachtigingenOut
from machtiging.delegation.authority.capacity_terms import CAPACITY_TERMS
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act
from machtiging.organisations.schemas import AantalInQuery, NaInQuery, describe_page
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable
from machtiging.web.openapi import declare_required_action


async def _describe_machtiging_id(
    _machtiging_id: Annotated[
        str,
        Path(
            alias=MACHTIGING_PATH_PARAM,
            json_schema_extra={"format": "uuid"},
            description="Uit de lijst van machtigingen. Een id dat niet van het toegangsbewijs is, bestaat niet (404).",
        ),
    ],
) -> None:
    """Describe the path parameter for OpenAPI. `access.bearer` reads it, and the guard decides on it."""


router = APIRouter(prefix=API_PREFIX + MACHTIGINGEN_PATH)
_under_machtiging = APIRouter(prefix=f"/{{{MACHTIGING_PATH_PARAM}}}", dependencies=[Depends(_describe_machtiging_id)])
add_list_route(_under_machtiging, "lijstBerichtenOnderMachtiging")
add_read_route(_under_machtiging, "leesBerichtOnderMachtiging")
add_download_route(_under_machtiging, "downloadBijlageOnderMachtiging")


@router.get(
    "",
    response_model=MachtigingenOut,
    response_model_exclude_none=True,
    summary="De machtigingen van dit toegangsbewijs",
    operation_id="lijstMachtigingen",
    tags=["Machtigingen"],
    dependencies=[Depends(require_acceptable("application/json"))],
    openapi_extra=declare_required_action(Act.LIST),
)
async def get_machtigingen(
    request: Request, actor: TokenUser, session: Transaction, na: NaInQuery = None, aantal: AantalInQuery = 50
) -> dict[str, Any]:
    """Waarvoor dit toegangsbewijs te gebruiken is. Leeg als het voor uw eigen berichtenbox is."""
    services = access_services(request)
    found = await list_token_machtigingen(
        session, services.keyring, services.policy, actor, after=na, limit=aantal + 1, at=services.clock.now()
    )
    url = f"{services.issuer}{API_PREFIX}{MACHTIGINGEN_PATH}?aantal={aantal}"
    last = found[aantal - 1].machtiging_id if len(found) > aantal else None
    return {
        "machtigingen": [_to_machtiging_out(one) for one in found[:aantal]],
        "_links": describe_page(url, na, last),
    }


router.include_router(_under_machtiging)


def _to_machtiging_out(found: TokenMachtiging) -> dict[str, Any]:
    described: dict[str, Any] = {
        "machtigingId": found.machtiging_id,
        "geldt": found.authority is not None,
        "reden": found.reason,
    }
    if found.authority is None:
        return described
    authority, organisation = found.authority, found.authority.organisation
    return described | {
        "vertegenwoordigde": found.giver_name and {"naam": found.giver_name},
        "organisatie": organisation and {"naam": organisation.name, "kvkNummer": organisation.kvk},
        "hoedanigheid": CAPACITY_TERMS[authority.capacity],
        "bereik": _to_bereik_out(authority, found.acts),
        "geldigTot": authority.ends_at,
    }


def _to_bereik_out(authority: Authority, acts: frozenset[Act]) -> dict[str, Any]:
    scope = authority.scope
    limits = {"afzenders": scope.afzenders, "diensten": scope.diensten, "themas": scope.themes}
    letters = None if scope.letters is None else map(str, scope.letters)
    return {
        **{name: None if each is None else sorted(each) for name, each in (limits | {"berichten": letters}).items()},
        "uitgezonderdeThemas": sorted(scope.excluded_themes),
        "handelingen": [act for act in Act if act in acts],
        "hoogsteGevoeligheid": scope.highest_sensitivity,
        "berichtenVanaf": scope.letters_from,
    }
