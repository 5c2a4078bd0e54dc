"""The Python package idpyoidc, configured but not patched, against our server (docs/conformance.md)."""

import pytest

from tests.builders.messages import read_header
from tests.interop.dialogue import HOME

PARTY = "idpyoidc_party"
DETAILS = [{"type": "berichtenbox", "actions": ["lijst", "lezen"]}]


async def test_idpyoidc_completes_code_flow_with_pkce_private_key_jwt_and_details(run_client, target):
    """idpyoidc makes the request and verifies the response; an invalid id_token raises its own error."""
    told = await run_client(PARTY, "code_flow")
    app = target["clients"]["app"]["client_id"]
    assert told["claims"]["iss"] == target["issuer"]
    assert told["claims"]["aud"] == [app]
    assert told["claims"]["nonce"]
    assert told["person"]["sub"] == told["claims"]["sub"]
    assert told["details"] == told["before"]["authorization_details"] == DETAILS
    assert (told["before"]["active"], told["before"]["client_id"]) == (True, app)


async def test_idpyoidc_revokes_token_and_reports_empty_response_as_error(run_client):
    """RFC 7009 2.2: the response has no body. idpyoidc expects one and raises an error."""
    told = await run_client(PARTY, "code_flow")
    assert told["revoked"] == ["/revoke", 200]
    assert told["given_back"] == "ResponseError: Missing or faulty response"
    assert told["after"] == {"active": False}


async def test_idpyoidc_completes_code_flow_as_public_client(run_client, target):
    """One call of `finalize`; no client_secret is sent when none is configured."""
    told = await run_client(PARTY, "public")
    assert told["claims"]["aud"] == [target["clients"]["public"]["client_id"]]
    assert told["person"]["sub"] == told["claims"]["sub"]


async def test_idpyoidc_refresh_token_reuse_revokes_the_family(run_client):
    told = await run_client(PARTY, "refresh")
    assert told["rotated"] is True
    assert told["person"]["sub"]
    assert told["again"] == "invalid_grant"
    assert told["after"] == {"active": False}


async def test_idpyoidc_completes_code_flow_with_signed_request(run_client, target):
    told = await run_client(PARTY, "signed_request")
    assert told["claims"]["aud"] == [target["clients"]["app"]["client_id"]]


async def test_idpyoidc_completes_dynamic_registration_and_reads_signed_userinfo(run_client):
    told = await run_client(PARTY, "registration")
    client = told["client"]
    assert client["userinfo_signed_response_alg"] == client["id_token_signed_response_alg"] == "PS256"
    assert client.keys() & {"application_type", "client_secret"} == set()
    assert client["registration_access_token"]
    assert told["algorithm"] == read_header(told["signed"])["alg"] == "PS256"
    assert told["person"]["aud"] == client["client_id"]


async def test_idpyoidc_completes_rp_initiated_logout(run_client, person, target):
    told = await run_client(PARTY, "logout")
    assert told["location"] == f"{HOME}/tot-ziens?state={told['state']}"
    assert "inloggen" in (await person.ask("GET", target["issuer"] + "/helpers")).headers["location"]


async def test_idpyoidc_accepts_our_back_channel_logout_token_only(run_client):
    told = await run_client(PARTY, "back_channel")
    assert told["location"].startswith(f"{HOME}/dag?state=")
    assert told["ours"] is True
    assert told["to_another"] == "MessageException: Bogus logout request: Not among intended audience"
    assert told["changed"].startswith("BadSignature")


async def test_idpyoidc_completes_client_credentials_and_introspection(run_client, target):
    told = await run_client(PARTY, "machine")
    assert told["type"] == "Bearer"
    assert (told["seen"]["active"], told["seen"]["client_id"]) == (True, target["clients"]["machine"]["client_id"])


async def test_idpyoidc_completes_token_exchange(run_client, target):
    first, second = (target["clients"][name]["resource"] for name in ("exchanger", "archive"))
    told = await run_client(PARTY, "exchange", first=first, second=second)
    assert told["exchanged"]["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (told["seen"]["active"], told["seen"]["aud"]) == (True, [second])


@pytest.mark.long
async def test_idpyoidc_completes_ciba_poll(run_client, target, meldcode):
    told = await run_client(PARTY, "ciba", meldcode=meldcode, binding_message="Balie 3, W4X-7KP")
    assert told["waiting"] == "authorization_pending"
    assert told["claims"]["aud"] == [target["clients"]["desk"]["client_id"]]
    assert told["details"] == DETAILS


async def test_idpyoidc_client_assertion_with_another_audience_is_rejected(run_client):
    """Its `aud` is always a list: by default the token endpoint, the issuer if configured."""
    told = await run_client(PARTY, "assertions")
    assert told.pop("ours") == "taken"
    assert len(told) == 7
    assert set(told.values()) == {"invalid_client"}


async def test_idpyoidc_rejects_forged_or_mixed_up_responses(run_client, target):
    """It accepts a response without `iss`, although our metadata announce it (RFC 9207)."""
    told = await run_client(PARTY, "wrong")
    assert told.pop("from") == target["issuer"]
    assert told.pop("no iss").startswith("it took it")
    assert {name: error.split(":")[0] for name, error in told.items()} == {
        "iss": "VerificationError",
        "state": "KeyError",
        "nonce": "ParameterError",
        "signature": "BadSignature",
        "sub": "ValueError",
        "discovery": "OidcServiceError",
    }


async def test_idpyoidc_dpop_does_not_follow_rfc_9449(run_client):
    """A failure means that idpyoidc supports RFC 9449. Then use it with bound tokens."""
    told = await run_client(PARTY, "dpop")
    assert (told["first"], told["second"], told["nonce"]) == ("use_dpop_nonce", "use_dpop_nonce", None)
    assert len(told["ath"]) == 64  # RFC 9449 4.2 says base64url: 43


async def test_idpyoidc_par_does_not_follow_rfc_9126(run_client):
    """It sends the client assertion inside the pushed request, and rejects the status 201 (section 2.2)."""
    told = await run_client(PARTY, "par")
    assert told["seen"] == ["/par", 401]
    assert told["ours"].split(":")[0] == told["created"].split(":")[0] == "ConnectionError"
