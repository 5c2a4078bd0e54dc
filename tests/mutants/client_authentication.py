"""Mutants of client authentication (RFC 7523) and of the reading of forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.protocol import client_assertion, client_auth, requests, server
from machtiging.oauth.protocol.client_auth import PrivateKeyJwt
from machtiging.oauth.protocol.server import OAuthServer
from tests.mutants import signatures
from tests.mutants.mutant import Mutant, async_true, swap


def _assertion_replay_is_accepted() -> None:
    swap(PrivateKeyJwt, PrivateKeyJwt._consume_jti, lambda _: async_true)


def _change_verified_claims(change: Callable[[dict[str, Any], str], dict[str, Any]]) -> None:
    def broken(was: Any) -> Any:
        return lambda claims, client, client_id, issuer, at: was(change(claims, issuer), client, client_id, issuer, at)

    swap(client_assertion, client_assertion._verify_claims, broken)


def _assertion_audience_is_ignored() -> None:
    _change_verified_claims(lambda claims, issuer: claims | {"aud": issuer})


def _endpoint_audience_is_accepted() -> None:
    def change(claims: dict[str, Any], issuer: str) -> dict[str, Any]:
        ours = isinstance(claims.get("aud"), str) and claims["aud"].startswith(issuer + "/")
        return claims | ({"aud": issuer} if ours else {})

    _change_verified_claims(change)


def _audience_list_is_accepted() -> None:
    def change(claims: dict[str, Any], issuer: str) -> dict[str, Any]:
        listed = isinstance(claims.get("aud"), list) and issuer in claims["aud"]
        return claims | ({"aud": issuer} if listed else {})

    _change_verified_claims(change)


def _assertion_lifetime_is_ignored() -> None:
    swap(client_assertion, client_assertion._lifetime_error, lambda _: lambda *_: None)


def _break_signature_check(broken: signatures.Broken) -> Callable[[], None]:
    def breaks() -> None:
        signatures.break_signature_check(client_assertion, broken)

    return breaks


def _several_auth_methods_are_accepted() -> None:
    swap(server, server.require_one_auth_method, lambda _: lambda *_: None)


def _client_id_authenticates() -> None:
    def broken(was: Any) -> Any:
        def authenticate(self: Any, request: Any, methods: Any, endpoint: str = "token") -> Any:
            if "client_assertion" in request.form:
                return was(self, request, methods, endpoint)
            request.client = self.query_client(request.form.get("client_id", ""))
            return request.client

        return authenticate

    swap(OAuthServer, OAuthServer.authenticate_client, broken)


def _errors_reveal_unknown_clients() -> None:
    def refuse(code: str, **_authenticated: bool) -> None:
        raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, code, code)

    for module in (client_assertion, client_auth):
        swap(module, module.refuse_client_auth, lambda _: refuse)


def _duplicate_parameters_are_accepted() -> None:
    swap(
        requests, requests.validate_parameters, lambda _: lambda pairs: {name: value for name, value in pairs if value}
    )


def _malformed_bytes_raise() -> None:
    swap(requests, requests._parse_pairs, lambda _: lambda raw: parse_qsl(raw.decode(), keep_blank_values=True))


MUTANTS: dict[str, Mutant] = {
    "assertion_reusable": Mutant(
        "a client assertion can be used again",
        (
            "test_client_assertion_replayed_is_rejected",
            "test_client_assertion_used_concurrently_is_accepted_once",
            "test_client_assertion_replayed_at_other_endpoint_is_rejected",
        ),
        _assertion_replay_is_accepted,
    ),
    "assertion_for_anybody": Mutant(
        "the audience of an assertion is not read",
        ("test_client_assertion_with_wrong_claims_is_rejected",),
        _assertion_audience_is_ignored,
    ),
    "assertion_for_endpoint": Mutant(
        "an assertion may name an endpoint",
        ("test_client_assertion_with_endpoint_as_audience_is_rejected",),
        _endpoint_audience_is_accepted,
    ),
    "assertion_for_list": Mutant(
        "an assertion may name others beside us",
        ("test_client_assertion_with_audience_list_is_rejected",),
        _audience_list_is_accepted,
    ),
    "assertion_ageless": Mutant(
        "the times in an assertion are not read",
        (
            "test_client_assertion_expired_is_rejected",
            "test_client_assertion_from_the_future_is_rejected",
            "test_client_assertion_with_invalid_exp_is_rejected",
        ),
        _assertion_lifetime_is_ignored,
    ),
    "alg_none": Mutant(
        "an assertion with alg none is taken",
        ("test_client_assertion_with_alg_none_is_rejected",),
        _break_signature_check(signatures.accept_alg_none),
    ),
    "signature_unread": Mutant(
        "the signature of an assertion is not read",
        (
            "test_client_assertion_signed_with_other_key_is_rejected",
            "test_client_assertion_tampered_is_rejected",
        ),
        _break_signature_check(signatures.accept_any_signature),
    ),
    "alg_from_token": Mutant(
        "a public key serves as an HMAC secret",
        ("test_algorithm_confusion_client_public_key_as_hmac_secret_is_rejected",),
        _break_signature_check(signatures.accept_public_key_as_hmac_secret),
    ),
    "key_from_token": Mutant(
        "the key in the header of an assertion is used",
        ("test_client_assertion_with_key_in_header_is_rejected",),
        _break_signature_check(signatures.accept_key_in_header),
    ),
    "crit_unread": Mutant(
        "crit in the header of an assertion is passed over",
        ("test_client_assertion_with_unknown_crit_is_rejected",),
        _break_signature_check(signatures.ignore_crit),
    ),
    "two_proofs": Mutant(
        "two ways of client authentication at once are taken",
        ("test_client_assertion_with_client_secret_in_form_is_rejected",),
        _several_auth_methods_are_accepted,
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
        _client_id_authenticates,
    ),
    "errors_tell": Mutant(
        "errors tell an unknown client from a wrong key",
        ("test_enumeration_unknown_client_looks_like_wrong_key",),
        _errors_reveal_unknown_clients,
    ),
    "parameter_twice": Mutant(
        "a parameter may stand twice",
        (
            "test_token_request_with_duplicate_parameter_is_rejected",
            "test_par_with_duplicate_parameter_is_rejected",
        ),
        _duplicate_parameters_are_accepted,
    ),
    "bytes_crash": Mutant(
        "bytes that are no text are a fault of the server",
        ("test_malformed_bytes_in_form_return_4xx",),
        _malformed_bytes_raise,
    ),
}
