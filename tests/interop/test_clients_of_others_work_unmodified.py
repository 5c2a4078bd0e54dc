"""Ours, driven by the npm packages openid-client and oauth4webapi as anybody would use them: unmodified."""

import json

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.builders.parties import needs_packages
from tests.interop.dialogue import HOME

pytestmark = pytest.mark.long
DETAILS = json.dumps([{"type": "berichtenbox", "actions": ["lijst", "lezen"]}])


@pytest.fixture(scope="module", autouse=True)
def packages():
    needs_packages()


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


async def test_openid_client_asks_at_a_counter_and_waits_for_the_answer(play, meldcode):
    told = await play("openid_client", "ciba", meldcode=meldcode, binding_message="Balie 3, W4X-7KP")
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


async def test_the_discovery_document_is_what_both_libraries_read(target):
    async with httpx.AsyncClient(trust_env=False) as http:
        found = await http.get(target["issuer"] + "/.well-known/openid-configuration")
    assert found.json()["issuer"] == target["issuer"]
