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

from machtiging.kernel.assurance import Assurance, lowest_assurance
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.message_catalogue import LANGUAGES, current_language
from machtiging.simulators.client_authentication import ASSERTION_TYPE, verify_client_assertion
from machtiging.simulators.dependencies import simulator_services
from machtiging.simulators.personas import (
    GROUP_LABELS,
    LEVEL_LABELS,
    PERSONA_DESCRIPTIONS,
    PERSONAS,
    Persona,
    find_persona,
)
from machtiging.simulators.provider import IssuedLogin, SimulatedProvider
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# The persona page sends these parameters back to this endpoint.
_REQUEST_PARAMETERS = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce")
_FORWARDED_PARAMETERS = (*_REQUEST_PARAMETERS, "code_challenge", "code_challenge_method", "acr_values")
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/.well-known/openid-configuration")
async def get_metadata(request: Request) -> dict[str, Any]:
    """Return the provider metadata (OpenID Connect Discovery 1.0)."""
    return _get_provider(request).build_metadata()


@router.get("/jwks")
async def get_jwks(request: Request) -> dict[str, Any]:
    """Return the public signing key."""
    return _get_provider(request).build_jwks()


def _get_provider(request: Request) -> SimulatedProvider:
    provider: SimulatedProvider = simulator_services(request).provider
    return provider


@router.get("/authorize")
async def authorize_visitor(request: Request) -> Response:
    """Let the visitor choose a persona, or log in at once as `login_hint`.

    Redirects only after client and redirect URI are verified (RFC 6749 section 4.1.2.1).
    """
    parameters = request.query_params
    client = _get_provider(request).client
    if (parameters.get("client_id"), parameters.get("redirect_uri")) != (client.client_id, client.redirect_uri):
        raise InvalidInput("client_onbekend", message="client_onbekend.simulator")
    if (fault := _find_request_error(parameters)) is not None:
        return _redirect_to_client(request, {"error": fault})
    if "annuleren" in parameters:
        return _redirect_to_client(request, {"error": "access_denied"})
    persona = find_persona(parameters.get("login_hint", ""))
    if persona is None:
        return _show_persona_page(request)
    return _redirect_to_client(request, {"code": _issue_code(request, persona)})


def _find_request_error(parameters: Mapping[str, str]) -> str | None:
    """Return the error code (RFC 6749 section 4.1.2.1) of an invalid authorization request, or None."""
    if parameters.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in parameters.get("scope", "").split():
        return "invalid_scope"
    if parameters.get("code_challenge_method") != "S256" or not _S256_CHALLENGE.fullmatch(
        parameters.get("code_challenge", "")
    ):
        return "invalid_request"
    if parameters.get("niveau", "laag") not in set(Assurance):
        return "invalid_request"
    return None


def _redirect_to_client(request: Request, parameters: dict[str, str]) -> Response:
    provider = _get_provider(request)
    parameters["iss"] = provider.issuer
    if "state" in request.query_params:
        parameters["state"] = request.query_params["state"]
    return RedirectResponse(
        str(httpx.URL(provider.client.redirect_uri).copy_merge_params(parameters)), 303, headers=_NO_STORE
    )


def _choose_assurance(parameters: Mapping[str, str]) -> Assurance:
    """Return the level of assurance: the visitor's choice, else the lowest known `acr_values`."""
    if "niveau" in parameters:
        return Assurance(parameters["niveau"])
    levels = [level for level in Assurance if level.acr in parameters.get("acr_values", "").split()]
    return lowest_assurance(*levels) if levels else Assurance.SUBSTANTIAL


def _issue_code(request: Request, persona: Persona) -> str:
    parameters, provider = request.query_params, _get_provider(request)
    reached = lowest_assurance(_choose_assurance(parameters), persona.highest)
    nonce = parameters.get("nonce")
    return provider.issue_code(IssuedLogin(persona, reached, nonce, parameters["code_challenge"], provider.clock.now()))


def _show_persona_page(request: Request) -> Response:
    parameters = request.query_params
    handed_on = [(name, parameters[name]) for name in _FORWARDED_PARAMETERS if name in parameters]
    response = render_page(
        request,
        "kies_persoon.html",
        groups=_group_personas(),
        descriptions=PERSONA_DESCRIPTIONS,
        handed_on=handed_on,
        levels=LEVEL_LABELS,
        wanted=_choose_assurance(parameters),
        other_language_url="?" + request.url.include_query_params(ui_locales=_find_other_language()).query,
    )
    response.headers.update(_NO_STORE)
    return response


def _find_other_language() -> str:
    return next(language for language in LANGUAGES if language != current_language())


def _group_personas() -> list[tuple[str, list[Persona]]]:
    """Return the personas under the label of their role."""
    return [
        (label, [persona for persona in PERSONAS.values() if persona.group is group])
        for group, label in GROUP_LABELS.items()
    ]


@router.post("/token")
async def redeem_code(request: Request) -> Response:
    """Exchange a code for an ID token."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    provider = _get_provider(request)
    if form.get("grant_type") != "authorization_code":
        return _error_response(400, "unsupported_grant_type")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        return _error_response(401, "invalid_client")
    try:
        await verify_client_assertion(provider, simulator_services(request).http, form.get("client_assertion", ""))
    except NotAuthenticated:
        return _error_response(401, "invalid_client")
    issued = provider.redeem_code(form.get("code", ""), form.get("code_verifier", ""))
    if issued is None or form.get("redirect_uri") != provider.client.redirect_uri:
        return _error_response(400, "invalid_grant")
    claims = {
        "access_token": "none",
        "token_type": "Bearer",
        "expires_in": 0,
        "id_token": provider.build_id_token(issued),
    }
    return JSONResponse(claims, headers=_NO_STORE)


def _error_response(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status, headers=_NO_STORE)
