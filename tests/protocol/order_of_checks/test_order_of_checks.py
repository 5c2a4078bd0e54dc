"""The order of checks of OAuth endpoints: docs/order-of-checks.md, executed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.delegation.pause import pause_machtiging
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.architecture.sources import ROOT
from tests.builders.client import ASSERTION_TYPE, App, make_client_assertion, make_client_keys
from tests.builders.keys import KeyHolder
from tests.builders.people import ISSUER
from tests.builders.tokens import (
    ACCESS_TOKEN,
    ARCHIEF,
    EXCHANGE,
    make_exchange_chain,
    make_refresh_token_holder,
    register_refreshing_app,
    update_rows,
)

TABLE_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def read_table() -> dict[str, dict[str, str]]:
    """The reason codes by column and check, in order."""
    rows = [row.split(" | ") for row in TABLE_ROW.findall((ROOT / "docs/order-of-checks.md").read_text())]
    columns = rows[0][1:]
    return {
        column: {row[0]: row[index] for row in rows[1:] if row[index] != "-"} for index, column in enumerate(columns, 1)
    }


TABLE = read_table()


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

    async def send(self) -> Any:
        """Send it, with an assertion made now unless there is one."""
        made = self.assertion or make_client_assertion(
            self.claims.pop("keys", self.app.keys), self.app.client_id, self.oauth.clock, **self.claims
        )
        credentials = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": made}
        form = {name: value for name, value in (credentials | self.form).items() if value is not None}
        return await self.app.http.post(self.path, data=form, headers=self.headers)


Violation = Callable[[CheckedRequest], Awaitable[None]]


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


async def use_agency(request: CheckedRequest) -> None:
    request.app = await request.oauth.register_agency()


async def use_reading_app(request: CheckedRequest) -> None:
    request.app = await request.oauth.register_reading_app()


async def wait_two_minutes(request: CheckedRequest) -> None:
    request.oauth.later(minutes=2)


async def wait_seven_hours(request: CheckedRequest) -> None:
    request.oauth.later(hours=7)


async def pause(request: CheckedRequest) -> None:
    async with unit_of_work(request.oauth.sessions) as session:
        giver = request.oauth.committed.people.mother
        await pause_machtiging(session, request.machtiging_id, giver, at=request.oauth.clock.now())


async def send_token_of_other_service(request: CheckedRequest) -> None:
    request.form["subject_token"] = await request.chain.issue_token(None)


async def send_bound_token(request: CheckedRequest) -> None:
    request.form["subject_token"] = await request.chain.issue_token(binding=TokenBinding(jkt="k" * 43))


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
VIOLATIONS: Mapping[str, Mapping[str, Violation]] = {
    "code": {
        **AUTHENTICATION,
        **GRANT,
        "client may use the grant type": use_agency,
        "credential is sent": change_form(code=None),
        "credential is known, of this client": change_form(code="onbekend"),
        "credential is not replayed": change_rows("UPDATE authorization_code SET used_at = created_at", sealed=False),
        "row MAC of the credential": change_rows("UPDATE authorization_code SET nonce = 'ander'", sealed=False),
        "credential has not expired": wait_two_minutes,
        "redirect URI": change_form(redirect_uri="https://kwaad.example/"),
        "PKCE": change_form(code_verifier="x" * 43),
        "DPoP key of the code": change_rows(f"UPDATE authorization_code SET jkt = '{'k' * 43}'"),
        "organisation of the consent": change_rows("UPDATE authorization_code SET organisation_kvk = '12345678'"),
        "resource server is active": change_rows("UPDATE authorization_code SET resource = 'https://weg.example'"),
    },
    "refresh token": {
        **AUTHENTICATION,
        **GRANT,
        "client may use the grant type": use_reading_app,
        "credential is sent": change_form(refresh_token=None),
        "credential is known, of this client": change_form(refresh_token="onbekend"),
        "credential is not replayed": change_rows("UPDATE refresh_token SET used_at = created_at", sealed=False),
        "sender constraint of the credential": change_rows(
            f"UPDATE refresh_token SET jkt = '{'k' * 43}'", sealed=False
        ),
        "row MAC of the credential": change_rows("UPDATE refresh_token SET resource = 'ander'", sealed=False),
        "credential has not expired": wait_seven_hours,
        "organisation of the consent": change_rows("UPDATE refresh_token SET organisation_kvk = '12345678'"),
        "resource server is active": change_rows("UPDATE refresh_token SET resource = 'https://weg.example'"),
        "scope is within the consent or registration": change_form(scope="openid alles"),
    },
    "client credentials": {
        **AUTHENTICATION,
        "client may use the grant type": use_reading_app,
        "client has an OIN": change_rows("UPDATE oauth_client SET oin = NULL"),
        "scope is within the consent or registration": change_form(scope="openid"),
        "resource is the one of the consent": change_form(resource="https://elders.example"),
        "authorization details are within the consent": change_form(authorization_details="[]"),
    },
    "token exchange": {
        **AUTHENTICATION,
        "client may use the grant type": use_reading_app,
        "parameters are supported": change_form(actor_token="x"),
        "credential is sent": change_form(subject_token=None),
        "token types are known": change_form(subject_token_type="onzin"),
        "credential is known, of this client": change_form(subject_token="onbekend"),
        "credential is for this service": send_token_of_other_service,
        "sender constraint of the credential": send_bound_token,
        "resource is the one of the consent": change_form(resource="https://elders.example"),
        "authorization details are within the consent": change_form(authorization_details="[]"),
        "scope is within the subject token": change_form(scope="openid alles"),
    },
    "introspection": {**AUTHENTICATION, "credential is sent": change_form(token=None)},
    "revocation": {**AUTHENTICATION, "credential is sent": change_form(token=None)},
}


async def make_code_request(oauth: Any) -> CheckedRequest:
    held = await oauth.grant_machtiging()
    flow = await oauth.start_flow(await register_refreshing_app(oauth), held)
    form = {"grant_type": "authorization_code", "code": await flow.code(), "code_verifier": flow.pkce.verifier}
    form["redirect_uri"] = flow.app.registration["redirect_uris"][0]
    return CheckedRequest(oauth, "/token", flow.app, form, held.id)


async def make_refresh_request(oauth: Any) -> CheckedRequest:
    holder = await make_refresh_token_holder(oauth)
    form = {"grant_type": "refresh_token", "refresh_token": holder.refresh_token}
    return CheckedRequest(oauth, "/token", holder.app, form, holder.machtiging.id)


async def make_client_request(oauth: Any) -> CheckedRequest:
    return CheckedRequest(oauth, "/token", await oauth.register_agency(), {"grant_type": "client_credentials"})


async def make_introspection_request(oauth: Any) -> CheckedRequest:
    return CheckedRequest(oauth, "/introspect", await oauth.register_agency(), {"token": "x"})


async def make_exchange_request(oauth: Any) -> CheckedRequest:
    chain = await make_exchange_chain(oauth)
    await chain.register_server(resource=ARCHIEF, client_name="Archief")
    exchanger = await chain.register_exchanger()
    form = {"grant_type": EXCHANGE, "subject_token_type": ACCESS_TOKEN, "resource": ARCHIEF}
    form["subject_token"] = await chain.issue_token()
    return CheckedRequest(oauth, "/token", exchanger, form, chain=chain)


async def make_revocation_request(oauth: Any) -> CheckedRequest:
    return CheckedRequest(oauth, "/revoke", await oauth.register_agency(), {"token": "x"})


REQUESTS = {
    "code": make_code_request,
    "refresh token": make_refresh_request,
    "client credentials": make_client_request,
    "token exchange": make_exchange_request,
    "introspection": make_introspection_request,
    "revocation": make_revocation_request,
}


async def read_reason(request: CheckedRequest) -> str:
    """Send the request and return the one reason code, from the journal or the log."""
    before = len(await request.oauth.lines("token:geweigerd"))
    with structlog.testing.capture_logs() as logs:
        response = await request.send()
    assert response.status_code in (400, 401), response.text
    journalled = [line.reason for line in (await request.oauth.lines("token:geweigerd"))[before:]]
    logged = [line["code"] for line in logs if line["event"] == "oauth_refused"]
    (reason,) = journalled + logged
    return reason


@pytest.mark.parametrize("column", REQUESTS)
async def test_request_of_every_column_without_violation_succeeds(oauth, column) -> None:
    assert (await (await REQUESTS[column](oauth)).send()).status_code == 200


@pytest.mark.parametrize(("column", "check"), [(column, check) for column in TABLE for check in TABLE[column]])
async def test_check_fails_before_all_later_checks_of_its_column(oauth, column, check) -> None:
    request = await REQUESTS[column](oauth)
    checks = list(TABLE[column])
    for later in reversed(checks[checks.index(check) :]):
        await VIOLATIONS[column][later](request)
    assert await read_reason(request) == TABLE[column][check]


def test_every_column_and_violation_stands_in_the_table() -> None:
    assert TABLE.keys() == VIOLATIONS.keys() == REQUESTS.keys()
    only_at_token = {"grant type is supported", "DPoP proof is valid", "DPoP proof is not replayed"}
    for column, violations in VIOLATIONS.items():
        unused = only_at_token if column in ("introspection", "revocation") else set()
        assert set(TABLE[column]) == set(violations) - unused
