"""Mutants of token exchange (RFC 8693)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from machtiging.oauth import queries, token_issuance
from machtiging.oauth.client import Client
from machtiging.oauth.protocol import grants
from machtiging.oauth.token_endpoint import token_exchange as grant
from machtiging.oauth.token_exchange import subject_token
from tests.mutants.mutant import Mutant, always_true, claims_of, swap, swap_constant


def _exchange_targets_are_ignored() -> None:
    def build_replacement(was: Any) -> Any:
        def target(context: Any, client: Any, requested: Any, subject: Any) -> Any:
            known = client.exchange_targets | {requested.resource}
            return was(context, replace(client, exchange_targets=known), requested, subject)

        return target

    swap(grant, grant._resolve_exchange_target, build_replacement)


def _exchange_for_same_resource_is_accepted() -> None:
    def build_replacement(was: Any) -> Any:
        def target(context: Any, client: Any, requested: Any, subject: Any) -> Any:
            elsewhere = replace(subject, facts=replace(subject.facts, audience="https://elsewhere.example"))
            return was(context, client, requested, elsewhere)

        return target

    swap(grant, grant._resolve_exchange_target, build_replacement)


def _exchange_scope_is_not_narrowed() -> None:
    swap(
        grant,
        grant.narrow_exchange_scope,
        lambda was: lambda granted, registered, requested: requested or was(granted, registered, requested),
    )


def _exchange_keeps_openid_scope() -> None:
    swap(grant, grant.narrow_exchange_scope, lambda _: lambda granted, _registered, _requested: granted)


def _authorization_details_are_not_narrowed() -> None:
    swap(
        grant,
        grant.narrow_authorization_details,
        lambda _: lambda _handler, granted, requested: json.loads(requested) if requested else granted,
    )


def _exchange_starts_from_grant_details() -> None:
    def build_replacement(was: Any) -> Any:
        async def load(*given: Any) -> Any:
            subject = await was(*given)
            return replace(subject, authorization_details=subject.active_grant.grant.authorization_details)

        return load

    swap(grant, grant.load_subject_token, build_replacement)


def _subject_token_audience_is_ignored() -> None:
    swap(subject_token, subject_token.is_audience_of, lambda _: always_true)


def _client_grant_type_is_ignored() -> None:
    swap(Client, Client.check_grant_type, lambda _: always_true)


def _change_exchange_request(change: Callable[[dict[str, str]], dict[str, str]]) -> Callable[[], None]:
    def breaks() -> None:
        swap(grant, grant.parse_token_exchange_request, lambda was: lambda form: was(change(dict(form))))

    return breaks


def _drop_parameters(*names: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda form: {name: value for name, value in form.items() if name not in names}


def _rewrite_token_types(form: dict[str, str]) -> dict[str, str]:
    ours = "urn:ietf:params:oauth:token-type:access_token"
    return form | {name: ours for name in ("subject_token_type", "requested_token_type") if name in form}


async def _issue_client_token(context: Any, client: Any, scope: str) -> dict[str, Any]:
    made = token_issuance.build_client_token(context.issuer, client, scope, at=context.at)
    await token_issuance.persist_token(context.session, made)
    return made.response


def _client_credentials_token_is_exchanged() -> None:
    """Exchange a token without a person for another token without a person."""

    def build_replacement(was: Any) -> Any:
        async def exchange_token(context: Any, request: Any) -> Any:
            if "oin" not in claims_of(request.form["subject_token"]):
                return await was(context, request)
            return await _issue_client_token(context, request.client, "aanleveringen:schrijven")

        return exchange_token

    swap(grant, grant._exchange_token, build_replacement)


def _id_token_is_exchanged() -> None:
    """Exchange an ID token of the app for a token of the service."""

    def build_replacement(was: Any) -> Any:
        async def exchange_token(context: Any, request: Any) -> Any:
            text = request.form["subject_token"]
            if text.count(".") != 2 or "nonce" not in claims_of(text):
                return await was(context, request)
            return await _issue_client_token(context, request.client, "")

        return exchange_token

    swap(grant, grant._exchange_token, build_replacement)


def _subject_token_revocation_is_ignored() -> None:
    def ignore_revocation(was: Any) -> Any:
        async def load(*given: Any) -> Any:
            found = await was(*given)
            return found and replace(found, active=True)

        return load

    def ignore_grant_end(was: Any) -> Any:
        async def lock(*given: Any) -> Any:
            grant = await was(*given)
            return grant and replace(grant, ended_at=None)

        return lock

    def ignore_parent_revocation(was: Any) -> Any:
        async def count(*given: Any) -> int:
            return await was(*given) or 1

        return count

    swap(subject_token, subject_token.load_token_for_any_audience, ignore_revocation)
    swap(queries, queries.lock_grant, ignore_grant_end)
    swap(subject_token, subject_token.lock_and_count_exchanges, ignore_parent_revocation)


def _subject_token_expiry_is_ignored() -> None:
    def build_replacement(was: Any) -> Any:
        return lambda context, text: was(replace(context, at=context.at - timedelta(hours=24)), text)

    swap(subject_token, subject_token.load_token_for_any_audience, build_replacement)


def _machtiging_end_is_ignored() -> None:
    _subject_token_revocation_is_ignored()
    swap(grants, grants.representation_refusal, lambda _: lambda *_given: None)


def _subject_token_binding_is_ignored() -> None:
    swap(subject_token, subject_token.is_sender_constrained, lambda _: lambda _facts: False)


def _exchanged_token_outlives_subject_token() -> None:
    swap(
        token_issuance,
        token_issuance._resolve_expiry,
        lambda was: (
            lambda issuer, active_grant, spec, at: was(issuer, active_grant, replace(spec, parent_token=None), at)
        ),
    )


def _exchanged_token_has_no_parent() -> None:
    def build_replacement(was: Any) -> Any:
        async def issue(*given: Any, spec: Any, **options: Any) -> Any:
            return await was(*given, spec=replace(spec, parent_token=None), **options)

        return issue

    swap(token_issuance, token_issuance.issue_user_token, build_replacement)


def _exchange_chain_is_unlimited() -> None:
    swap_constant(subject_token, "MAX_EXCHANGE_CHAIN", lambda _: 1000)


def _subject_is_that_of_the_app() -> None:
    def subject_claims(issuer: Any, client: Any, active_grant: Any, _spec: Any) -> Any:
        as_the_app = replace(client, client_id=active_grant.grant.client_id, redirect_uris=())
        return token_issuance.build_subject_claims(issuer, as_the_app, active_grant)

    swap(token_issuance, token_issuance._subject_claims_for_target, lambda _: subject_claims)


MUTANTS: dict[str, Mutant] = {
    "exchange_target_ignored": Mutant(
        "check of the registered exchange targets removed",
        (
            "test_token_exchange_for_resource_of_another_service_is_rejected",
            "test_token_exchange_for_unregistered_resource_is_rejected",
        ),
        _exchange_targets_are_ignored,
    ),
    "exchange_same_resource": Mutant(
        "check against exchange for the same resource removed",
        ("test_token_exchange_for_the_same_service_is_rejected",),
        _exchange_for_same_resource_is_accepted,
    ),
    "exchange_scope_widened": Mutant(
        "scope narrowing at exchange removed",
        ("test_token_exchange_with_wider_scope_is_rejected",),
        _exchange_scope_is_not_narrowed,
    ),
    "exchange_keeps_openid": Mutant(
        "exchange keeps the openid scope",
        ("test_token_exchange_drops_openid_scope",),
        _exchange_keeps_openid_scope,
    ),
    "exchange_details_widened": Mutant(
        "authorization_details narrowing at exchange removed",
        (
            "test_token_exchange_with_wider_authorization_details_is_rejected",
            "test_token_exchange_of_narrowed_token_with_wider_details_is_rejected",
        ),
        _authorization_details_are_not_narrowed,
    ),
    "exchange_from_grant_details": Mutant(
        "exchange starts from the details of the grant",
        ("test_token_exchange_of_narrowed_token_with_wider_details_is_rejected",),
        _exchange_starts_from_grant_details,
    ),
    "exchange_audience_ignored": Mutant(
        "audience check of the subject token removed",
        ("test_token_exchange_of_token_for_other_audience_is_rejected",),
        _subject_token_audience_is_ignored,
    ),
    "grant_type_ignored": Mutant(
        "grant type check of a client removed",
        (
            "test_token_exchange_by_audience_without_the_grant_type_is_rejected",
            "test_ciba_poll_by_client_of_other_grant_type_is_rejected",
            "test_ciba_request_by_client_of_other_grant_type_is_rejected",
        ),
        _client_grant_type_is_ignored,
    ),
    "exchange_actor_ignored": Mutant(
        "check against an actor token removed",
        (
            "test_token_exchange_with_unsupported_parameter_is_rejected",
            "test_token_exchange_with_actor_token_is_rejected",
        ),
        _change_exchange_request(_drop_parameters("actor_token", "actor_token_type")),
    ),
    "exchange_audience_parameter_ignored": Mutant(
        "check against the audience parameter removed",
        ("test_token_exchange_with_unsupported_parameter_is_rejected",),
        _change_exchange_request(_drop_parameters("audience")),
    ),
    "exchange_token_type_ignored": Mutant(
        "token type check at exchange removed",
        ("test_token_exchange_with_unsupported_token_type_is_rejected",),
        _change_exchange_request(_rewrite_token_types),
    ),
    "exchange_of_client_token": Mutant(
        "client credentials token accepted as subject token",
        ("test_token_exchange_of_client_credentials_token_is_rejected",),
        _client_credentials_token_is_exchanged,
    ),
    "exchange_of_id_token": Mutant(
        "ID token accepted as subject token",
        ("test_token_exchange_of_id_token_is_rejected",),
        _id_token_is_exchanged,
    ),
    "exchange_of_revoked": Mutant(
        "revocation and grant check of the subject token removed",
        ("test_token_exchange_of_revoked_token_is_rejected", "test_token_exchange_of_ended_token_is_rejected"),
        _subject_token_revocation_is_ignored,
    ),
    "exchange_of_expired": Mutant(
        "expiry check of the subject token removed",
        ("test_token_exchange_of_ended_token_is_rejected",),
        _subject_token_expiry_is_ignored,
    ),
    "exchange_machtiging_ignored": Mutant(
        "machtiging check of the subject token removed",
        ("test_token_exchange_of_ended_token_is_rejected",),
        _machtiging_end_is_ignored,
    ),
    "exchange_binding_ignored": Mutant(
        "binding check of the subject token removed",
        ("test_token_exchange_of_bound_token_without_proof_is_rejected",),
        _subject_token_binding_is_ignored,
    ),
    "exchange_expiry_uncapped": Mutant(
        "exchanged token outlives the subject token",
        ("test_exchanged_token_expires_no_later_than_its_subject_token",),
        _exchanged_token_outlives_subject_token,
    ),
    "exchange_without_parent": Mutant(
        "link from the exchanged token to the subject token removed",
        ("test_exchanged_token_revoked_leaves_its_subject_token_active", "test_token_exchange_chain_is_limited"),
        _exchanged_token_has_no_parent,
    ),
    "exchange_chain_unlimited": Mutant(
        "limit on the exchange chain removed", ("test_token_exchange_chain_is_limited",), _exchange_chain_is_unlimited
    ),
    "exchange_subject_not_pairwise": Mutant(
        "pairwise subject at exchange removed",
        ("test_token_exchange_gives_pairwise_subject_per_service",),
        _subject_is_that_of_the_app,
    ),
}
