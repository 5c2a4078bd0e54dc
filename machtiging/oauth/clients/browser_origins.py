"""The origins of all active public clients together: a preflight names no client, so it is answered for all of them."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.kernel.errors import Fault
from machtiging.oauth.issuer import API
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.row_mac import verifies
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web import openapi

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_READ = ("GET", "HEAD")
# What anybody may read from anywhere: metadata, keys, the description of the API.
PUBLIC_DOCUMENTS: Mapping[str, Sequence[str]] = {"/.well-known/": _READ, "/jwks": _READ, openapi.PATH: _READ}
# What an app in a browser asks. No page is here, nor anything that only clients with a key of their own can use.
FOR_BROWSER_APPS: Mapping[str, Sequence[str]] = {
    "/par": ("POST",),
    "/token": ("POST",),
    "/revoke": ("POST",),
    "/userinfo": (*_READ, "POST"),
    API: (*_READ, "POST", "PATCH", "DELETE"),
    API + "/": (*_READ, "POST", "PATCH", "DELETE"),
}
_PUBLIC_CLIENTS = select(*(_CLIENT.c[name] for name in SEALED_CLIENT.columns)).where(
    # Word for word as the partial index `ix_oauth_client_public` has it: parameters would hide it.
    text("state = 'active' AND registration ->> 'token_endpoint_auth_method' = 'none'")
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_PATIENCE_SECONDS = 2.0
# While the database is away, apps can still read that it is. After this nobody knows which apps there are.
_KEPT_SECONDS = 300.0
_log = structlog.get_logger("machtiging.oauth")


class BrowserOrigins:
    """The origins as they stand in the database. One read at a time serves all that asked before it began.

    Nothing older than the question is told, so a client that is suspended or registered counts at once, without a
    restart; and however many ask, they borrow one connection. Only when the database is away is the last answer told.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._reading = asyncio.Lock()
        self._begun = 0
        self._read_at = float("-inf")
        self._origins: frozenset[str] = frozenset()

    async def load(self, state: Any) -> frozenset[str]:
        """The origins; empty when they cannot be read and were not lately. `state`: the application's."""
        asked_after = self._begun
        async with self._reading:
            if self._begun == asked_after:  # else a read began after the question, and is done
                self._begun += 1
                await self._read(state)
        return self._origins

    async def _read(self, state: Any) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                uris = await _registered_uris(state.sessions)
        except (Fault, TimeoutError) as trouble:
            _log.warning("browser_origins_not_read", reason=type(trouble).__name__)
            if self._now() - self._read_at > _KEPT_SECONDS:
                self._origins = frozenset()
            return
        found = (origin_of(uri, practice=state.practice) for uri in uris)
        self._origins, self._read_at = frozenset(origin for origin in found if origin is not None), self._now()


async def _registered_uris(sessions: async_sessionmaker[AsyncSession]) -> list[str]:
    """Those of every row that verifies. Of one that does not the log tells, and the doctor: strangers ask for this, and
    must not fill the journal."""
    async with unit_of_work(sessions) as session:
        rows = (await session.execute(_PUBLIC_CLIENTS)).mappings().all()
        genuine = [row for row in rows if verifies(session, SEALED_CLIENT, row)]
    return [uri for row in genuine for uri in row["registration"].get("redirect_uris", ())]


@lru_cache(maxsize=4096)
def origin_of(redirect_uri: str, *, practice: bool) -> str | None:
    """The origin as a browser writes it; None for what is no place on the web.

    Only https, and in practice http on this machine as well. Without `practice` this machine is nobody's origin: any
    program on a citizen's computer can serve it. Custom schemes of native apps (RFC 8252) have none.
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
