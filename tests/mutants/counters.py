"""Asking at a counter (OpenID CIBA Core 1.0) with one guard taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from tests.mutants.mutant import Mutant, statement_in, swap, yes


def _polling(*statements: str) -> Callable[[], None]:
    """Before each poll, about the request (`:hash`) and the client that polls (`:client`)."""

    def breaks() -> None:
        from machtiging.crypto import secrets
        from machtiging.oauth.ciba import grant

        def broken(was: Any) -> Any:
            async def poll(exchange: Any, client: Any, name: str) -> Any:
                for statement in statements:
                    given = {"hash": secrets.sha256_digest(name), "client": client.client_id}
                    await statement_in(exchange.session, statement, given)
                return await was(exchange, client, name)

            return poll

        swap(grant, "poll_request", broken)

    return breaks


def _polled(change: Callable[[Any], Any]) -> Callable[[], None]:
    """What a poll found is told otherwise."""

    def breaks() -> None:
        from machtiging.oauth.ciba import grant

        def broken(was: Any) -> Any:
            async def poll(*given: Any) -> Any:
                return change(await was(*given))

            return poll

        swap(grant, "poll_request", broken)

    return breaks


def _has(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda found: replace(found, **{name: value}) if hasattr(found, name) else found


def _no_is_yes() -> None:
    from machtiging.oauth.ciba import routes

    def broken(was: Any) -> Any:
        def decide(session: Any, visitor: Any, asked: str, decision: Any, **more: Any) -> Any:
            return was(session, visitor, asked, type(decision)("akkoord"), **more)

        return decide

    swap(routes, "decide_backchannel_request", broken)


def _everybody_sees_every_question() -> None:
    from machtiging.oauth.ciba import queries

    column = queries._REQUEST.c.person_id

    def broken(was: Any) -> Any:
        return lambda chosen, _person_id, at: was(chosen, column, at)  # who is asked is who is asked

    swap(queries, "_filter_pending", broken)


def _rule(name: str, broken: Callable[[Any], Any]) -> Callable[[], None]:
    def breaks() -> None:
        from machtiging.oauth.ciba import rules

        swap(rules, name, broken)

    return breaks


def _one_hint_of_several(was: Any) -> Any:
    def hint(form: Any) -> str:
        return was({"login_hint": form["login_hint"]} if "login_hint" in form else form)

    return hint


def _a_token_is_a_hint(was: Any) -> Any:
    return lambda form: was(form) if "login_hint" in form else form.get("id_token_hint", form.get("login_hint_token"))


def _every_text_is_a_hint(was: Any) -> Any:
    return lambda form: form["login_hint"] if "login_hint" in form else was(form)


def _a_hint_can_be_used_again() -> None:
    from machtiging.oauth.ciba import backchannel_authentication

    def broken(was: Any) -> Any:
        async def use(session: Any, *given: Any, **more: Any) -> Any:
            await statement_in(session, "UPDATE meldcode SET used_at = NULL", {})
            return await was(session, *given, **more)

        return use

    swap(backchannel_authentication, "consume_meldcode", broken)


def _who_is_unknown_is_told() -> None:
    from machtiging.oauth.ciba import backchannel_authentication
    from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal

    def broken(was: Any) -> Any:
        async def use(*given: Any, **more: Any) -> Any:
            found = await was(*given, **more)
            if found is None:
                raise OAuthRefusal(OAuthErrorCode.UNKNOWN_USER_ID, "meldcode_onbekend")
            return found

        return use

    swap(backchannel_authentication, "consume_meldcode", broken)


def _any_number_of_seconds(was: Any) -> Any:
    return lambda asked: timedelta(seconds=int(asked)) if asked else was(asked)


def _any_term(was: Any) -> Any:
    def stands(asked: str | None) -> Any:
        return was(asked if asked is None or (asked.isdecimal() and int(asked)) else None)

    return stands


def _references_are_short() -> None:
    from machtiging.oauth.ciba import backchannel_authentication

    def broken(was: Any) -> Any:
        return SimpleNamespace(sha256_digest=was.sha256_digest, generate_token=lambda: was.generate_token()[:8])

    swap(backchannel_authentication, "secrets", broken)


def _a_program_is_a_counter() -> None:
    from machtiging.oauth.registration import validation

    swap(validation, "_uses_code_flow", lambda _: yes)
    swap(validation, "_SELF_REGISTRABLE_MEMBERS", lambda was: was | {"backchannel_token_delivery_mode", "jwks"})


def _the_server_calls_back() -> None:
    from machtiging.oauth.clients import metadata

    _a_program_is_a_counter()
    ways = {"backchannel_token_delivery_mode": ("poll", "ping", "push")}
    swap(metadata, "_ALLOWED_VALUES", lambda was: {**was, **ways})


def _calling_back_is_offered() -> None:
    from machtiging.oauth.ciba import metadata

    offered = {"backchannel_token_delivery_modes_supported": ["poll", "ping"]}
    swap(metadata, "build_discovery_members", lambda was: lambda issuer: was(issuer) | offered)


MUTANTS: dict[str, Mutant] = {
    "ciba_answer_for_anybody": Mutant(
        "the answer to one client is given to another",
        (
            "test_ciba_auth_req_id_of_another_client_is_rejected",
            "test_ciba_poll_by_another_client_does_not_reveal_the_request",
        ),
        _polling("UPDATE backchannel_request SET client_id = :client WHERE request_hash = :hash"),
    ),
    "ciba_no_hurry": Mutant(
        "nobody is told to slow down",
        ("test_ciba_poll_too_fast_returns_slow_down", "test_ciba_concurrent_polls_return_slow_down_except_one"),
        _polled(_has("too_soon", False)),
    ),
    "ciba_ageless": Mutant(
        "the end of a request is not read",
        ("test_ciba_request_unanswered_in_time_is_expired", "test_ciba_approval_not_fetched_in_time_is_expired"),
        _polling("UPDATE backchannel_request SET expires_at = now() + interval '1 hour' WHERE request_hash = :hash"),
    ),
    "ciba_no_unheard": Mutant(
        "a no is not told",
        ("test_ciba_poll_after_denial_returns_access_denied",),
        _polling("UPDATE backchannel_request SET state = 'pending' WHERE request_hash = :hash AND state = 'denied'"),
    ),
    "ciba_no_is_yes": Mutant(
        "a no is taken for a yes", ("test_ciba_poll_after_denial_returns_access_denied",), _no_is_yes
    ),
    "ciba_fetched_again": Mutant(
        "an answer can be fetched again and again",
        ("test_ciba_auth_req_id_replayed_is_rejected",),
        _polling("UPDATE backchannel_request SET state = 'approved' WHERE request_hash = :hash AND state = 'used'"),
    ),
    "ciba_race": Mutant(
        "an answer can be fetched twice at the same moment",
        ("test_ciba_concurrent_polls_after_approval_issue_one_token",),
        _polling(
            "SELECT 1 FROM backchannel_request WHERE request_hash = :hash FOR UPDATE",
            "UPDATE backchannel_request SET state = 'approved' "
            "WHERE request_hash = :hash AND state = 'used' AND polled_at > now() - interval '3 s'",
        ),
    ),
    "ciba_key_unread": Mutant(
        "the key that a question was asked with is not compared",
        (
            "test_ciba_request_bound_by_dpop_with_other_key_is_rejected",
            "test_ciba_request_bound_by_dpop_without_proof_is_rejected",
        ),
        _polled(_has("jkt", None)),
    ),
    "ciba_seen_by_all": Mutant(
        "everybody sees every question",
        ("test_ciba_request_is_hidden_from_another_person",),
        _everybody_sees_every_question,
    ),
    "ciba_short_reference": Mutant(
        "an auth_req_id has 48 bits",
        ("test_ciba_request_returns_unguessable_auth_req_id_and_expiry",),
        _references_are_short,
    ),
    "ciba_words_unread": Mutant(
        "every binding message is taken",
        (
            "test_ciba_binding_message_ambiguous_is_rejected",
            "test_ciba_request_without_binding_message_is_rejected",
        ),
        _rule("_validate_binding_message", lambda _: lambda text: text),
    ),
    "ciba_words_optional": Mutant(
        "a binding message may be left out",
        ("test_ciba_request_without_binding_message_is_rejected",),
        _rule("_validate_binding_message", lambda was: lambda text: was(text) if text else text),
    ),
    "ciba_two_hints": Mutant(
        "of several hints one is taken",
        ("test_ciba_request_with_two_hints_is_rejected",),
        _rule("_parse_hint", _one_hint_of_several),
    ),
    "ciba_token_hints": Mutant(
        "a token is a hint",
        (
            "test_ciba_request_with_id_token_as_hint_is_rejected",
            "test_ciba_request_with_invented_token_as_hint_is_rejected",
        ),
        _rule("_parse_hint", _a_token_is_a_hint),
    ),
    "ciba_any_hint": Mutant(
        "every text is a hint",
        ("test_ciba_request_with_personal_data_as_hint_is_rejected",),
        _rule("_parse_hint", _every_text_is_a_hint),
    ),
    "ciba_hint_reusable": Mutant(
        "a hint can be used again", ("test_ciba_hint_replayed_reaches_no_person",), _a_hint_can_be_used_again
    ),
    "ciba_tells_who_is_known": Mutant(
        "a hint of nobody is answered otherwise",
        ("test_enumeration_ciba_hint_of_unknown_person_is_answered_like_a_known_one",),
        _who_is_unknown_is_told,
    ),
    "ciba_stands_for_days": Mutant(
        "a question stands for as long as is asked",
        ("test_ciba_requested_expiry_is_capped",),
        _rule("_parse_requested_expiry", _any_number_of_seconds),
    ),
    "ciba_term_unread": Mutant(
        "a term that is none is passed over",
        ("test_ciba_requested_expiry_invalid_is_rejected",),
        _rule("_parse_requested_expiry", _any_term),
    ),
    "ciba_passes_over": Mutant(
        "what is not supported is passed over",
        ("test_ciba_request_with_unsupported_parameter_is_rejected",),
        _rule("_UNSUPPORTED_PARAMETERS", lambda _: ()),
    ),
    "ciba_registers_itself": Mutant(
        "a program may register as a counter",
        ("test_ciba_client_self_registration_is_rejected",),
        _a_program_is_a_counter,
    ),
    "ciba_ping_registered": Mutant(
        "a client may register to be called",
        ("test_ciba_ping_or_push_registration_is_rejected",),
        _the_server_calls_back,
    ),
    "ciba_ping_offered": Mutant(
        "discovery offers ping", ("test_ciba_metadata_offers_poll_mode_only",), _calling_back_is_offered
    ),
}
