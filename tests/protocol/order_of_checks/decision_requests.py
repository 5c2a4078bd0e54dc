"""The column of the decision at /authorize: the form that the browser of the person posts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE
from tests.builders.client import make_authorization_details
from tests.builders.flow import HIGH, Flow, read_hidden_fields, read_redirect
from tests.builders.people import ISSUER
from tests.protocol.order_of_checks.checked_request import (
    CheckedRequest,
    Column,
    Violation,
    change_form,
    change_rows,
    pause,
    send_unreadable_parameter,
)


@dataclass
class DecisionRequest(CheckedRequest):
    """A person's agreement to an access that the person chose."""

    browser: Any = None

    async def send(self) -> Any:
        """Post the form. A refusal comes as a problem document and not as a page."""
        form = {name: value for name, value in self.form.items() if value is not None}
        headers = {"Origin": ISSUER, "Accept": "application/json"}
        return await self.browser.post(self.path, form, headers=headers)


def change_stored_parameters(members: str) -> Violation:
    return change_rows(f"UPDATE pushed_request SET params = params || '{members}'")


def change_registration(members: str) -> Violation:
    return change_rows(f"UPDATE oauth_client SET registration = registration || '{members}'")


async def send_without_session(request: DecisionRequest) -> None:
    request.browser = request.oauth.browser_with("x")


def choose_machtiging(violation: Violation) -> Violation:
    """This violation, of a person who made a choice."""

    async def violate(request: DecisionRequest) -> None:
        await violation(request)
        request.form["voor"] = str(request.machtiging_id)

    return violate


DECISION: Mapping[str, Violation] = {
    "person is logged in": send_without_session,
    "form is of this session": change_form(csrf="x"),
    "parameters are readable": send_unreadable_parameter,
    "decision is sent": change_form(besluit=None),
    "credential is sent": change_form(request_uri=None),
    "credential is known, of this client": change_form(request_uri="urn:ietf:params:oauth:request_uri:x"),
    "row MAC of the credential": change_rows(
        """UPDATE pushed_request SET params = params || '{"nonce": "ander"}'""", sealed=False
    ),
    "credential has not expired": change_rows("UPDATE pushed_request SET expires_at = created_at"),
    "client of the request is active": change_rows("UPDATE oauth_client SET state = 'suspended'"),
    "redirect URI": change_stored_parameters('{"redirect_uri": "https://kwaad.example/"}'),
}
FIRST_DECISION: Mapping[str, Violation] = {
    **DECISION,
    "person agrees": change_form(besluit="weigeren"),
    "login is of the requested person": change_stored_parameters('{"openid": {"subjects": ["x"]}}'),
    "client may use the response type": change_registration('{"grant_types": ["client_credentials"]}'),
    "requested scope is registered": change_registration('{"scope": "ander"}'),
    "machtiging is in force": choose_machtiging(pause),
    "consents scope is for the own access": choose_machtiging(
        change_stored_parameters(f'{{"scope": "openid {CONSENT_MANAGEMENT_SCOPE}"}}')
    ),
    "level of assurance": change_stored_parameters(f'{{"acr_values": "{HIGH}"}}'),
    "resource server is active": change_stored_parameters('{"resource": "https://weg.example"}'),
    "choice is made": change_form(voor=None),
}


REPEATED_DECISION: Mapping[str, Violation] = {
    **DECISION,
    "code of the first decision is unused": change_rows("UPDATE authorization_code SET used_at = created_at"),
}


async def make_decision_request(oauth: Any) -> DecisionRequest:
    held = await oauth.grant_machtiging()
    app = await oauth.register_reading_app(scope=f"openid {CONSENT_MANAGEMENT_SCOPE}")
    flow = Flow(app, await oauth.logged_in(), make_authorization_details())
    page = await flow.authorize(await flow.pushed(), voor=str(held.id))
    form = read_hidden_fields(page.text) | {"besluit": "akkoord"}
    return DecisionRequest(oauth, "/authorize", app, form, held.id, browser=flow.browser)


async def make_repeated_request(oauth: Any) -> DecisionRequest:
    request = await make_decision_request(oauth)
    assert "code" in read_redirect(await request.send())
    return request


DECISION_COLUMNS: Mapping[str, Column] = {
    "decision": Column(make_decision_request, FIRST_DECISION, refused_with=(303, 400, 401, 403)),
    "repeated decision": Column(make_repeated_request, REPEATED_DECISION, refused_with=(400, 401, 403, 409)),
}
