"""The columns of requests that ask for a consent: /par and /bc-authorize, with a request object."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from machtiging.oauth.ciba.rules import MAX_REQUESTS_PER_CLIENT, MAX_REQUESTS_PER_PERSON
from tests.builders.ciba import MESSAGE, CibaDesk, register_ciba_desk
from tests.builders.client import make_authorization_details, make_client_keys
from tests.builders.keys import sign_jws
from tests.builders.people import ISSUER
from tests.builders.tokens import ARCHIEF, make_exchange_chain
from tests.protocol.order_of_checks.checked_request import (
    AUTHENTICATION,
    CheckedRequest,
    Column,
    Violation,
    change_rows,
    pause,
    replay_proof_of_request,
    use_reading_app,
)


@dataclass
class SignedRequest(CheckedRequest):
    """A request with its parameters in a request object (RFC 9101)."""

    parameters: dict[str, str | None] = field(default_factory=dict)
    object_changes: dict[str, Any] = field(default_factory=dict)
    request_object: str | None = None
    is_signed: bool = True

    def sign_parameters(self) -> str:
        """A request object with the parameters, made now."""
        client_id, now = self.app.client_id, int(self.oauth.clock.now().timestamp())
        times = {"iat": now, "nbf": now, "exp": now + 300}
        about = {"iss": client_id, "client_id": client_id, "aud": ISSUER, "jti": secrets.token_urlsafe(16)}
        keys = self.object_changes.get("keys", self.app.keys)
        changes = {name: value for name, value in self.object_changes.items() if name != "keys"}
        claims = {name: value for name, value in self.parameters.items() if value is not None}
        header = {"alg": keys.alg, "kid": "app-1", "typ": "oauth-authz-req+jwt"}
        return sign_jws(header, claims | about | times | changes, keys.private)

    def build_form(self) -> dict[str, str | None]:
        """The form, with the request object or, unsigned, with the parameters themselves."""
        if not self.is_signed:
            return self.parameters | self.form
        return {"request": self.request_object or self.sign_parameters()} | self.form


def change_parameters(**changes: str | None) -> Violation:
    async def violate(request: SignedRequest) -> None:
        request.parameters |= changes

    return violate


async def send_unsigned_parameters(request: SignedRequest) -> None:
    request.is_signed = False


async def send_parameter_beside_object(request: SignedRequest) -> None:
    request.form["scope"] = "openid"


async def sign_object_with_other_keys(request: SignedRequest) -> None:
    request.object_changes["keys"] = make_client_keys()


async def address_object_to_other_server(request: SignedRequest) -> None:
    request.request_object = None
    request.object_changes["aud"] = "https://elders.example"


async def replay_request_object(request: SignedRequest) -> None:
    """Send the object once before. A check after that of the object fails, and the object is consumed."""
    request.request_object = request.sign_parameters()
    await request.send()


SIGNED_REQUEST: Mapping[str, Violation] = {
    **{check: violation for check, violation in AUTHENTICATION.items() if check != "grant type is supported"},
    "DPoP proof is not replayed": replay_proof_of_request,
    "request object is sent": send_unsigned_parameters,
    "no parameters beside the request object": send_parameter_beside_object,
    "signature of the request object": sign_object_with_other_keys,
    "claims of the request object": address_object_to_other_server,
    "request object is not replayed": replay_request_object,
    "requested scope is registered": change_parameters(scope="openid alles"),
    "requested authorization details are readable": change_parameters(authorization_details="[]"),
    "requested acts are possible here": change_parameters(
        authorization_details=make_authorization_details(None, "verwijderen")
    ),
}
REMOVE_RESPONSE_TYPE = """
UPDATE oauth_client SET registration = jsonb_set(registration, '{grant_types}', '["client_credentials"]')
WHERE registration ? 'require_signed_request_object'
"""
PAR_VIOLATIONS: Mapping[str, Violation] = {
    **SIGNED_REQUEST,
    "parameters are supported": change_parameters(registration="{}"),
    "requested resource server is active": change_parameters(resource="https://elders.example"),
    "authentication request is readable": change_parameters(max_age="x"),
    "parameters are not too large": change_parameters(state="x" * 9000),
    "DPoP key of the pushed request": change_parameters(dpop_jkt="x"),
    "response type is supported": change_parameters(response_type="token"),
    "redirect URI": change_parameters(redirect_uri="https://kwaad.example/"),
    "client may use the response type": change_rows(REMOVE_RESPONSE_TYPE),
    "PKCE": change_parameters(code_challenge="x"),
    "nonce is sent": change_parameters(scope="openid", nonce=None),
    "grant management parameters are supported": change_parameters(grant_id="x"),
    "something is requested": change_parameters(scope=None, authorization_details=None),
}


async def make_pushed_request(oauth: Any) -> SignedRequest:
    await (await make_exchange_chain(oauth)).register_server(resource=ARCHIEF, client_name="Archief")
    flow = await oauth.request(await oauth.register_reading_app(require_signed_request_object=True))
    return SignedRequest(oauth, "/par", flow.app, {}, parameters=flow.parameters(resource=ARCHIEF))


async def exhaust_requests_of_client(request: SignedRequest) -> None:
    await CibaDesk(request.oauth, request.app).insert_requests(MAX_REQUESTS_PER_CLIENT)


async def exhaust_requests_of_person(request: SignedRequest) -> None:
    other = await register_ciba_desk(request.oauth)
    await other.insert_requests(MAX_REQUESTS_PER_PERSON, other.son)


async def send_first_request(request: SignedRequest) -> None:
    """Send the request once before, and get another meldcode of the same person."""
    assert (await request.send()).status_code == 200
    desk = CibaDesk(request.oauth, request.app)
    request.parameters["login_hint"] = await desk.create_meldcode(desk.son)


CIBA_VIOLATIONS: Mapping[str, Violation] = {
    **SIGNED_REQUEST,
    "client may use the grant type": use_reading_app,
    "parameters are supported": change_parameters(user_code="1234"),
    "one hint is sent": change_parameters(id_token_hint="x"),
    "meldcode is well-formed": change_parameters(login_hint="x", id_token_hint=None),
    "binding message is readable": change_parameters(binding_message="<b>"),
    "requested expiry is readable": change_parameters(requested_expiry="x"),
    "DPoP key of the code or request": change_parameters(dpop_jkt="x"),
    "client has not too many requests": exhaust_requests_of_client,
    "meldcode is known": change_rows("DELETE FROM meldcode"),
    "person has not too many requests": exhaust_requests_of_person,
    "machtiging is in force": pause,
    "no other request of the client waits": send_first_request,
}
# The app gets an auth_req_id all the same: it must not learn which meldcodes and machtigingen there are.
HIDDEN_CHECKS = (
    "meldcode is known",
    "person has not too many requests",
    "machtiging is in force",
    "no other request of the client waits",
)


async def make_backchannel_request(oauth: Any) -> SignedRequest:
    held = await oauth.grant_machtiging()
    desk = await register_ciba_desk(oauth, backchannel_authentication_request_signing_alg="ES256")
    parameters = {"scope": "openid", "login_hint": await desk.create_meldcode(desk.son), "binding_message": MESSAGE}
    parameters["authorization_details"] = make_authorization_details(held.id)
    return SignedRequest(oauth, "/bc-authorize", desk.app, {}, held.id, parameters=parameters)


REQUEST_COLUMNS: Mapping[str, Column] = {
    "pushed request": Column(make_pushed_request, PAR_VIOLATIONS),
    "CIBA request": Column(make_backchannel_request, CIBA_VIOLATIONS, HIDDEN_CHECKS),
}
