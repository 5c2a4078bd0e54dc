"""Who a client is and how its forms are read, with one guard taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.mutants import signatures
from tests.mutants.mutant import Mutant, swap


def _an_assertion_can_be_used_again() -> None:
    from machtiging.oauth.protocol.client_auth import PrivateKeyJwt

    async def always(*_: Any) -> bool:
        return True

    swap(PrivateKeyJwt, "_consume_jti", lambda _: always)


def _in_the_claims(change: Callable[[dict[str, Any], str], dict[str, Any]]) -> None:
    from machtiging.oauth.protocol import client_assertion

    def broken(was: Any) -> Any:
        return lambda claims, client, named, issuer, at: was(change(claims, issuer), client, named, issuer, at)

    swap(client_assertion, "_verify_claims", broken)


def _an_assertion_for_anybody_will_do() -> None:
    _in_the_claims(lambda claims, issuer: claims | {"aud": issuer})


def _an_assertion_for_an_endpoint_will_do() -> None:
    def change(claims: dict[str, Any], issuer: str) -> dict[str, Any]:
        ours = isinstance(claims.get("aud"), str) and claims["aud"].startswith(issuer + "/")
        return claims | ({"aud": issuer} if ours else {})

    _in_the_claims(change)


def _an_assertion_for_a_list_will_do() -> None:
    def change(claims: dict[str, Any], issuer: str) -> dict[str, Any]:
        listed = isinstance(claims.get("aud"), list) and issuer in claims["aud"]
        return claims | ({"aud": issuer} if listed else {})

    _in_the_claims(change)


def _an_assertion_never_grows_old() -> None:
    from machtiging.oauth.protocol import client_assertion

    swap(client_assertion, "_lifetime_error", lambda _: lambda *_: None)


def _verifying(broken: signatures.Broken) -> Callable[[], None]:
    def breaks() -> None:
        from machtiging.oauth.protocol import client_assertion

        signatures.verified_by(client_assertion, broken)

    return breaks


def _two_proofs_at_once_are_taken() -> None:
    from machtiging.oauth.protocol import server

    swap(server, "require_one_auth_method", lambda _: lambda *_: None)


def _a_name_is_proof_enough() -> None:
    from machtiging.oauth.client import Client
    from machtiging.oauth.protocol import server

    def named(query_client: Any, request: Any) -> Any:
        return query_client(request.form.get("client_id", ""))

    def found(was: Any) -> Any:
        def authenticate(self: Any, request: Any, methods: Any, endpoint: str = "token") -> Any:
            if "client_assertion" in request.form:
                return was(self, request, methods, endpoint)
            request.client = named(self.query_client, request)
            return request.client

        return authenticate

    swap(server.OAuthServer, "authenticate_client", found)
    assert Client


def _errors_tell_who_exists() -> None:
    from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
    from machtiging.oauth.protocol import client_assertion, client_auth

    def told(code: str, **_proven: bool) -> None:
        raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, code, code)

    for place in (client_assertion, client_auth):
        swap(place, "refuse_client_auth", lambda _: told)


def _a_parameter_may_stand_twice() -> None:
    from machtiging.oauth.protocol import requests

    swap(requests, "validate_parameters", lambda _: lambda pairs: {name: value for name, value in pairs if value})


def _odd_bytes_are_a_fault() -> None:
    from machtiging.oauth.protocol import requests

    swap(requests, "_parse_pairs", lambda _: lambda raw: parse_qsl(raw.decode(), keep_blank_values=True))


MUTANTS: dict[str, Mutant] = {
    "assertion_reusable": Mutant(
        "a client assertion can be used again",
        (
            "test_client_assertion_replayed_is_rejected",
            "test_client_assertion_used_concurrently_is_accepted_once",
            "test_client_assertion_replayed_at_other_endpoint_is_rejected",
        ),
        _an_assertion_can_be_used_again,
    ),
    "assertion_for_anybody": Mutant(
        "the audience of an assertion is not read",
        ("test_client_assertion_with_wrong_claims_is_rejected",),
        _an_assertion_for_anybody_will_do,
    ),
    "assertion_for_endpoint": Mutant(
        "an assertion may name an endpoint",
        ("test_client_assertion_with_endpoint_as_audience_is_rejected",),
        _an_assertion_for_an_endpoint_will_do,
    ),
    "assertion_for_list": Mutant(
        "an assertion may name others beside us",
        ("test_client_assertion_with_audience_list_is_rejected",),
        _an_assertion_for_a_list_will_do,
    ),
    "assertion_ageless": Mutant(
        "the times in an assertion are not read",
        (
            "test_client_assertion_expired_is_rejected",
            "test_client_assertion_from_the_future_is_rejected",
            "test_client_assertion_with_invalid_exp_is_rejected",
        ),
        _an_assertion_never_grows_old,
    ),
    "alg_none": Mutant(
        "an assertion with alg none is taken",
        ("test_client_assertion_with_alg_none_is_rejected",),
        _verifying(signatures.nobodys_will_do),
    ),
    "signature_unread": Mutant(
        "the signature of an assertion is not read",
        (
            "test_client_assertion_signed_with_other_key_is_rejected",
            "test_client_assertion_tampered_is_rejected",
        ),
        _verifying(signatures.any_will_do),
    ),
    "alg_from_token": Mutant(
        "a public key serves as an HMAC secret",
        ("test_algorithm_confusion_client_public_key_as_hmac_secret_is_rejected",),
        _verifying(signatures.the_token_chooses_the_algorithm),
    ),
    "key_from_token": Mutant(
        "the key in the header of an assertion is used",
        ("test_client_assertion_with_key_in_header_is_rejected",),
        _verifying(signatures.the_token_brings_its_key),
    ),
    "crit_unread": Mutant(
        "crit in the header of an assertion is passed over",
        ("test_client_assertion_with_unknown_crit_is_rejected",),
        _verifying(signatures.rules_in_a_header_are_passed_over),
    ),
    "two_proofs": Mutant(
        "two ways of client authentication at once are taken",
        ("test_client_assertion_with_client_secret_in_form_is_rejected",),
        _two_proofs_at_once_are_taken,
    ),
    "name_is_proof": Mutant(
        "a client_id alone is proof",
        (
            "test_endpoint_without_client_authentication_is_rejected",
            "test_introspection_without_client_authentication_is_rejected",
            "test_par_without_client_authentication_is_rejected",
            "test_request_object_without_client_authentication_is_rejected",
            "test_refresh_without_client_authentication_is_rejected",
            "test_token_exchange_without_client_authentication_is_rejected",
            "test_ciba_request_without_client_authentication_is_rejected",
            "test_ciba_poll_without_client_authentication_is_rejected",
        ),
        _a_name_is_proof_enough,
    ),
    "errors_tell": Mutant(
        "errors tell an unknown client from a wrong key",
        ("test_enumeration_unknown_client_looks_like_wrong_key",),
        _errors_tell_who_exists,
    ),
    "parameter_twice": Mutant(
        "a parameter may stand twice",
        (
            "test_token_request_with_duplicate_parameter_is_rejected",
            "test_par_with_duplicate_parameter_is_rejected",
        ),
        _a_parameter_may_stand_twice,
    ),
    "bytes_crash": Mutant(
        "bytes that are no text are a fault of the server",
        ("test_malformed_bytes_in_form_return_4xx",),
        _odd_bytes_are_a_fault,
    ),
}
