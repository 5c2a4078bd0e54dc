"""Asking at a counter (OpenID CIBA Core 1.0) with one guard taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from tests.builders.mutants.mutant import Mutant, statement_in, swap, yes


def _polling(*statements: str) -> Callable[[], None]:
    """Before each poll, about the request (`:hash`) and the client that polls (`:client`)."""

    def breaks() -> None:
        from machtiging.crypto import secrets
        from machtiging.oauth.ciba import grant

        def broken(was: Any) -> Any:
            async def poll(exchange: Any, client: Any, name: str) -> Any:
                for statement in statements:
                    given = {"hash": secrets.digest(name), "client": client.client_id}
                    await statement_in(exchange.session, statement, given)
                return await was(exchange, client, name)

            return poll

        swap(grant, "poll", broken)

    return breaks


def _polled(change: Callable[[Any], Any]) -> Callable[[], None]:
    """What a poll found is told otherwise."""

    def breaks() -> None:
        from machtiging.oauth.ciba import grant

        def broken(was: Any) -> Any:
            async def poll(*given: Any) -> Any:
                return change(await was(*given))

            return poll

        swap(grant, "poll", broken)

    return breaks


def _has(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda found: replace(found, **{name: value}) if hasattr(found, name) else found


def _no_is_yes() -> None:
    from machtiging.oauth.ciba import routes

    def broken(was: Any) -> Any:
        def decide(session: Any, visitor: Any, asked: str, decision: Any, **more: Any) -> Any:
            return was(session, visitor, asked, type(decision)("akkoord"), **more)

        return decide

    swap(routes, "decide", broken)


def _everybody_sees_every_question() -> None:
    from machtiging.oauth.ciba import queries

    column = queries._REQUEST.c.person_id

    def broken(was: Any) -> Any:
        return lambda chosen, _person_id, at: was(chosen, column, at)  # who is asked is who is asked

    swap(queries, "_waiting", broken)


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
    from machtiging.oauth.ciba import begin

    def broken(was: Any) -> Any:
        async def use(session: Any, *given: Any, **more: Any) -> Any:
            await statement_in(session, "UPDATE meldcode SET used_at = NULL", {})
            return await was(session, *given, **more)

        return use

    swap(begin, "use_meldcode", broken)


def _who_is_unknown_is_told() -> None:
    from machtiging.oauth.ciba import begin
    from machtiging.oauth.errors import OAuthRefusal, Wire

    def broken(was: Any) -> Any:
        async def use(*given: Any, **more: Any) -> Any:
            found = await was(*given, **more)
            if found is None:
                raise OAuthRefusal(Wire.UNKNOWN_USER_ID, "meldcode_onbekend")
            return found

        return use

    swap(begin, "use_meldcode", broken)


def _any_number_of_seconds(was: Any) -> Any:
    return lambda asked: timedelta(seconds=int(asked)) if asked else was(asked)


def _any_term(was: Any) -> Any:
    def stands(asked: str | None) -> Any:
        return was(asked if asked is None or (asked.isdecimal() and int(asked)) else None)

    return stands


def _references_are_short() -> None:
    from machtiging.oauth.ciba import begin

    def broken(was: Any) -> Any:
        return SimpleNamespace(digest=was.digest, random_token=lambda: was.random_token()[:8])

    swap(begin, "secrets", broken)


def _a_program_is_a_counter() -> None:
    from machtiging.oauth.registration import judge

    swap(judge, "_of_the_code_flow", lambda _: yes)
    swap(judge, "_FOR_PROGRAMS", lambda was: was | {"backchannel_token_delivery_mode", "jwks"})


def _the_server_calls_back() -> None:
    from machtiging.oauth.clients import metadata

    _a_program_is_a_counter()
    ways = {"backchannel_token_delivery_mode": ("poll", "ping", "push")}
    swap(metadata, "_ONE_OF", lambda was: {**was, **ways})


def _calling_back_is_offered() -> None:
    from machtiging.oauth.ciba import metadata

    offered = {"backchannel_token_delivery_modes_supported": ["poll", "ping"]}
    swap(metadata, "members", lambda was: lambda issuer: was(issuer) | offered)


MUTANTS: dict[str, Mutant] = {
    "ciba_answer_for_anybody": Mutant(
        "the answer to one client is given to another",
        ("test_the_answer_to_one_desk_is_nothing_to_another", "test_whether_one_desk_waits_another_does_not_learn"),
        _polling("UPDATE backchannel_request SET client_id = :client WHERE request_hash = :hash"),
    ),
    "ciba_no_hurry": Mutant(
        "nobody is told to slow down",
        ("test_who_polls_too_fast_is_told_to_slow_down", "test_of_many_polls_at_once_one_is_not_too_fast"),
        _polled(_has("too_soon", False)),
    ),
    "ciba_ageless": Mutant(
        "the end of a request is not read",
        ("test_a_question_that_nobody_answered_in_time_is_over", "test_a_yes_that_is_not_fetched_in_time_is_over"),
        _polling("UPDATE backchannel_request SET expires_at = now() + interval '1 hour' WHERE request_hash = :hash"),
    ),
    "ciba_no_unheard": Mutant(
        "a no is not told",
        ("test_a_no_gives_nothing_ever",),
        _polling("UPDATE backchannel_request SET state = 'pending' WHERE request_hash = :hash AND state = 'denied'"),
    ),
    "ciba_no_is_yes": Mutant("a no is taken for a yes", ("test_a_no_gives_nothing_ever",), _no_is_yes),
    "ciba_fetched_again": Mutant(
        "an answer can be fetched again and again",
        ("test_an_answer_is_fetched_once",),
        _polling("UPDATE backchannel_request SET state = 'approved' WHERE request_hash = :hash AND state = 'used'"),
    ),
    "ciba_race": Mutant(
        "an answer can be fetched twice at the same moment",
        ("test_of_many_fetches_at_once_one_wins",),
        _polling(
            "SELECT 1 FROM backchannel_request WHERE request_hash = :hash FOR UPDATE",
            "UPDATE backchannel_request SET state = 'approved' "
            "WHERE request_hash = :hash AND state = 'used' AND polled_at > now() - interval '3 s'",
        ),
    ),
    "ciba_key_unread": Mutant(
        "the key that a question was asked with is not compared",
        (
            "test_an_answer_that_was_asked_with_a_key_is_nothing_with_another",
            "test_an_answer_that_was_asked_with_a_key_is_nothing_without_it",
        ),
        _polled(_has("jkt", None)),
    ),
    "ciba_seen_by_all": Mutant(
        "everybody sees every question",
        ("test_another_person_does_not_see_the_question",),
        _everybody_sees_every_question,
    ),
    "ciba_short_reference": Mutant(
        "an auth_req_id has 48 bits",
        ("test_a_request_is_answered_with_a_reference_that_cannot_be_guessed_and_a_term",),
        _references_are_short,
    ),
    "ciba_words_unread": Mutant(
        "every binding message is taken",
        (
            "test_words_that_could_be_read_differently_on_two_screens_are_refused",
            "test_without_words_on_both_screens_nobody_is_asked",
        ),
        _rule("_binding_message", lambda _: lambda text: text),
    ),
    "ciba_words_optional": Mutant(
        "a binding message may be left out",
        ("test_without_words_on_both_screens_nobody_is_asked",),
        _rule("_binding_message", lambda was: lambda text: was(text) if text else text),
    ),
    "ciba_two_hints": Mutant(
        "of several hints one is taken", ("test_two_hints_are_one_too_many",), _rule("_hint", _one_hint_of_several)
    ),
    "ciba_token_hints": Mutant(
        "a token is a hint",
        (
            "test_nobody_is_asked_by_a_token_of_a_login_elsewhere",
            "test_nobody_is_asked_by_an_invented_token",
        ),
        _rule("_hint", _a_token_is_a_hint),
    ),
    "ciba_any_hint": Mutant(
        "every text is a hint",
        ("test_nobody_is_asked_by_what_others_know_of_him",),
        _rule("_hint", _every_text_is_a_hint),
    ),
    "ciba_hint_reusable": Mutant(
        "a hint can be used again", ("test_a_hint_is_good_for_one_question",), _a_hint_can_be_used_again
    ),
    "ciba_tells_who_is_known": Mutant(
        "a hint of nobody is answered otherwise",
        ("test_a_hint_of_nobody_is_answered_like_one_of_somebody",),
        _who_is_unknown_is_told,
    ),
    "ciba_stands_for_days": Mutant(
        "a question stands for as long as is asked",
        ("test_no_question_stands_for_days",),
        _rule("_stands", _any_number_of_seconds),
    ),
    "ciba_term_unread": Mutant(
        "a term that is none is passed over",
        ("test_a_term_that_is_no_number_of_seconds_is_refused",),
        _rule("_stands", _any_term),
    ),
    "ciba_passes_over": Mutant(
        "what is not supported is passed over",
        ("test_what_would_change_the_question_is_refused_and_not_passed_over",),
        _rule("_UNSUPPORTED", lambda _: ()),
    ),
    "ciba_registers_itself": Mutant(
        "a program may register as a counter", ("test_no_program_makes_itself_a_counter",), _a_program_is_a_counter
    ),
    "ciba_ping_registered": Mutant(
        "a client may register to be called", ("test_nobody_registers_to_be_called",), _the_server_calls_back
    ),
    "ciba_ping_offered": Mutant(
        "discovery offers ping", ("test_the_answer_is_fetched_and_never_sent",), _calling_back_is_offered
    ),
}
