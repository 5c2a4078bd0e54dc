"""Ours, driven by the npm packages openid-client and oauth4webapi as anybody would use them: unmodified."""

import html
import json
import re
import sys

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.builders.black_box import Person
from tests.builders.black_box_ours import ours
from tests.builders.parties import HERE, NODE, PLACE, needs_packages
from tests.interop.dialogue import talk

pytestmark = pytest.mark.long
HOME = "http://localhost:9"
DETAILS = json.dumps([{"type": "berichtenbox", "actions": ["lijst", "lezen"]}])


@pytest.fixture(scope="module")
def target(shared_database, tmp_path_factory):
    needs_packages()
    with ours(shared_database, tmp_path_factory.mktemp("interop")) as file:
        yield json.loads(file.read_text())


@pytest.fixture(scope="module")
async def person(target):
    made = Person(target["login"])
    yield made
    await made.http.aclose()


@pytest.fixture
def play(target, person, tmp_path):
    """Let a script of ours drive that library through one step, with this person at the browser."""

    async def go(address):
        return {"location": (await person.go(address, HOME)).headers["location"]}

    async def leave(address):
        return {"location": (await person.go(address, HOME, besluit="uitloggen")).headers["location"]}

    async def approve(_request):
        url = target["issuer"] + "/verzoeken"
        answer = await person.press(url, "/verzoeken", besluit="akkoord")
        assert answer.status_code == 303, answer.text
        return {}

    async def played(library, step, **more):
        file = tmp_path / "told.json"
        file.write_text(json.dumps(target | {"audience": target["issuer"] + "/api/v1", "details": DETAILS} | more))
        program = HERE / f"{library}.mjs"
        command = [str(NODE), str(program)] if program.exists() else [sys.executable, str(program.with_suffix(".py"))]
        command += [str(file), step]
        return await talk(command, PLACE, {"go": go, "leave": leave, "approve": approve})

    return played


@pytest.mark.parametrize("dpop", [False, True])
@pytest.mark.parametrize("jar", [False, True])
async def test_openid_client_walks_the_code_flow_with_par_pkce_and_private_key_jwt(play, target, dpop, jar):
    told = await play("openid_client", "code_flow", options={"dpop": dpop, "jar": jar})
    assert told["type"].lower() == ("dpop" if dpop else "bearer")
    assert told["claims"]["aud"] == target["clients"]["app"]["client_id"]
    assert told["person"]["sub"] == told["claims"]["sub"]
    assert told["before"]["active"] is True
    assert ("cnf" in told["before"]) is dpop
    assert told["after"] == {"active": False}


async def test_openid_client_gets_the_details_that_were_granted(play):
    told = await play("openid_client", "code_flow", options={"authorization_details": DETAILS})
    assert told["before"]["authorization_details"] == json.loads(DETAILS)


@pytest.mark.parametrize("dpop", [False, True])
async def test_openid_client_refreshes_and_a_refresh_token_that_comes_back_ends_the_family(play, dpop):
    told = await play("openid_client", "refresh", options={"dpop": dpop})
    assert told["rotated"] is True
    assert told["person"]["sub"]
    assert told["again"] == "invalid_grant"
    assert told["after"] == {"active": False}


@pytest.mark.parametrize("dpop", [False, True])
async def test_openid_client_gets_looks_at_and_gives_back_a_token_for_a_machine(play, dpop):
    told = await play("openid_client", "machine", options={"dpop": dpop})
    assert told["type"].lower() == ("dpop" if dpop else "bearer")
    assert told["before"]["active"] is True
    assert told["after"] == {"active": False}


async def test_openid_client_exchanges_a_token_for_the_next_service(play, target):
    first, second = (target["clients"][name]["resource"] for name in ("exchanger", "archive"))
    told = await play("openid_client", "exchange", first=first, second=second)
    assert told["exchanged"]["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert told["seen"]["active"] is True
    assert told["seen"]["aud"] == second


async def test_openid_client_asks_at_a_counter_and_waits_for_the_answer(play, target, person):
    await person.go(target["issuer"] + "/inloggen?terug=/aan-de-balie", target["issuer"] + "/aan-de-balie")
    page = await person.press(target["issuer"] + "/aan-de-balie", "/aan-de-balie")
    code = html.unescape(re.search(r"<output[^>]*>([^<]+)</output>", page.text)[1])
    told = await play("openid_client", "ciba", meldcode=code, binding_message="Balie 3, W4X-7KP")
    assert told["claims"]["sub"]
    assert told["details"] == json.loads(DETAILS)


async def test_openid_client_asks_for_a_logout_and_gets_its_visitor_back(play, person, target):
    told = await play("openid_client", "logout")
    assert told["location"] == f"{HOME}/tot-ziens?state=weg"
    assert "inloggen" in (await person.ask("GET", target["issuer"] + "/machtigingen")).headers["location"]


async def test_openid_client_registers_a_client(play, target):
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    metadata = {
        "client_name": "Nieuwkomer",
        "redirect_uris": ["https://nieuw.example/terug"],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": "openid",
        "jwks": {"keys": [key.as_dict(private=False)]},
    }
    told = await play(
        "openid_client",
        "registration",
        metadata=metadata,
        key=key.as_dict(private=True),
        initial_access_token=target["clients"]["newcomer"]["initial_access_token"],
    )
    assert told["client"]["client_id"]
    assert told["client"]["registration_access_token"]


async def test_oauth4webapi_walks_the_code_flow_with_dpop(play):
    told = await play("oauth4webapi", "code_flow")
    assert told["type"].lower() == "dpop"
    assert told["person"]["sub"] == told["claims"]["sub"]


async def test_oauth4webapi_accepts_our_access_tokens_and_our_signed_introspection(play, target):
    told = await play("oauth4webapi", "machine")
    assert told["claims"]["client_id"] == target["clients"]["machine"]["client_id"]
    assert told["told"]["active"] is True


async def test_oauth4webapi_finds_us_from_the_address_of_the_api(play, target):
    told = await play("oauth4webapi", "resource")
    assert told["authorization_servers"] == [target["issuer"]]


async def test_idpyoidc_cannot_prove_who_it_is_with_an_audience_in_a_list(play, target):
    """Written down in docs/divergences.md. When it sends a string some day, this fails, and it can be used."""
    told = await play("idpyoidc_party", "machine")
    assert told == {"audience": [target["issuer"]], "error": "invalid_client"}


async def test_the_discovery_document_is_what_both_libraries_read(target):
    async with httpx.AsyncClient(trust_env=False) as http:
        found = await http.get(target["issuer"] + "/.well-known/openid-configuration")
    assert found.json()["issuer"] == target["issuer"]
