"""The app and the browser of one holder for tests. They try every credential that the holder got before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from machtiging.delegation.rules import Act
from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.assurance import Assurance
from tests.builders.client import make_authorization_details, make_bearer_header
from tests.builders.downloads import PartedDownload, start_download
from tests.builders.flow import Flow, read_hidden_fields
from tests.builders.messages import read_query
from tests.builders.rows import BIJLAGEN
from tests.builders.tokens import ACCESS_TOKEN, ARCHIEF, EXCHANGE, HUIS

if TYPE_CHECKING:
    from tests.protocol.authority.access_history import AccessHistory

API = "/api/v1"
READ_LETTER, DOWNLOADED_LETTER = "ww-uitkering", "aow"
MOST_EARLY_READS = 4
# An access token, and the login session on the portal.
READING = ("access", "session")
REFRESHED_BY = {"access": "refresh", "several": "several_refresh"}
LIFETIMES = {
    "session": timedelta(minutes=15),
    "code": timedelta(seconds=60),
    "access": timedelta(seconds=600),
    "refresh": timedelta(hours=6),
    "subject": timedelta(seconds=600),
    "exchanged": timedelta(seconds=600),
    "several": timedelta(seconds=600),
    "several_refresh": timedelta(hours=6),
}


@dataclass
class HolderClient:
    """An app with the credentials of one holder, each with its last instant."""

    history: AccessHistory
    holder: str
    flow: Flow | None = None
    texts: dict[str, str] = field(default_factory=dict)
    until: dict[str, datetime] = field(default_factory=dict)
    downloads: dict[str, PartedDownload] = field(default_factory=dict)

    @property
    def machtiging_id(self) -> Any:
        return self.history.links[self.history.model.chains[self.holder][-1]]

    def is_alive(self, kind: str) -> bool:
        """Tell if there is a credential of this kind that time has not ended."""
        return kind in self.texts and self.history.box.clock.now() < self.until[kind]

    def keep(self, kind: str, text: str | None, *, until: datetime | None = None) -> bool:
        """Keep a credential in place of the former one. Returns False if there is none."""
        if text is None:
            return False
        ends = self.history.box.clock.now() + LIFETIMES[kind]
        self.texts[kind], self.until[kind] = text, min(ends, until or ends)
        return True

    def is_allowed(self, act: Act, letter: str) -> bool:
        return self.history.model.is_allowed(self.holder, act, letter)

    def may_read(self) -> dict[str, bool]:
        """Tell for each kind of credential if it opens the letter now."""
        return {kind: self.is_alive(kind) and self.is_allowed(Act.READ, READ_LETTER) for kind in READING}

    # Getting credentials

    async def log_in(self) -> None:
        """Log in, and consent for the API, for all that is held and for an exchanging service."""
        history = self.history
        level = history.login_levels.get(self.holder, Assurance.SUBSTANTIAL)
        browser = await history.open_browser(history.people[self.holder], history.kvk_of(self.holder), level)
        self.flow = Flow(history.apps["app"], browser, make_authorization_details(self.machtiging_id))
        self.keep("session", str(browser.token))
        for kind, asks in ("access", self.asks_for_one), ("several", self.asks_for_several):
            tokens = (await self.flow.redeem(str(await self.consent(asks)))).json()
            self.keep(kind, tokens["access_token"])
            self.keep(REFRESHED_BY[kind], tokens["refresh_token"])
        for probe in (try_session, try_code, try_exchange, try_session):
            assert await probe(self), (self.holder, probe.__name__)

    @property
    def asks_for_one(self) -> str:
        return make_authorization_details(self.machtiging_id)

    @property
    def asks_for_several(self) -> str:
        """All that an employee is assigned; of a relative, what he holds."""
        if self.history.kvk_of(self.holder) is None:
            return make_authorization_details(machtigingen=[str(self.machtiging_id)])
        return make_authorization_details(clienten="toegewezen")

    async def consent(self, asks: str, **changes: Any) -> str | None:
        """Ask for this in the session of the holder, and press yes. The code, if there is one."""
        assert self.flow is not None
        pushed = await self.flow.push(authorization_details=asks, **changes)
        if pushed.status_code != 201:
            return None
        shown = await self.flow.authorize(pushed.json()["request_uri"])
        if shown.status_code != 200:
            return None
        back = await self.flow.press(read_hidden_fields(shown.text))
        return read_query(back.headers["location"]).get("code")

    # Using them

    async def get(self, path: str, kind: str = "access") -> httpx.Response:
        headers = make_bearer_header(self.texts[kind])
        return await self.history.apps["app"].http.get(path, headers=headers)

    async def get_page(self, path: str) -> httpx.Response:
        """Request a page of the portal in the session of the holder. It prolongs the session."""
        assert self.flow is not None
        answer = await self.flow.browser.get(path)
        if self.is_alive("session"):
            self.keep("session", self.texts["session"])
        return answer

    @property
    def page_of_letters(self) -> str:
        return f"/ik-help/{self.machtiging_id}/brieven"

    async def read_letter(self, letter: str, kind: str = "access") -> bool:
        """Read a letter of the citizen; the history counts it."""
        letter_id = self.history.letters[letter]
        if kind == "session":
            response = await self.get_page(f"{self.page_of_letters}/{letter_id}")
        else:
            box = "" if kind == "access" else f"/machtigingen/{self.machtiging_id}"
            response = await self.get(f"{API}{box}/berichten/{letter_id}", kind)
        if response.status_code == 200:
            self.history.record_read(self.holder, letter_id)
        return response.status_code == 200

    async def read_until(self, answered: asyncio.Event) -> dict[str, tuple[list[bool], bool]]:
        """Read and refresh until the acts are answered.

        Returns for each kind the earlier results, and that of a later request.
        """
        early: dict[str, list[bool]] = {kind: [] for kind in READING}
        kinds = [kind for kind in READING if kind in self.texts]
        while kinds and not answered.is_set() and len(early[kinds[0]]) < MOST_EARLY_READS:
            for kind in kinds:
                early[kind].append(await self.read_letter(READ_LETTER, kind))
            if self.is_alive("refresh"):
                await try_refresh(self)
        await answered.wait()
        return {kind: (early[kind], kind in kinds and await self.read_letter(READ_LETTER, kind)) for kind in READING}

    async def begin_download(self) -> None:
        """Begin a download in two parts with each credential, if allowed now."""
        if not self.is_allowed(Act.DOWNLOAD, DOWNLOADED_LETTER):
            return
        letter_id, app = self.history.letters[DOWNLOADED_LETTER], self.history.portal.app
        bijlage_id = await BIJLAGEN.read_value(self.history.box, "id", bericht_id=letter_id)
        below = f"{letter_id}/bijlagen/{bijlage_id}"
        for kind in READING:
            if kind in self.downloads or not self.is_alive(kind):
                continue
            if kind == "session":
                cookie = f"{SESSION_COOKIE}={self.texts[kind]}"
                self.downloads[kind] = start_download(app, f"{self.page_of_letters}/{below}", cookie=cookie)
            else:
                self.downloads[kind] = start_download(app, f"{API}/berichten/{below}", self.texts[kind])
            assert (await self.downloads[kind].messages.get())["status"] == 200
            await self.downloads[kind].messages.get()

    # Comparing them with the model

    async def compare(self) -> None:
        """Every living credential gives something exactly if the model allows it, and no other does."""
        history = self.history
        answers = history.model.can_act(self.holder), history.can_use_several(self.holder)
        for stands, probes in zip(answers, (PROBES, PROBES_OF_SEVERAL), strict=True):
            for kind, probe in probes:
                if kind in self.texts:
                    expected = stands and self.is_alive(kind)
                    assert await probe(self) == expected, (self.holder, kind, probe.__name__)
        if "several" in self.texts:
            expected = history.model.can_act(self.holder) and self.is_alive("several")
            assert await list_machtigingen(self, "several") == expected, (self.holder, "list of several")
        await self.compare_letters("access")
        await self.compare_letters("several")
        await self.compare_letters("session")
        await self.compare_downloads()

    async def list_letters(self, kind: str) -> set[str]:
        """The ids of the letters in the list; none if it is refused."""
        if kind == "session":
            page = await self.get_page(self.page_of_letters)
            found = re.findall(f'href="{self.page_of_letters}/([^"?/]+)"', page.text)
            assert page.status_code == 200 or not found
            return set(found)
        listed = await self.get(f"{API}/machtigingen/{self.machtiging_id}/berichten", kind)
        return {one["berichtId"] for one in listed.json()["berichten"]} if listed.status_code == 200 else set()

    async def compare_letters(self, kind: str) -> None:
        """Compare the letters that this credential lists and reads with those of the model."""
        if kind not in self.texts:
            return
        alive, letters = self.is_alive(kind), self.history.letters
        allowed = {letters[one] for one in letters if alive and self.is_allowed(Act.LIST, one)}
        assert await self.list_letters(kind) == allowed, (self.holder, kind)
        for letter in letters:
            expected = alive and self.is_allowed(Act.READ, letter)
            assert await self.read_letter(letter, kind) == expected, (self.holder, kind, letter)

    async def compare_downloads(self) -> None:
        """A download of before goes on exactly if the model allows it. That its credential expires does not stop it."""
        while self.downloads:
            kind, download = self.downloads.popitem()
            went_on = await download.finish()
            assert went_on == self.is_allowed(Act.DOWNLOAD, DOWNLOADED_LETTER), (self.holder, kind, "download")


async def _is_active(client: HolderClient, kind: str, app: str) -> bool:
    response = await client.history.apps[app].post("/introspect", {"token": client.texts[kind]})
    return response.json()["active"]


async def introspect_access(client: HolderClient) -> bool:
    return await _is_active(client, "access", "app")


async def introspect_refresh(client: HolderClient) -> bool:
    return await _is_active(client, "refresh", "app")


async def introspect_subject(client: HolderClient) -> bool:
    return await _is_active(client, "subject", "huis")


async def introspect_exchanged(client: HolderClient) -> bool:
    return await _is_active(client, "exchanged", "archief")


async def introspect_several(client: HolderClient) -> bool:
    return await _is_active(client, "several", "app")


async def introspect_several_refresh(client: HolderClient) -> bool:
    return await _is_active(client, "several_refresh", "app")


async def list_machtigingen(client: HolderClient, kind: str = "access") -> bool:
    response = await client.get(f"{API}/machtigingen", kind)
    found = response.json()["machtigingen"] if response.status_code == 200 else []
    return any(one["geldt"] for one in found if one["machtigingId"] == str(client.machtiging_id))


async def request_userinfo(client: HolderClient, kind: str = "access") -> bool:
    return (await client.get("/userinfo", kind)).status_code == 200


async def request_userinfo_for_several(client: HolderClient) -> bool:
    return await request_userinfo(client, "several")


async def try_exchange(client: HolderClient) -> bool:
    """Exchange the token for one of the archive."""
    form = {"grant_type": EXCHANGE, "subject_token": client.texts["subject"], "subject_token_type": ACCESS_TOKEN}
    response = await client.history.apps["huis"].post("/token", form, resource=ARCHIEF)
    return client.keep("exchanged", response.json().get("access_token"), until=client.until["subject"])


async def try_code(client: HolderClient) -> bool:
    """Redeem the code of before. It is used up, whatever the answer."""
    assert client.flow is not None
    response = await client.flow.redeem(client.texts.pop("code"))
    return client.keep("subject", response.json().get("access_token"))


async def try_refresh(client: HolderClient, kind: str = "access") -> bool:
    """Refresh; a refresh token that is refused stays."""
    form = {"grant_type": "refresh_token", "refresh_token": client.texts[REFRESHED_BY[kind]]}
    tokens = (await client.history.apps["app"].post("/token", form)).json()
    client.keep(REFRESHED_BY[kind], tokens.get("refresh_token"))
    return client.keep(kind, tokens.get("access_token"))


async def try_refresh_of_several(client: HolderClient) -> bool:
    return await try_refresh(client, "several")


async def try_session(client: HolderClient) -> bool:
    """Consent in the session, for a service that exchanges. The code is for the next comparison."""
    has_code = client.keep("code", await client.consent(client.asks_for_one, resource=HUIS))
    if client.is_alive("session"):
        client.keep("session", client.texts["session"])
    return has_code


Probe = Callable[[HolderClient], Awaitable[bool]]
PROBES: tuple[tuple[str, Probe], ...] = (
    ("access", introspect_access),
    ("access", list_machtigingen),
    ("access", request_userinfo),
    ("refresh", introspect_refresh),
    ("exchanged", introspect_exchanged),
    ("subject", introspect_subject),
    ("subject", try_exchange),
    ("code", try_code),
    ("session", try_session),
    ("refresh", try_refresh),
)
PROBES_OF_SEVERAL: tuple[tuple[str, Probe], ...] = (
    ("several", introspect_several),
    ("several", request_userinfo_for_several),
    ("several_refresh", introspect_several_refresh),
    ("several_refresh", try_refresh_of_several),
)
