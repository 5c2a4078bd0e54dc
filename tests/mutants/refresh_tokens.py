"""Mutants of refresh tokens (RFC 6749 6, RFC 9700 4.14) and of the fast path of the token endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, literal, select

from machtiging.crypto import secrets
from machtiging.oauth import queries
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.protocol import grants, introspection_revocation, refresh_grant
from machtiging.oauth.protocol.refresh_grant import RefreshGrant
from machtiging.oauth.protocol.requests import await_sync
from machtiging.oauth.refresh import issuance, rotation, rules
from machtiging.oauth.refresh.lookup import RefreshTokenView
from machtiging.oauth.token_endpoint import commit
from machtiging.oauth.token_endpoint import grants as fast_path
from tests.mutants.mutant import Mutant, always_true, async_true, run_sealed_statement, swap, swap_constant

Response = tuple[int, dict[str, Any], list[tuple[str, str]]]


def _wrap_refresh(build_replacement: Callable[[Any, Callable[[], Response], Callable[[str], None]], Response]) -> None:
    """Replace the response of a refresh. The fast path is switched off, so that all is one transaction.

    `broken` gets the grant, the original response and a function that runs a statement with the token (`:hash`), the
    client (`:client`) and the key of its proof (`:jkt`).
    """

    def around(was: Any) -> Any:
        def response(self: Any) -> Response:
            if isinstance(self, fast_path.SingleStatementRefreshGrant):
                fast_path.fall_back()
            request = self.request
            given = {"hash": secrets.sha256_digest(request.form["refresh_token"]), "client": request.client.client_id}
            given |= {"jkt": request.binding.jkt}

            def run(statement: str) -> None:
                await_sync(run_sealed_statement(self.server.context.session, statement, given))

            return build_replacement(self, lambda: was(self), run)

        return response

    swap(RefreshGrant, RefreshGrant.create_token_response, around)


def _run_before_refresh(*statements: str) -> Callable[[], None]:
    def build_replacement(_grant: Any, was: Callable[[], Response], run: Callable[[str], None]) -> Response:
        for statement in statements:
            run(statement)
        return was()

    return lambda: _wrap_refresh(build_replacement)


def _reuse_revokes_nothing() -> None:
    swap(rotation, rotation.end_token_family, lambda _: async_true)


def _refresh_does_not_rotate() -> None:
    def build_replacement(grant: Any, was: Callable[[], Response], run: Callable[[str], None]) -> Response:
        status, body, headers = was()
        run("UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash")
        return status, body | {"refresh_token": grant.request.form["refresh_token"]}, headers

    _wrap_refresh(build_replacement)


def _rejected_refresh_consumes_token() -> None:
    def build_replacement(_grant: Any, was: Callable[[], Response], run: Callable[[str], None]) -> Response:
        try:
            return was()
        except OAuthRefusal:
            run("UPDATE refresh_token SET used_at = now() WHERE token_hash = :hash")
            raise

    _wrap_refresh(build_replacement)


def _refresh_scope_is_not_narrowed() -> None:
    swap(refresh_grant, refresh_grant.narrow_scope, lambda _: lambda granted, requested: requested or granted)


def _authorization_details_are_not_narrowed() -> None:
    swap(
        grants,
        grants.narrow_authorization_details,
        lambda _: lambda _handler, granted, requested: json.loads(requested) if requested else granted,
    )


def _requested_resource_is_ignored() -> None:
    swap(grants, grants.narrow_target, lambda was: lambda target, _requested: was(target, None))


def _refresh_token_binding_is_ignored() -> None:
    swap(rotation, rotation.conditions_for_binding, lambda _: lambda *_given: ())
    swap(fast_path, fast_path.matches_binding, lambda _: always_true)


def _fast_path_consumes_nothing() -> None:
    swap(commit, commit._mark_credential_used, lambda _: lambda _kind, _gate: select(literal(1)).cte("used"))


def _fast_path_has_no_optimistic_lock() -> None:
    def delay(was: Any) -> Any:
        async def commit_later(*given: Any) -> Any:
            await asyncio.sleep(0.3)  # until all concurrent requests have read
            return await was(*given)

        return commit_later

    def lock_nothing(kind: str, _client: Any) -> Any:
        table, its_hash, _ = commit.CREDENTIAL_TABLES[kind]
        secret = select(table.c.grant_id).where(its_hash == bindparam("hash")).cte("secret")
        return select(commit._GRANT.c.id).where(commit._GRANT.c.id == secret.c.grant_id).cte("consent")

    swap(commit, commit._lock_credential_and_grant, lambda _: lock_nothing)
    swap(fast_path, fast_path.consume_and_issue, delay)


def _fast_path_binding_is_ignored() -> None:
    swap(fast_path, fast_path.matches_binding, lambda _: always_true)


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
    def build_replacement(was: Any) -> Any:
        async def lock(*given: Any) -> Any:
            grant = await was(*given)
            return grant and replace(grant, ended_at=None)

        return lock

    swap(queries, queries.lock_grant, build_replacement)


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
        _run_before_refresh("UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash"),
    ),
    "refresh_race": Mutant(
        "lock on the refresh token removed: concurrent refreshes succeed",
        ("test_refresh_token_used_concurrently_succeeds_at_most_once",),
        _run_before_refresh(
            "SELECT 1 FROM refresh_token WHERE token_hash = :hash FOR UPDATE",
            "UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash AND used_at > now() - interval '3 s'",
        ),
    ),
    "refresh_reuse_revokes_nothing": Mutant(
        "revocation at refresh token reuse removed",
        (
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_refresh_token_reuse_after_three_rotations_is_detected",
        ),
        _reuse_revokes_nothing,
    ),
    "fast_path_consumes_nothing": Mutant(
        "consumption of the credential on the fast path removed",
        (
            "test_refresh_rotates_the_token_and_consumes_the_old_one",
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_code_replayed_is_rejected_and_its_token_revoked",
        ),
        _fast_path_consumes_nothing,
    ),
    "fast_path_race": Mutant(
        "optimistic lock on the fast path removed",
        (
            "test_refresh_token_used_concurrently_succeeds_at_most_once",
            "test_code_redeemed_concurrently_issues_at_most_one_token",
        ),
        _fast_path_has_no_optimistic_lock,
    ),
    "fast_path_binding_ignored": Mutant(
        "binding check of a refresh token on the fast path removed",
        (
            "test_refresh_with_other_dpop_key_is_rejected_and_token_stays_valid",
            "test_downgrade_refresh_of_bound_token_without_dpop_is_rejected",
        ),
        _fast_path_binding_is_ignored,
    ),
    "refresh_without_rotation": Mutant(
        "refresh token rotation removed",
        ("test_refresh_rotates_the_token_and_consumes_the_old_one",),
        _refresh_does_not_rotate,
    ),
    "refresh_client_ignored": Mutant(
        "client check of a refresh token removed",
        ("test_refresh_token_stolen_by_another_client_is_rejected",),
        _run_before_refresh("UPDATE refresh_token SET client_id = :client WHERE token_hash = :hash"),
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
        _run_before_refresh("UPDATE refresh_token SET jkt = :jkt WHERE token_hash = :hash"),
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
        _run_before_refresh("UPDATE refresh_token SET expires_at = now() + interval '1 hour' WHERE token_hash = :hash"),
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
