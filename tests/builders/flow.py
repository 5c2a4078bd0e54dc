"""OAuth as clients drive it. Keys, assertions, each step of the code flow over real HTTP, every part to be changed.

A `Flow` is one app and one person. The short way is `await flow.tokens()`; each step can be taken by itself with
`push`, `authorize`, `approve`, `redeem`.
"""

from __future__ import annotations

import functools
import html
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from fastapi import FastAPI
from joserfc import jws
from joserfc.jwk import KeySet
from sqlalchemy import text

from machtiging.berichtenbox.authorization_details.consent_choices import OWN_BOX_KEY
from machtiging.crypto.secrets import sha256_digest
from machtiging.identity.session import SESSION_COOKIE, authenticate_session
from machtiging.oauth.authorize.decision import decide_authorization
from machtiging.oauth.authorize.pushed_requests import RequestReference, extend_lifetime
from machtiging.oauth.client_jwks.fetcher import JwksFetcher
from machtiging.oauth.clients.cache import ClientCache
from machtiging.oauth.dependencies import build_issuer
from machtiging.oauth.protocol.server import RequestContext
from machtiging.oauth.register_client import register_client
from machtiging.oauth.routes import router as oauth_routes
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.outbound.http_client import OutboundHttpClient
from machtiging.web.pages import PageRenderer
from tests.builders.applications import copy_application, end_session, replace_services
from tests.builders.client import (
    App,
    ClientKeys,
    make_agency_metadata,
    make_app_metadata,
    make_authorization_details,
    make_client_keys,
)
from tests.builders.keys import sign_jws
from tests.builders.machtiging import UWV, Committed
from tests.builders.messages import Pkce, read_query
from tests.builders.people import ISSUER, LoginBrowser, LoginWorld, assemble_login_service, join_simulator
from tests.builders.rows import JOURNAL_INTAKE


