"""A helper who reads on the portal, and the paths of the box."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from tests.builders.people import HTML, ISSUER, start_login_session
from tests.builders.portal import Portal


@dataclass
class HelperSession:
    """The login session of one person on the portal. `box`: the machtiging in the path."""

    portal: Portal
    token: str
    box: Any
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {**HTML, "Cookie": f"{SESSION_COOKIE}={self.token}"}

    def path(self, letter: Any = None, bijlage: Any = None) -> str:
        """The path of the list, of a letter or of a bijlage."""
        below = "" if letter is None else f"/{letter}" if bijlage is None else f"/{letter}/bijlagen/{bijlage}"
        return f"/ik-help/{self.box}/brieven{below}"

    async def request(self, path: str, method: str = "GET") -> httpx.Response:
        """Request any page in this session."""
        return await self.portal.http.request(method, ISSUER + path, headers=self.headers)

    async def get(self, letter: Any = None, bijlage: Any = None, *, method: str = "GET") -> httpx.Response:
        """Request the list, a letter or a bijlage."""
        return await self.request(self.path(letter, bijlage), method)


async def open_helper_session(
    portal: Portal,
    person: PersonId,
    box: Any,
    level: Assurance = Assurance.SUBSTANTIAL,
    kvk: str | None = None,
) -> HelperSession:
    """Log this person in, for an organisation when there is a KvK number."""
    return HelperSession(portal, await start_login_session(portal.app.state.services, person, level, kvk), box)
