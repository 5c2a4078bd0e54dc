"""The black-box tests, held against the npm package oidc-provider: a test that is wrong fails there.

Where that server answers otherwise, the test stands here with the reason. A difference that disappears fails too.
"""

import pytest

from tests.builders.pack import run_pack
from tests.builders.parties import needs_packages, oidc_provider

pytestmark = pytest.mark.long

DIFFERENCES = {
    "test_a_proof_of_something_else_opens_nothing[an hour old]": "it reads a nonce in place of iat (RFC 9449 11.1)",
    "test_a_proof_of_something_else_opens_nothing[from tomorrow]": "it reads a nonce in place of iat (RFC 9449 11.1)",
    "test_userinfo_takes_no_token_from_a_body": "RFC 6750 2.2 allows a form with a token in it",
    "test_an_assertion_from_the_future_is_refused[iat]": "it reads nbf and exp; FAPI 2.0 5.3.2.1 wants iat read too",
    "test_an_end_that_is_no_time_is_refused[1e+300]": "any number in the future is an end to it, however far away",
    "test_a_proof_and_a_password_in_one_form_are_refused": "it passes over a client_secret that no client registered",
    "test_a_code_without_its_redirect_uri_is_refused": "with PKCE it asks no redirect_uri again, as in OAuth 2.1",
    "test_a_client_of_the_code_flow_cannot_get_a_token_for_itself": "it says invalid_request for unauthorized_client",
    "test_a_refresh_token_that_was_never_given_is_refused": "it says invalid_request for unauthorized_client",
    "test_no_page_that_asks_something_can_be_framed_or_kept": "its pages are examples; its users bring their own",
    "test_of_an_invented_token_is_said_that_it_is_not_active_and_nothing_else[e30.e30.]": (
        "it does not look into JWTs at introspection and says so with 400"
    ),
    "test_a_host_header_does_not_change_who_the_server_says_it_is": "it names its endpoints after the Host header",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    needs_packages()
    with oidc_provider(tmp_path_factory.mktemp("peer")) as target:
        yield run_pack(target)


def test_the_pack_was_run(outcomes):
    assert len(outcomes) > 300
    assert list(outcomes.values()).count("skipped") <= 12


def test_what_fails_there_is_known_and_has_a_reason(outcomes):
    assert {name for name, outcome in outcomes.items() if outcome == "failed"} - DIFFERENCES.keys() == set()


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_still_there(outcomes, name):
    assert outcomes[name] == "failed"
