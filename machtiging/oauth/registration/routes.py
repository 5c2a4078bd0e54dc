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

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto import secrets
from machtiging.kernel.errors import NotAuthenticated, Refusal
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.errors import answer_of
from machtiging.oauth.protocol.refused import told
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.oauth.registration import invite, manage
from machtiging.oauth.registration.judge import Said
from machtiging.oauth.registration.propose import Registered, propose
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False)
PATH = "/register"
_CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]{20,128}=*)", re.IGNORECASE)
_log = structlog.get_logger("machtiging.oauth")
_Work = Callable[[str, datetime], Awaitable[Response]]


@router.post(PATH)
async def register(request: Request, session: Transaction, _door: Public) -> Response:
    """Register a client under an invitation (RFC 7591 section 3)."""

    async def work(token: str, at: datetime) -> Response:
        said, practice = await _said(request), oauth_services(request).practice
        return _told(request, await propose(session, token, said, practice=practice, at=at), 201)

    return await _answered(request, session, None, work)


@router.get(PATH + "/{client_id}")
async def read(request: Request, session: Transaction, client_id: str, _door: Public) -> Response:
    """Return the registration (RFC 7592 section 2.1)."""

    async def work(token: str, _at: datetime) -> Response:
        return _told(request, await manage.read(session, client_id, token), 200)

    return await _answered(request, session, client_id, work)


@router.put(PATH + "/{client_id}")
async def change(request: Request, session: Transaction, client_id: str, _door: Public) -> Response:
    """Replace the registration (RFC 7592 section 2.2)."""

    async def work(token: str, at: datetime) -> Response:
        said, practice = await _said(request), oauth_services(request).practice
        return _told(request, await manage.change(session, client_id, token, said, practice=practice, at=at), 200)

    return await _answered(request, session, client_id, work)


@router.delete(PATH + "/{client_id}")
async def withdraw(request: Request, session: Transaction, client_id: str, _door: Public) -> Response:
    """Delete the registration (RFC 7592 section 2.3)."""

    async def work(token: str, at: datetime) -> Response:
        await manage.withdraw(session, client_id, token, at=at)
        return Response(status_code=204, headers=NO_STORE)

    return await _answered(request, session, client_id, work)


async def _answered(request: Request, session: AsyncSession, client_id: str | None, work: _Work) -> Response:
    """Run the operation and turn a refusal into its response.

    Without a valid token nothing is journalled.
    """
    at = oauth_services(request).clock.now()
    try:
        token = _token_in(request)
        return await work(token, at)
    except NotAuthenticated as refusal:
        _log.warning("registration_refused", code=refusal.code)
        return _unauthorized()
    except Refusal as refusal:
        facts = {"fout": answer_of(refusal).error.value, "adres": PATH}
        line = Line(JournalAct.CLIENT_GEWEIGERD, Outcome.REFUSED, refusal.code, client_id=client_id, facts=facts)
        if client_id is None:
            line = replace(line, object_kind=invite.KIND, object_id=invite.name_of(secrets.digest(token)))
        await record(session, line, at=at)
        return told(refusal)


def _token_in(request: Request) -> str:
    """Read the bearer token; it is accepted in the header only. Raises NotAuthenticated."""
    headers = request.headers.getlist("authorization")
    found = _CREDENTIALS.fullmatch(headers[0]) if len(headers) == 1 else None
    if found is None:
        raise NotAuthenticated("token_ontbreekt", "Stuur een toegangsbewijs mee in de kop Authorization.")
    return found[1]


def _unauthorized() -> Response:
    """Build the one response for every missing or invalid token (RFC 6750 section 3)."""
    told = "The access token is missing, unknown or no longer valid."
    headers = {**NO_STORE, "WWW-Authenticate": f'Bearer error="invalid_token", error_description="{told}"'}
    return JSONResponse({"error": "invalid_token", "error_description": told}, 401, headers=headers)


async def _said(request: Request) -> Said:
    return Said(request.headers.get("content-type", ""), await request.body())


def _told(request: Request, client: Registered, status: int) -> Response:
    """Build the client information response (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
    place: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "registration_client_uri": f"{oauth_services(request).issuer}{PATH}/{client.client_id}",
        "registration_access_token": client.token,
    }
    return JSONResponse({**client.registration, **place}, status, headers=NO_STORE)
