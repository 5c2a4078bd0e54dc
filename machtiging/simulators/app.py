"""The simulator application: login broker and mail catcher on one port. Never in production."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from machtiging.dependencies import attach_services, services_of
from machtiging.kernel.clock import Clock, SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings, is_loopback
from machtiging.simulators import broker, mail_routes
from machtiging.simulators.dependencies import SimulatorServices
from machtiging.simulators.mail_catcher import MailCatcher
from machtiging.simulators.provider import RelyingParty, SimulatedProvider
from machtiging.web import language
from machtiging.web.errors.handlers import install_error_handlers
from machtiging.web.outbound.tls import tls_context
from machtiging.web.pages import PageRenderer

_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def refuse_in_production(settings: Settings) -> None:
    """Refuse to run in production: every visitor can log in as any persona. Raises Fault `oefenomgeving_in_productie`.

    Checks the settings and the environment variable: either one is enough to refuse.
    """
    named = os.environ.get("MACHTIGING_ENV", "").strip().lower()
    if settings.env is Environment.PRODUCTION or named == Environment.PRODUCTION.value:
        raise Fault("oefenomgeving_in_productie")


def refuse_non_loopback_host(settings: Settings) -> None:
    """Refuse a host other than loopback. Raises Fault `oefenomgeving_open_voor_anderen`."""
    if not is_loopback(settings.host):
        raise Fault("oefenomgeving_open_voor_anderen", private="Set MACHTIGING_HOST=127.0.0.1, or leave it out.")


def create_simulator(
    settings: Settings, *, clock: Clock | None = None, transport: httpx.AsyncBaseTransport | None = None
) -> FastAPI:
    """Create the simulator application. `transport` reaches the service for its JWKS (tests: in-process).

    Raises Fault `oefenomgeving_in_productie`.
    """
    refuse_in_production(settings)
    clock = clock or SystemClock()
    app = FastAPI(title="Oefenomgeving", openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan)
    client = RelyingParty(settings.broker_client_id, settings.issuer, settings.issuer + "/inloggen/terug")
    services = SimulatorServices(
        pages=PageRenderer(["machtiging.simulators", "machtiging.web"]),
        practice=True,
        provider=SimulatedProvider(settings.broker_issuer, client, clock),
        http=httpx.AsyncClient(transport=transport, timeout=5, trust_env=False, verify=tls_context()),
        postbus=MailCatcher(settings.smtp_port, clock),
        # Mail goes to another server when one is configured.
        catches_mail=settings.smtp_host in _LOCAL_HOSTS,
    )
    attach_services(app, services)
    app.include_router(broker.router)
    app.include_router(mail_routes.router)
    app.mount("/static", StaticFiles(packages=[("machtiging.web", "static")]), name="static")
    install_error_handlers(app)
    language.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services = services_of(app, SimulatorServices)
    if services.catches_mail:
        await services.postbus.start_listening()
    try:
        yield
    finally:
        await services.postbus.stop_listening()
        await services.http.aclose()
