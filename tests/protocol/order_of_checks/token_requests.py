"""The columns of requests to /token, /introspect and /revoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.oauth.client import CIBA
from tests.builders.ciba import register_ciba_desk
from tests.builders.client import make_authorization_details
from tests.builders.tokens import (
    ACCESS_TOKEN,
    ARCHIEF,
    EXCHANGE,
    make_exchange_chain,
    make_refresh_token_holder,
    register_refreshing_app,
)
from tests.protocol.order_of_checks.checked_request import (
    AUTHENTICATION,
    GRANT,
    CheckedRequest,
    Column,
    Violation,
    change_form,
    change_rows,
    use_agency,
    use_reading_app,
)

WITHOUT_TOKENS: Mapping[str, Violation] = {
    check: violation
    for check, violation in AUTHENTICATION.items()
    if check not in ("grant type is supported", "DPoP proof is valid", "DPoP proof is not replayed")
}


USE_APPROVAL = "UPDATE backchannel_request SET state = 'used', grant_id = (SELECT id FROM oauth_grant)"


async def wait_two_minutes(request: CheckedRequest) -> None:
    request.oauth.later(minutes=2)


async def wait_eleven_minutes(request: CheckedRequest) -> None:
    request.oauth.later(minutes=11)


async def wait_seven_hours(request: CheckedRequest) -> None:
    request.oauth.later(hours=7)


async def send_token_of_other_service(request: CheckedRequest) -> None:
    request.form["subject_token"] = await request.chain.issue_token(None)


async def send_bound_token(request: CheckedRequest) -> None:
    request.form["subject_token"] = await request.chain.issue_token(binding=TokenBinding(jkt="k" * 43))


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


async def make_poll_request(oauth: Any) -> CheckedRequest:
    held = await oauth.grant_machtiging()
    desk = await register_ciba_desk(oauth)
    code, details = await desk.create_meldcode(desk.son), make_authorization_details(held.id)
    auth_req_id = await desk.start_request(code, authorization_details=details)
    await desk.agreed(desk.son)
    return CheckedRequest(oauth, "/token", desk.app, {"grant_type": CIBA, "auth_req_id": auth_req_id}, held.id)


TOKEN_COLUMNS: Mapping[str, Column] = {
    "code": Column(
        make_code_request,
        {
            **AUTHENTICATION,
            **GRANT,
            "client may use the grant type": use_agency,
            "credential is sent": change_form(code=None),
            "credential is known, of this client": change_form(code="onbekend"),
            "credential is not replayed": change_rows(
                "UPDATE authorization_code SET used_at = created_at", sealed=False
            ),
            "row MAC of the credential": change_rows("UPDATE authorization_code SET nonce = 'ander'", sealed=False),
            "credential has not expired": wait_two_minutes,
            "redirect URI": change_form(redirect_uri="https://kwaad.example/"),
            "PKCE": change_form(code_verifier="x" * 43),
            "DPoP key of the code or request": change_rows(f"UPDATE authorization_code SET jkt = '{'k' * 43}'"),
            "organisation of the consent": change_rows("UPDATE authorization_code SET organisation_kvk = '12345678'"),
            "resource server is active": change_rows("UPDATE authorization_code SET resource = 'https://weg.example'"),
        },
    ),
    "refresh token": Column(
        make_refresh_request,
        {
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
    ),
    "client credentials": Column(
        make_client_request,
        {
            **AUTHENTICATION,
            "client may use the grant type": use_reading_app,
            "client has an OIN": change_rows("UPDATE oauth_client SET oin = NULL"),
            "scope is within the consent or registration": change_form(scope="openid"),
            "resource is the one of the consent": change_form(resource="https://elders.example"),
            "authorization details are within the consent": change_form(authorization_details="[]"),
        },
    ),
    "token exchange": Column(
        make_exchange_request,
        {
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
    ),
    "introspection": Column(
        make_introspection_request,
        {**WITHOUT_TOKENS, "credential is sent": change_form(token=None)},
    ),
    "revocation": Column(
        make_revocation_request,
        {**WITHOUT_TOKENS, "credential is sent": change_form(token=None)},
    ),
    "CIBA poll": Column(
        make_poll_request,
        {
            **AUTHENTICATION,
            **GRANT,
            "client may use the grant type": use_reading_app,
            "credential is sent": change_form(auth_req_id=None),
            "credential is known, of this client": change_form(auth_req_id="onbekend"),
            "row MAC of the credential": change_rows(
                "UPDATE backchannel_request SET binding_message = 'x'", sealed=False
            ),
            "approval is not replayed": change_rows(USE_APPROVAL),
            "person did not refuse": change_rows("UPDATE backchannel_request SET state = 'denied', grant_id = NULL"),
            "credential has not expired": wait_eleven_minutes,
            "DPoP key of the code or request": change_rows(f"UPDATE backchannel_request SET jkt = '{'k' * 43}'"),
        },
    ),
}
