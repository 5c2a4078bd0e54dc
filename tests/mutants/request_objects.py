"""Mutants of request objects (RFC 9101). Signed CIBA requests are verified by the same code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from machtiging.oauth import register_client
from machtiging.oauth.authorize import pushed_requests
from machtiging.oauth.ciba import backchannel_authentication
from machtiging.oauth.request_parameters import request_object
from tests.mutants import signatures
from tests.mutants.mutant import Mutant, async_true, header_of, swap, swap_constant

Change = Callable[[dict[str, Any], Any, Any], dict[str, Any]]


def _break_signature_check(build_replacement: signatures.Broken) -> Callable[[], None]:
    def breaks() -> None:
        signatures.break_verification(request_object, build_replacement)

    return breaks


def _change_claims(change: Change) -> Callable[[], None]:
    """Change the claims before they are verified. `change` also gets the context and the client."""

    def breaks() -> None:
        def build_replacement(was: Any) -> Any:
            return lambda context, client, claims: was(context, client, change(claims, context, client))

        swap(request_object, request_object._verify_claims, build_replacement)

    return breaks


def _replace_claim(name: str, value: Callable[[Any, Any], Any]) -> Callable[[], None]:
    return _change_claims(lambda claims, context, client: claims | {name: value(context, client)})


def _is_integer_claim(claims: dict[str, Any], name: str) -> bool:
    return isinstance(claims.get(name), int) and not isinstance(claims[name], bool)


def _extend_exp(claims: dict[str, Any], context: Any, _client: Any) -> dict[str, Any]:
    now = int(context.at.timestamp())
    return claims | ({"exp": now + 60} if _is_integer_claim(claims, "exp") and claims["exp"] < now else {})


def _shorten_exp(claims: dict[str, Any], context: Any, _client: Any) -> dict[str, Any]:
    soon = int(context.at.timestamp()) + 60
    return claims | ({"exp": soon} if _is_integer_claim(claims, "exp") and claims["exp"] > soon else {})


def _start_now(claims: dict[str, Any], context: Any, _client: Any) -> dict[str, Any]:
    now = int(context.at.timestamp())
    return claims | {name: now for name in ("iat", "nbf") if _is_integer_claim(claims, name)}


def _take_audience_list(claims: dict[str, Any], context: Any, _client: Any) -> dict[str, Any]:
    listed = isinstance(claims.get("aud"), list) and context.issuer_url in claims["aud"]
    return claims | ({"aud": context.issuer_url} if listed else {})


def _take_endpoint_audience(claims: dict[str, Any], context: Any, _client: Any) -> dict[str, Any]:
    ours = isinstance(claims.get("aud"), str) and claims["aud"].startswith(context.issuer_url + "/")
    return claims | ({"aud": context.issuer_url} if ours else {})


def _lifetime_is_ignored() -> None:
    swap(request_object, request_object._lifetime_error, lambda _: lambda *_: None)


def _typ_is_ignored() -> None:
    def build_replacement(was: Any) -> Any:
        def verify(token: str, jwks: Any, **options: Any) -> Any:
            return was(token, jwks, **options | {"typ": header_of(token).get("typ")})

        return verify

    swap(request_object, request_object.verify_jwt, build_replacement)


def _key_of_any_client_is_accepted() -> None:
    known: list[dict[str, Any]] = []

    def record_keys(was: Any) -> Any:
        async def register(session: Any, metadata: dict[str, Any], **options: Any) -> Any:
            known.extend(metadata.get("jwks", {}).get("keys", []))
            return await was(session, metadata, **options)

        return register

    swap(register_client, register_client.register_client, record_keys)
    swap(request_object, request_object.select_jwks, lambda _: lambda *_: {"keys": known})


def _replace_verification(build_replacement: Callable[[Any], Any]) -> None:
    """Replace the verification at PAR and at the backchannel authentication endpoint."""

    for module in (pushed_requests, backchannel_authentication):
        swap(module, module.verify_request_object, build_replacement)


def _merge_outer_parameters(join: Callable[[dict[str, str], dict[str, str]], dict[str, str]]) -> Callable[[], None]:
    def breaks() -> None:
        def build_replacement(was: Any) -> Any:
            async def verify(context: Any, client: Any, form: Any) -> dict[str, str]:
                if "request" not in form:
                    return await was(context, client, form)
                inside = await was(
                    context, client, {name: form[name] for name in form.keys() & request_object._OUTER_PARAMETERS}
                )
                return join(inside, {name: form[name] for name in form.keys() - request_object._OUTER_PARAMETERS})

            return verify

        _replace_verification(build_replacement)

    return breaks


def _signing_requirement_is_ignored() -> None:
    def build_replacement(was: Any) -> Any:
        return lambda context, client, form: was(context, replace(client, require_signed_request_object=False), form)

    _replace_verification(build_replacement)


def _forbidden_claims_are_accepted() -> None:
    swap_constant(request_object, "_FORBIDDEN_CLAIMS", lambda _: frozenset())


def _request_object_is_reusable() -> None:
    swap(request_object, request_object._consume_jti, lambda _: async_true)


def _jti_check_has_race() -> None:
    seen: set[str] = set()

    async def consume_jti(_context: Any, _client: Any, claims: Any) -> None:
        if claims["jti"] in seen:
            request_object._refuse_request_object("object_hergebruikt")
        await asyncio.sleep(0.3)  # the check comes first, the write later
        seen.add(claims["jti"])

    swap(request_object, request_object._consume_jti, lambda _: consume_jti)


_CIBA_WRONG_CLAIMS = "test_ciba_signed_request_with_wrong_claims_is_rejected"

MUTANTS: dict[str, Mutant] = {
    "jar_alg_none": Mutant(
        "alg none accepted in a request object",
        (
            "test_request_object_with_alg_none_is_rejected",
            "test_downgrade_alg_none_by_signing_client_is_rejected",
            _CIBA_WRONG_CLAIMS,
        ),
        _break_signature_check(signatures.accept_alg_none),
    ),
    "jar_signature_ignored": Mutant(
        "signature check of a request object removed",
        (
            "test_request_object_signed_with_unknown_key_is_rejected",
            "test_request_object_tampered_is_rejected",
            "test_request_object_with_fake_signature_is_rejected",
            "test_ciba_signed_request_tampered_is_rejected",
        ),
        _break_signature_check(signatures.accept_any_signature),
    ),
    "jar_any_client_key": Mutant(
        "key of any client accepted for a request object",
        (
            "test_request_object_signed_with_key_of_another_client_is_rejected",
            "test_ciba_signed_request_with_key_of_another_is_rejected",
        ),
        _key_of_any_client_is_accepted,
    ),
    "jar_alg_confusion": Mutant(
        "public key accepted as HMAC secret of a request object",
        ("test_algorithm_confusion_request_object_with_public_key_as_hmac_secret_is_rejected",),
        _break_signature_check(signatures.accept_public_key_as_hmac_secret),
    ),
    "jar_embedded_key": Mutant(
        "key in the header of a request object accepted",
        ("test_request_object_with_key_in_header_is_rejected",),
        _break_signature_check(signatures.accept_key_in_header),
    ),
    "jar_crit_ignored": Mutant(
        "crit check of a request object removed",
        ("test_request_object_with_unknown_crit_is_rejected",),
        _break_signature_check(signatures.ignore_crit),
    ),
    "jar_iss_ignored": Mutant(
        "issuer check of a request object removed",
        ("test_request_object_with_wrong_issuer_client_or_audience_is_rejected", _CIBA_WRONG_CLAIMS),
        _replace_claim("iss", lambda _context, client: client.client_id),
    ),
    "jar_client_id_ignored": Mutant(
        "client_id check of a request object removed",
        ("test_request_object_with_wrong_issuer_client_or_audience_is_rejected", _CIBA_WRONG_CLAIMS),
        _replace_claim("client_id", lambda _context, client: client.client_id),
    ),
    "jar_aud_ignored": Mutant(
        "audience check of a request object removed",
        ("test_request_object_with_wrong_issuer_client_or_audience_is_rejected", _CIBA_WRONG_CLAIMS),
        _replace_claim("aud", lambda context, _client: context.issuer_url),
    ),
    "jar_aud_endpoint": Mutant(
        "endpoint accepted as audience of a request object",
        ("test_request_object_with_endpoint_as_audience_is_rejected",),
        _change_claims(_take_endpoint_audience),
    ),
    "jar_aud_list": Mutant(
        "list accepted as audience of a request object",
        ("test_request_object_with_audience_list_is_rejected",),
        _change_claims(_take_audience_list),
    ),
    "jar_exp_ignored": Mutant(
        "exp check of a request object removed",
        ("test_request_object_expired_is_rejected", _CIBA_WRONG_CLAIMS),
        # iat and nbf are replaced too: they may not be later than exp.
        _change_claims(lambda claims, *given: _start_now(_extend_exp(claims, *given), *given)),
    ),
    "jar_nbf_ignored": Mutant(
        "iat and nbf check of a request object removed",
        (
            "test_request_object_from_the_future_is_rejected",
            "test_request_object_with_old_iat_is_rejected",
            _CIBA_WRONG_CLAIMS,
        ),
        _change_claims(_start_now),
    ),
    "jar_lifetime_uncapped": Mutant(
        "maximum lifetime of a request object removed",
        ("test_request_object_with_far_exp_is_rejected", _CIBA_WRONG_CLAIMS),
        _change_claims(_shorten_exp),
    ),
    "jar_lifetime_ignored": Mutant(
        "lifetime check of a request object removed",
        (
            "test_request_object_without_exp_is_rejected",
            "test_request_object_with_invalid_exp_is_rejected",
            _CIBA_WRONG_CLAIMS,
        ),
        _lifetime_is_ignored,
    ),
    "jar_typ_ignored": Mutant(
        "typ check of a request object removed",
        ("test_request_object_of_other_typ_is_rejected", _CIBA_WRONG_CLAIMS),
        _typ_is_ignored,
    ),
    "jar_outer_parameters_win": Mutant(
        "outer parameters override the request object",
        (
            "test_parameter_beside_request_object_is_rejected_or_ignored",
            "test_parameter_missing_in_request_object_is_not_taken_from_outside",
            "test_ciba_parameter_beside_signed_request_is_rejected",
        ),
        _merge_outer_parameters(lambda inside, beside: inside | beside),
    ),
    "jar_outer_parameters_merged": Mutant(
        "outer parameters complete the request object",
        ("test_parameter_missing_in_request_object_is_not_taken_from_outside",),
        _merge_outer_parameters(lambda inside, beside: beside | inside),
    ),
    "jar_forbidden_claims": Mutant(
        "check for forbidden claims in a request object removed",
        (
            "test_request_object_with_nested_request_is_rejected",
            "test_request_object_within_request_object_is_rejected",
            "test_request_object_with_sub_of_the_client_is_rejected",
        ),
        _forbidden_claims_are_accepted,
    ),
    "jar_reusable": Mutant(
        "replay check of a request object removed",
        (
            "test_request_object_replayed_is_rejected",
            "test_request_object_with_used_jti_is_rejected",
            "test_ciba_signed_request_replayed_is_rejected",
        ),
        _request_object_is_reusable,
    ),
    "jar_race": Mutant(
        "lock on the jti of a request object removed: concurrent uses succeed",
        (
            "test_request_object_used_concurrently_is_accepted_once",
            "test_ciba_signed_request_used_concurrently_is_accepted_once",
        ),
        _jti_check_has_race,
    ),
    "jar_signing_optional": Mutant(
        "signing requirement removed: unsigned requests are accepted",
        (
            "test_downgrade_unsigned_request_by_signing_client_is_rejected",
            "test_downgrade_ciba_unsigned_request_by_signing_client_is_rejected",
        ),
        _signing_requirement_is_ignored,
    ),
}
