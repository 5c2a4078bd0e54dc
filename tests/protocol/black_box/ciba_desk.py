"""Somebody is asked something at a counter and answers elsewhere (OpenID CIBA Core 1.0), seen from outside.

The server tells under `counter` how: `people` who can log in (`login`: where to) and get a hint to read out
on the page `hint` (`hint_is`: a pattern; a hint is good once) - or no such pages: then every text is one. The page
`questions` (`{hint}` in it is replaced) shows what she is asked, with a form to send with `yes` or `no`. `nobody` is a
hint of nobody, `binding_message` one that the server takes.
"""

from __future__ import annotations

import html
import itertools
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.protocol.black_box.authorization_server import BlackBoxClient, BlackBoxPerson, BlackBoxServer

CIBA = "urn:openid:params:grant-type:ciba"
ENDPOINT = "backchannel_authentication_endpoint"


@dataclass
class Asked:
    """One request that was taken."""

    ciba_desk: BlackBoxCibaDesk
    client: BlackBoxClient
    person: BlackBoxPerson
    hint: str
    answer: dict[str, Any]
    open: bool = True

    async def poll(self, by: str | None = None, **more: Any) -> httpx.Response:
        """Ask for the answer; None leaves a parameter out."""
        client = self.client if by is None else self.ciba_desk.server.client(by)
        form = {"grant_type": CIBA, "auth_req_id": self.answer["auth_req_id"], **more}
        return await self.ciba_desk.server.post("token_endpoint", client, form)

    async def hears(self, by: str | None = None) -> str:
        """The error that a poll gets."""
        answer = await self.poll(by)
        assert answer.status_code == 400, answer.text
        return answer.json()["error"]

    async def says(self, what: str) -> None:
        """She answers `yes` or `no`."""
        self.open = False
        told = self.ciba_desk.description
        page = self.ciba_desk.server.issuer + told["questions"].format(hint=self.hint)
        shown = await self.person.press(page, urlsplit(page).path, **told[what])
        assert shown.status_code in (200, 302, 303), shown.text


@dataclass
class BlackBoxCibaDesk:
    """A CIBA desk and the persons at it. Each is asked one thing at a time."""

    server: BlackBoxServer
    people: Any = None
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = self.description.get("people", [])
        made = [self.server.person(login_hint=name) for name in names] or [self.server.person()]
        self.people = itertools.cycle(made)

    @property
    def description(self) -> dict[str, Any]:
        return self.server.told["counter"]

    async def somebody(self) -> tuple[BlackBoxPerson, str]:
        """The next person, and her login hint."""
        person = next(self.people)
        if "hint" not in self.description:
            return person, secrets.token_hex(8)
        page = self.server.issuer + self.description["hint"]
        shown = await person.ask("GET", page)
        if shown.status_code != 200:
            await person.go(self.server.issuer + self.description["login"], page)
        shown = await person.press(page, self.description["hint"])
        found = re.search(self.description["hint_is"], shown.text)
        assert found, shown.text
        return person, html.unescape(found[1])

    def question(self, hint: str, **changes: Any) -> dict[str, Any]:
        """The parameters of a CIBA request. A change of None leaves a parameter out."""
        made = {"scope": "openid", "login_hint": hint, "binding_message": self.description["binding_message"]} | changes
        return {name: value for name, value in made.items() if value is not None}

    async def tries(self, hint: str, by: str = "desk", **changes: Any) -> httpx.Response:
        """Ask with this hint, whatever comes of it."""
        return await self.server.post(ENDPOINT, self.server.client(by), self.question(hint, **changes))

    async def asks(self, by: str = "desk", **changes: Any) -> Asked:
        """Ask somebody, which works."""
        person, hint = await self.somebody()
        return self.record_request(by, person, hint, await self.tries(hint, by, **changes))

    def record_request(self, by: str, person: BlackBoxPerson, hint: str, answer: httpx.Response) -> Asked:
        assert answer.status_code == 200, answer.text
        self.asked.append(Asked(self, self.server.client(by), person, hint, answer.json()))
        return self.asked[-1]

    async def tidy(self) -> None:
        """Answer the open requests. Else they would come before the next one of the same person."""
        for one in self.asked:
            if one.open:
                await one.says("no")
        self.asked.clear()
