"""The columns of requests to /grants/{id}. The client presents an access token, bound to a DPoP key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from machtiging.oauth.rules import GRANT_MANAGEMENT_QUERY, GRANT_MANAGEMENT_REVOKE
from tests.builders.client import App
from tests.builders.keys import KeyHolder
from tests.builders.people import ISSUER
from tests.builders.tokens import make_refresh_token_holder, register_refreshing_app
from tests.protocol.order_of_checks.checked_request import (
    CheckedRequest,
    Column,
    Violation,
    change_rows,
    send_broken_proof,
)

SCOPES = {"GET": GRANT_MANAGEMENT_QUERY, "DELETE": GRANT_MANAGEMENT_REVOKE}
OTHER_METHOD = {"GET": "DELETE", "DELETE": "GET"}


@dataclass
class GrantRequest(CheckedRequest):
    """A request about a grant, with an access token."""

    method: str = "GET"
    grant_id: str = ""
    token: str = ""
    token_of_person: str = ""
    key: KeyHolder = field(default_factory=lambda: KeyHolder(None))

    def make_proof(self) -> str:
        """A DPoP proof for this request and token."""
        return self.key.proof(self.method, f"{ISSUER}/grants/{self.grant_id}", token=self.token)

    async def send(self) -> Any:
        """Send it, with a proof made now unless there is one."""
        headers = {"Authorization": f"DPoP {self.token}", "DPoP": self.make_proof()} | self.headers
        headers = {name: value for name, value in headers.items() if value}
        return await self.app.http.request(self.method, f"/grants/{self.grant_id}", headers=headers)


async def issue_management_token(app: App, key: KeyHolder, scope: str) -> str:
    """An access token of the client for its grants, bound to this key."""
    form = app.credentials() | {"grant_type": "client_credentials", "scope": scope}
    response = await app.http.post("/token", data=form, headers={"DPoP": key.proof("POST", ISSUER + "/token")})
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


async def send_no_token(request: GrantRequest) -> None:
    request.headers["Authorization"] = ""


async def break_signature(request: GrantRequest) -> None:
    signed, signature = request.token.rsplit(".", 1)
    request.token = f"{signed}.{signature[::-1]}"


async def send_token_of_person(request: GrantRequest) -> None:
    request.token = request.token_of_person


async def wait_two_hours(request: GrantRequest) -> None:
    request.oauth.later(hours=2)


async def replay_proof_of_request(request: GrantRequest) -> None:
    """Send the request once before. A check after that of the proof fails, and the proof is consumed."""
    request.headers["DPoP"] = request.make_proof()
    await request.send()


async def send_token_with_other_scope(request: GrantRequest) -> None:
    scope = SCOPES[OTHER_METHOD[request.method]]
    request.token = await issue_management_token(request.app, request.key, scope)


async def name_unknown_grant(request: GrantRequest) -> None:
    request.grant_id = str(uuid4())


async def name_grant_of_other_client(request: GrantRequest) -> None:
    request.grant_id = str((await make_refresh_token_holder(request.oauth)).grant_id)


GRANT_VIOLATIONS: Mapping[str, Violation] = {
    "access token is sent": send_no_token,
    "access token is signed by us": break_signature,
    "access token is for this endpoint": send_token_of_person,
    "access token has not expired": wait_two_hours,
    "access token is known, with a valid row MAC": change_rows("UPDATE issued_token SET scope = 'x'", sealed=False),
    "access token has not been revoked": change_rows("UPDATE issued_token SET revoked_at = issued_at"),
    "client of the access token is active": change_rows("UPDATE oauth_client SET state = 'suspended'"),
    "DPoP proof is valid": send_broken_proof,
    "DPoP proof is not replayed": replay_proof_of_request,
    "access token has the scope": send_token_with_other_scope,
    "grant is known": name_unknown_grant,
    "grant is of this client": name_grant_of_other_client,
    "consent has not ended": change_rows("UPDATE oauth_grant SET ended_at = created_at, end_reason = 'proef'"),
}


async def make_query_request(oauth: Any, method: str = "GET") -> GrantRequest:
    app = await register_refreshing_app(oauth, scope=f"openid {' '.join(SCOPES.values())}")
    holder, key = await make_refresh_token_holder(oauth, app), KeyHolder(oauth.clock)
    request = GrantRequest(oauth, "", app, {}, method=method, grant_id=str(holder.grant_id), key=key)
    request.token = await issue_management_token(app, key, SCOPES[method])
    request.token_of_person = holder.access
    return request


async def make_revocation_request(oauth: Any) -> GrantRequest:
    return await make_query_request(oauth, "DELETE")


GRANT_COLUMNS: Mapping[str, Column] = {
    "grant query": Column(make_query_request, GRANT_VIOLATIONS, refused_with=(401, 403, 404)),
    "grant revocation": Column(make_revocation_request, GRANT_VIOLATIONS, refused_with=(401, 403, 404)),
}
