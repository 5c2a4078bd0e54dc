"""POST /register (RFC 7591) and GET, PUT, DELETE /register/{client_id} (RFC 7592)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto import secrets
from machtiging.kernel.errors import NotAuthenticated, Refusal
from machtiging.message_catalogue import ENGLISH, get_sentence
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.errors import to_oauth_error
from machtiging.oauth.invitations import initial_access_token
from machtiging.oauth.protocol.error_response import build_error_response
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.oauth.registration import client_configuration
from machtiging.oauth.registration.client_registration import ClientInformation, register_client
from machtiging.oauth.registration.validation import RegistrationRequest
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False)
PATH = "/register"
_BEARER_TOKEN = re.compile(r"bearer +([A-Za-z0-9._~+/-]{20,128}=*)", re.IGNORECASE)
_log = structlog.get_logger("machtiging.oauth")
_Operation = Callable[[str, datetime], Awaitable[Response]]


@router.post(PATH)
async def post_registration(request: Request, session: Transaction, _door: Public) -> Response:
    """Register a client under an invitation (RFC 7591 section 3)."""

    async def run_registration(token: str, at: datetime) -> Response:
        services, registration_request = oauth_services(request), await _read_registration_request(request)
        registered = await register_client(
            session,
            token,
            registration_request,
            practice=services.practice,
            detail_type=services.details_handler.detail_type,
            at=at,
        )
        return _build_client_information_response(request, registered, 201)

    return await _run_operation(request, session, None, run_registration)


@router.get(PATH + "/{client_id}")
async def get_registration(request: Request, session: Transaction, client_id: str, _door: Public) -> Response:
    """Return the registration (RFC 7592 section 2.1)."""

    async def run_read(token: str, _at: datetime) -> Response:
        return _build_client_information_response(
            request, await client_configuration.read_registration(session, client_id, token), 200
        )

    return await _run_operation(request, session, client_id, run_read)


@router.put(PATH + "/{client_id}")
async def put_registration(request: Request, session: Transaction, client_id: str, _door: Public) -> Response:
    """Replace the registration (RFC 7592 section 2.2)."""

    async def run_update(token: str, at: datetime) -> Response:
        services, registration_request = oauth_services(request), await _read_registration_request(request)
        updated = await client_configuration.update_registration(
            session,
            client_id,
            token,
            registration_request,
            practice=services.practice,
            detail_type=services.details_handler.detail_type,
            at=at,
        )
        return _build_client_information_response(request, updated, 200)

    return await _run_operation(request, session, client_id, run_update)


@router.delete(PATH + "/{client_id}")
async def delete_registration(request: Request, session: Transaction, client_id: str, _door: Public) -> Response:
    """Delete the registration (RFC 7592 section 2.3)."""

    async def run_delete(token: str, at: datetime) -> Response:
        await client_configuration.delete_registration(session, client_id, token, at=at)
        return Response(status_code=204, headers=NO_STORE)

    return await _run_operation(request, session, client_id, run_delete)


async def _run_operation(
    request: Request, session: AsyncSession, client_id: str | None, operation: _Operation
) -> Response:
    """Run the operation and turn a refusal into its response.

    Without a valid token nothing is journalled.
    """
    at = oauth_services(request).clock.now()
    try:
        token = _read_bearer_token(request)
        return await operation(token, at)
    except NotAuthenticated as refusal:
        _log.warning("registration_refused", code=refusal.code)
        return _invalid_token_response()
    except Refusal as refusal:
        facts = {"fout": to_oauth_error(refusal).error.value, "adres": PATH}
        line = NewJournalLine(
            JournalAct.CLIENT_GEWEIGERD, JournalOutcome.REFUSED, refusal.code, client_id=client_id, facts=facts
        )
        if client_id is None:
            line = replace(
                line,
                object_kind=initial_access_token.JOURNAL_KIND,
                object_id=initial_access_token.derive_invitation_name(secrets.sha256_digest(token)),
            )
        await record(session, line, at=at)
        return build_error_response(refusal)


def _read_bearer_token(request: Request) -> str:
    """Read the bearer token; it is accepted in the header only. Raises NotAuthenticated."""
    headers = request.headers.getlist("authorization")
    found = _BEARER_TOKEN.fullmatch(headers[0]) if len(headers) == 1 else None
    if found is None:
        raise NotAuthenticated("token_ontbreekt")
    return found[1]


def _invalid_token_response() -> Response:
    """Build the one response for every missing or invalid token (RFC 6750 section 3)."""
    description = get_sentence("oauth.registration_token", ENGLISH)
    headers = {**NO_STORE, "WWW-Authenticate": f'Bearer error="invalid_token", error_description="{description}"'}
    return JSONResponse({"error": "invalid_token", "error_description": description}, 401, headers=headers)


async def _read_registration_request(request: Request) -> RegistrationRequest:
    return RegistrationRequest(request.headers.get("content-type", ""), await request.body())


def _build_client_information_response(request: Request, client: ClientInformation, status: int) -> Response:
    """Build the client information response (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
    place: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "registration_client_uri": f"{oauth_services(request).issuer}{PATH}/{client.client_id}",
        "registration_access_token": client.token,
    }
    return JSONResponse({**client.registration, **place}, status, headers=NO_STORE)
