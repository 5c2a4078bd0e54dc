"""Mutants of refresh tokens (RFC 6749 6, RFC 9700 4.14) and of the commit of a token request."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import literal, select
from starlette.responses import JSONResponse, Response

from machtiging.oauth.client import AUTHORIZATION_CODE, REFRESH_TOKEN
from machtiging.oauth.protocol import grants, introspection_revocation
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.oauth.refresh import issuance, rules
from machtiging.oauth.refresh.lookup import RefreshTokenView
from machtiging.oauth.token_endpoint import commit, refresh_token, refusal_effects
from machtiging.oauth.token_endpoint.context import TokenRequestContext
from tests.mutants.mutant import Mutant, always_true, async_true, swap, swap_constant
from tests.mutants.token_requests import (
    Attempt,
    RunSql,
    remove_commit_lock,
    run_before_attempts,
    select_credential_and_grant,
    wrap_attempts,
)


def _reuse_revokes_nothing() -> None:
    swap(refusal_effects, refusal_effects.end_token_family, lambda _: async_true)


def _refresh_does_not_rotate() -> None:
    async def around(request: Any, was: Attempt, run: RunSql) -> Response | None:
        response = await was()
        if response is None or response.status_code != 200:
            return response
        await run("UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash")
        body = json.loads(bytes(response.body)) | {"refresh_token": request.form["refresh_token"]}
        return JSONResponse(body, headers=NO_STORE)

    wrap_attempts(REFRESH_TOKEN, around)


def _rejected_refresh_consumes_token() -> None:
    async def around(_request: Any, was: Attempt, run: RunSql) -> Response | None:
        response = await was()
        if response is not None and response.status_code == 400:
            await run("UPDATE refresh_token SET used_at = now() WHERE token_hash = :hash")
        return response

    wrap_attempts(REFRESH_TOKEN, around)


def _refresh_scope_is_not_narrowed() -> None:
    swap(refresh_token, refresh_token.narrow_scope, lambda _: lambda granted, requested: requested or granted)


def _authorization_details_are_not_narrowed() -> None:
    swap(
        grants,
        grants.narrow_authorization_details,
        lambda _: lambda _handler, granted, requested: json.loads(requested) if requested else granted,
    )


def _requested_resource_is_ignored() -> None:
    swap(grants, grants.narrow_target, lambda was: lambda target, _requested: was(target, None))


def _refresh_token_binding_is_ignored() -> None:
    swap(refresh_token, refresh_token.matches_binding, lambda _: always_true)


def _refresh_token_key_is_ignored() -> None:
    def build_replacement(was: Any) -> Any:
        def require(request: Any) -> Any:
            if request.loaded.row is not None:
                request.loaded.row = {**request.loaded.row, "s_jkt": request.oauth_request.binding.jkt}
            return was(request)

        return require

    swap(refresh_token, refresh_token._require_usable_token, build_replacement)


def _commit_consumes_no_credential() -> None:
    swap(commit, commit._mark_credential_used, lambda _: lambda _kind, _gate: select(literal(1)).cte("used"))


def _refresh_registration_is_ignored() -> None:
    swap(issuance, issuance.may_receive_refresh_token, lambda _: always_true)


def _public_client_without_key_gets_refresh_token() -> None:
    swap(issuance, issuance.may_receive_refresh_token, lambda _: lambda client, _bound: client.may_refresh)


def _refresh_deadline_is_ignored() -> None:
    swap(rules, rules.compute_deadline, lambda _: lambda consented_at, _ends: consented_at + timedelta(days=3650))


def _idle_lifetime_is_30_days() -> None:
    swap_constant(rules, "IDLE_LIFETIME", lambda _: timedelta(days=30))


def _introspected_expiry_is_wrong() -> None:
    swap(
        RefreshTokenView,
        RefreshTokenView.to_introspection_response,
        lambda was: lambda self: {**was(self), "exp": was(self)["exp"] + 10**8},
    )


def _grant_end_is_ignored() -> None:
    def build_property(was: Any) -> Any:
        def find_grant(self: Any) -> Any:
            grant = was.fget(self)
            return grant and replace(grant, ended_at=None)

        return property(find_grant)

    swap(TokenRequestContext, TokenRequestContext.grant, build_property)
    swap(commit, commit._lock_credential_and_grant, lambda _: select_credential_and_grant)


def _machtiging_end_is_ignored() -> None:
    swap(grants, grants.representation_refusal, lambda _: lambda *_given: None)


def _refresh_token_revocation_does_nothing() -> None:
    swap(introspection_revocation, introspection_revocation.revoke_refresh_token, lambda _: async_true)


def _refresh_token_client_is_ignored() -> None:
    swap(RefreshTokenView, RefreshTokenView.check_client, lambda _: always_true)


def _used_refresh_token_is_active() -> None:
    swap(RefreshTokenView, RefreshTokenView.is_revoked, lambda _: lambda _self: False)


MUTANTS: dict[str, Mutant] = {
    "refresh_reusable": Mutant(
        "single use of a refresh token removed",
        (
            "test_refresh_rotates_the_token_and_consumes_the_old_one",
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_refresh_token_reuse_after_three_rotations_is_detected",
        ),
        run_before_attempts(REFRESH_TOKEN, "UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash"),
    ),
    "refresh_race": Mutant(
        "lock on the refresh token removed: concurrent refreshes succeed",
        ("test_refresh_token_used_concurrently_succeeds_at_most_once",),
        remove_commit_lock(REFRESH_TOKEN),
    ),
    "refresh_reuse_revokes_nothing": Mutant(
        "revocation at refresh token reuse removed",
        (
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_refresh_token_reuse_after_three_rotations_is_detected",
        ),
        _reuse_revokes_nothing,
    ),
    "token_commit_consumes_nothing": Mutant(
        "consumption of the credential at the token endpoint removed",
        (
            "test_refresh_rotates_the_token_and_consumes_the_old_one",
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_code_replayed_is_rejected_and_its_token_revoked",
        ),
        _commit_consumes_no_credential,
    ),
    "token_commit_race": Mutant(
        "optimistic lock at the token endpoint removed",
        (
            "test_refresh_token_used_concurrently_succeeds_at_most_once",
            "test_code_redeemed_concurrently_issues_at_most_one_token",
        ),
        remove_commit_lock(AUTHORIZATION_CODE, REFRESH_TOKEN),
    ),
    "refresh_without_rotation": Mutant(
        "refresh token rotation removed",
        ("test_refresh_rotates_the_token_and_consumes_the_old_one",),
        _refresh_does_not_rotate,
    ),
    "refresh_client_ignored": Mutant(
        "client check of a refresh token removed",
        ("test_refresh_token_stolen_by_another_client_is_rejected",),
        run_before_attempts(REFRESH_TOKEN, "UPDATE refresh_token SET client_id = :client WHERE token_hash = :hash"),
    ),
    "refresh_rejection_consumes": Mutant(
        "rejected refresh consumes the token",
        ("test_refresh_rejected_for_scope_does_not_consume_the_token",),
        _rejected_refresh_consumes_token,
    ),
    "refresh_scope_widened": Mutant(
        "scope narrowing at refresh removed",
        ("test_refresh_with_wider_scope_is_rejected",),
        _refresh_scope_is_not_narrowed,
    ),
    "token_details_widened": Mutant(
        "authorization_details narrowing at the token endpoint removed",
        (
            "test_refresh_with_wider_authorization_details_is_rejected",
            "test_code_redeemed_with_wider_authorization_details_is_rejected",
            "test_ciba_poll_asking_wider_authorization_details_is_rejected",
        ),
        _authorization_details_are_not_narrowed,
    ),
    "token_resource_ignored": Mutant(
        "resource check at the token endpoint removed",
        (
            "test_refresh_with_other_resource_is_rejected",
            "test_ciba_poll_asking_other_resource_is_rejected",
        ),
        _requested_resource_is_ignored,
    ),
    "refresh_key_ignored": Mutant(
        "key check of a bound refresh token removed",
        (
            "test_refresh_with_other_dpop_key_is_rejected_and_token_stays_valid",
            "test_refresh_without_dpop_proof_is_rejected_and_token_stays_valid",
            "test_refresh_token_after_rotation_stays_bound_to_the_key",
        ),
        _refresh_token_key_is_ignored,
    ),
    "refresh_binding_ignored": Mutant(
        "binding check of a refresh token removed",
        (
            "test_downgrade_refresh_of_bound_token_without_dpop_is_rejected",
            "test_refresh_with_other_dpop_key_is_rejected_and_token_stays_valid",
            "test_refresh_without_dpop_proof_is_rejected_and_token_stays_valid",
        ),
        _refresh_token_binding_is_ignored,
    ),
    "refresh_registration_ignored": Mutant(
        "check that the client registered for refresh tokens removed",
        ("test_refresh_token_is_not_issued_to_unregistered_client",),
        _refresh_registration_is_ignored,
    ),
    "refresh_for_public_client": Mutant(
        "key requirement for refresh tokens of public clients removed",
        ("test_refresh_token_is_not_issued_to_public_client_without_dpop",),
        _public_client_without_key_gets_refresh_token,
    ),
    "refresh_expiry_ignored": Mutant(
        "expiry check of a refresh token removed",
        ("test_refresh_token_that_has_ended_is_rejected",),
        run_before_attempts(
            REFRESH_TOKEN, "UPDATE refresh_token SET expires_at = now() + interval '1 hour' WHERE token_hash = :hash"
        ),
    ),
    "refresh_deadline_ignored": Mutant(
        "deadline of the token family removed",
        ("test_refresh_token_that_has_ended_is_rejected",),
        _refresh_deadline_is_ignored,
    ),
    "refresh_idle_lifetime_ignored": Mutant(
        "idle lifetime of a refresh token removed",
        ("test_refresh_token_that_has_ended_is_rejected",),
        _idle_lifetime_is_30_days,
    ),
    "refresh_introspected_exp_wrong": Mutant(
        "introspected exp of a refresh token replaced",
        ("test_refresh_token_introspection_returns_its_expiry",),
        _introspected_expiry_is_wrong,
    ),
    "grant_end_ignored": Mutant(
        "grant end check at the token endpoint removed",
        ("test_refresh_token_that_has_ended_is_rejected", "test_refresh_token_revoked_revokes_its_access_token"),
        _grant_end_is_ignored,
    ),
    "machtiging_end_ignored": Mutant(
        "machtiging check at the token endpoint removed",
        ("test_refresh_token_that_has_ended_is_rejected",),
        _machtiging_end_is_ignored,
    ),
    "refresh_revocation_does_nothing": Mutant(
        "revocation of a refresh token removed: the answer is 200",
        ("test_refresh_token_revoked_revokes_its_access_token",),
        _refresh_token_revocation_does_nothing,
    ),
    "refresh_owner_ignored": Mutant(
        "client check of a refresh token at introspection and revocation removed",
        (
            "test_refresh_token_introspection_by_another_client_is_inactive",
            "test_refresh_token_revocation_by_another_client_is_ignored",
        ),
        _refresh_token_client_is_ignored,
    ),
    "refresh_used_is_active": Mutant(
        "used refresh token introspected as active",
        ("test_refresh_token_used_is_inactive",),
        _used_refresh_token_is_active,
    ),
}