@dataclass
class Flow:
    """The code flow of one app and one logged-in person for one request."""

    app: App
    browser: LoginBrowser
    asks: str | None
    pkce: Pkce = field(default_factory=Pkce)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """The authorization request; a change of None leaves a parameter out."""
        made = {
            "response_type": "code",
            "redirect_uri": self.app.registration["redirect_uris"][0],
            "state": self.state,
            "scope": "openid",
            "nonce": self.nonce,
            "code_challenge": self.pkce.challenge,
            "code_challenge_method": "S256",
            "authorization_details": self.asks,
        }
        return {name: value for name, value in (made | changes).items() if value is not None}

    async def push(self, **changes: Any) -> httpx.Response:
        """POST /par."""
        return await self.app.post("/par", self.parameters(**changes))

    async def pushed(self, **changes: Any) -> str:
        """Push and give the request_uri."""
        response = await self.push(**changes)
        assert response.status_code == 201, response.text
        return response.json()["request_uri"]

    async def authorize(self, request_uri: str, **changes: Any) -> httpx.Response:
        """GET /authorize as the browser."""
        query = {"client_id": self.app.client_id, "request_uri": request_uri} | changes
        return await self.browser.get("/authorize", params=query)

    async def approve(self, request_uri: str, decision: str = "akkoord") -> httpx.Response:
        """See the consent page and press a button on it."""
        return await self.press(await self.consent_form(request_uri), decision)

    async def consent_form(self, request_uri: str) -> dict[str, str]:
        """The hidden fields of the consent page."""
        shown = await self.authorize(request_uri)
        assert shown.status_code == 200, (shown.status_code, shown.headers.get("location"), shown.text)
        return read_hidden_fields(shown.text)

    async def press(self, form: Mapping[str, str], decision: str = "akkoord", **options: Any) -> httpx.Response:
        return await self.browser.post("/authorize", {**form, "besluit": decision}, **options)

    async def code(self, **changes: Any) -> str:
        """Up to the code. Agreed to without the consent page; `answer` goes over it."""
        services = self.browser.apps[ISSUER].state.services

        reference, at = RequestReference(self.app.client_id, await self.pushed(**changes)), services.clock.now()
        details = self.parameters(**changes).get("authorization_details")
        names_own_box = details is not None and "machtiging" not in details
        async with unit_of_work(services.sessions) as session:
            exchange = RequestContext(session, build_issuer(services), at)
            await extend_lifetime(exchange, reference)
            who = await authenticate_session(
                session, services.keyring, self.browser.token, services.session_limits, at=at
            )
            assert who is not None, "nobody is logged in"
            back = await decide_authorization(
                exchange, who, reference, OWN_BOX_KEY if names_own_box else None, approved=True
            )
        return read_query(back.location)["code"]

    async def answer(self, **changes: Any) -> dict[str, str]:
        """Up to the authorization response, whatever it says."""
        response = await self.approve(await self.pushed(**changes))
        assert response.status_code == 303, response.text
        return read_query(response.headers["location"])

    async def redeem(self, code: str, **changes: Any) -> httpx.Response:
        """POST /token with a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.app.registration["redirect_uris"][0],
            "code_verifier": self.pkce.verifier,
        }
        return await self.app.post("/token", form, **changes)

    async def unused(self, code: str) -> str:
        """The same code, as if nobody had brought it yet. For one more reason to refuse it, no other consent."""
        services = self.browser.apps[ISSUER].state.services
        async with unit_of_work(services.sessions) as session:
            mine = {"mine": sha256_digest(code)}
            await session.execute(text("UPDATE authorization_code SET used_at = NULL WHERE code_hash = :mine"), mine)
        return code

    async def tokens(self, **changes: Any) -> dict[str, Any]:
        """All the way: the token response."""
        response = await self.redeem(await self.code(**changes))
        assert response.status_code == 200, response.text
        return response.json()


def read_hidden_fields(page: str) -> dict[str, str]:
    """Names and values of the hidden fields in the form that goes to /authorize."""
    form = page.split('action="/authorize"')[1].split("</form>")[0]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in found}


def read_button_links(page: str) -> list[str]:
    """Addresses of the links on a page that look like buttons."""
    found = re.findall(r'<a class="utrecht-button-link [^"]*" href="([^"]+)"', page)
    return [html.unescape(address) for address in found]


@dataclass
class OAuthWorld:
    """The service, the login stand-in, mother and son, and apps that use them."""

    world: LoginWorld
    sessions: Any
    clock: Any
    committed: Committed
    _open: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def service(self) -> FastAPI:
        return self.world.service

    def connection(self) -> httpx.AsyncClient:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(self.service), base_url=ISSUER)
        self._open.append(http)
        return http

    async def add(self, metadata: dict[str, Any], keys: ClientKeys | None = None, oin: str | None = None) -> App:
        """Register a client and give the app that uses it."""
        async with unit_of_work(self.sessions) as session:
            made = await register_client(
                session,
                metadata,
                detail_type=self.service.state.services.details_handler.detail_type,
                oin=oin,
                at=self.clock.now(),
                practice=True,
            )
        return App(made["client_id"], keys, self.connection(), self.clock, made)

    async def register_reading_app(self, **changes: Any) -> App:
        """A confidential app with an ES256 key."""
        return await self.register_app(make_app_metadata, **changes)

    async def register_app(
        self, metadata: Callable[..., dict[str, Any]], oin: str | None = None, **changes: Any
    ) -> App:
        """An app with a fresh ES256 key and this metadata."""
        keys = make_client_keys()
        return await self.add(metadata(keys, **changes), keys, oin)

    async def register_public_app(self, **changes: Any) -> App:
        """An app without a key."""
        return await self.add(make_app_metadata(None, **changes))

    async def register_agency(self, **changes: Any) -> App:
        """UWV's sending system."""
        return await self.register_app(make_agency_metadata, UWV, **changes)

    async def logged_in(self, persona: str = "naaste") -> LoginBrowser:
        """A browser in which this persona has logged in."""
        browser = await self.world.logged_in(persona)
        self._open.append(browser.http)
        return browser

    def browser_with(self, token: str) -> LoginBrowser:
        """A browser that holds this session token."""
        browser = self.world.browser()
        self._open.append(browser.http)
        browser.http.cookies.set(SESSION_COOKIE, token)
        return browser

    async def grant_machtiging(self, **changes: Any) -> Any:
        """Mother (BSN of `vertegenwoordigde`) gives son (`naaste`) a machtiging."""
        offered = await self.committed.offer(**changes)
        return await self.committed.accept(offered.code)

    async def start_flow(self, app: App | None = None, machtiging: Any = None, *actions: str) -> Flow:
        """The son, logged in, and an app that asks for his mother's box."""
        held = machtiging or await self.grant_machtiging()
        return Flow(
            app or await self.register_reading_app(),
            await self.logged_in(),
            make_authorization_details(held.id, *actions),
        )

    async def request(self, app: App | None = None) -> Flow:
        """An app that asks, with nobody logged in. Enough for all that is refused before a person comes in sight."""
        browser = self.world.browser()
        self._open.append(browser.http)
        return Flow(app or await self.register_reading_app(), browser, make_authorization_details(uuid4()))

    async def lines(self, act: str) -> list[Any]:
        """The journal's intake lines of one kind, oldest first."""
        async with unit_of_work(self.sessions) as session:
            return await JOURNAL_INTAKE.read(session, act=act)

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    async def close(self) -> None:
        for http in self._open:
            await http.aclose()


