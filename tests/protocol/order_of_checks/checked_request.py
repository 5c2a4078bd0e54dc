"""A valid request that a test violates check by check, and shared violations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import text

from machtiging.delegation.pause import pause_machtiging
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import ASSERTION_TYPE, App, make_client_assertion, make_client_keys
from tests.builders.keys import KeyHolder
from tests.builders.people import ISSUER
from tests.builders.tokens import update_rows


@dataclass
class CheckedRequest:
    """A valid request of one column. Violations change it, or the rows that it depends on."""

    oauth: Any
    path: str
    app: App
    form: dict[str, str | None]
    machtiging_id: Any = None
    chain: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    assertion: str | None = None

    async def change_rows(self, statement: str, *, sealed: bool = True) -> None:
        """Change rows, as the service does (`sealed`) or as somebody without the key."""
        if sealed:
            await update_rows(self.oauth, statement)
            return
        async with unit_of_work(self.oauth.sessions) as session:
            await session.execute(text(statement))

    def build_form(self) -> dict[str, str | None]:
        """The form, apart from the client assertion."""
        return self.form

    async def send(self) -> Any:
        """Send it, with an assertion made now unless there is one."""
        made = self.assertion or make_client_assertion(
            self.claims.pop("keys", self.app.keys), self.app.client_id, self.oauth.clock, **self.claims
        )
        credentials = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": made}
        form = {name: value for name, value in (credentials | self.build_form()).items() if value is not None}
        return await self.app.http.post(self.path, data=form, headers=self.headers)


Violation = Callable[[Any], Awaitable[None]]


class Column(NamedTuple):
    """A column of the table: its valid request, and a violation of each check.

    `hidden`: the checks of which the answer does not tell that they failed. `refused_with`: the statuses of refusals.
    """

    make_request: Callable[[Any], Awaitable[CheckedRequest]]
    violations: Mapping[str, Violation]
    hidden: Collection[str] = ()
    refused_with: Collection[int] = (400, 401)


def change_form(**changes: str | None) -> Violation:
    async def violate(request: CheckedRequest) -> None:
        request.form |= changes

    return violate


def change_rows(statement: str, *, sealed: bool = True) -> Violation:
    async def violate(request: CheckedRequest) -> None:
        await request.change_rows(statement, sealed=sealed)

    return violate


async def send_unreadable_parameter(request: CheckedRequest) -> None:
    request.form["state"] = "a\x00b"


async def suspend(request: CheckedRequest) -> None:
    async with unit_of_work(request.oauth.sessions) as session:
        await suspend_client(session, request.app.client_id, at=request.oauth.clock.now())


async def sign_with_other_keys(request: CheckedRequest) -> None:
    request.claims["keys"] = make_client_keys()


async def address_other_server(request: CheckedRequest) -> None:
    request.assertion = None
    request.claims["aud"] = "https://elders.example"


async def replay_assertion(request: CheckedRequest) -> None:
    request.assertion = make_client_assertion(request.app.keys, request.app.client_id, request.oauth.clock)
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": request.assertion, "token": "x"}
    assert (await request.app.http.post("/introspect", data=form)).status_code == 200


async def send_broken_proof(request: CheckedRequest) -> None:
    request.headers["DPoP"] = "x"


async def replay_proof(request: CheckedRequest) -> None:
    request.headers["DPoP"] = KeyHolder(request.oauth.clock).proof("POST", ISSUER + "/token")
    agency = await request.oauth.register_agency()
    form = agency.credentials() | {"grant_type": "client_credentials"}
    assert (await agency.http.post("/token", data=form, headers=request.headers)).status_code == 200


async def replay_proof_of_request(request: CheckedRequest) -> None:
    """Send the request once before. A check after that of the proof fails, and the proof is consumed."""
    request.headers["DPoP"] = KeyHolder(request.oauth.clock).proof("POST", ISSUER + request.path)
    await request.send()


async def use_agency(request: CheckedRequest) -> None:
    request.app = await request.oauth.register_agency()


async def use_reading_app(request: CheckedRequest) -> None:
    request.app = await request.oauth.register_reading_app()


async def pause(request: CheckedRequest) -> None:
    async with unit_of_work(request.oauth.sessions) as session:
        giver = request.oauth.committed.people.mother
        await pause_machtiging(session, request.machtiging_id, giver, at=request.oauth.clock.now())


AUTHENTICATION: Mapping[str, Violation] = {
    "parameters are readable": send_unreadable_parameter,
    "grant type is supported": change_form(grant_type="onzin"),
    "one authentication method": change_form(client_secret="geheim"),
    "client assertion is well-formed": change_form(client_assertion="x"),
    "client is active": suspend,
    "signature of the client assertion": sign_with_other_keys,
    "claims of the client assertion": address_other_server,
    "client assertion is not replayed": replay_assertion,
    "DPoP proof is valid": send_broken_proof,
    "DPoP proof is not replayed": replay_proof,
}
GRANT: Mapping[str, Violation] = {
    "consent has not ended": change_rows("UPDATE oauth_grant SET ended_at = created_at, end_reason = 'proef'"),
    "machtiging is in force": pause,
    "resource is the one of the consent": change_form(resource="https://elders.example"),
    "authorization details are within the consent": change_form(authorization_details="[]"),
}
