"""People for tests. Rows in the database, and browsers that log in at the real stand-in broker."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx
from fastapi import FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.offer import Giver
from machtiging.dependencies import attach_services
from machtiging.identity.broker import Broker
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.people import Profile, find_or_create_by_broker, find_or_create_by_bsn, save_profile
from machtiging.identity.routes import router
from machtiging.identity.rules import VerifiedLogin
from machtiging.identity.session import (
    SESSION_COOKIE,
    Citizen,
    EndedSession,
    Operator,
    OptionalVisitor,
    SessionLimits,
    start_session,
)
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import PersonId
from machtiging.portal import error_pages
from machtiging.settings import Environment, Settings
from machtiging.simulators.app import create_simulator
from machtiging.simulators.mail_catcher import MailCatcher
from machtiging.simulators.provider import SimulatedProvider
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web import headers, language
from machtiging.web.errors.handlers import install_error_handlers
from machtiging.web.outbound.tls import tls_context
from machtiging.web.pages import PageRenderer
from tests.builders.applications import copy_application, make_services, replace_services
from tests.builders.keys import NOON, load_keyring

MOTHER = Bsn("999990019")
SON = Bsn("999990020")
BORN = date(1951, 4, 7)


@dataclass(frozen=True)
class People:
    """Mother, who gives, and son, who helps; both in the database with a profile."""

    mother: PersonId
    son: PersonId

    @property
    def giver(self) -> Giver:
        return Giver(self.mother, Assurance.SUBSTANTIAL)

    @property
    def helper(self) -> CodeHolder:
        return CodeHolder(self.son, Assurance.SUBSTANTIAL)


async def add_person(
    session: AsyncSession, bsn: Bsn, name: str = "Noor Voorbeeld", born: date | None = BORN, email: str | None = None
) -> PersonId:
    """Somebody with a BSN and a profile."""
    person_id = await find_or_create_by_bsn(session, load_keyring(), bsn, at=NOON)
    await save_profile(session, load_keyring(), person_id, Profile(name, born, email))
    return person_id


async def add_person_without_bsn(session: AsyncSession, name: str, born: date | None) -> PersonId:
    """Somebody whom only the broker knows: an employee, or a citizen of another country."""
    person_id = await find_or_create_by_broker(session, load_keyring(), "https://b.example", name, at=NOON)
    await save_profile(session, load_keyring(), person_id, Profile(name, born, None))
    return person_id


async def add_mother_and_son(session: AsyncSession) -> People:
    """Add both of them, and the catalogue. The caller commits."""
    await upsert_catalogue(session)
    mother = await add_person(session, MOTHER, "Ans Voorbeeld", BORN, "ans@voorbeeld.example")
    son = await add_person(session, SON, "Bram Voorbeeld", date(1980, 9, 30), "bram@voorbeeld.example")
    return People(mother, son)


ISSUER = "https://machtigen.test"
BROKER = "https://inloggen.test"
CLIENT_ID = "machtiging"
SESSION_LIMITS = SessionLimits(idle_timeout=timedelta(minutes=15), absolute_timeout=timedelta(hours=8))
HTML = {"Accept": "text/html"}


def make_practice_settings(**changes: Any) -> Settings:
    """Settings of an installation whose broker is the stand-in."""
    values: dict[str, Any] = {"env": Environment.TEST, "issuer": ISSUER, "broker_issuer": BROKER, "smtp_port": 0}
    return Settings(**{**values, "broker_client_id": CLIENT_ID, **changes})


async def _notify_no_client(session: Any, over: EndedSession, *, at: Any) -> None:
    """No apps here have to be told of the end of a session."""


def make_login_service(sessions: Any, clock: Any) -> FastAPI:
    """An application with the login, and four pages to knock on. Its broker is set by the caller."""
    return copy_application(_assemble_once(), sessions=sessions, clock=clock)


@functools.cache
def _assemble_once() -> FastAPI:
    return assemble_login_service()


def assemble_login_service() -> FastAPI:
    """The same with nothing behind it yet."""
    app = FastAPI(redirect_slashes=False)
    pages = PageRenderer(["machtiging.identity", "machtiging.web"])
    attach_services(
        app, make_services(issuer=ISSUER, session_limits=SESSION_LIMITS, on_session_end=_notify_no_client, pages=pages)
    )
    app.include_router(router)
    _add_pages(app)
    install_error_handlers(app)
    error_pages.install(app)
    language.install(app)
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


def make_broker(transport: httpx.AsyncBaseTransport, **options: Any) -> Broker:
    return Broker(BROKER, CLIENT_ID, ISSUER + "/inloggen/terug", load_keyring(), transport=transport, **options)


async def start_login_session(
    services: Any,
    person_id: PersonId,
    assurance: Assurance = Assurance.SUBSTANTIAL,
    kvk: str | None = None,
    roles: frozenset[str] = frozenset(),
    **more: Any,
) -> str:
    """Start a session without the broker, for an employee when there is a KvK number. Returns its token."""
    at = services.clock.now()
    login = VerifiedLogin(BROKER, "x", assurance, at, None, Profile("x", None, None), roles, kvk)
    async with unit_of_work(services.sessions) as session:
        return await start_session(session, person_id, login, services.session_limits, at=at, **more)


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


def make_login_world(sessions: Any, clock: Any) -> LoginWorld:
    """The service and the stand-in broker, each reaching the other in this process."""
    return join_simulator(make_login_service(sessions, clock), clock)


def join_simulator(service: FastAPI, clock: Any) -> LoginWorld:
    """This service and a stand-in broker of its own."""
    first = _simulator()
    provider: SimulatedProvider = first.state.services.provider
    simulator = copy_application(
        first,
        provider=SimulatedProvider(provider.issuer, provider.client, clock),
        http=httpx.AsyncClient(
            transport=httpx.ASGITransport(service), timeout=60, trust_env=False, verify=tls_context()
        ),
        postbus=MailCatcher(0, clock),
    )
    replace_services(service, broker=make_broker(httpx.ASGITransport(simulator)))
    return LoginWorld(service, simulator)


@functools.cache
def _simulator() -> FastAPI:
    return create_simulator(make_practice_settings())
