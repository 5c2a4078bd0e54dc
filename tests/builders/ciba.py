"""A CIBA desk: an app that sends CIBA requests, and the citizen who answers them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import text

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from machtiging.oauth.ciba.meldcode import create_meldcode
from machtiging.oauth.client import CIBA
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import App, ClientKeys, make_authorization_details
from tests.builders.flow import OAuthWorld
from tests.builders.people import LoginBrowser, start_login_session
from tests.builders.rows import BACKCHANNEL_REQUESTS

MESSAGE = "Balie 3, W4X-7KP"


def make_ciba_desk_metadata(keys: ClientKeys, **changes: Any) -> dict[str, Any]:
    """CIBA metadata of an app for a desk. A change of None leaves a member out."""
    metadata = {
        "client_name": "Bibliotheek Oost",
        "grant_types": [CIBA],
        "backchannel_token_delivery_mode": "poll",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": "openid",
        "jwks": keys.jwks,
    } | changes
    return {name: value for name, value in metadata.items() if value is not None}


INSERT_CIBA_REQUESTS = text(
    "INSERT INTO backchannel_request (request_hash, client_id, person_id, params, binding_message, state, created_at,"
    " expires_at, interval_seconds)"
    " SELECT sha256((:app || n)::bytea), :app, :person, '{}', 'x', 'expired', :at, :later, 5"
    " FROM generate_series(1, :most) AS n"
)


@dataclass
class CibaDesk:
    """One app at a desk, and the person before it."""

    oauth: OAuthWorld
    app: App

    @property
    def mother(self) -> PersonId:
        return self.oauth.committed.people.mother

    @property
    def son(self) -> PersonId:
        return self.oauth.committed.people.son

    async def create_meldcode(self, person: PersonId | None = None) -> str:
        """A code that she has just made."""
        async with unit_of_work(self.oauth.sessions) as session:
            keyring = self.oauth.service.state.services.keyring
            return await create_meldcode(session, keyring, person or self.mother, at=self.oauth.clock.now())

    async def asks(self, code: str | None = None, **changes: Any) -> httpx.Response:
        """POST /bc-authorize; a change of None leaves a parameter out. Later than the one before, as `rows` says."""
        self.oauth.later(milliseconds=1)
        form = {
            "scope": "openid",
            "login_hint": code or await self.create_meldcode(),
            "binding_message": MESSAGE,
            "authorization_details": make_authorization_details(),
        }
        return await self.app.post("/bc-authorize", form | changes)

    async def start_request(self, code: str | None = None, **changes: Any) -> str:
        """Ask, and give the auth_req_id."""
        response = await self.asks(code, **changes)
        assert response.status_code == 200, response.text
        return response.json()["auth_req_id"]

    async def approved(self, **changes: Any) -> str:
        """A request that she has said yes to; its auth_req_id."""
        auth_req_id = await self.start_request(**changes)
        await self.agreed()
        return auth_req_id

    async def agreed(self, person: PersonId | None = None) -> None:
        """The citizen approves her first pending request."""
        response = await self.answers(await self.citizen(person))
        assert response.status_code == 303, response.text

    async def insert_requests(self, most: int, person: PersonId | None = None) -> None:
        """This many requests of the app, all over; of this person, or of nobody."""
        at = self.oauth.clock.now()
        values = {
            "app": self.app.client_id,
            "at": at,
            "later": at + timedelta(minutes=5),
            "most": most,
            "person": person,
        }
        async with unit_of_work(self.oauth.sessions) as session:
            await session.execute(INSERT_CIBA_REQUESTS, values)

    async def polls(self, auth_req_id: str, app: App | None = None, **changes: Any) -> httpx.Response:
        form = {"grant_type": CIBA, "auth_req_id": auth_req_id}
        return await (app or self.app).post("/token", form, **changes)

    async def hears(self, auth_req_id: str, app: App | None = None, **changes: Any) -> str:
        """The error that a poll gets."""
        response = await self.polls(auth_req_id, app, **changes)
        assert response.status_code == 400, response.text
        return response.json()["error"]

    async def citizen(
        self, person: PersonId | None = None, assurance: Assurance = Assurance.SUBSTANTIAL
    ) -> LoginBrowser:
        """A browser in which she is logged in, without walking through the broker."""
        token = await start_login_session(self.oauth.service.state.services, person or self.mother, assurance)
        return self.oauth.browser_with(token)

    async def answers(self, browser: LoginBrowser, decision: str = "akkoord") -> httpx.Response:
        """Look at what waits, and press a button on the first question."""
        return await browser.post("/verzoeken", {**await self.form_of(browser), "besluit": decision})

    async def form_of(self, browser: LoginBrowser) -> dict[str, str]:
        """The hidden fields of the first question on her page."""
        shown = await browser.get("/verzoeken")
        assert shown.status_code == 200, (shown.status_code, shown.text)
        assert 'action="/verzoeken"' in shown.text, "no question waits"
        form = shown.text.split('action="/verzoeken"')[1].split("</form>")[0]
        found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
        return {name: html.unescape(value) for name, value in found}

    async def tokens(self, auth_req_id: str) -> dict[str, Any]:
        """She says yes; the token response."""
        await self.agreed()
        response = await self.polls(auth_req_id)
        assert response.status_code == 200, response.text
        return response.json()

    async def rows(self) -> list[Any]:
        """The requests that are kept, oldest first."""
        async with unit_of_work(self.oauth.sessions) as session:
            return await BACKCHANNEL_REQUESTS.read(session, order_by="created_at")

    async def reasons(self, act: str) -> list[str]:
        return [line.reason for line in await self.oauth.lines(act)]


def read_binding_message(page: str) -> str:
    """The large words on her page: the binding message."""
    return re.sub(r"<[^>]+>", "", page.split('<output class="m-code">')[1].split("</output>")[0])


async def register_ciba_desk(oauth: OAuthWorld, **changes: Any) -> CibaDesk:
    """Register an app for a desk."""
    return CibaDesk(oauth, await oauth.register_app(make_ciba_desk_metadata, **changes))
