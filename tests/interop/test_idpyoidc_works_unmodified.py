"""Ours, driven by the Python package idpyoidc: configured, neither patched nor subclassed (docs/conformance.md)."""

import pytest

from tests.builders.black_box import header_of
from tests.interop.dialogue import HOME

PARTY = "idpyoidc_party"
DETAILS = [{"type": "berichtenbox", "actions": ["lijst", "lezen"]}]


async def test_it_walks_the_code_flow_with_pkce_private_key_jwt_and_details(play, target):
    """It makes the request and reads the answer; an id_token that it does not believe is an error of its own."""
    told = await play(PARTY, "code_flow")
    app = target["clients"]["app"]["client_id"]
    assert told["claims"]["iss"] == target["issuer"]
    assert told["claims"]["aud"] == [app]
    assert told["claims"]["nonce"]
    assert told["person"]["sub"] == told["claims"]["sub"]
    assert told["details"] == told["before"]["authorization_details"] == DETAILS
    assert (told["before"]["active"], told["before"]["client_id"]) == (True, app)


async def test_it_gives_a_token_back_though_it_does_not_understand_the_answer(play):
    """RFC 7009 2.2: the body says nothing. It wants one that does, and calls its absence an error."""
    told = await play(PARTY, "code_flow")
    assert told["revoked"] == ["/revoke", 200]
    assert told["given_back"] == "ResponseError: Missing or faulty response"
    assert told["after"] == {"active": False}


async def test_it_works_as_a_public_client(play, target):
    """All of it in one call of its own, `finalize`; no client_secret is sent when none is configured."""
    told = await play(PARTY, "public")
    assert told["claims"]["aud"] == [target["clients"]["public"]["client_id"]]
    assert told["person"]["sub"] == told["claims"]["sub"]


async def test_it_refreshes_and_a_refresh_token_that_comes_back_ends_the_family(play):
    told = await play(PARTY, "refresh")
    assert told["rotated"] is True
    assert told["person"]["sub"]
    assert told["again"] == "invalid_grant"
    assert told["after"] == {"active": False}


async def test_it_signs_its_request(play, target):
    told = await play(PARTY, "signed_request")
    assert told["claims"]["aud"] == [target["clients"]["app"]["client_id"]]


async def test_it_registers_itself_and_reads_userinfo_that_is_signed(play):
    told = await play(PARTY, "registration")
    client = told["client"]
    assert client["userinfo_signed_response_alg"] == client["id_token_signed_response_alg"] == "PS256"
    assert client.keys() & {"application_type", "client_secret"} == set()
    assert client["registration_access_token"]
    assert told["algorithm"] == header_of(told["signed"])["alg"] == "PS256"
    assert told["person"]["aud"] == client["client_id"]


async def test_it_asks_for_a_logout_and_gets_its_visitor_back(play, person, target):
    told = await play(PARTY, "logout")
    assert told["location"] == f"{HOME}/tot-ziens?state={told['state']}"
    assert "inloggen" in (await person.ask("GET", target["issuer"] + "/machtigingen")).headers["location"]


async def test_it_hears_that_its_visitor_has_left_and_believes_no_other_notice(play):
    told = await play(PARTY, "back_channel")
    assert told["location"].startswith(f"{HOME}/dag?state=")
    assert told["ours"] is True
    assert told["to_another"] == "MessageException: Bogus logout request: Not among intended audience"
    assert told["changed"].startswith("BadSignature")


async def test_it_gets_and_looks_at_a_token_for_a_machine(play, target):
    told = await play(PARTY, "machine")
    assert told["type"] == "Bearer"
    assert (told["seen"]["active"], told["seen"]["client_id"]) == (True, target["clients"]["machine"]["client_id"])


async def test_it_exchanges_a_token_for_the_next_service(play, target):
    first, second = (target["clients"][name]["resource"] for name in ("exchanger", "archive"))
    told = await play(PARTY, "exchange", first=first, second=second)
    assert told["exchanged"]["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (told["seen"]["active"], told["seen"]["aud"]) == (True, [second])


@pytest.mark.long
async def test_it_asks_at_a_counter_and_waits_for_the_answer(play, target, meldcode):
    told = await play(PARTY, "ciba", meldcode=meldcode, binding_message="Balie 3, W4X-7KP")
    assert told["waiting"] == "authorization_pending"
    assert told["claims"]["aud"] == [target["clients"]["desk"]["client_id"]]
    assert told["details"] == DETAILS


async def test_an_assertion_of_its_making_is_taken_when_it_is_for_us_alone(play):
    """Its `aud` is always a list. By default it names the token endpoint; an application names the issuer."""
    told = await play(PARTY, "assertions")
    assert told.pop("ours") == "taken"
    assert len(told) == 7
    assert set(told.values()) == {"invalid_client"}


async def test_what_is_not_ours_or_not_for_this_visit_it_does_not_take(play, target):
    """But an answer that does not say from whom it is it does take, though our metadata say that ours do (RFC 9207)."""
    told = await play(PARTY, "wrong")
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


async def test_its_proofs_of_a_key_are_not_those_of_rfc_9449(play):
    """When this fails it has learnt it, and can be used with bound tokens."""
    told = await play(PARTY, "dpop")
    assert (told["first"], told["second"], told["nonce"]) == ("use_dpop_nonce", "use_dpop_nonce", None)
    assert len(told["ath"]) == 64  # RFC 9449 4.2 says base64url: 43


async def test_its_add_on_for_pushed_requests_is_not_that_of_rfc_9126(play):
    """It proves who it is inside of what is pushed, and takes the 201 of section 2.2 for a failure."""
    told = await play(PARTY, "par")
    assert told["seen"] == ["/par", 401]
    assert told["ours"].split(":")[0] == told["created"].split(":")[0] == "ConnectionError"
