"""Refresh tokens (RFC 6749 6, RFC 9700 4.14) with one guard taken away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.mutants.mutant import Mutant, nothing, statement_in, swap, yes

Response = tuple[int, dict[str, Any], list[tuple[str, str]]]


def _refreshing(broken: Callable[[Any, Callable[[], Response], Callable[[str], None]], Response]) -> None:
    """Let `broken` answer: it gets the grant, what would have answered, and a way to run a statement about the token
    (`:hash`), the client that asks (`:client`) and the key that it shows (`:jkt`). All in one transaction: the short
    way, which says no more than a plain yes, is not taken."""
    from machtiging.crypto import secrets
    from machtiging.oauth.protocol.refresh_grant import RefreshGrant
    from machtiging.oauth.protocol.requests import await_sync
    from machtiging.oauth.token_endpoint import grants as fast_path

    def around(was: Any) -> Any:
        def response(self: Any) -> Response:
            asked = self.request
            given = {"hash": secrets.sha256_digest(asked.form["refresh_token"]), "client": asked.client.client_id}
            given |= {"jkt": asked.binding.jkt}

            def run(statement: str) -> None:
                await_sync(statement_in(self.server.exchange.session, statement, given))

            return broken(self, lambda: was(self), run)

        return response

    async def not_taken(_self: Any) -> Any:
        fast_path.fall_back()

    swap(fast_path.SingleStatementRefreshGrant, "_issue_tokens", lambda _: not_taken)
    swap(RefreshGrant, "create_token_response", around)


def _first(*statements: str) -> Callable[[], None]:
    def broken(_grant: Any, was: Callable[[], Response], run: Callable[[str], None]) -> Response:
        for statement in statements:
            run(statement)
        return was()

    return lambda: _refreshing(broken)


def _reuse_ends_nothing() -> None:
    from machtiging.oauth.refresh import rotation

    swap(rotation, "end_token_family", lambda _: nothing)


def _the_same_one_comes_back() -> None:
    def broken(grant: Any, was: Callable[[], Response], run: Callable[[str], None]) -> Response:
        status, body, headers = was()
        run("UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash")
        return status, body | {"refresh_token": grant.request.form["refresh_token"]}, headers

    _refreshing(broken)


def _a_refusal_uses_it_up() -> None:
    from machtiging.oauth.errors import OAuthRefusal

    def broken(_grant: Any, was: Callable[[], Response], run: Callable[[str], None]) -> Response:
        try:
            return was()
        except OAuthRefusal:
            run("UPDATE refresh_token SET used_at = now() WHERE token_hash = :hash")
            raise

    _refreshing(broken)


def _every_scope_is_refreshed() -> None:
    from machtiging.oauth.protocol import refresh_grant

    swap(refresh_grant, "narrow_scope", lambda _: lambda granted, asked: asked or granted)


def _all_details_that_are_asked() -> None:
    from machtiging.oauth.protocol import grants

    swap(
        grants, "narrow_authorization_details", lambda _: lambda granted, asked: json.loads(asked) if asked else granted
    )


def _every_resource_that_is_asked() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "narrow_target", lambda was: lambda target, _asked: was(target, None))


def _bound_or_not_is_the_same() -> None:
    from machtiging.oauth.refresh import rotation
    from machtiging.oauth.token_endpoint import grants as fast_path

    swap(rotation, "conditions_for_binding", lambda _: lambda *_given: ())
    swap(fast_path, "matches_binding", lambda _: yes)


def _the_short_way_uses_nothing_up() -> None:
    from sqlalchemy import literal, select

    from machtiging.oauth.token_endpoint import commit

    swap(commit, "_mark_credential_used", lambda _: lambda _kind, _gate: select(literal(1)).cte("used"))


def _the_short_way_does_not_look_again() -> None:
    from sqlalchemy import bindparam, select

    from machtiging.oauth.token_endpoint import commit, grants

    def late(acting: Callable[..., Any]) -> Any:
        async def acting_late(*args: Any) -> Any:
            await asyncio.sleep(0.3)  # until all the others have looked too
            return await acting(*args)

        return acting_late

    def consent(kind: str, _client: Any) -> Any:
        table, its_hash, _ = commit.CREDENTIAL_TABLES[kind]
        secret = select(table.c.grant_id).where(its_hash == bindparam("hash")).cte("secret")
        return select(commit._GRANT.c.id).where(commit._GRANT.c.id == secret.c.grant_id).cte("consent")

    swap(commit, "_lock_credential_and_grant", lambda _: consent)
    swap(grants, "consume_and_issue", late)


def _the_short_way_asks_no_key() -> None:
    from machtiging.oauth.token_endpoint import grants as fast_path

    swap(fast_path, "matches_binding", lambda _: yes)


def _everybody_gets_one() -> None:
    from machtiging.oauth.refresh import issuance

    swap(issuance, "may_receive_refresh_token", lambda _: yes)


def _who_proves_nothing_gets_one() -> None:
    from machtiging.oauth.refresh import issuance

    swap(issuance, "may_receive_refresh_token", lambda _: lambda client, _bound: client.refreshes)


def _no_last_moment() -> None:
    from machtiging.oauth.refresh import rules

    swap(rules, "compute_deadline", lambda _: lambda consented_at, _ends: consented_at + timedelta(days=3650))


def _no_limit_when_unused() -> None:
    from machtiging.oauth.refresh import rules

    swap(rules, "IDLE_LIFETIME", lambda _: timedelta(days=30))


def _its_end_is_not_told() -> None:
    from machtiging.oauth.refresh.lookup import RefreshTokenView

    swap(
        RefreshTokenView,
        "to_introspection_response",
        lambda was: lambda self: {**was(self), "exp": was(self)["exp"] + 10**8},
    )


def _what_has_ended_is_not_looked_at() -> None:
    from machtiging.oauth import queries

    def broken(was: Any) -> Any:
        async def held(*given: Any) -> Any:
            grant = await was(*given)
            return grant and replace(grant, ended_at=None)

        return held

    swap(queries, "lock_grant", broken)


def _a_machtiging_always_holds() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "machtiging_covers_grant", lambda _: yes)


def _giving_it_back_does_nothing() -> None:
    from machtiging.oauth.protocol import introspection_revocation

    swap(introspection_revocation, "revoke_refresh_token", lambda _: nothing)


def _it_is_everybodys() -> None:
    from machtiging.oauth.refresh.lookup import RefreshTokenView

    swap(RefreshTokenView, "check_client", lambda _: yes)


def _what_was_used_is_active() -> None:
    from machtiging.oauth.refresh.lookup import RefreshTokenView

    swap(RefreshTokenView, "is_revoked", lambda _: lambda _self: False)


MUTANTS: dict[str, Mutant] = {
    "refresh_reusable": Mutant(
        "a refresh token can be used again and again",
        (
            "test_refresh_rotates_the_token_and_consumes_the_old_one",
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_refresh_token_reuse_after_three_rotations_is_detected",
        ),
        _first("UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash"),
    ),
    "refresh_race": Mutant(
        "a refresh token can be used twice at the same moment",
        ("test_refresh_token_used_concurrently_succeeds_at_most_once",),
        _first(
            "SELECT 1 FROM refresh_token WHERE token_hash = :hash FOR UPDATE",
            "UPDATE refresh_token SET used_at = NULL WHERE token_hash = :hash AND used_at > now() - interval '3 s'",
        ),
    ),
    "refresh_reuse_ends_nothing": Mutant(
        "a refresh token that comes twice leaves its family alive",
        (
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_refresh_token_reuse_after_three_rotations_is_detected",
        ),
        _reuse_ends_nothing,
    ),
    "short_way_uses_nothing_up": Mutant(
        "on the short way nothing is used up",
        (
            "test_refresh_rotates_the_token_and_consumes_the_old_one",
            "test_refresh_token_reuse_ends_the_whole_family",
            "test_code_replayed_is_rejected_and_its_token_revoked",
        ),
        _the_short_way_uses_nothing_up,
    ),
    "short_way_race": Mutant(
        "on the short way nobody looks whether it was used meanwhile",
        (
            "test_refresh_token_used_concurrently_succeeds_at_most_once",
            "test_code_redeemed_concurrently_issues_at_most_one_token",
        ),
        _the_short_way_does_not_look_again,
    ),
    "short_way_key_unread": Mutant(
        "on the short way the key of a refresh token is not compared",
        (
            "test_refresh_with_other_dpop_key_is_rejected_and_token_stays_valid",
            "test_downgrade_refresh_of_bound_token_without_dpop_is_rejected",
        ),
        _the_short_way_asks_no_key,
    ),
    "refresh_rotates_nothing": Mutant(
        "a refresh gives the same refresh token back",
        ("test_refresh_rotates_the_token_and_consumes_the_old_one",),
        _the_same_one_comes_back,
    ),
    "refresh_of_anybody": Mutant(
        "a refresh token of one client is taken from another",
        ("test_refresh_token_stolen_by_another_client_is_rejected",),
        _first("UPDATE refresh_token SET client_id = :client WHERE token_hash = :hash"),
    ),
    "refresh_refusal_uses_up": Mutant(
        "a request for too much uses the refresh token up",
        ("test_refresh_rejected_for_scope_does_not_consume_the_token",),
        _a_refusal_uses_it_up,
    ),
    "refresh_widens_scope": Mutant(
        "refreshing gives every scope that is asked",
        ("test_refresh_with_wider_scope_is_rejected",),
        _every_scope_is_refreshed,
    ),
    "details_widen": Mutant(
        "a token request gives all details that are asked",
        (
            "test_refresh_with_wider_authorization_details_is_rejected",
            "test_code_redeemed_with_wider_authorization_details_is_rejected",
            "test_ciba_poll_asking_wider_authorization_details_is_rejected",
        ),
        _all_details_that_are_asked,
    ),
    "resource_passed_over": Mutant(
        "a token request that names another resource is answered",
        (
            "test_refresh_with_other_resource_is_rejected",
            "test_ciba_poll_asking_other_resource_is_rejected",
        ),
        _every_resource_that_is_asked,
    ),
    "refresh_key_unread": Mutant(
        "the key of a refresh token is not compared",
        (
            "test_refresh_with_other_dpop_key_is_rejected_and_token_stays_valid",
            "test_refresh_without_dpop_proof_is_rejected_and_token_stays_valid",
            "test_refresh_token_after_rotation_stays_bound_to_the_key",
        ),
        _first("UPDATE refresh_token SET jkt = :jkt WHERE token_hash = :hash"),
    ),
    "refresh_unbinds": Mutant(
        "a refresh does not ask for what a refresh token is tied to",
        (
            "test_downgrade_refresh_of_bound_token_without_dpop_is_rejected",
            "test_refresh_with_other_dpop_key_is_rejected_and_token_stays_valid",
            "test_refresh_without_dpop_proof_is_rejected_and_token_stays_valid",
        ),
        _bound_or_not_is_the_same,
    ),
    "refresh_for_all": Mutant(
        "every client gets a refresh token",
        ("test_refresh_token_is_not_issued_to_unregistered_client",),
        _everybody_gets_one,
    ),
    "refresh_without_key": Mutant(
        "a client that proves nothing gets a refresh token",
        ("test_refresh_token_is_not_issued_to_public_client_without_dpop",),
        _who_proves_nothing_gets_one,
    ),
    "refresh_ageless": Mutant(
        "the end of a refresh token is not read",
        ("test_refresh_token_that_has_ended_is_rejected",),
        _first("UPDATE refresh_token SET expires_at = now() + interval '1 hour' WHERE token_hash = :hash"),
    ),
    "refresh_without_last_moment": Mutant(
        "who keeps refreshing is never asked again",
        ("test_refresh_token_that_has_ended_is_rejected",),
        _no_last_moment,
    ),
    "refresh_unused_for_ever": Mutant(
        "a refresh token that is not used does not end",
        ("test_refresh_token_that_has_ended_is_rejected",),
        _no_limit_when_unused,
    ),
    "refresh_end_untold": Mutant(
        "a client is told that its refresh token lives for years",
        ("test_refresh_token_introspection_returns_its_expiry",),
        _its_end_is_not_told,
    ),
    "consent_end_unread": Mutant(
        "a token request does not ask whether the consent has ended",
        ("test_refresh_token_that_has_ended_is_rejected", "test_refresh_token_revoked_revokes_its_access_token"),
        _what_has_ended_is_not_looked_at,
    ),
    "mandate_end_unread": Mutant(
        "a token request does not ask whether the machtiging holds",
        ("test_refresh_token_that_has_ended_is_rejected",),
        _a_machtiging_always_holds,
    ),
    "refresh_revocation_does_nothing": Mutant(
        "revoking a refresh token answers 200 and does nothing",
        ("test_refresh_token_revoked_revokes_its_access_token",),
        _giving_it_back_does_nothing,
    ),
    "refresh_told_to_all": Mutant(
        "every client may ask about and revoke every refresh token",
        (
            "test_refresh_token_introspection_by_another_client_is_inactive",
            "test_refresh_token_revocation_by_another_client_is_ignored",
        ),
        _it_is_everybodys,
    ),
    "refresh_used_is_active": Mutant(
        "a used refresh token is said to be active",
        ("test_refresh_token_used_is_inactive",),
        _what_was_used_is_active,
    ),
}
