"""CORS origins: the origins of all active public clients, from their redirect URIs.

A preflight request does not name a client, so it is answered for all of them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.applications import Starlette

from machtiging.access_tokens.dependencies import TokenServices
from machtiging.dependencies import services_of
from machtiging.kernel.errors import Fault
from machtiging.oauth.issuer import API_PATH
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web import openapi

_CLIENT = table_of(OAuthClient)
_READ_METHODS = ("GET", "HEAD")
# Documents for every origin: metadata, keys, the OpenAPI document.
PUBLIC_DOCUMENT_PATHS: Mapping[str, Sequence[str]] = {
    "/.well-known/": _READ_METHODS,
    "/jwks": _READ_METHODS,
    openapi.DOCUMENT_PATH: _READ_METHODS,
}
# Endpoints for apps in a browser. Pages are not here, nor endpoints that need a confidential client.
BROWSER_APP_PATHS: Mapping[str, Sequence[str]] = {
    "/par": ("POST",),
    "/token": ("POST",),
    "/revoke": ("POST",),
    "/userinfo": (*_READ_METHODS, "POST"),
    API_PATH: (*_READ_METHODS, "POST", "PATCH", "DELETE"),
    API_PATH + "/": (*_READ_METHODS, "POST", "PATCH", "DELETE"),
}
_PUBLIC_CLIENTS = select(*(_CLIENT.c[name] for name in SEALED_CLIENT.columns)).where(
    # Literal text as in the partial index `ix_oauth_client_public`: with parameters the planner would not use it.
    text("state = 'active' AND registration ->> 'token_endpoint_auth_method' = 'none'")
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_TIMEOUT_SECONDS = 2.0
# While the database is unreachable, apps can still read the error. After this time the last result is too old.
_MAX_STALE_SECONDS = 300.0
_log = structlog.get_logger("machtiging.oauth")


class CorsOrigins:
    """The CORS origins, read from the database. Concurrent requests share a read.

    A read starts after the request, so a suspended or new client counts at once. All requests together use one
    connection. The last result is used only while the database is unreachable.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._read_lock = asyncio.Lock()
        self._reads_started = 0
        self._read_at = float("-inf")
        self._origins: frozenset[str] = frozenset()

    async def load_origins(self, app: Starlette) -> frozenset[str]:
        """Load the origins of the application's clients.

        Empty when they cannot be read and the last read is too old.
        """
        asked_after = self._reads_started
        async with self._read_lock:
            if self._reads_started == asked_after:  # else a read started after this call and has finished
                self._reads_started += 1
                await self._refresh_origins(services_of(app, TokenServices))
        return self._origins

    async def _refresh_origins(self, services: TokenServices) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                uris = await _load_redirect_uris(services.sessions)
        except (Fault, TimeoutError) as trouble:
            _log.warning("browser_origins_not_read", reason=type(trouble).__name__)
            if self._now() - self._read_at > _MAX_STALE_SECONDS:
                self._origins = frozenset()
            return
        found = (derive_origin(uri, practice=services.practice) for uri in uris)
        self._origins, self._read_at = frozenset(origin for origin in found if origin is not None), self._now()


async def _load_redirect_uris(sessions: async_sessionmaker[AsyncSession]) -> list[str]:
    """Load the redirect URIs of every row with a valid MAC.

    A forged row goes to the log and the doctor, not to the journal: anybody can send a preflight request.
    """
    async with unit_of_work(sessions) as session:
        rows = (await session.execute(_PUBLIC_CLIENTS)).mappings().all()
        genuine = [row for row in rows if verify_row(session, SEALED_CLIENT, row)]
    return [uri for row in genuine for uri in row["registration"].get("redirect_uris", ())]


@lru_cache(maxsize=4096)
def derive_origin(redirect_uri: str, *, practice: bool) -> str | None:
    """Derive the origin as a browser writes it. None for a URI without a web origin.

    Only https; in practice mode also http on loopback. Outside practice mode a loopback origin is nobody's: any program
    on the person's computer can serve it. Custom schemes of native apps (RFC 8252) have no origin.
    """
    try:
        parts = urlsplit(redirect_uri)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    loopback = _is_loopback(host)
    if not host or parts.scheme not in _DEFAULT_PORTS or (loopback and not practice):
        return None
    if parts.scheme == "http" and not loopback:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
