"""The authorization server with another handler and no box: it stands alone."""

import json
import subprocess
import sys
from dataclasses import dataclass, fields

from sqlalchemy import Uuid, cast, false, null, select

from machtiging.dependencies import attach_services
from machtiging.oauth.authorization_details.handler import (
    AccessDescription,
    ConsentChoice,
    RequestedAuthorizationDetails,
)
from machtiging.oauth.dependencies import OAuthServices
from tests.builders.flow import start_login_flow
from tests.builders.messages import read_query

_NOTHING = select(cast(null(), Uuid).label("borrower")).where(false())


@dataclass(frozen=True)
class LibraryHandler:
    """A library: who asks for `lenen` may lend books. Nobody acts for another."""

    detail_type: str = "bibliotheek"

    def parse_detail(self, detail):
        return RequestedAuthorizationDetails(None, frozenset(detail["actions"]))

    def narrow_details(self, granted, requested):
        return [granted[0] | {"actions": sorted(requested.acts)}]

    def strip_own_app_acts(self, details):
        return details

    async def list_consent_choices(self, session, visitor, requested, *, key, lock, at):
        details = [{"type": self.detail_type, "actions": sorted(requested.acts)}]
        return [ConsentChoice(None, details, frozenset(), visitor.assurance)]

    async def describe_choice(self, session, keyring, choice, visitor, *, at):
        return AccessDescription(None, ["boeken lenen"], [], [], [])

    def select_representation(self, key, *, for_share=False):
        return _NOTHING

    def read_representation(self, executor, row):
        return None

    async def representation_set_refusal(self, executor, representation_set, person_id, organisation_kvk, login, at):
        return "niet_voor_een_ander"

    def select_covering_grants(self, person_id, grants):
        return _NOTHING

    async def find_represented_in_set(self, session, representation_set, holder_id, organisation_kvk, person_id, at):
        return None

    async def represents_only(self, session, representation_set, person_id, at):
        return False

    def select_given_ids(self, person_id):
        return _NOTHING

    def select_holder_ids(self, machtiging_id):
        return _NOTHING


def serve_library(oauth):
    """Give the application the services of an authorization server only, and this handler."""
    found = oauth.service.state.services
    given = {field.name: getattr(found, field.name) for field in fields(OAuthServices)}
    attach_services(oauth.service, OAuthServices(**given | {"details_handler": LibraryHandler()}))
    assert not hasattr(oauth.service.state.services, "policy")


async def test_code_flow_with_another_handler_issues_a_token_that_introspects_active(oauth) -> None:
    serve_library(oauth)
    flow = await start_login_flow(oauth)
    assert flow.app.registration["authorization_details_types"] == ["bibliotheek"]
    flow.asks = json.dumps([{"type": "bibliotheek", "actions": ["lenen", "verlengen"]}])
    page = await flow.authorize(request_uri := await flow.pushed())
    assert "boeken lenen" in page.text
    code = read_query((await flow.approve(request_uri)).headers["location"])["code"]
    narrow = json.dumps([{"type": "bibliotheek", "actions": ["lenen"]}])
    response = await flow.redeem(code, authorization_details=narrow)
    assert response.status_code == 200, response.text
    details = [{"type": "bibliotheek", "actions": ["lenen"]}]
    assert response.json()["authorization_details"] == details
    found = (await flow.app.post("/introspect", {"token": response.json()["access_token"]})).json()
    assert (found["active"], found["authorization_details"], "represents" in found) == (True, details, False)


async def test_details_of_the_box_are_unknown_to_another_handler(oauth) -> None:
    serve_library(oauth)
    flow = await start_login_flow(oauth)
    flow.asks = json.dumps([{"type": "berichtenbox"}])
    refused = await flow.push()
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    assert (await oauth.lines("grant:geweigerd"))[-1].reason == "details_soort_onbekend"


def test_authorization_server_imports_no_box() -> None:
    """The import contracts say so too. This runs it: also imports inside functions that run at import."""
    without = "access|berichtenbox|delegation|organisations"
    code = (
        "import re, sys, machtiging.oauth.routes, machtiging.oauth.retention\n"
        f"print([name for name in sys.modules if re.match(r'machtiging\\.({without})(\\.|$)', name)])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
