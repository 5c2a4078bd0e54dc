"""Mutants of CIBA (OpenID CIBA Core 1.0): polling, hints, binding message, registration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from machtiging.crypto import secrets
from machtiging.oauth.ciba import backchannel_authentication, metadata, queries, routes, rules
from machtiging.oauth.ciba.decision import BackchannelDecision
from machtiging.oauth.ciba.poll import ApprovedPoll, PendingPoll
from machtiging.oauth.clients import metadata as client_metadata
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.registration import validation
from machtiging.oauth.token_endpoint import ciba as grant
from tests.mutants.mutant import Mutant, always_true, run_sealed_statement, swap, swap_constant


def _run_before_poll(*statements: str) -> Callable[[], None]:
    """Run statements before each poll, with the request (`:hash`) and the polling client (`:client`)."""

    def breaks() -> None:
        def build_replacement(was: Any) -> Any:
            async def poll(context: Any, client: Any, auth_req_id: str) -> Any:
                for statement in statements:
                    given = {"hash": secrets.sha256_digest(auth_req_id), "client": client.client_id}
                    await run_sealed_statement(context.session, statement, given)
                return await was(context, client, auth_req_id)

            return poll

        swap(grant, grant.poll_request, build_replacement)

    return breaks


def _change_poll_result(change: Callable[[Any], Any]) -> Callable[[], None]:
    """Change the result of each poll."""

    def breaks() -> None:
        def build_replacement(was: Any) -> Any:
            async def poll(*given: Any) -> Any:
                return change(await was(*given))

            return poll

        swap(grant, grant.poll_request, build_replacement)

    return breaks


def _ignore_slow_down(poll: Any) -> Any:
    return replace(poll, slow_down=False) if isinstance(poll, PendingPoll) else poll


def _ignore_dpop_key(poll: Any) -> Any:
    return replace(poll, jkt=None) if isinstance(poll, ApprovedPoll) else poll


def _denial_is_stored_as_approval() -> None:
    def build_replacement(was: Any) -> Any:
        def decide(session: Any, handler: Any, visitor: Any, request_id: str, _decision: Any, **options: Any) -> Any:
            return was(session, handler, visitor, request_id, BackchannelDecision.APPROVE, **options)

        return decide

    swap(routes, routes.decide_backchannel_request, build_replacement)


def _pending_requests_ignore_person() -> None:
    column = queries._REQUEST.c.person_id

    def build_replacement(was: Any) -> Any:
        return lambda statement, _person_id, at: was(statement, column, at)  # the column equals itself

    swap(queries, queries._filter_pending, build_replacement)


def _replace_rule(rule: Callable[..., Any], build_replacement: Callable[[Any], Any]) -> Callable[[], None]:
    return lambda: swap(rules, rule, build_replacement)


def _unsupported_parameters_are_ignored() -> None:
    swap_constant(rules, "_UNSUPPORTED_PARAMETERS", lambda _: ())


def _take_one_of_several_hints(was: Any) -> Any:
    def parse_hint(form: Any) -> str:
        return was({"login_hint": form["login_hint"]} if "login_hint" in form else form)

    return parse_hint


def _take_token_as_hint(was: Any) -> Any:
    return lambda form: was(form) if "login_hint" in form else form.get("id_token_hint", form.get("login_hint_token"))


def _take_any_text_as_hint(was: Any) -> Any:
    return lambda form: form["login_hint"] if "login_hint" in form else was(form)


def _meldcode_is_reusable() -> None:
    def build_replacement(was: Any) -> Any:
        async def consume(session: Any, *given: Any, **options: Any) -> Any:
            await run_sealed_statement(session, "UPDATE meldcode SET used_at = NULL", {})
            return await was(session, *given, **options)

        return consume

    swap(backchannel_authentication, backchannel_authentication.consume_meldcode, build_replacement)


def _unknown_meldcode_is_reported() -> None:
    def build_replacement(was: Any) -> Any:
        async def consume(*given: Any, **options: Any) -> Any:
            found = await was(*given, **options)
            if found is None:
                raise OAuthRefusal(OAuthErrorCode.UNKNOWN_USER_ID, "meldcode_onbekend")
            return found

        return consume

    swap(backchannel_authentication, backchannel_authentication.consume_meldcode, build_replacement)


def _do_not_cap_expiry(was: Any) -> Any:
    return lambda value: timedelta(seconds=int(value)) if value else was(value)


def _ignore_invalid_expiry(was: Any) -> Any:
    def parse_expiry(value: str | None) -> Any:
        return was(value if value is None or (value.isdecimal() and int(value)) else None)

    return parse_expiry


def _auth_req_id_has_48_bits() -> None:
    def build_replacement(was: Any) -> Any:
        return SimpleNamespace(**vars(was) | {"generate_token": lambda: was.generate_token()[:8]})

    swap(backchannel_authentication, backchannel_authentication.secrets, build_replacement)


def _ciba_self_registration_is_accepted() -> None:
    swap(validation, validation._uses_code_flow, lambda _: always_true)
    swap_constant(
        validation, "_SELF_REGISTRABLE_MEMBERS", lambda was: was | {"backchannel_token_delivery_mode", "jwks"}
    )


def _ping_and_push_registration_is_accepted() -> None:
    _ciba_self_registration_is_accepted()
    modes = {"backchannel_token_delivery_mode": ("poll", "ping", "push")}
    swap_constant(client_metadata, "_ALLOWED_VALUES", lambda was: {**was, **modes})


def _metadata_offers_ping() -> None:
    offered = {"backchannel_token_delivery_modes_supported": ["poll", "ping"]}
    swap(metadata, metadata.build_discovery_members, lambda was: lambda issuer: was(issuer) | offered)


MUTANTS: dict[str, Mutant] = {
    "ciba_client_ignored": Mutant(
        "client check of an auth_req_id removed",
        (
            "test_ciba_auth_req_id_of_another_client_is_rejected",
            "test_ciba_poll_by_another_client_does_not_reveal_the_request",
        ),
        _run_before_poll("UPDATE backchannel_request SET client_id = :client WHERE request_hash = :hash"),
    ),
    "ciba_slow_down_ignored": Mutant(
        "slow_down removed",
        ("test_ciba_poll_too_fast_returns_slow_down", "test_ciba_concurrent_polls_return_slow_down_except_one"),
        _change_poll_result(_ignore_slow_down),
    ),
    "ciba_expiry_ignored": Mutant(
        "expiry check of a backchannel request removed",
        ("test_ciba_request_unanswered_in_time_is_expired", "test_ciba_approval_not_fetched_in_time_is_expired"),
        _run_before_poll(
            "UPDATE backchannel_request SET expires_at = now() + interval '1 hour' WHERE request_hash = :hash"
        ),
    ),
    "ciba_denial_ignored": Mutant(
        "denial removed: the request stays pending",
        ("test_ciba_poll_after_denial_returns_access_denied",),
        _run_before_poll(
            "UPDATE backchannel_request SET state = 'pending' WHERE request_hash = :hash AND state = 'denied'"
        ),
    ),
    "ciba_denial_approves": Mutant(
        "denial stored as approval",
        ("test_ciba_poll_after_denial_returns_access_denied",),
        _denial_is_stored_as_approval,
    ),
    "ciba_reusable": Mutant(
        "single use of an auth_req_id removed",
        ("test_ciba_auth_req_id_replayed_is_rejected",),
        _run_before_poll(
            "UPDATE backchannel_request SET state = 'approved' WHERE request_hash = :hash AND state = 'used'"
        ),
    ),
    "ciba_race": Mutant(
        "lock on the backchannel request removed: concurrent polls succeed",
        ("test_ciba_concurrent_polls_after_approval_issue_one_token",),
        _run_before_poll(
            "SELECT 1 FROM backchannel_request WHERE request_hash = :hash FOR UPDATE",
            "UPDATE backchannel_request SET state = 'approved' "
            "WHERE request_hash = :hash AND state = 'used' AND polled_at > now() - interval '3 s'",
        ),
    ),
    "ciba_key_ignored": Mutant(
        "key check of a bound backchannel request removed",
        (
            "test_ciba_request_bound_by_dpop_with_other_key_is_rejected",
            "test_ciba_request_bound_by_dpop_without_proof_is_rejected",
        ),
        _change_poll_result(_ignore_dpop_key),
    ),
    "ciba_person_ignored": Mutant(
        "person check of pending requests removed",
        ("test_ciba_request_is_hidden_from_another_person",),
        _pending_requests_ignore_person,
    ),
    "ciba_auth_req_id_48_bits": Mutant(
        "auth_req_id has 48 bits",
        ("test_ciba_request_returns_unguessable_auth_req_id_and_expiry",),
        _auth_req_id_has_48_bits,
    ),
    "ciba_binding_message_ignored": Mutant(
        "binding message check removed",
        (
            "test_ciba_binding_message_ambiguous_is_rejected",
            "test_ciba_request_without_binding_message_is_rejected",
        ),
        _replace_rule(rules._validate_binding_message, lambda _: lambda text: text),
    ),
    "ciba_binding_message_optional": Mutant(
        "binding message requirement removed",
        ("test_ciba_request_without_binding_message_is_rejected",),
        _replace_rule(rules._validate_binding_message, lambda was: lambda text: was(text) if text else text),
    ),
    "ciba_several_hints": Mutant(
        "check for one hint removed",
        ("test_ciba_request_with_two_hints_is_rejected",),
        _replace_rule(rules._parse_hint, _take_one_of_several_hints),
    ),
    "ciba_token_as_hint": Mutant(
        "token accepted as hint",
        (
            "test_ciba_request_with_id_token_as_hint_is_rejected",
            "test_ciba_request_with_invented_token_as_hint_is_rejected",
        ),
        _replace_rule(rules._parse_hint, _take_token_as_hint),
    ),
    "ciba_any_hint": Mutant(
        "any text accepted as hint",
        ("test_ciba_request_with_personal_data_as_hint_is_rejected",),
        _replace_rule(rules._parse_hint, _take_any_text_as_hint),
    ),
    "ciba_hint_reusable": Mutant(
        "single use of a meldcode removed", ("test_ciba_hint_replayed_reaches_no_person",), _meldcode_is_reusable
    ),
    "ciba_person_enumeration": Mutant(
        "error tells unknown meldcode",
        ("test_enumeration_ciba_hint_of_unknown_person_is_answered_like_a_known_one",),
        _unknown_meldcode_is_reported,
    ),
    "ciba_expiry_uncapped": Mutant(
        "cap on requested_expiry removed",
        ("test_ciba_requested_expiry_is_capped",),
        _replace_rule(rules._parse_requested_expiry, _do_not_cap_expiry),
    ),
    "ciba_expiry_unvalidated": Mutant(
        "validation of requested_expiry removed",
        ("test_ciba_requested_expiry_invalid_is_rejected",),
        _replace_rule(rules._parse_requested_expiry, _ignore_invalid_expiry),
    ),
    "ciba_unsupported_ignored": Mutant(
        "check for unsupported parameters removed",
        ("test_ciba_request_with_unsupported_parameter_is_rejected",),
        _unsupported_parameters_are_ignored,
    ),
    "ciba_self_registration": Mutant(
        "check against self-registration for CIBA removed",
        ("test_ciba_client_self_registration_is_rejected",),
        _ciba_self_registration_is_accepted,
    ),
    "ciba_ping_registered": Mutant(
        "check against ping and push registration removed",
        ("test_ciba_ping_or_push_registration_is_rejected",),
        _ping_and_push_registration_is_accepted,
    ),
    "ciba_ping_offered": Mutant(
        "ping offered in metadata", ("test_ciba_metadata_offers_poll_mode_only",), _metadata_offers_ping
    ),
}
