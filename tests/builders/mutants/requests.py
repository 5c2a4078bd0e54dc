"""Signed requests (RFC 9101) with one guard taken away; those of a counter are read by the same code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.builders.mutants import signatures
from tests.builders.mutants.mutant import Mutant, header_of, nothing, swap

Change = Callable[[dict[str, Any], Any, Any], dict[str, Any]]


def _verifying(broken: signatures.Broken) -> Callable[[], None]:
    def breaks() -> None:
        from machtiging.oauth.requests import request_object

        signatures.verified_by(request_object, broken)

    return breaks


def _reading(change: Change) -> Callable[[], None]:
    """The checks see what `change` makes of the claims; it is given the desk and the client, too."""

    def breaks() -> None:
        from machtiging.oauth.requests import request_object

        def broken(was: Any) -> Any:
            return lambda desk, client, claims: was(desk, client, change(claims, desk, client))

        swap(request_object, "_check", broken)

    return breaks


def _instead(name: str, value: Callable[[Any, Any], Any]) -> Callable[[], None]:
    return _reading(lambda claims, desk, client: claims | {name: value(desk, client)})


def _number(claims: dict[str, Any], name: str) -> bool:
    return isinstance(claims.get(name), int) and not isinstance(claims[name], bool)


def _no_end_is_read(claims: dict[str, Any], desk: Any, _client: Any) -> dict[str, Any]:
    now = int(desk.at.timestamp())
    return claims | ({"exp": now + 60} if _number(claims, "exp") and claims["exp"] < now else {})


def _no_life_is_too_long(claims: dict[str, Any], desk: Any, _client: Any) -> dict[str, Any]:
    soon = int(desk.at.timestamp()) + 60
    return claims | ({"exp": soon} if _number(claims, "exp") and claims["exp"] > soon else {})


def _no_beginning_is_read(claims: dict[str, Any], desk: Any, _client: Any) -> dict[str, Any]:
    now = int(desk.at.timestamp())
    return claims | {name: now for name in ("iat", "nbf") if _number(claims, name)}


def _a_list_will_do(claims: dict[str, Any], desk: Any, _client: Any) -> dict[str, Any]:
    listed = isinstance(claims.get("aud"), list) and desk.issuer_url in claims["aud"]
    return claims | ({"aud": desk.issuer_url} if listed else {})


def _an_endpoint_will_do(claims: dict[str, Any], desk: Any, _client: Any) -> dict[str, Any]:
    ours = isinstance(claims.get("aud"), str) and claims["aud"].startswith(desk.issuer_url + "/")
    return claims | ({"aud": desk.issuer_url} if ours else {})


def _times_are_not_read() -> None:
    from machtiging.oauth.requests import request_object

    swap(request_object, "_age_problem", lambda _: lambda *_: None)


def _every_kind_of_jwt_will_do() -> None:
    from machtiging.oauth.requests import request_object

    def broken(was: Any) -> Any:
        def verify(token: str, jwks: Any, **options: Any) -> Any:
            return was(token, jwks, **options | {"typ": header_of(token).get("typ")})

        return verify

    swap(request_object, "verify_jwt", broken)


def _every_clients_key_will_do() -> None:
    from machtiging.oauth import register_client
    from machtiging.oauth.requests import request_object

    known: list[dict[str, Any]] = []

    def remembering(was: Any) -> Any:
        async def register(session: Any, metadata: dict[str, Any], **more: Any) -> Any:
            known.extend(metadata.get("jwks", {}).get("keys", []))
            return await was(session, metadata, **more)

        return register

    swap(register_client, "register", remembering)
    swap(request_object, "keys_of", lambda _: lambda *_: {"keys": known})


def _opening(broken: Callable[[Any], Any]) -> None:
    """Wherever request objects come in."""
    from machtiging.oauth.authorize import push
    from machtiging.oauth.ciba import begin

    for place in (push, begin):
        swap(place, "opened", broken)


def _joined(join: Callable[[dict[str, str], dict[str, str]], dict[str, str]]) -> Callable[[], None]:
    def breaks() -> None:
        from machtiging.oauth.requests import request_object

        def broken(was: Any) -> Any:
            async def opened(desk: Any, client: Any, form: Any) -> dict[str, str]:
                if "request" not in form:
                    return await was(desk, client, form)
                inside = await was(desk, client, {name: form[name] for name in form.keys() & request_object._BESIDE})
                return join(inside, {name: form[name] for name in form.keys() - request_object._BESIDE})

            return opened

        _opening(broken)

    return breaks


def _nobody_must_sign() -> None:
    def broken(was: Any) -> Any:
        return lambda desk, client, form: was(desk, replace(client, signed_requests_only=False), form)

    _opening(broken)


def _objects_hold_anything() -> None:
    from machtiging.oauth.requests import request_object

    swap(request_object, "_NEVER", lambda _: frozenset())


def _an_object_can_be_used_again() -> None:
    from machtiging.oauth.requests import request_object

    swap(request_object, "_take", lambda _: nothing)


def _two_at_once_are_both_new() -> None:
    from machtiging.oauth.requests import request_object

    seen: set[str] = set()

    async def take(_desk: Any, _client: Any, claims: Any) -> None:
        if claims["jti"] in seen:
            request_object._bad("object_hergebruikt")
        await asyncio.sleep(0.3)  # first it looks, later it writes down
        seen.add(claims["jti"])

    swap(request_object, "_take", lambda _: take)


_QUESTION = "test_a_signed_question_that_is_not_right_is_refused"

MUTANTS: dict[str, Mutant] = {
    "jar_alg_none": Mutant(
        "a request object with alg none is taken",
        (
            "test_an_object_that_nobody_signed_is_refused",
            "test_who_registered_to_sign_cannot_sign_with_nothing",
            _QUESTION,
        ),
        _verifying(signatures.nobodys_will_do),
    ),
    "jar_signature_unread": Mutant(
        "the signature of a request object is not read",
        (
            "test_an_object_signed_with_a_key_of_nobody_is_refused",
            "test_an_object_that_was_changed_after_signing_is_refused",
            "test_an_object_with_an_algorithm_and_no_real_signature_is_refused",
            "test_a_question_that_was_changed_after_signing_is_refused",
        ),
        _verifying(signatures.any_will_do),
    ),
    "jar_key_of_anybody": Mutant(
        "a request object may be signed by any client",
        (
            "test_an_object_signed_with_the_key_of_another_client_is_refused",
            "test_a_question_that_another_signed_is_refused",
        ),
        _every_clients_key_will_do,
    ),
    "jar_alg_from_object": Mutant(
        "a public key serves as the secret of a request object",
        ("test_the_public_key_of_a_client_is_no_shared_secret_for_its_requests",),
        _verifying(signatures.the_token_chooses_the_algorithm),
    ),
    "jar_key_from_object": Mutant(
        "the key in the header of a request object is used",
        ("test_a_key_that_comes_along_in_a_request_is_not_used",),
        _verifying(signatures.the_token_brings_its_key),
    ),
    "jar_crit_unread": Mutant(
        "crit in the header of a request object is passed over",
        ("test_a_rule_in_a_request_that_nobody_knows_is_not_passed_over",),
        _verifying(signatures.rules_in_a_header_are_passed_over),
    ),
    "jar_iss_unread": Mutant(
        "the issuer of a request object is not read",
        ("test_an_object_that_names_somebody_else_is_refused", _QUESTION),
        _instead("iss", lambda _desk, client: client.client_id),
    ),
    "jar_client_unread": Mutant(
        "the client_id in a request object is not compared",
        ("test_an_object_that_names_somebody_else_is_refused", _QUESTION),
        _instead("client_id", lambda _desk, client: client.client_id),
    ),
    "jar_aud_unread": Mutant(
        "the audience of a request object is not read",
        ("test_an_object_that_names_somebody_else_is_refused", _QUESTION),
        _instead("aud", lambda desk, _client: desk.issuer_url),
    ),
    "jar_aud_endpoint": Mutant(
        "a request object may name an endpoint",
        ("test_an_object_that_names_an_endpoint_is_refused",),
        _reading(_an_endpoint_will_do),
    ),
    "jar_aud_list": Mutant(
        "a request object may name others beside us",
        ("test_an_object_for_the_whole_list_of_the_worlds_servers_is_refused",),
        _reading(_a_list_will_do),
    ),
    "jar_exp_unread": Mutant(
        "the end of a request object is not read",
        ("test_an_object_that_has_expired_is_refused", _QUESTION),
        # When it was made is not read either: nobody makes one that ends before it began.
        _reading(lambda claims, *given: _no_beginning_is_read(_no_end_is_read(claims, *given), *given)),
    ),
    "jar_nbf_unread": Mutant(
        "the beginning of a request object is not read",
        (
            "test_an_object_from_the_future_is_refused",
            "test_an_object_that_was_made_long_ago_is_refused",
            _QUESTION,
        ),
        _reading(_no_beginning_is_read),
    ),
    "jar_lives_long": Mutant(
        "a request object may live for years",
        ("test_an_object_that_lives_for_years_is_refused", _QUESTION),
        _reading(_no_life_is_too_long),
    ),
    "jar_ageless": Mutant(
        "the times in a request object are not read",
        ("test_an_object_without_an_end_is_refused", "test_an_end_of_an_object_that_is_no_time_is_refused", _QUESTION),
        _times_are_not_read,
    ),
    "jar_typ_unread": Mutant(
        "a JWT of any kind is a request object",
        ("test_a_jwt_of_another_kind_is_no_request", _QUESTION),
        _every_kind_of_jwt_will_do,
    ),
    "jar_beside_wins": Mutant(
        "what stands beside a request object goes before what was signed",
        (
            "test_what_stands_beside_the_object_is_refused_or_passed_over",
            "test_what_is_missing_inside_is_not_taken_from_beside",
            "test_what_stands_beside_a_signed_question_is_refused",
        ),
        _joined(lambda inside, beside: inside | beside),
    ),
    "jar_beside_fills_in": Mutant(
        "what is missing in a request object is taken from beside it",
        ("test_what_is_missing_inside_is_not_taken_from_beside",),
        _joined(lambda inside, beside: beside | inside),
    ),
    "jar_holds_anything": Mutant(
        "a request object may hold another, or what makes it an assertion",
        (
            "test_an_object_holds_no_other_object",
            "test_an_object_within_an_object_is_not_opened",
            "test_an_object_that_could_pass_for_an_assertion_is_refused",
        ),
        _objects_hold_anything,
    ),
    "jar_reusable": Mutant(
        "a request object can be used again",
        (
            "test_an_object_is_good_once",
            "test_two_objects_with_one_name_are_one_too_many",
            "test_a_signed_question_is_taken_once",
        ),
        _an_object_can_be_used_again,
    ),
    "jar_race": Mutant(
        "a request object can be used twice at the same moment",
        (
            "test_of_many_uses_of_one_object_at_once_one_wins",
            "test_of_many_uses_of_one_signed_question_at_once_one_wins",
        ),
        _two_at_once_are_both_new,
    ),
    "jar_unsigned": Mutant(
        "who registered to sign may leave it",
        (
            "test_who_registered_to_sign_cannot_push_unsigned",
            "test_a_desk_that_registered_to_sign_asks_nothing_unsigned",
        ),
        _nobody_must_sign,
    ),
}
