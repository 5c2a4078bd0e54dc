"""Mutants of client authentication (RFC 7523) and of the reading of forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from machtiging.crypto import secrets
from machtiging.kernel.errors import Message
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.introspection import evaluation as introspection
from machtiging.oauth.protocol import claimed_client, client_assertion, client_auth, requests, server
from machtiging.oauth.protocol.server import OAuthServer
from machtiging.oauth.token_endpoint import evaluation as token_endpoint
from tests.mutants import signatures
from tests.mutants.mutant import Mutant, swap


def _assertion_replay_is_accepted() -> None:
    def build_replacement(was: Any) -> Any:
        return lambda *given: was(*given) | {"assertion_jti_hash": secrets.sha256_digest(secrets.generate_token())}

    for module in (client_auth, claimed_client):
        swap(module, module.build_assertion_params, build_replacement)


def _change_verified_claims(change: Callable[[dict[str, Any], str], dict[str, Any]]) -> None:
    def build_replacement(was: Any) -> Any:
        return lambda claims, client, client_id, issuer, at: was(change(claims, issuer), client, client_id, issuer, at)

    swap(client_assertion, client_assertion._verify_claims, build_replacement)


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


def _break_signature_check(build_replacement: signatures.Broken) -> Callable[[], None]:
    def breaks() -> None:
        signatures.break_parsed_verification(client_assertion, build_replacement)

    return breaks


def _several_auth_methods_are_accepted() -> None:
    for module in (server, claimed_client):
        swap(module, module.require_one_auth_method, lambda _: lambda *_: None)


def _client_id_authenticates() -> None:
    """Accept a request without credentials. It is the named client, or else the client seen last."""
    last_client_id = ""

    def build_replacement(was: Any) -> Any:
        def authenticate(self: Any, request: Any, methods: Any, endpoint: str = "token") -> Any:
            nonlocal last_client_id
            client = self.query_client(request.form.get("client_id", last_client_id))
            if "client_assertion" in request.form or client is None:
                client = was(self, request, methods, endpoint)
            request.client, last_client_id = client, client.client_id
            return client

        return authenticate

    # Introspection and the token endpoint authenticate their clients outside Authlib's server.
    def build_claim_reader(was: Any) -> Any:
        def read_claim(request: Any, at: Any) -> Any:
            nonlocal last_client_id
            claimed = was(request, at)
            last_client_id = claimed.client_id or last_client_id
            return claimed._replace(client_id=last_client_id or None)

        return read_claim

    swap(OAuthServer, OAuthServer.authenticate_client, build_replacement)
    for module in (introspection, token_endpoint):
        swap(module, module.read_claimed_client, build_claim_reader)
    swap(
        claimed_client,
        claimed_client._authenticate_by_certificate,
        lambda was: lambda issuer, request, client, at: client or was(issuer, request, client, at),
    )


def _errors_reveal_unknown_clients() -> None:
    def refuse(code: str, **_authenticated: bool) -> None:
        raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, code, description=Message("oauth.authlib", {"text": code}))

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
        "replay check of a client assertion removed",
        (
            "test_client_assertion_replayed_is_rejected",
            "test_client_assertion_used_concurrently_is_accepted_once",
            "test_client_assertion_replayed_at_other_endpoint_is_rejected",
        ),
        _assertion_replay_is_accepted,
    ),
    "assertion_aud_ignored": Mutant(
        "audience check of a client assertion removed",
        ("test_client_assertion_with_wrong_claims_is_rejected",),
        _assertion_audience_is_ignored,
    ),
    "assertion_aud_endpoint": Mutant(
        "endpoint accepted as audience of a client assertion",
        ("test_client_assertion_with_endpoint_as_audience_is_rejected",),
        _endpoint_audience_is_accepted,
    ),
    "assertion_aud_list": Mutant(
        "list accepted as audience of a client assertion",
        ("test_client_assertion_with_audience_list_is_rejected",),
        _audience_list_is_accepted,
    ),
    "assertion_lifetime_ignored": Mutant(
        "lifetime check of a client assertion removed",
        (
            "test_client_assertion_expired_is_rejected",
            "test_client_assertion_from_the_future_is_rejected",
            "test_client_assertion_with_invalid_exp_is_rejected",
        ),
        _assertion_lifetime_is_ignored,
    ),
    "assertion_alg_none": Mutant(
        "alg none accepted in a client assertion",
        ("test_client_assertion_with_alg_none_is_rejected",),
        _break_signature_check(signatures.accept_alg_none),
    ),
    "assertion_signature_ignored": Mutant(
        "signature check of a client assertion removed",
        (
            "test_client_assertion_signed_with_other_key_is_rejected",
            "test_client_assertion_tampered_is_rejected",
        ),
        _break_signature_check(signatures.accept_any_signature),
    ),
    "assertion_alg_confusion": Mutant(
        "public key accepted as HMAC secret of a client assertion",
        ("test_algorithm_confusion_client_public_key_as_hmac_secret_is_rejected",),
        _break_signature_check(signatures.accept_public_key_as_hmac_secret),
    ),
    "assertion_embedded_key": Mutant(
        "key in the header of a client assertion accepted",
        ("test_client_assertion_with_key_in_header_is_rejected",),
        _break_signature_check(signatures.accept_key_in_header),
    ),
    "assertion_crit_ignored": Mutant(
        "crit check of a client assertion removed",
        ("test_client_assertion_with_unknown_crit_is_rejected",),
        _break_signature_check(signatures.ignore_crit),
    ),
    "several_auth_methods": Mutant(
        "check for one client authentication method removed",
        ("test_client_assertion_with_client_secret_in_form_is_rejected",),
        _several_auth_methods_are_accepted,
    ),
    "client_id_authenticates": Mutant(
        "client authentication removed: client_id suffices",
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
    "client_enumeration": Mutant(
        "error tells unknown client from wrong key",
        ("test_enumeration_unknown_client_looks_like_wrong_key",),
        _errors_reveal_unknown_clients,
    ),
    "duplicate_parameters": Mutant(
        "duplicate parameter check removed",
        (
            "test_token_request_with_duplicate_parameter_is_rejected",
            "test_par_with_duplicate_parameter_is_rejected",
        ),
        _duplicate_parameters_are_accepted,
    ),
    "malformed_bytes": Mutant(
        "decoding check of form bytes removed",
        ("test_malformed_bytes_in_form_return_4xx",),
        _malformed_bytes_raise,
    ),
}
