"""Services that logging in and sessions need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection

from machtiging.crypto.keyring import KeyRing
from machtiging.dependencies import request_services
from machtiging.identity.broker import Broker
from machtiging.identity.rules import SessionLimits
from machtiging.storage.dependencies import StorageServices
from machtiging.web.dependencies import WebServices


@dataclass(frozen=True, kw_only=True)
class IdentityServices(WebServices, StorageServices):
    """The login broker, the session limits, and callbacks for login, session end and new address.

    `on_login(session, keyring, person_id, login, at=)`, `on_session_end(session, ended, at=)` and
    `on_new_address(session, person_id, at=)` run in the same transaction.
    """

    keyring: KeyRing
    broker: Broker
    session_limits: SessionLimits
    on_login: Callable[..., Awaitable[None]]
    on_session_end: Callable[..., Awaitable[None]]
    on_new_address: Callable[..., Awaitable[Any]]


def identity_services(request: HTTPConnection) -> IdentityServices:
    """Return the services for login and sessions behind a request. Raises Fault `diensten_ontbreken`."""
    return request_services(request, IdentityServices)
