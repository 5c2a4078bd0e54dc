"""The npm packages openid-client and oauth4webapi, unmodified, against our server."""

import json

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.interop.dialogue import HOME
from tests.parties.npm_packages import needs_packages

pytestmark = pytest.mark.long
DETAILS = json.dumps([{"type": "berichtenbox", "actions": ["lijst", "lezen"]}])


@pytest.fixture(scope="module", autouse=True)
def _require_packages():
    needs_packages()


@pytest.mark.parametrize("dpop", [False, True])
@pytest.mark.parametrize("jar", [False, True])
async def test_openid_client_completes_code_flow_with_par_pkce_and_private_key_jwt(run_client, target, dpop, jar):
    told = await run_client("openid_client", "code_flow", options={"dpop": dpop, "jar": jar})
    assert told["type"].lower() == ("dpop" if dpop else "bearer")
    assert told["claims"]["aud"] == target["clients"]["app"]["client_id"]
    assert told["person"]["sub"] == told["claims"]["sub"]
    assert told["before"]["active"] is True
    assert ("cnf" in told["before"]) is dpop
    assert told["after"] == {"active": False}


async def test_openid_client_receives_granted_authorization_details(run_client):
    told = await run_client("openid_client", "code_flow", options={"authorization_details": DETAILS})
    assert told["before"]["authorization_details"] == json.loads(DETAILS)


@pytest.mark.parametrize("dpop", [False, True])
async def test_openid_client_refresh_token_reuse_revokes_the_family(run_client, dpop):
    told = await run_client("openid_client", "refresh", options={"dpop": dpop})
    assert told["rotated"] is True
    assert told["person"]["sub"]
    assert told["again"] == "invalid_grant"
    assert told["after"] == {"active": False}


@pytest.mark.parametrize("dpop", [False, True])
async def test_openid_client_completes_client_credentials_introspection_and_revocation(run_client, dpop):
    told = await run_client("openid_client", "machine", options={"dpop": dpop})
    assert told["type"].lower() == ("dpop" if dpop else "bearer")
    assert told["before"]["active"] is True
    assert told["after"] == {"active": False}


async def test_openid_client_completes_token_exchange(run_client, target):
    first, second = (target["clients"][name]["resource"] for name in ("exchanger", "archive"))
    told = await run_client("openid_client", "exchange", first=first, second=second)
    assert told["exchanged"]["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert told["seen"]["active"] is True
    assert told["seen"]["aud"] == second


async def test_openid_client_completes_ciba_poll(run_client, meldcode):
    told = await run_client("openid_client", "ciba", meldcode=meldcode, binding_message="Balie 3, W4X-7KP")
    assert told["claims"]["sub"]
    assert told["details"] == json.loads(DETAILS)


async def test_openid_client_completes_rp_initiated_logout(run_client, person, target):
    told = await run_client("openid_client", "logout")
    assert told["location"] == f"{HOME}/tot-ziens?state=weg"
    assert "inloggen" in (await person.ask("GET", target["issuer"] + "/helpers")).headers["location"]


async def test_openid_client_completes_dynamic_registration(run_client, target):
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
    told = await run_client(
        "openid_client",
        "registration",
        metadata=metadata,
        key=key.as_dict(private=True),
        initial_access_token=target["clients"]["newcomer"]["initial_access_token"],
    )
    assert told["client"]["client_id"]
    assert told["client"]["registration_access_token"]


async def test_oauth4webapi_completes_code_flow_with_dpop(run_client):
    told = await run_client("oauth4webapi", "code_flow")
    assert told["type"].lower() == "dpop"
    assert told["person"]["sub"] == told["claims"]["sub"]


async def test_oauth4webapi_accepts_jwt_access_token_and_signed_introspection(run_client, target):
    told = await run_client("oauth4webapi", "machine")
    assert told["claims"]["client_id"] == target["clients"]["machine"]["client_id"]
    assert told["told"]["active"] is True


async def test_oauth4webapi_discovers_issuer_from_protected_resource_metadata(run_client, target):
    told = await run_client("oauth4webapi", "resource")
    assert told["authorization_servers"] == [target["issuer"]]


async def test_discovery_document_has_the_issuer(target):
    async with httpx.AsyncClient(trust_env=False) as http:
        found = await http.get(target["issuer"] + "/.well-known/openid-configuration")
    assert found.json()["issuer"] == target["issuer"]
