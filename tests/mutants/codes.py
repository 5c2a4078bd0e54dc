"""PKCE, codes, addresses and references with one guard taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tests.mutants.mutant import Mutant, swap

# PKCE


def _pkce_is_optional() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "is_s256_challenge", lambda was: lambda challenge, method: challenge is None or was(challenge, method))


def _plain_is_allowed() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "is_s256_challenge", lambda _: lambda challenge, _method: challenge is not None)
    swap(
        grants,
        "_verify_code_verifier",
        lambda was: lambda verifier, challenge: verifier == challenge or was(verifier, challenge),
    )


def _the_verifier_is_not_looked_at() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "_verify_code_verifier", lambda _: lambda *_: True)


# Codes


def _before_redeeming(*statements: str) -> None:
    from sqlalchemy import text

    from machtiging.oauth.protocol import grants

    def broken(was: Any) -> Any:
        async def redeem(exchange: Any, *rest: Any) -> Any:
            for statement in statements:
                await exchange.session.execute(text(statement))
            return await was(exchange, *rest)

        return redeem

    swap(grants, "_redeem_authorization_code", broken)


def _a_code_is_good_for_ever() -> None:
    _before_redeeming("UPDATE authorization_code SET used_at = NULL")


def _two_at_once_both_win() -> None:
    lately = "WHERE used_at > now() - interval '5 seconds'"
    _before_redeeming(
        "SELECT 1 FROM authorization_code FOR UPDATE", f"UPDATE authorization_code SET used_at = NULL {lately}"
    )


def _a_replay_ends_nothing() -> None:
    from machtiging.oauth.protocol import grants

    async def nothing(*_: Any, **__: Any) -> bool:
        return True

    swap(grants, "end_grant", lambda _: nothing)


def _a_code_is_good_for_every_client() -> None:
    from sqlalchemy import select

    from machtiging.crypto import secrets
    from machtiging.oauth.protocol import grants
    from machtiging.oauth.tables import AuthorizationCode

    def broken(was: Any) -> Any:
        async def redeem(exchange: Any, code: str, client: Any, *rest: Any) -> Any:
            wanted = select(AuthorizationCode.client_id).where(
                AuthorizationCode.code_hash == secrets.sha256_digest(code)
            )
            owner = await exchange.session.scalar(wanted)
            return await was(exchange, code, replace(client, client_id=owner or client.client_id), *rest)

        return redeem

    swap(grants, "_redeem_authorization_code", broken)


def _the_address_is_not_compared_at_redemption() -> None:
    from machtiging.oauth.protocol import grants
    from machtiging.oauth.token_endpoint import grants as at_once

    def broken(was: Any) -> Any:
        return lambda row, form, *rest: was(row, form | {"redirect_uri": row.redirect_uri}, *rest)

    for place in (grants, at_once):
        swap(place, "check_authorization_code", broken)
    swap(grants.RedeemedCode, "get_redirect_uri", lambda _: lambda _self: "")  # Authlib compares it too


def _codes_are_short() -> None:
    from machtiging.oauth.authorize import decision

    swap(decision, "_derive_code", lambda was: lambda *given: was(*given)[:8])


# Addresses and references


def _addresses_are_compared_by_their_beginning() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "check_redirect_uri", lambda _: lambda self, uri: any(map(uri.startswith, self.redirect_uris)))


def _addresses_are_compared_by_their_host() -> None:
    from machtiging.oauth.client import Client

    def same_host(self: Any, uri: str) -> bool:
        return urlsplit(uri).hostname in {urlsplit(one).hostname for one in self.redirect_uris}

    swap(Client, "check_redirect_uri", lambda _: same_host)


def _every_address_will_do() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "check_redirect_uri", lambda _: lambda *_: True)


def _a_reference_can_be_used_again() -> None:
    from machtiging.oauth.authorize import decision, pushed_requests

    def waiting(exchange: Any, reference: Any) -> tuple[Any, ...]:
        return (*pushed_requests._match_reference(reference), pushed_requests._PUSHED.c.expires_at > exchange.at)

    from machtiging.crypto import secrets

    swap(pushed_requests, "_match_pending", lambda _: waiting)
    swap(decision, "_derive_code", lambda _: lambda *_: secrets.generate_token())


def _a_reference_is_anybodys() -> None:
    from machtiging.crypto import secrets
    from machtiging.oauth.authorize import pushed_requests

    swap(
        pushed_requests,
        "_match_reference",
        lambda _: lambda ref: (pushed_requests._PUSHED.c.uri_hash == secrets.sha256_digest(ref.request_uri),),
    )


def _in_the_answer(change: Callable[[dict[str, str]], None]) -> None:
    from machtiging.oauth.authorize import decision

    def broken(was: Any) -> Any:
        def back(*given: Any) -> Any:
            redirect = was(*given)
            parts = urlsplit(redirect.location)
            told = dict(parse_qsl(parts.query))
            change(told)
            return replace(redirect, location=urlunsplit(parts._replace(query=urlencode(told))))

        return back

    swap(decision, "_redirect_to_client", broken)


def _the_answer_does_not_say_who_gives_it() -> None:
    _in_the_answer(lambda told: told.pop("iss", None))


def _the_state_is_lost() -> None:
    _in_the_answer(lambda told: told.pop("state", None))


def _every_scope_is_granted() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "get_allowed_scope", lambda _: lambda self, scope: scope or "")


MUTANTS: dict[str, Mutant] = {
    "pkce_is_optional": Mutant(
        "a request without a challenge is taken",
        ("test_downgrade_authorization_request_without_pkce_is_rejected",),
        _pkce_is_optional,
    ),
    "plain_is_allowed": Mutant(
        "the challenge may be the verifier itself",
        (
            "test_downgrade_pkce_method_other_than_s256_is_rejected",
            "test_downgrade_pkce_challenge_without_method_is_rejected",
            "test_code_with_challenge_as_verifier_is_rejected",
        ),
        _plain_is_allowed,
    ),
    "verifier_unread": Mutant(
        "a code is redeemed whatever the verifier",
        (
            "test_code_without_verifier_is_rejected",
            "test_code_with_wrong_verifier_is_rejected",
            "test_code_injection_with_verifier_of_another_flow_is_rejected",
        ),
        _the_verifier_is_not_looked_at,
    ),
    "code_reusable": Mutant(
        "a code can be redeemed again and again",
        ("test_code_replayed_is_rejected_and_its_token_revoked",),
        _a_code_is_good_for_ever,
    ),
    "code_race": Mutant(
        "a code can be redeemed twice at the same moment",
        ("test_code_redeemed_concurrently_issues_at_most_one_token",),
        _two_at_once_both_win,
    ),
    "replay_ends_nothing": Mutant(
        "a second use of a code leaves its token alive",
        ("test_code_replayed_is_rejected_and_its_token_revoked",),
        _a_replay_ends_nothing,
    ),
    "code_of_anybody": Mutant(
        "a code of one client is taken from another",
        ("test_code_stolen_by_another_client_is_rejected",),
        _a_code_is_good_for_every_client,
    ),
    "address_unread_at_token": Mutant(
        "the redirect URI is not compared at redemption",
        (
            "test_code_without_redirect_uri_is_rejected",
            "test_code_with_other_redirect_uri_is_rejected",
        ),
        _the_address_is_not_compared_at_redemption,
    ),
    "short_codes": Mutant("a code has 48 bits", ("test_code_is_unguessable",), _codes_are_short),
    "address_by_prefix": Mutant(
        "redirect URIs are compared by their beginning",
        ("test_redirect_uri_not_exactly_registered_is_rejected",),
        _addresses_are_compared_by_their_beginning,
    ),
    "address_by_host": Mutant(
        "redirect URIs are compared by their host",
        (
            "test_redirect_uri_not_exactly_registered_is_rejected",
            "test_redirect_uri_of_another_client_is_rejected",
        ),
        _addresses_are_compared_by_their_host,
    ),
    "address_unread": Mutant(
        "every redirect URI is taken",
        (
            "test_redirect_uri_not_exactly_registered_is_rejected",
            "test_request_object_parameters_are_validated_like_plain_ones",
        ),
        _every_address_will_do,
    ),
    "reference_reusable": Mutant(
        "a request_uri can be used again",
        ("test_request_uri_reused_issues_no_second_code",),
        _a_reference_can_be_used_again,
    ),
    "reference_of_anybody": Mutant(
        "a request_uri can be used by every client",
        ("test_request_uri_of_another_client_is_rejected",),
        _a_reference_is_anybodys,
    ),
    "no_iss": Mutant(
        "the authorization response has no iss",
        ("test_mix_up_authorization_response_has_issuer_and_state",),
        _the_answer_does_not_say_who_gives_it,
    ),
    "no_state": Mutant(
        "the state does not come back",
        (
            "test_mix_up_authorization_response_has_issuer_and_state",
            "test_state_of_512_characters_is_returned_unchanged",
        ),
        _the_state_is_lost,
    ),
    "scope_unread": Mutant(
        "every scope is granted",
        (
            "test_par_with_unregistered_scope_is_not_granted",
            "test_request_object_with_unregistered_scope_is_not_granted",
            "test_ciba_request_with_unregistered_scope_is_not_granted",
        ),
        _every_scope_is_granted,
    ),
}
