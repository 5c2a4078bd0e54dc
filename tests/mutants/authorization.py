"""Mutants of the authorization request and the code: PKCE, code, redirect URI, request_uri, scope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from machtiging.crypto import secrets
from machtiging.oauth.authorize import decision, pushed_requests
from machtiging.oauth.client import AUTHORIZATION_CODE, Client
from machtiging.oauth.protocol import authorization_request
from machtiging.oauth.token_endpoint import authorization_code, refusal_effects
from tests.mutants.mutant import Mutant, always_true, async_true, swap
from tests.mutants.token_requests import remove_commit_lock, run_before_attempts

# PKCE


def _pkce_is_optional() -> None:
    swap(
        authorization_request,
        authorization_request.is_s256_challenge,
        lambda was: lambda challenge, method: challenge is None or was(challenge, method),
    )


def _pkce_plain_is_accepted() -> None:
    swap(
        authorization_request,
        authorization_request.is_s256_challenge,
        lambda _: lambda challenge, _method: challenge is not None,
    )
    swap(
        authorization_code,
        authorization_code._verify_code_verifier,
        lambda was: lambda verifier, challenge: verifier == challenge or was(verifier, challenge),
    )


def _code_verifier_is_ignored() -> None:
    swap(authorization_code, authorization_code._verify_code_verifier, lambda _: always_true)


# Codes


def _code_replay_revokes_nothing() -> None:
    swap(refusal_effects, refusal_effects.end_grant, lambda _: async_true)


def _redemption_redirect_uri_is_ignored() -> None:
    def build_replacement(was: Any) -> Any:
        return lambda row, form, *rest: was(row, {**form, "redirect_uri": row.redirect_uri}, *rest)

    swap(authorization_code, authorization_code.check_authorization_code, build_replacement)


def _code_has_48_bits() -> None:
    swap(decision, decision._derive_code, lambda was: lambda *given: was(*given)[:8])


# Redirect URIs, request_uri and the authorization response


def _redirect_uri_is_compared_by_prefix() -> None:
    swap(Client, Client.check_redirect_uri, lambda _: lambda self, uri: any(map(uri.startswith, self.redirect_uris)))


def _redirect_uri_is_compared_by_host() -> None:
    def same_host(self: Any, uri: str) -> bool:
        return urlsplit(uri).hostname in {urlsplit(one).hostname for one in self.redirect_uris}

    swap(Client, Client.check_redirect_uri, lambda _: same_host)


def _redirect_uri_is_ignored() -> None:
    swap(Client, Client.check_redirect_uri, lambda _: always_true)


def _request_uri_is_reusable() -> None:
    def match_unexpired(context: Any, reference: Any) -> tuple[Any, ...]:
        return (*pushed_requests._match_reference(reference), pushed_requests._PUSHED.c.expires_at > context.at)

    swap(pushed_requests, pushed_requests._match_pending, lambda _: match_unexpired)
    swap(decision, decision._derive_code, lambda _: lambda *_: secrets.generate_token())


def _request_uri_client_is_ignored() -> None:
    swap(
        pushed_requests,
        pushed_requests._match_reference,
        lambda _: (
            lambda reference: (pushed_requests._PUSHED.c.uri_hash == secrets.sha256_digest(reference.request_uri),)
        ),
    )


def _change_authorization_response(change: Callable[[dict[str, str]], None]) -> None:
    def build_replacement(was: Any) -> Any:
        def redirect_to_client(*given: Any) -> Any:
            redirect = was(*given)
            parts = urlsplit(redirect.location)
            parameters = dict(parse_qsl(parts.query))
            change(parameters)
            return replace(redirect, location=urlunsplit(parts._replace(query=urlencode(parameters))))

        return redirect_to_client

    swap(decision, decision._redirect_to_client, build_replacement)


def _response_has_no_issuer() -> None:
    _change_authorization_response(lambda parameters: parameters.pop("iss", None))


def _response_has_no_state() -> None:
    _change_authorization_response(lambda parameters: parameters.pop("state", None))


def _registered_scope_is_ignored() -> None:
    swap(Client, Client.get_allowed_scope, lambda _: lambda self, scope: scope or "")


MUTANTS: dict[str, Mutant] = {
    "pkce_optional": Mutant(
        "PKCE requirement removed",
        ("test_downgrade_authorization_request_without_pkce_is_rejected",),
        _pkce_is_optional,
    ),
    "pkce_plain": Mutant(
        "PKCE method check removed: plain is accepted",
        (
            "test_downgrade_pkce_method_other_than_s256_is_rejected",
            "test_downgrade_pkce_challenge_without_method_is_rejected",
            "test_code_with_challenge_as_verifier_is_rejected",
        ),
        _pkce_plain_is_accepted,
    ),
    "code_verifier_ignored": Mutant(
        "code_verifier check removed",
        (
            "test_code_without_verifier_is_rejected",
            "test_code_with_wrong_verifier_is_rejected",
            "test_code_injection_with_verifier_of_another_flow_is_rejected",
        ),
        _code_verifier_is_ignored,
    ),
    "code_reusable": Mutant(
        "single use of a code removed",
        ("test_code_replayed_is_rejected_and_its_token_revoked",),
        run_before_attempts(AUTHORIZATION_CODE, "UPDATE authorization_code SET used_at = NULL WHERE code_hash = :hash"),
    ),
    "code_race": Mutant(
        "lock on the code removed: concurrent redemptions succeed",
        ("test_code_redeemed_concurrently_issues_at_most_one_token",),
        remove_commit_lock(AUTHORIZATION_CODE),
    ),
    "code_replay_revokes_nothing": Mutant(
        "revocation at code replay removed",
        ("test_code_replayed_is_rejected_and_its_token_revoked",),
        _code_replay_revokes_nothing,
    ),
    "code_client_ignored": Mutant(
        "client check of a code removed",
        ("test_code_stolen_by_another_client_is_rejected",),
        run_before_attempts(
            AUTHORIZATION_CODE, "UPDATE authorization_code SET client_id = :client WHERE code_hash = :hash"
        ),
    ),
    "token_redirect_uri_ignored": Mutant(
        "redirect_uri check at redemption removed",
        (
            "test_code_without_redirect_uri_is_rejected",
            "test_code_with_other_redirect_uri_is_rejected",
        ),
        _redemption_redirect_uri_is_ignored,
    ),
    "code_48_bits": Mutant("code has 48 bits", ("test_code_is_unguessable",), _code_has_48_bits),
    "redirect_uri_prefix": Mutant(
        "redirect_uri compared by prefix",
        ("test_redirect_uri_not_exactly_registered_is_rejected",),
        _redirect_uri_is_compared_by_prefix,
    ),
    "redirect_uri_host": Mutant(
        "redirect_uri compared by host",
        (
            "test_redirect_uri_not_exactly_registered_is_rejected",
            "test_redirect_uri_of_another_client_is_rejected",
        ),
        _redirect_uri_is_compared_by_host,
    ),
    "redirect_uri_ignored": Mutant(
        "redirect_uri check at the authorization request removed",
        (
            "test_redirect_uri_not_exactly_registered_is_rejected",
            "test_request_object_parameters_are_validated_like_plain_ones",
        ),
        _redirect_uri_is_ignored,
    ),
    "request_uri_reusable": Mutant(
        "single use of a request_uri removed",
        ("test_request_uri_reused_issues_no_second_code",),
        _request_uri_is_reusable,
    ),
    "request_uri_client_ignored": Mutant(
        "client check of a request_uri removed",
        ("test_request_uri_of_another_client_is_rejected",),
        _request_uri_client_is_ignored,
    ),
    "response_without_iss": Mutant(
        "iss removed from the authorization response",
        ("test_mix_up_authorization_response_has_issuer_and_state",),
        _response_has_no_issuer,
    ),
    "response_without_state": Mutant(
        "state removed from the authorization response",
        (
            "test_mix_up_authorization_response_has_issuer_and_state",
            "test_state_of_512_characters_is_returned_unchanged",
        ),
        _response_has_no_state,
    ),
    "scope_ignored": Mutant(
        "check of the registered scope removed",
        (
            "test_par_with_unregistered_scope_is_not_granted",
            "test_request_object_with_unregistered_scope_is_not_granted",
            "test_ciba_request_with_unregistered_scope_is_not_granted",
        ),
        _registered_scope_is_ignored,
    ),
}
