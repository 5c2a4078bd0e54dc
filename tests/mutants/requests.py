"""Signed requests (RFC 9101) with one guard taken away; those of a counter are read by the same code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.mutants import signatures
from tests.mutants.mutant import Mutant, header_of, nothing, swap

Change = Callable[[dict[str, Any], Any, Any], dict[str, Any]]


def _verifying(broken: signatures.Broken) -> Callable[[], None]:
    def breaks() -> None:
        from machtiging.oauth.request_parameters import request_object

        signatures.verified_by(request_object, broken)

    return breaks


def _reading(change: Change) -> Callable[[], None]:
    """The checks see what `change` makes of the claims; it is given the desk and the client, too."""

    def breaks() -> None:
        from machtiging.oauth.request_parameters import request_object

        def broken(was: Any) -> Any:
            return lambda desk, client, claims: was(desk, client, change(claims, desk, client))

        swap(request_object, "_verify_claims", broken)

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
    from machtiging.oauth.request_parameters import request_object

    swap(request_object, "_lifetime_error", lambda _: lambda *_: None)


def _every_kind_of_jwt_will_do() -> None:
    from machtiging.oauth.request_parameters import request_object

    def broken(was: Any) -> Any:
        def verify(token: str, jwks: Any, **options: Any) -> Any:
            return was(token, jwks, **options | {"typ": header_of(token).get("typ")})

        return verify

    swap(request_object, "verify_jwt", broken)


def _every_clients_key_will_do() -> None:
    from machtiging.oauth import register_client
    from machtiging.oauth.request_parameters import request_object

    known: list[dict[str, Any]] = []

    def remembering(was: Any) -> Any:
        async def register(session: Any, metadata: dict[str, Any], **more: Any) -> Any:
            known.extend(metadata.get("jwks", {}).get("keys", []))
            return await was(session, metadata, **more)

        return register

    swap(register_client, "register_client", remembering)
    swap(request_object, "select_jwks", lambda _: lambda *_: {"keys": known})


def _opening(broken: Callable[[Any], Any]) -> None:
    """Wherever request objects come in."""
    from machtiging.oauth.authorize import pushed_requests
    from machtiging.oauth.ciba import backchannel_authentication

    for place in (pushed_requests, backchannel_authentication):
        swap(place, "verify_request_object", broken)


def _joined(join: Callable[[dict[str, str], dict[str, str]], dict[str, str]]) -> Callable[[], None]:
    def breaks() -> None:
        from machtiging.oauth.request_parameters import request_object

        def broken(was: Any) -> Any:
            async def opened(desk: Any, client: Any, form: Any) -> dict[str, str]:
                if "request" not in form:
                    return await was(desk, client, form)
                inside = await was(
                    desk, client, {name: form[name] for name in form.keys() & request_object._OUTER_PARAMETERS}
                )
                return join(inside, {name: form[name] for name in form.keys() - request_object._OUTER_PARAMETERS})

            return opened

        _opening(broken)

    return breaks


def _nobody_must_sign() -> None:
    def broken(was: Any) -> Any:
        return lambda desk, client, form: was(desk, replace(client, require_signed_request_object=False), form)

    _opening(broken)


def _objects_hold_anything() -> None:
    from machtiging.oauth.request_parameters import request_object

    swap(request_object, "_FORBIDDEN_CLAIMS", lambda _: frozenset())


def _an_object_can_be_used_again() -> None:
    from machtiging.oauth.request_parameters import request_object

    swap(request_object, "_consume_jti", lambda _: nothing)


def _two_at_once_are_both_new() -> None:
    from machtiging.oauth.request_parameters import request_object

    seen: set[str] = set()

    async def take(_desk: Any, _client: Any, claims: Any) -> None:
        if claims["jti"] in seen:
            request_object._refuse_request_object("object_hergebruikt")
        await asyncio.sleep(0.3)  # first it looks, later it writes down
        seen.add(claims["jti"])

    swap(request_object, "_consume_jti", lambda _: take)


_QUESTION = "test_ciba_signed_request_with_wrong_claims_is_rejected"

MUTANTS: dict[str, Mutant] = {
    "jar_alg_none": Mutant(
        "a request object with alg none is taken",
        (
            "test_request_object_with_alg_none_is_rejected",
            "test_downgrade_alg_none_by_signing_client_is_rejected",
            _QUESTION,
        ),
        _verifying(signatures.nobodys_will_do),
    ),
    "jar_signature_unread": Mutant(
        "the signature of a request object is not read",
        (
            "test_request_object_signed_with_unknown_key_is_rejected",
            "test_request_object_tampered_is_rejected",
            "test_request_object_with_fake_signature_is_rejected",
            "test_ciba_signed_request_tampered_is_rejected",
        ),
        _verifying(signatures.any_will_do),
    ),
    "jar_key_of_anybody": Mutant(
        "a request object may be signed by any client",
        (
            "test_request_object_signed_with_key_of_another_client_is_rejected",
            "test_ciba_signed_request_with_key_of_another_is_rejected",
        ),
        _every_clients_key_will_do,
    ),
    "jar_alg_from_object": Mutant(
        "a public key serves as the secret of a request object",
        ("test_algorithm_confusion_request_object_with_public_key_as_hmac_secret_is_rejected",),
        _verifying(signatures.the_token_chooses_the_algorithm),
    ),
    "jar_key_from_object": Mutant(
        "the key in the header of a request object is used",
        ("test_request_object_with_key_in_header_is_rejected",),
        _verifying(signatures.the_token_brings_its_key),
    ),
    "jar_crit_unread": Mutant(
        "crit in the header of a request object is passed over",
        ("test_request_object_with_unknown_crit_is_rejected",),
        _verifying(signatures.rules_in_a_header_are_passed_over),
    ),
    "jar_iss_unread": Mutant(
        "the issuer of a request object is not read",
        ("test_request_object_with_wrong_issuer_client_or_audience_is_rejected", _QUESTION),
        _instead("iss", lambda _desk, client: client.client_id),
    ),
    "jar_client_unread": Mutant(
        "the client_id in a request object is not compared",
        ("test_request_object_with_wrong_issuer_client_or_audience_is_rejected", _QUESTION),
        _instead("client_id", lambda _desk, client: client.client_id),
    ),
    "jar_aud_unread": Mutant(
        "the audience of a request object is not read",
        ("test_request_object_with_wrong_issuer_client_or_audience_is_rejected", _QUESTION),
        _instead("aud", lambda desk, _client: desk.issuer_url),
    ),
    "jar_aud_endpoint": Mutant(
        "a request object may name an endpoint",
        ("test_request_object_with_endpoint_as_audience_is_rejected",),
        _reading(_an_endpoint_will_do),
    ),
    "jar_aud_list": Mutant(
        "a request object may name others beside us",
        ("test_request_object_with_audience_list_is_rejected",),
        _reading(_a_list_will_do),
    ),
    "jar_exp_unread": Mutant(
        "the end of a request object is not read",
        ("test_request_object_expired_is_rejected", _QUESTION),
        # When it was made is not read either: nobody makes one that ends before it began.
        _reading(lambda claims, *given: _no_beginning_is_read(_no_end_is_read(claims, *given), *given)),
    ),
    "jar_nbf_unread": Mutant(
        "the beginning of a request object is not read",
        (
            "test_request_object_from_the_future_is_rejected",
            "test_request_object_with_old_iat_is_rejected",
            _QUESTION,
        ),
        _reading(_no_beginning_is_read),
    ),
    "jar_lives_long": Mutant(
        "a request object may live for years",
        ("test_request_object_with_far_exp_is_rejected", _QUESTION),
        _reading(_no_life_is_too_long),
    ),
    "jar_ageless": Mutant(
        "the times in a request object are not read",
        ("test_request_object_without_exp_is_rejected", "test_request_object_with_invalid_exp_is_rejected", _QUESTION),
        _times_are_not_read,
    ),
    "jar_typ_unread": Mutant(
        "a JWT of any kind is a request object",
        ("test_request_object_of_other_typ_is_rejected", _QUESTION),
        _every_kind_of_jwt_will_do,
    ),
    "jar_beside_wins": Mutant(
        "what stands beside a request object goes before what was signed",
        (
            "test_parameter_beside_request_object_is_rejected_or_ignored",
            "test_parameter_missing_in_request_object_is_not_taken_from_outside",
            "test_ciba_parameter_beside_signed_request_is_rejected",
        ),
        _joined(lambda inside, beside: inside | beside),
    ),
    "jar_beside_fills_in": Mutant(
        "what is missing in a request object is taken from beside it",
        ("test_parameter_missing_in_request_object_is_not_taken_from_outside",),
        _joined(lambda inside, beside: beside | inside),
    ),
    "jar_holds_anything": Mutant(
        "a request object may hold another, or what makes it an assertion",
        (
            "test_request_object_with_nested_request_is_rejected",
            "test_request_object_within_request_object_is_rejected",
            "test_request_object_with_sub_of_the_client_is_rejected",
        ),
        _objects_hold_anything,
    ),
    "jar_reusable": Mutant(
        "a request object can be used again",
        (
            "test_request_object_replayed_is_rejected",
            "test_request_object_with_used_jti_is_rejected",
            "test_ciba_signed_request_replayed_is_rejected",
        ),
        _an_object_can_be_used_again,
    ),
    "jar_race": Mutant(
        "a request object can be used twice at the same moment",
        (
            "test_request_object_used_concurrently_is_accepted_once",
            "test_ciba_signed_request_used_concurrently_is_accepted_once",
        ),
        _two_at_once_are_both_new,
    ),
    "jar_unsigned": Mutant(
        "who registered to sign may leave it",
        (
            "test_downgrade_unsigned_request_by_signing_client_is_rejected",
            "test_downgrade_ciba_unsigned_request_by_signing_client_is_rejected",
        ),
        _nobody_must_sign,
    ),
}
