"""The login simulator: an OpenID provider where the visitor chooses a persona. Practice only.

Sources: OpenID Connect Core 1.0, Discovery 1.0; RFC 7636 (S256 only); RFC 9207.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from machtiging.kernel.assurance import Assurance, lowest
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.simulators.clients import ASSERTION_TYPE, check_client
from machtiging.simulators.dependencies import simulator_services
from machtiging.simulators.personas import PERSONAS, Persona
from machtiging.simulators.provider import Issued, Provider
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# The persona page sends these parameters back to this endpoint.
_ASKED = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce")
_HANDED_ON = (*_ASKED, "code_challenge", "code_challenge_method", "acr_values")
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/.well-known/openid-configuration")
async def metadata(request: Request) -> dict[str, Any]:
    """Return the provider metadata (OpenID Connect Discovery 1.0)."""
    return _provider(request).metadata()


@router.get("/jwks")
async def jwks(request: Request) -> dict[str, Any]:
    """Return the public signing key."""
    return _provider(request).jwks()


def _provider(request: Request) -> Provider:
    provider: Provider = simulator_services(request).provider
    return provider


@router.get("/authorize")
async def authorize(request: Request) -> Response:
    """Let the visitor choose a persona, or log in at once as `login_hint`.

    Redirects only after client and redirect URI are verified (RFC 6749 section 4.1.2.1).
    """
    asked = request.query_params
    client = _provider(request).client
    if (asked.get("client_id"), asked.get("redirect_uri")) != (client.client_id, client.redirect_uri):
        raise InvalidInput("client_onbekend", "Deze toepassing kennen wij niet, of het retouradres klopt niet.")
    if (fault := _fault(asked)) is not None:
        return _back(request, {"error": fault})
    if "annuleren" in asked:
        return _back(request, {"error": "access_denied"})
    persona = PERSONAS.get(asked.get("login_hint", ""))
    if persona is None:
        return _choice(request)
    return _back(request, {"code": _code(request, persona)})


def _fault(asked: Mapping[str, str]) -> str | None:
    """Return the error code (RFC 6749 section 4.1.2.1) of an invalid authorization request, or None."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope"
    if asked.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(asked.get("code_challenge", "")):
        return "invalid_request"
    if asked.get("niveau", "laag") not in set(Assurance):
        return "invalid_request"
    return None


def _back(request: Request, answer: dict[str, str]) -> Response:
    provider = _provider(request)
    answer["iss"] = provider.issuer
    if "state" in request.query_params:
        answer["state"] = request.query_params["state"]
    return RedirectResponse(
        str(httpx.URL(provider.client.redirect_uri).copy_merge_params(answer)), 303, headers=_NO_STORE
    )


def _wanted(asked: Mapping[str, str]) -> Assurance:
    """Return the level of assurance: the visitor's choice, else the lowest known `acr_values`."""
    if "niveau" in asked:
        return Assurance(asked["niveau"])
    known = [level for level in Assurance if level.acr in asked.get("acr_values", "").split()]
    return lowest(*known) if known else Assurance.SUBSTANTIAL


def _code(request: Request, persona: Persona) -> str:
    asked, provider = request.query_params, _provider(request)
    reached = lowest(_wanted(asked), persona.highest)
    nonce = asked.get("nonce")
    return provider.new_code(Issued(persona, reached, nonce, asked["code_challenge"], provider.clock.now()))


def _choice(request: Request) -> Response:
    asked = request.query_params
    handed_on = [(name, asked[name]) for name in _HANDED_ON if name in asked]
    response = page(
        request,
        "kies_persoon.html",
        personas=PERSONAS.values(),
        handed_on=handed_on,
        levels=list(Assurance),
        wanted=_wanted(asked),
    )
    response.headers.update(_NO_STORE)
    return response


@router.post("/token")
async def token(request: Request) -> Response:
    """Exchange a code for an ID token."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    provider = _provider(request)
    if form.get("grant_type") != "authorization_code":
        return _refused(400, "unsupported_grant_type")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        return _refused(401, "invalid_client")
    try:
        await check_client(provider, simulator_services(request).http, form.get("client_assertion", ""))
    except NotAuthenticated:
        return _refused(401, "invalid_client")
    issued = provider.take_code(form.get("code", ""), form.get("code_verifier", ""))
    if issued is None or form.get("redirect_uri") != provider.client.redirect_uri:
        return _refused(400, "invalid_grant")
    told = {"access_token": "none", "token_type": "Bearer", "expires_in": 0, "id_token": provider.id_token(issued)}
    return JSONResponse(told, headers=_NO_STORE)


def _refused(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status, headers=_NO_STORE)
