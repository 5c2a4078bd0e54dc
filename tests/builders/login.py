"""The service's login beside the real stand-in broker, both in this process, and a browser that visits both."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from fastapi import FastAPI, Request

from machtiging.dependencies import attach_services
from machtiging.identity.broker import Broker
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.routes import router
from machtiging.identity.session import SESSION_COOKIE, Citizen, EndedSession, Operator, OptionalVisitor, SessionLimits
from machtiging.portal import error_pages
from machtiging.settings import Environment, Settings
from machtiging.simulators.app import create_simulator
from machtiging.simulators.mail_catcher import MailCatcher
from machtiging.simulators.provider import SimulatedProvider
from machtiging.web import headers, problems
from machtiging.web.pages import PageRenderer
from machtiging.web.tls import tls_context
from tests.builders.applications import make_services, replace_services, with_own_services
from tests.builders.crypto import a_keyring

ISSUER = "https://machtigen.test"
BROKER = "https://inloggen.test"
CLIENT_ID = "machtiging"
LIMITS = SessionLimits(idle_timeout=timedelta(minutes=15), absolute_timeout=timedelta(hours=8))
HTML = {"Accept": "text/html"}


def practice_settings(**changes: Any) -> Settings:
    """Settings of an installation whose broker is the stand-in."""
    values: dict[str, Any] = {"env": Environment.TEST, "issuer": ISSUER, "broker_issuer": BROKER, "smtp_port": 0}
    return Settings(**{**values, "broker_client_id": CLIENT_ID, **changes})


async def tell_nobody(session: Any, over: EndedSession, *, at: Any) -> None:
    """There are no apps here that would have to know of the end of a session."""


def a_login_service(sessions: Any, clock: Any) -> FastAPI:
    """An application with the login, and four pages to knock on; its broker is set by the caller."""
    return with_own_services(_login_service(), sessions=sessions, clock=clock)


@functools.cache
def _login_service() -> FastAPI:
    return assembled_login()


def assembled_login() -> FastAPI:
    """The same with nothing behind it yet."""
    app = FastAPI(redirect_slashes=False)
    pages = PageRenderer(["machtiging.identity", "machtiging.web"])
    attach_services(app, make_services(issuer=ISSUER, session_limits=LIMITS, on_session_end=tell_nobody, pages=pages))
    app.include_router(router)
    _add_pages(app)
    problems.install(app)
    error_pages.install(app)
    headers.install(app, issuer=ISSUER)
    return app


def _add_pages(app: FastAPI) -> None:
    @app.get("/jwks")
    async def jwks(request: Request):
        return request.app.state.services.keyring.public_jwks()

    @app.get("/ik")
    async def who(visitor: Citizen):
        return {
            "person": str(visitor.person_id),
            "session": str(visitor.session_id),
            "name": visitor.name,
            "assurance": visitor.assurance,
            "roles": sorted(visitor.roles),
            "kvk": visitor.organisation_kvk,
            "csrf": visitor.csrf_token,
            "authenticated_at": visitor.authenticated_at,
        }

    @app.get("/beheer")
    async def operator(visitor: Operator):
        return {"name": visitor.name}

    @app.get("/misschien")
    async def perhaps(visitor: OptionalVisitor):
        return {"name": visitor.name if visitor else None}

    @app.post("/doen")
    async def act(visitor: Citizen, _csrf: CsrfProtected):
        return {"done_by": visitor.name}


def broker_through(transport: httpx.AsyncBaseTransport, **options: Any) -> Broker:
    return Broker(BROKER, CLIENT_ID, ISSUER + "/inloggen/terug", a_keyring(), transport=transport, **options)


@dataclass
class LoginBrowser:
    """A browser with its own cookies. `log_in` walks the whole way through the stand-in broker."""

    apps: dict[str, Any]
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        mounts = {origin: httpx.ASGITransport(app) for origin, app in self.apps.items()}
        self.http = httpx.AsyncClient(mounts=mounts, base_url=ISSUER, headers=HTML, verify=tls_context())

    async def get(self, url: str, **options: Any) -> httpx.Response:
        return await self.http.get(url, **options)

    async def post(self, url: str, form: dict[str, str], **options: Any) -> httpx.Response:
        """Post a form as a browser does from a page of ours."""
        return await self.http.post(url, data=form, **{"headers": {"Origin": ISSUER}, **options})

    async def leave(self, persona: str = "naaste", **query: str) -> str:
        """Start logging in; returns where the broker is asked."""
        response = await self.get("/inloggen", params={"login_hint": persona, **query})
        assert response.status_code == 303, response.text
        return response.headers["location"]

    async def to_callback(self, persona: str = "naaste", **query: str) -> str:
        """Log in at the broker; returns the URL that it sends the browser back to."""
        response = await self.get(await self.leave(persona, **query))
        assert response.status_code == 303, response.text
        return response.headers["location"]

    async def log_in(self, persona: str = "naaste", **query: str) -> httpx.Response:
        """All the way; returns the answer to the callback."""
        return await self.get(await self.to_callback(persona, **query))

    async def me(self) -> dict[str, Any]:
        response = await self.get("/ik")
        assert response.status_code == 200, response.text
        return response.json()

    @property
    def token(self) -> str | None:
        return self.http.cookies.get(SESSION_COOKIE)


@dataclass(frozen=True)
class LoginWorld:
    """Both applications, joined."""

    service: FastAPI
    simulator: FastAPI

    def browser(self) -> LoginBrowser:
        return LoginBrowser({ISSUER: self.service, BROKER: self.simulator})

    async def logged_in(self, persona: str) -> LoginBrowser:
        """A browser in which this persona has logged in."""
        browser = self.browser()
        response = await browser.log_in(persona)
        assert response.status_code == 303, response.text
        return browser


def a_world(sessions: Any, clock: Any) -> LoginWorld:
    """The service and the stand-in broker, each reaching the other in this process."""
    return joined(a_login_service(sessions, clock), clock)


def joined(service: FastAPI, clock: Any) -> LoginWorld:
    """This service and a stand-in broker of its own."""
    first = _simulator()
    provider: SimulatedProvider = first.state.services.provider
    simulator = with_own_services(
        first,
        provider=SimulatedProvider(provider.issuer, provider.client, clock),
        http=httpx.AsyncClient(
            transport=httpx.ASGITransport(service), timeout=5, trust_env=False, verify=tls_context()
        ),
        postbus=MailCatcher(0, clock),
    )
    replace_services(service, broker=broker_through(httpx.ASGITransport(simulator)))
    return LoginWorld(service, simulator)


@functools.cache
def _simulator() -> FastAPI:
    return create_simulator(practice_settings())


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))
