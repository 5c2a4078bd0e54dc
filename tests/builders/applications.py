"""The services that an application in tests runs on."""

from __future__ import annotations

import copy
import functools
from dataclasses import MISSING, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import State

from machtiging.access.policy_engine import Policy
from machtiging.app import Services
from machtiging.berichtenbox.authorization_details.handler import BerichtenboxHandler
from machtiging.delegation.rules import MachtigingLimits
from machtiging.delegation.statutory.precedence import read_precedence
from machtiging.dependencies import attach_services
from machtiging.identity.rules import SessionLimits
from machtiging.kernel.clock import SystemClock
from machtiging.notifications.delivery_failures import retry_undelivered
from machtiging.oauth.clients.cache import ClientCache
from machtiging.oauth.openid.logout_notices import handle_session_end
from machtiging.organisations.employees import activate_employee
from machtiging.supervision import TaskSupervisor
from machtiging.web.pages import PageRenderer
from tests.builders.keys import load_keyring

API_ISSUER = "http://localhost:8000"
BOX_HANDLER = BerichtenboxHandler()
end_session = functools.partial(handle_session_end, BOX_HANDLER)
POLICIES = Path(__file__).resolve().parents[2] / "policies"


def make_services(**changes: Any) -> Services:
    """The services of an application in tests. Those that reach outside are None until a test gives its own."""
    given: dict[str, Any] = {
        "clock": SystemClock(),
        "keyring": load_keyring(),
        "issuer": API_ISSUER,
        "practice": True,
        "pages": PageRenderer(["machtiging.oauth", "machtiging.identity", "machtiging.web"]),
        "policy": load_policy(),
        "precedence": read_precedence(POLICIES),
        "session_limits": SessionLimits(idle_timeout=timedelta(minutes=15), absolute_timeout=timedelta(hours=8)),
        "delegation_limits": MachtigingLimits(
            maximum_duration=timedelta(days=5 * 365), code_lifetime=timedelta(days=30)
        ),
        "access_token_seconds": 600,
        "known_clients": ClientCache(),
        "on_login": activate_employee,
        "details_handler": BOX_HANDLER,
        "on_session_end": end_session,
        "on_new_address": retry_undelivered,
        "background": TaskSupervisor(),
    }
    missing = {field.name: None for field in fields(Services) if field.default is MISSING}
    return Services(**{**missing, **given, **changes})


def replace_services(app: FastAPI, **changes: Any) -> None:
    """Give an application other services than it had. One that had none gets those of `make_services`."""
    found = getattr(app.state, "services", None)
    attach_services(app, make_services(**changes) if found is None else replace(found, **changes))


def copy_application(app: FastAPI, **changes: Any) -> FastAPI:
    """Another application with the same routes and layers, and services of its own. A copy with these changes."""
    made = copy.copy(app)
    made.state = State({name: app.state[name] for name in app.state})
    replace_services(made, **changes)
    # Built again at the first request, so that no layer is shared either.
    made.middleware_stack = None
    return made


@functools.cache
def load_policy() -> Policy:
    """The real policy, the same object each time. A test of what it remembers loads its own."""
    return Policy.load(POLICIES)
