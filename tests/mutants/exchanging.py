"""Token exchange (RFC 8693) with one guard taken away."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.mutants.mutant import Mutant, claims_of, swap, yes


def _everybody_goes_everywhere() -> None:
    from machtiging.oauth.token_exchange import grant

    def broken(was: Any) -> Any:
        def target(exchange: Any, client: Any, asked: Any, subject: Any) -> Any:
            known = client.exchange_targets | {asked.resource}
            return was(exchange, replace(client, exchange_targets=known), asked, subject)

        return target

    swap(grant, "_resolve_exchange_target", broken)


def _the_same_service_will_do() -> None:
    from machtiging.oauth.token_exchange import grant

    def broken(was: Any) -> Any:
        def target(exchange: Any, client: Any, asked: Any, subject: Any) -> Any:
            elsewhere = replace(subject, facts=replace(subject.facts, audience="https://elsewhere.example"))
            return was(exchange, client, asked, elsewhere)

        return target

    swap(grant, "_resolve_exchange_target", broken)


def _every_scope_is_given() -> None:
    from machtiging.oauth.token_exchange import grant

    swap(grant, "narrow_exchange_scope", lambda was: lambda held, mine, asked: asked or was(held, mine, asked))


def _the_login_is_handed_on() -> None:
    from machtiging.oauth.token_exchange import grant

    swap(grant, "narrow_exchange_scope", lambda _: lambda held, _mine, _asked: held)


def _all_details_that_are_asked() -> None:
    from machtiging.oauth.token_exchange import grant

    swap(grant, "narrow_authorization_details", lambda _: lambda held, asked: json.loads(asked) if asked else held)


def _the_details_of_the_consent() -> None:
    from machtiging.oauth.token_exchange import grant

    def broken(was: Any) -> Any:
        async def behind(*given: Any) -> Any:
            subject = await was(*given)
            return replace(subject, authorization_details=subject.active_grant.grant.authorization_details)

        return behind

    swap(grant, "load_subject_token", broken)


def _everybody_guards_everything() -> None:
    from machtiging.oauth.token_exchange import subject_token

    swap(subject_token, "is_audience_of", lambda _: yes)


def _every_kind_of_client_may() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "check_grant_type", lambda _: yes)


def _asking(change: Callable[[dict[str, str]], dict[str, str]]) -> Callable[[], None]:
    def breaks() -> None:
        from machtiging.oauth.token_exchange import grant

        swap(grant, "parse_token_exchange_request", lambda was: lambda form: was(change(dict(form))))

    return breaks


def _without(*names: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda form: {name: value for name, value in form.items() if name not in names}


def _every_kind_of_token(form: dict[str, str]) -> dict[str, str]:
    ours = "urn:ietf:params:oauth:token-type:access_token"
    return form | {name: ours for name in ("subject_token_type", "requested_token_type") if name in form}


async def _for_the_service(exchange: Any, client: Any, scope: str) -> dict[str, Any]:
    from machtiging.oauth import token_issuance

    made = token_issuance.build_client_token(exchange.issuer, client, scope, at=exchange.at)
    await token_issuance.persist_token(exchange.session, made)
    return made.response


def _a_machine_stands_for_somebody() -> None:
    """A token of nobody becomes another token of nobody."""
    from machtiging.oauth.token_exchange import grant

    def broken(was: Any) -> Any:
        async def exchanged(exchange: Any, request: Any) -> Any:
            if "oin" not in claims_of(request.form["subject_token"]):
                return await was(exchange, request)
            return await _for_the_service(exchange, request.client, "aanleveringen:schrijven")

        return exchanged

    swap(grant, "_exchange_token", broken)


def _an_id_token_is_as_good() -> None:
    """One that we signed for the app is answered with a token."""
    from machtiging.oauth.token_exchange import grant

    def broken(was: Any) -> Any:
        async def exchanged(exchange: Any, request: Any) -> Any:
            text = request.form["subject_token"]
            if text.count(".") != 2 or "nonce" not in claims_of(text):
                return await was(exchange, request)
            return await _for_the_service(exchange, request.client, "")

        return exchanged

    swap(grant, "_exchange_token", broken)


def _a_dead_one_will_do() -> None:
    from machtiging.oauth import queries
    from machtiging.oauth.token_exchange import subject_token

    def lively(was: Any) -> Any:
        async def token(*given: Any) -> Any:
            found = await was(*given)
            return found and replace(found, active=True)

        return token

    def open_again(was: Any) -> Any:
        async def held(*given: Any) -> Any:
            grant = await was(*given)
            return grant and replace(grant, ended_at=None)

        return held

    def counted(was: Any) -> Any:
        async def links(*given: Any) -> int:
            return await was(*given) or 1

        return links

    swap(subject_token, "load_token_for_any_audience", lively)
    swap(queries, "lock_grant", open_again)
    swap(subject_token, "lock_and_count_exchanges", counted)


def _an_old_one_will_do() -> None:
    from machtiging.oauth.token_exchange import subject_token

    def broken(was: Any) -> Any:
        return lambda exchange, text: was(replace(exchange, at=exchange.at - timedelta(hours=24)), text)

    swap(subject_token, "load_token_for_any_audience", broken)


def _a_machtiging_always_holds() -> None:
    from machtiging.oauth.protocol import grants

    _a_dead_one_will_do()
    swap(grants, "machtiging_covers_grant", lambda _: yes)


def _no_key_is_asked() -> None:
    from machtiging.oauth.token_exchange import subject_token

    swap(subject_token, "is_sender_constrained", lambda _: lambda _facts: False)


def _it_lives_on() -> None:
    from machtiging.oauth import token_issuance

    swap(
        token_issuance,
        "_resolve_expiry",
        lambda was: lambda issuer, held, order, at: was(issuer, held, replace(order, parent_token=None), at),
    )


def _it_hangs_on_nothing() -> None:
    from machtiging.oauth import token_issuance

    def broken(was: Any) -> Any:
        async def token(*given: Any, spec: Any = token_issuance.FULL_GRANT_SPEC, **more: Any) -> Any:
            return await was(*given, spec=replace(spec, parent_token=None), **more)

        return token

    swap(token_issuance, "issue_user_token", broken)


def _the_chain_is_endless() -> None:
    from machtiging.oauth.token_exchange import subject_token

    swap(subject_token, "MAX_EXCHANGE_CHAIN", lambda _: 1000)


def _one_name_everywhere() -> None:
    from machtiging.oauth import token_issuance

    def people(issuer: Any, client: Any, consented: Any, _order: Any) -> Any:
        as_the_app = replace(client, client_id=consented.grant.client_id, redirect_uris=())
        return token_issuance.build_subject_claims(issuer, as_the_app, consented)

    swap(token_issuance, "_subject_claims_for_target", lambda _: people)


MUTANTS: dict[str, Mutant] = {
    "exchange_for_anywhere": Mutant(
        "a service may exchange for every resource",
        (
            "test_token_exchange_for_resource_of_another_service_is_rejected",
            "test_token_exchange_for_unregistered_resource_is_rejected",
        ),
        _everybody_goes_everywhere,
    ),
    "exchange_for_itself": Mutant(
        "a token is exchanged for one of the same resource",
        ("test_token_exchange_for_the_same_service_is_rejected",),
        _the_same_service_will_do,
    ),
    "exchange_widens_scope": Mutant(
        "an exchange gives every scope that is asked",
        ("test_token_exchange_with_wider_scope_is_rejected",),
        _every_scope_is_given,
    ),
    "exchange_hands_login_on": Mutant(
        "an exchange gives the whole scope of the first token",
        ("test_token_exchange_drops_openid_scope",),
        _the_login_is_handed_on,
    ),
    "exchange_widens_details": Mutant(
        "an exchange gives all details that are asked",
        (
            "test_token_exchange_with_wider_authorization_details_is_rejected",
            "test_token_exchange_of_narrowed_token_with_wider_details_is_rejected",
        ),
        _all_details_that_are_asked,
    ),
    "exchange_of_consent": Mutant(
        "an exchange starts from the consent, not from the token",
        ("test_token_exchange_of_narrowed_token_with_wider_details_is_rejected",),
        _the_details_of_the_consent,
    ),
    "exchange_of_anybodys": Mutant(
        "a token for another service is exchanged",
        ("test_token_exchange_of_token_for_other_audience_is_rejected",),
        _everybody_guards_everything,
    ),
    "grant_type_unread": Mutant(
        "every client may use every grant type",
        (
            "test_token_exchange_by_audience_without_the_grant_type_is_rejected",
            "test_ciba_poll_by_client_of_other_grant_type_is_rejected",
            "test_ciba_request_by_client_of_other_grant_type_is_rejected",
        ),
        _every_kind_of_client_may,
    ),
    "exchange_actor_passed_over": Mutant(
        "an actor token is passed over",
        (
            "test_token_exchange_with_unsupported_parameter_is_rejected",
            "test_token_exchange_with_actor_token_is_rejected",
        ),
        _asking(_without("actor_token", "actor_token_type")),
    ),
    "exchange_audience_passed_over": Mutant(
        "an audience is passed over",
        ("test_token_exchange_with_unsupported_parameter_is_rejected",),
        _asking(_without("audience")),
    ),
    "exchange_kind_unread": Mutant(
        "the kinds of token that are named are not read",
        ("test_token_exchange_with_unsupported_token_type_is_rejected",),
        _asking(_every_kind_of_token),
    ),
    "exchange_of_machine": Mutant(
        "the token of a machine is exchanged",
        ("test_token_exchange_of_client_credentials_token_is_rejected",),
        _a_machine_stands_for_somebody,
    ),
    "exchange_of_id_token": Mutant(
        "an ID token is exchanged",
        ("test_token_exchange_of_id_token_is_rejected",),
        _an_id_token_is_as_good,
    ),
    "exchange_of_dead": Mutant(
        "a token that was revoked, or whose consent ended, is exchanged",
        ("test_token_exchange_of_revoked_token_is_rejected", "test_token_exchange_of_ended_token_is_rejected"),
        _a_dead_one_will_do,
    ),
    "exchange_of_expired": Mutant(
        "a token that has expired is exchanged",
        ("test_token_exchange_of_ended_token_is_rejected",),
        _an_old_one_will_do,
    ),
    "exchange_without_mandate": Mutant(
        "a token under a machtiging that ended is exchanged",
        ("test_token_exchange_of_ended_token_is_rejected",),
        _a_machtiging_always_holds,
    ),
    "exchange_unbinds": Mutant(
        "a bound token is exchanged for one that anybody can use",
        ("test_token_exchange_of_bound_token_without_proof_is_rejected",),
        _no_key_is_asked,
    ),
    "exchange_outlives": Mutant(
        "an exchanged token lives longer than the first",
        ("test_exchanged_token_expires_no_later_than_its_subject_token",),
        _it_lives_on,
    ),
    "exchange_unchained": Mutant(
        "an exchanged token does not know what it was exchanged for",
        ("test_exchanged_token_revoked_leaves_its_subject_token_active", "test_token_exchange_chain_is_limited"),
        _it_hangs_on_nothing,
    ),
    "exchange_endless": Mutant(
        "a chain of exchanges has no end", ("test_token_exchange_chain_is_limited",), _the_chain_is_endless
    ),
    "exchange_one_name": Mutant(
        "a service further on knows the person by the same name",
        ("test_token_exchange_gives_pairwise_subject_per_service",),
        _one_name_everywhere,
    ),
}
