"""The OpenAPI document of the REST API at /api/v1/openapi.json (NL API Design Rules 2.x, publish-openapi).

It covers only /api/v1: OAuth, OpenID Connect and the pages have their own discovery. Problem responses and the version
header are added here for every operation, so that no route can omit them.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from machtiging.web.doors import Public
from machtiging.web.errors.problem_details import PROBLEM_MEDIA_TYPE, problem_from_status
from machtiging.web.headers import API_VERSION
from machtiging.web.validation import StrictRequestModel

API_V1_PREFIX = "/api/v1"
SCHEMA_REF = "#/components/schemas/{model}"
DOCUMENT_PATH = API_V1_PREFIX + "/openapi.json"
_CONTACT = {
    "name": "Het team van machtiging",
    "url": "https://machtiging.example/contact",
    "email": "api@machtiging.example",
}
_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Een probleem volgens RFC 9457.",
    "required": ["type", "title", "status", "detail", "code", "verzoekId"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "description": "Kort, in het Nederlands."},
        "status": {"type": "integer", "description": "De HTTP-status."},
        "detail": {"type": "string", "description": "Wat er aan de hand is, in gewone taal."},
        "code": {"type": "string", "description": "Blijft gelijk; bedoeld voor programma's."},
        "verzoekId": {"type": "string", "description": "Noem dit nummer als u om hulp vraagt."},
        "error": {
            "type": "string",
            "description": "Bij 401 en 403 het woord uit WWW-Authenticate, zoals use_dpop_nonce.",
        },
        "fouten": {
            "type": "array",
            "description": "Alle fouten in de invoer.",
            "items": {
                "type": "object",
                "required": ["veld", "melding"],
                "properties": {
                    "veld": {"type": "string"},
                    "melding": {"type": "string"},
                    "soort": {"type": "string"},
                },
            },
        },
    },
}
_VERSION_HEADER = {
    "API-Version": {
        "description": "De volledige versie van deze API.",
        "schema": {"type": "string", "examples": [API_VERSION]},
    }
}
# Keys in `openapi_extra` for the token or session a route requires; they become `security` and a description.
REQUIRED_SCOPE_KEY, REQUIRED_ACTION_KEY, REQUIRED_LOGIN_KEY = (
    "x-required-scope",
    "x-required-action",
    "x-required-login",
)
_TAGS = [
    {"name": "Berichten", "description": "Lezen wat er in de berichtenbox ligt."},
    {"name": "Machtigingen", "description": "Zien waarvoor een toegangsbewijs te gebruiken is."},
    {"name": "Aanleveringen", "description": "Als afzender een bericht aanleveren."},
    {"name": "Verificaties", "description": "Als afnemer vragen of iemand voor een ander mag handelen."},
    {"name": "Toestemmingen", "description": "Zien welke apps toegang hebben, en die stoppen."},
    {"name": "Organisaties", "description": "Als beheerder organisaties erkennen en beperken."},
    {"name": "Toewijzingen", "description": "Als teamleider machtigingen toewijzen aan medewerkers."},
    {"name": "Taken", "description": "Als teamleider volgen wat in een taak wordt gedaan."},
    {"name": "Medewerkers", "description": "Als organisatiebeheerder medewerkers uitnodigen en wijzigen."},
    {"name": "Teams", "description": "Als organisatiebeheerder teams maken en vullen."},
]
_OPENID_SCHEME, _BEARER_SCHEME, _SESSION_SCHEME = "openid", "toegang", "sessie"
_SESSION_COOKIE = "__Host-sessie"
_COMMON_STATUSES = (400, 401, 403, 404, 406)
_BODY_STATUSES = (409, 413, 415)


def build_openapi_document(app: FastAPI, issuer: str) -> dict[str, Any]:
    """Build the OpenAPI document of the routes under /api/v1."""
    document = get_openapi(
        title="Berichtenbox met machtiging",
        version=API_VERSION,
        summary="Berichten aanleveren, en lezen voor uzelf of namens iemand die u machtigde.",
        description=(
            "Elke inzage wordt op het moment zelf getoetst aan de machtiging en vastgelegd. Fouten zijn problemen "
            "volgens RFC 9457. Wat u niet mag zien, bestaat voor u niet (404)."
        ),
        routes=app.routes,
        contact=_CONTACT,
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        tags=_TAGS,
    )
    document["servers"] = [{"url": issuer + API_V1_PREFIX}]
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["paths"] = {
        path.removeprefix(API_V1_PREFIX): {
            method: _complete_operation(method, operation, schemas) for method, operation in operations.items()
        }
        for path, operations in document.get("paths", {}).items()
        if path.startswith(API_V1_PREFIX + "/") and path != DOCUMENT_PATH
    }
    schemas["Problem"] = _PROBLEM_SCHEMA
    components["securitySchemes"] = _build_security_schemes(issuer)
    document["security"] = [{_OPENID_SCHEME: []}, {_BEARER_SCHEME: []}]
    return document


def _build_security_schemes(issuer: str) -> dict[str, Any]:
    """Build the security schemes: OpenID discovery and bearer, two descriptions of the same token."""
    return {
        _OPENID_SCHEME: {
            "type": "openIdConnect",
            "openIdConnectUrl": issuer + "/.well-known/openid-configuration",
            "description": "Waar een app een toegangsbewijs krijgt, en met welke scopes en authorization_details.",
        },
        _BEARER_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT (RFC 9068)",
            "description": "Een toegangsbewijs dat aan een sleutel gebonden is, gaat met DPoP (RFC 9449).",
        },
        _SESSION_SCHEME: {
            "type": "apiKey",
            "in": "cookie",
            "name": _SESSION_COOKIE,
            "description": (
                "De sessie van wie is ingelogd bij deze dienst. Wie iets verandert, stuurt `X-CSRF-Token` mee. Die "
                "staat in het antwoord op elke GET."
            ),
        },
    }


def declare_required_scope(scope: str) -> dict[str, Any]:
    """Declare the required token scope of an operation, for `openapi_extra`."""
    return {REQUIRED_SCOPE_KEY: scope}


def declare_required_action(action: str) -> dict[str, Any]:
    """Declare the required action of an operation, for `openapi_extra` (RFC 9396, type `berichtenbox`)."""
    return {REQUIRED_ACTION_KEY: action}


def declare_required_login(role: str) -> dict[str, Any]:
    """Declare that an operation requires a login session of this role, for `openapi_extra`."""
    return {REQUIRED_LOGIN_KEY: role}


def describe_request_body(model: type[StrictRequestModel], media_type: str, **more: Any) -> dict[str, Any]:
    """Describe a body of this model that the route parses itself, for `openapi_extra`."""
    described = model.model_json_schema(ref_template=SCHEMA_REF)
    models = described.pop("$defs", {}) | {model.__name__: described}
    content = {media_type: {"schema": {"$ref": SCHEMA_REF.format(model=model.__name__), "$defs": models}, **more}}
    return {"requestBody": {"required": True, "content": content}}


def _add_security(operation: dict[str, Any]) -> None:
    scope, action = operation.get(REQUIRED_SCOPE_KEY), operation.get(REQUIRED_ACTION_KEY)
    login = operation.get(REQUIRED_LOGIN_KEY)
    if login is not None:
        operation["security"] = [{_SESSION_SCHEME: []}]
        words = f"Nodig: een sessie van een {login}."
    elif scope is not None:
        operation["security"] = [{_OPENID_SCHEME: [scope]}, {_BEARER_SCHEME: [scope]}]
        words = f"Nodig: de scope `{scope}`."
    elif action is not None:
        operation["security"] = [{_OPENID_SCHEME: []}, {_BEARER_SCHEME: []}]
        words = f"Nodig: de handeling `{action}`, gevraagd in `authorization_details` van het type `berichtenbox`."
    else:
        return
    operation["description"] = f"{operation.get('description', '')}\n\n{words}".strip()


def _complete_operation(method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        # A hand-written model carries its nested models in $defs; OpenAPI wants them in components.
        schemas.update(content["schema"].pop("$defs", {}))
    _add_security(operation)
    responses = operation["responses"]
    responses.pop("422", None)
    for status in (*_COMMON_STATUSES, *(_BODY_STATUSES if method in {"post", "patch", "put"} else ()), 429, 500, 503):
        responses[str(status)] = {
            "description": _describe_status(status),
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    for answer in responses.values():
        answer["headers"] = {**answer.get("headers", {}), **_VERSION_HEADER}
    operation["responses"] = dict(sorted(responses.items()))
    return operation


def _describe_status(status: int) -> str:
    more = {409: "Past niet bij wat er al is", 429: "Te vaak geprobeerd", 503: "Even niet bereikbaar"}
    return more.get(status) or ("Er ging iets mis" if status == 500 else problem_from_status(status).title)


def install(app: FastAPI, *, issuer: str) -> None:
    """Publish the document, readable from any origin. FastAPI's own documentation pages stay disabled."""

    async def serve_document(_door: Public) -> JSONResponse:
        return JSONResponse(app.openapi(), headers={"Access-Control-Allow-Origin": "*"})

    def get_document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_openapi_document(app, issuer)
        return app.openapi_schema

    app.openapi = get_document  # type: ignore[method-assign]
    app.get(DOCUMENT_PATH, include_in_schema=False)(serve_document)
