"""The black-box tests against the npm package oidc-provider: a wrong test fails there.

Where that server behaves differently, the test is listed here with the reason. A difference that disappears fails too.
"""

import pytest

from tests.interop.black_box_runner import run_black_box
from tests.parties.npm_packages import needs_packages, oidc_provider

pytestmark = pytest.mark.long

KINDS = (
    "at+jwt",
    "client-authentication+jwt",
    "dpop+jwt",
    "logout+jwt",
    "secevent+jwt",
    "token-introspection+jwt",
)
NOT_RIGHT = "test_ciba_signed_request_with_wrong_claims_is_rejected"
CHANGES = "test_ciba_request_with_unsupported_parameter_is_rejected"
BESIDE = ("binding_message", "scope", "login_hint", "requested_expiry")
DIFFERENCES = {
    "test_dpop_proof_for_other_request_is_rejected[an hour old]": "it reads a nonce in place of iat (RFC 9449 11.1)",
    "test_dpop_proof_for_other_request_is_rejected[from tomorrow]": "it reads a nonce in place of iat (RFC 9449 11.1)",
    "test_userinfo_with_token_in_body_is_rejected": "RFC 6750 2.2 allows a form with a token in it",
    "test_client_assertion_from_the_future_is_rejected[iat]": (
        "it reads nbf and exp; FAPI 2.0 5.3.2.1 wants iat read too"
    ),
    "test_client_assertion_with_invalid_exp_is_rejected[1e+300]": (
        "any number in the future is an end to it, however far away"
    ),
    "test_client_assertion_with_client_secret_in_form_is_rejected": (
        "it passes over a client_secret that no client registered"
    ),
    "test_code_without_redirect_uri_is_rejected": "with PKCE it asks no redirect_uri again, as in OAuth 2.1",
    "test_client_credentials_by_code_flow_client_are_rejected": "it says invalid_request for unauthorized_client",
    "test_refresh_token_grant_with_unissued_token_is_rejected": "it says invalid_request for unauthorized_client",
    "test_clickjacking_pages_deny_framing_and_caching": "its pages are examples; its users bring their own",
    "test_introspection_of_invented_token_is_inactive[e30.e30.]": (
        "it does not look into JWTs at introspection and says so with 400"
    ),
    "test_forged_host_header_does_not_change_metadata": "it names its endpoints after the Host header",
    # Refresh tokens
    "test_refresh_token_is_not_issued_to_public_client_without_dpop": "to it, rotation is enough (RFC 9700 2.2.2)",
    "test_refresh_token_reuse_leaves_other_families_active": (
        "the walks of one login session share one consent, so all of them end"
    ),
    "test_downgrade_refresh_of_bound_token_without_dpop_is_rejected": "it binds those of public clients (RFC 9449 5)",
    # Signed requests
    **dict.fromkeys(
        (
            "test_request_object_replayed_is_rejected",
            "test_request_object_without_jti_is_rejected",
            "test_request_object_used_concurrently_is_accepted_once",
            "test_ciba_signed_request_used_concurrently_is_accepted_once",
            "test_request_object_with_used_jti_is_rejected",
            "test_ciba_signed_request_replayed_is_rejected[desk]",
            "test_ciba_signed_request_replayed_is_rejected[signing_desk]",
        ),
        "RFC 9101 asks no jti, and it remembers none",
    ),
    **dict.fromkeys(
        [f"test_request_object_of_other_typ_is_rejected[{typ}]" for typ in KINDS]
        + [f"{NOT_RIGHT}[{{'header': {{'typ': '{typ}'}}}}]" for typ in KINDS[:2]],
        "it does not read typ, which RFC 9101 10.8 leaves to the server",
    ),
    "test_request_object_with_sub_of_the_client_is_rejected": "it takes sub, which RFC 9101 10.8 advises against",
    "test_request_object_with_audience_list_is_rejected": "one of several audiences is enough to it",
    "test_request_object_from_the_future_is_rejected[iat]": "it reads nbf and exp, not iat",
    f"{NOT_RIGHT}[{{'iat': 4102444800}}]": "it reads nbf and exp, not iat",
    "test_request_object_parameters_are_validated_like_plain_ones[{'state': {'a': 1}}]": (
        "it makes a text of what is none"
    ),
    "test_request_object_parameters_are_validated_like_plain_ones[{'nonce': True}]": "it makes a text of what is none",
    # Counters
    **dict.fromkeys(
        [f"test_ciba_parameter_beside_signed_request_is_rejected[{name}]" for name in BESIDE],
        "it passes over what CIBA 7.1.1 says must not be there",
    ),
    **dict.fromkeys(
        [f"{CHANGES}[{said}]" for said in ("prompt-none", "max_age-0", 'claims-{"id_token": {"name": null}}')],
        "it passes over what CIBA does not know",
    ),
    "test_ciba_poll_too_fast_returns_slow_down": "it never says slow_down (CIBA 11)",
    "test_ciba_concurrent_polls_return_slow_down_except_one": "it never says slow_down (CIBA 11)",
    "test_ciba_request_without_binding_message_is_rejected": "CIBA 7.1 leaves the binding message to the client",
    "test_ciba_request_bound_by_dpop_with_other_key_is_rejected": "to it, dpop_jkt is for codes (RFC 9449 10)",
    "test_ciba_request_bound_by_dpop_without_proof_is_rejected": "to it, dpop_jkt is for codes (RFC 9449 10)",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    needs_packages()
    with oidc_provider(tmp_path_factory.mktemp("peer")) as target:
        yield run_black_box(target)


def test_black_box_tests_run_against_oidc_provider(outcomes):
    assert len(outcomes) > 700
    skipped = [name for name, outcome in outcomes.items() if outcome == "skipped"]
    assert len(skipped) <= 130  # it has no token exchange, and does not tell of details, what is over, or newcomers


def test_black_box_failures_on_oidc_provider_are_listed_with_reason(outcomes):
    assert {name for name, outcome in outcomes.items() if outcome == "failed"} - DIFFERENCES.keys() == set()


@pytest.mark.parametrize("name", DIFFERENCES)
def test_listed_difference_of_oidc_provider_still_fails(outcomes, name):
    assert outcomes[name] == "failed"