@functools.cache
def _service() -> FastAPI:
    """The login service with the authorization server in it, once in a process."""
    service = assemble_login_service()
    pages = PageRenderer(["machtiging.oauth", "machtiging.identity", "machtiging.web"])
    replace_services(service, access_token_seconds=600, on_session_end=end_session, pages=pages)
    # The login tests have a stand-in for /jwks; here the real one answers.
    service.router.routes[:] = [route for route in service.router.routes if getattr(route, "path", "") != "/jwks"]
    service.include_router(oauth_routes)
    return service


async def make_oauth_world(database: Any, clock: Any) -> OAuthWorld:
    """Everything joined, in this process, on a real database."""
    sessions = database.sessions
    published = JwksFetcher(sessions, OutboundHttpClient())
    service = copy_application(
        _service(), sessions=sessions, clock=clock, published_keys=published, known_clients=ClientCache()
    )
    committed = await Committed.begin(database)
    return OAuthWorld(join_simulator(service, clock), sessions, clock, committed)


LOW, SUBSTANTIAL, HIGH = (f"http://eidas.europa.eu/LoA/{level}" for level in ("low", "substantial", "high"))
POST_LOGOUT_URI = "https://app.voorbeeld.example/uitgelogd"


async def verify_jwt(oauth: OAuthWorld, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT, under a key that stands at /jwks."""
    keys = KeySet.import_key_set((await oauth.connection().get("/jwks")).json())
    made = jws.deserialize_compact(token, keys, algorithms=["RS256", "PS256", "ES256"])
    return dict(made.headers()), json.loads(made.payload)


async def verify_id_token(oauth: OAuthWorld, tokens: dict[str, Any]) -> dict[str, Any]:
    return (await verify_jwt(oauth, tokens["id_token"]))[1]


async def start_login_flow(oauth: OAuthWorld, app: App | None = None, persona: str = "naaste") -> Flow:
    """An app that requests only a login, and a person who logged in earlier."""
    flow = Flow(app or await oauth.register_reading_app(), await oauth.logged_in(persona), None)
    oauth.later(minutes=5)
    return flow


async def request_userinfo(oauth: OAuthWorld, access_token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {access_token}"}
    return await oauth.connection().get("/userinfo", headers=headers)


def read_redirect(response: httpx.Response) -> dict[str, str]:
    """The parameters of the response at the redirect URI."""
    assert response.status_code == 303, response.text
    assert response.headers["location"].startswith("https://app.voorbeeld.example/"), response.headers["location"]
    return read_query(response.headers["location"])


async def log_in_again(flow: Flow, sent: httpx.Response, persona: str = "naaste", **at_broker: str) -> httpx.Response:
    """Follow the redirect to the login page, log in, and return to the request."""
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"].startswith("/inloggen?"), sent.headers["location"]
    to_broker = await flow.browser.get(sent.headers["location"] + "&" + urlencode({"login_hint": persona}))
    more = "&" + urlencode(at_broker) if at_broker else ""
    to_us = await flow.browser.get(to_broker.headers["location"] + more)
    back = await flow.browser.get(to_us.headers["location"])
    assert back.status_code == 303, back.text
    return await flow.browser.get(back.headers["location"])


async def approve_consent_page(flow: Flow, page: httpx.Response) -> dict[str, str]:
    """Press yes on this consent page; what the app is told."""
    assert page.status_code == 200, (page.status_code, page.headers.get("location"), page.text)
    return read_redirect(await flow.press(read_hidden_fields(page.text)))


def dump_claims(**places: Any) -> str:
    return json.dumps(places)


REQUEST_OBJECT_REFUSED = {
    "error": "invalid_request_object",
    "error_description": "The request object is not valid, was used before, or is not all that was sent.",
}


def make_request_object(flow: Flow, *, header: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
    """The parameters of a pushed request, signed by the app. A change of None leaves a member out."""
    app = flow.app
    now = int(app.clock.now().timestamp())
    asked = flow.parameters()
    asked["authorization_details"] = json.loads(asked["authorization_details"])
    about = {"iss": app.client_id, "client_id": app.client_id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 300}
    claims = {**asked, **about, "jti": secrets.token_urlsafe(16), **changes}
    protected = {"alg": app.keys.alg, "kid": "app-1", "typ": "oauth-authz-req+jwt"} | (header or {})
    return sign_jws(
        {name: value for name, value in protected.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
        key or app.keys.private,
    )


async def push_request_object(flow: Flow, made: str, **beside: Any) -> httpx.Response:
    """Push it."""
    return await flow.app.post("/par", {"request": made, **beside})


def assert_request_object_refused(response: httpx.Response, why: object = "") -> None:
    assert (response.status_code, response.json()) == (400, REQUEST_OBJECT_REFUSED), (why, response.text)
