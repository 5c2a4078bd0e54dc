"""Ours, broken on purpose: one guard taken away at a time, in a process of its own, to see that a test notices.

Each mutant says what is broken and which tests of `tests/protocol/black_box` must fail on it. A name that is taken away
here and no longer exists is an error: then the guard has moved, and the mutant must follow it.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

App = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """What is broken; how; and the tests that must see it. `wraps` stands between the network and the application."""

    what: str
    caught_by: tuple[str, ...]
    breaks: Callable[[], None] = lambda: None
    wraps: Callable[[App], App] | None = None


def swap(place: Any, name: str, new: Callable[[Any], Any]) -> None:
    """Put something else where `name` was; `new` is given what was there."""
    setattr(place, name, new(getattr(place, name)))


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _header(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# PKCE


def _pkce_is_optional() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "is_s256", lambda was: lambda challenge, method: challenge is None or was(challenge, method))


def _plain_is_allowed() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "is_s256", lambda _: lambda challenge, _method: challenge is not None)
    swap(grants, "_proves", lambda was: lambda verifier, challenge: verifier == challenge or was(verifier, challenge))


def _the_verifier_is_not_looked_at() -> None:
    from machtiging.oauth.protocol import grants

    swap(grants, "_proves", lambda _: lambda *_: True)


# Codes


def _before_redeeming(*statements: str) -> None:
    from sqlalchemy import text

    from machtiging.oauth.protocol import grants

    def broken(was: Any) -> Any:
        async def redeem(exchange: Any, *rest: Any) -> Any:
            for statement in statements:
                await exchange.session.execute(text(statement))
            return await was(exchange, *rest)

        return redeem

    swap(grants, "_redeem", broken)


def _a_code_is_good_for_ever() -> None:
    _before_redeeming("UPDATE authorization_code SET used_at = NULL")


def _two_at_once_both_win() -> None:
    lately = "WHERE used_at > now() - interval '5 seconds'"
    _before_redeeming(
        "SELECT 1 FROM authorization_code FOR UPDATE", f"UPDATE authorization_code SET used_at = NULL {lately}"
    )


def _a_replay_ends_nothing() -> None:
    from machtiging.oauth.protocol import grants

    async def nothing(*_: Any, **__: Any) -> bool:
        return True

    swap(grants, "end_grant", lambda _: nothing)


def _a_code_is_good_for_every_client() -> None:
    from sqlalchemy import select

    from machtiging.crypto import secrets
    from machtiging.oauth.protocol import grants
    from machtiging.oauth.tables import AuthorizationCode

    def broken(was: Any) -> Any:
        async def redeem(exchange: Any, code: str, client: Any, *rest: Any) -> Any:
            wanted = select(AuthorizationCode.client_id).where(AuthorizationCode.code_hash == secrets.digest(code))
            owner = await exchange.session.scalar(wanted)
            return await was(exchange, code, replace(client, client_id=owner or client.client_id), *rest)

        return redeem

    swap(grants, "_redeem", broken)


def _the_address_is_not_compared_at_redemption() -> None:
    from machtiging.oauth.protocol import grants

    def broken(was: Any) -> Any:
        return lambda row, form, *rest: was(row, form | {"redirect_uri": row.redirect_uri}, *rest)

    swap(grants, "_check", broken)
    swap(grants.Code, "get_redirect_uri", lambda _: lambda _self: "")  # Authlib compares it too


def _codes_are_short() -> None:
    from machtiging.oauth.authorize import decide

    swap(decide, "_code", lambda was: lambda *given: was(*given)[:8])


# Addresses and references


def _addresses_are_compared_by_their_beginning() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "check_redirect_uri", lambda _: lambda self, uri: any(map(uri.startswith, self.redirect_uris)))


def _addresses_are_compared_by_their_host() -> None:
    from machtiging.oauth.client import Client

    def same_host(self: Any, uri: str) -> bool:
        return urlsplit(uri).hostname in {urlsplit(one).hostname for one in self.redirect_uris}

    swap(Client, "check_redirect_uri", lambda _: same_host)


def _every_address_will_do() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "check_redirect_uri", lambda _: lambda *_: True)


def _a_reference_can_be_used_again() -> None:
    from machtiging.oauth.authorize import decide, push

    def waiting(exchange: Any, reference: Any) -> tuple[Any, ...]:
        return (*push._named(reference), push._PUSHED.c.expires_at > exchange.at)

    from machtiging.crypto import secrets

    swap(push, "_waiting", lambda _: waiting)
    swap(decide, "_code", lambda _: lambda *_: secrets.random_token())


def _a_reference_is_anybodys() -> None:
    from machtiging.crypto import secrets
    from machtiging.oauth.authorize import push

    swap(push, "_named", lambda _: lambda ref: (push._PUSHED.c.uri_hash == secrets.digest(ref.request_uri),))


def _in_the_answer(change: Callable[[dict[str, str]], None]) -> None:
    from machtiging.oauth.authorize import decide

    def broken(was: Any) -> Any:
        def back(*given: Any) -> Any:
            redirect = was(*given)
            parts = urlsplit(redirect.location)
            told = dict(parse_qsl(parts.query))
            change(told)
            return replace(redirect, location=urlunsplit(parts._replace(query=urlencode(told))))

        return back

    swap(decide, "_back", broken)


def _the_answer_does_not_say_who_gives_it() -> None:
    _in_the_answer(lambda told: told.pop("iss", None))


def _the_state_is_lost() -> None:
    _in_the_answer(lambda told: told.pop("state", None))


def _every_scope_is_granted() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "get_allowed_scope", lambda _: lambda self, scope: scope or "")


# Who a client is


def _an_assertion_can_be_used_again() -> None:
    from machtiging.oauth.protocol.client_auth import PrivateKeyJwt

    async def always(*_: Any) -> bool:
        return True

    swap(PrivateKeyJwt, "_first_use", lambda _: always)


def _in_the_claims(change: Callable[[dict[str, Any], Any], dict[str, Any]]) -> None:
    from machtiging.oauth.protocol.client_auth import PrivateKeyJwt

    def broken(was: Any) -> Any:
        return lambda self, claims, *rest: was(self, change(claims, self), *rest)

    swap(PrivateKeyJwt, "_check", broken)


def _an_assertion_for_anybody_will_do() -> None:
    _in_the_claims(lambda claims, auth: claims | {"aud": auth._audience})


def _an_assertion_for_an_endpoint_will_do() -> None:
    def change(claims: dict[str, Any], auth: Any) -> dict[str, Any]:
        ours = isinstance(claims.get("aud"), str) and claims["aud"].startswith(auth._audience + "/")
        return claims | ({"aud": auth._audience} if ours else {})

    _in_the_claims(change)


def _an_assertion_for_a_list_will_do() -> None:
    def change(claims: dict[str, Any], auth: Any) -> dict[str, Any]:
        listed = isinstance(claims.get("aud"), list) and auth._audience in claims["aud"]
        return claims | ({"aud": auth._audience} if listed else {})

    _in_the_claims(change)


def _an_assertion_never_grows_old() -> None:
    from machtiging.oauth.protocol import client_auth

    swap(client_auth, "_age_problem", lambda _: lambda *_: None)


def _verifying_differently(broken: Callable[[Any], Any]) -> None:
    from machtiging.oauth.protocol import client_auth

    def unread(token: str) -> Any:
        head, payload = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")[:2])
        return SimpleNamespace(header=json.loads(head), payload=payload)

    swap(client_auth, "verify_jwt", broken)
    swap(client_auth, "take_apart", lambda _: unread)  # it would not even look at such headers


def _nobodys_signature_will_do() -> None:
    def broken(was: Any) -> Any:
        def verify(token: str, jwks: Any, **options: Any) -> Any:
            return _claims(token) if _header(token).get("alg") == "none" else was(token, jwks, **options)

        return verify

    _verifying_differently(broken)


def _any_signature_will_do() -> None:
    _verifying_differently(lambda _: lambda token, *_, **__: _claims(token))


def _the_token_chooses_the_algorithm() -> None:
    def broken(was: Any) -> Any:
        def verify(token: str, jwks: Any, **options: Any) -> Any:
            if _header(token).get("alg") != "HS256":
                return was(token, jwks, **options)
            text, _, signature = token.rpartition(".")
            secrets = [key["x"].encode() for key in jwks["keys"] if "x" in key]
            made = [base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")) for secret in secrets]
            if signature not in [one.rstrip(b"=").decode() for one in made]:
                return was(token, jwks, **options)
            return _claims(token)

        return verify

    _verifying_differently(broken)


def _the_token_brings_its_key() -> None:
    def broken(was: Any) -> Any:
        def verify(token: str, jwks: Any, **options: Any) -> Any:
            from joserfc import jws
            from joserfc.jwk import ECKey

            if "jwk" not in _header(token):
                return was(token, jwks, **options)
            key = ECKey.import_key(_header(token)["jwk"])
            return json.loads(jws.deserialize_compact(token, key, algorithms=["ES256"]).payload)

        return verify

    _verifying_differently(broken)


def _rules_in_a_header_are_passed_over() -> None:
    def broken(was: Any) -> Any:
        def verify(token: str, jwks: Any, **options: Any) -> Any:
            return _claims(token) if "crit" in _header(token) else was(token, jwks, **options)

        return verify

    _verifying_differently(broken)


def _two_proofs_at_once_are_taken() -> None:
    from machtiging.oauth.protocol import server

    swap(server, "one_method", lambda _: lambda _request: None)


def _a_name_is_proof_enough() -> None:
    from machtiging.oauth.client import Client
    from machtiging.oauth.protocol import server

    def named(query_client: Any, request: Any) -> Any:
        return query_client(request.form.get("client_id", ""))

    def found(was: Any) -> Any:
        def authenticate(self: Any, request: Any, methods: Any, endpoint: str = "token") -> Any:
            if "client_assertion" in request.form:
                return was(self, request, methods, endpoint)
            request.client = named(self.query_client, request)
            return request.client

        return authenticate

    swap(server.Server, "authenticate_client", found)
    assert Client


def _errors_tell_who_exists() -> None:
    from machtiging.oauth.errors import OAuthRefusal, Wire
    from machtiging.oauth.protocol import client_auth

    def told(code: str) -> None:
        raise OAuthRefusal(Wire.INVALID_CLIENT, code, code)

    swap(client_auth, "unauthentic", lambda _: told)


def _a_parameter_may_stand_twice() -> None:
    from machtiging.oauth.protocol import bridge

    swap(bridge, "unique", lambda _: lambda pairs: {name: value for name, value in pairs if value})


def _odd_bytes_are_a_fault() -> None:
    from machtiging.oauth.protocol import bridge

    swap(bridge, "_pairs", lambda _: lambda raw: parse_qsl(raw.decode(), keep_blank_values=True))


# Tokens


def _a_revoked_token_stays_active() -> None:
    from machtiging.oauth import queries

    def broken(was: Any) -> Any:
        async def standing(*given: Any) -> Any:
            found = await was(*given)
            return found and (found[0], True)

        return standing

    swap(queries, "token_standing", broken)


def _a_proof_can_be_used_again() -> None:
    from machtiging.access.proof import dpop

    async def taken(*_: Any, **__: Any) -> None:
        """Nothing is remembered."""

    swap(dpop, "take", lambda _: taken)


def _everybody_may_ask_about_every_token() -> None:
    from machtiging.oauth.protocol.token_endpoints import Introspection

    swap(Introspection, "check_permission", lambda _: lambda *_: True)


def _everybody_may_revoke_every_token() -> None:
    from machtiging.oauth.protocol.token_endpoints import Token

    swap(Token, "check_client", lambda _: lambda *_: True)


def _revoking_does_nothing() -> None:
    from machtiging.oauth.protocol.token_endpoints import Revocation

    swap(Revocation, "revoke_token", lambda _: lambda *_: None)


def _access_tokens_are_not_verified() -> None:
    from machtiging.crypto.keyring import KeyRing

    for name in ("verify_own_jwt", "verify_own_statement"):
        swap(KeyRing, name, lambda _: lambda self, token, **_: _claims(token))


def _one_subject_for_all_clients() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "sector", lambda _: property(lambda self: "everybody"))


def _the_nonce_is_ours() -> None:
    from machtiging.oauth import issue

    def broken(was: Any) -> Any:
        def id_token(issuer: Any, client: Any, consented: Any, nonce: str, **rest: Any) -> Any:
            return was(issuer, client, consented, "0" * len(nonce), **rest)

        return id_token

    swap(issue, "id_token", broken)


def _id_tokens_are_for_the_api() -> None:
    from machtiging.crypto.keyring import KeyRing

    def broken(was: Any) -> Any:
        def sign(self: Any, claims: dict[str, Any], **options: Any) -> str:
            if options.get("typ") == "JWT":
                claims = claims | {"aud": claims["iss"] + "/api/v1"}
            return was(self, claims, **options)

        return sign

    swap(KeyRing, "sign_jwt", broken)


def _private_keys_are_published() -> None:
    from machtiging.crypto.keyring import KeyRing

    def broken(was: Any) -> Any:
        def published(self: Any, *rest: Any) -> Any:
            return {"keys": [key | {"d": "AQAB"} for key in was(self, *rest)["keys"]]}

        return published

    swap(KeyRing, "public_jwks", broken)


def _plain_is_advertised() -> None:
    from machtiging.oauth import metadata

    def broken(was: Any) -> Any:
        return lambda *given: was(*given) | {"code_challenge_methods_supported": ["S256", "plain"]}

    swap(metadata, "openid_configuration", broken)


# Between the network and the application


def _answers_without(*names: bytes) -> Callable[[App], App]:
    def wraps(app: App) -> App:
        async def broken(scope: Any, receive: Any, send: Any) -> None:
            async def leave_out(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [one for one in message["headers"] if one[0].lower() not in names]
                await send(message)

            await app(scope, receive, leave_out)

        return broken

    return wraps


def _token_in_the_address(app: App) -> App:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        asked = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        if scope.get("path") == "/userinfo" and "access_token" in asked:
            kept = [one for one in scope["headers"] if one[0] != b"authorization"]
            scope["headers"] = [*kept, (b"authorization", f"Bearer {asked['access_token']}".encode())]
            scope["query_string"] = b""
        await app(scope, receive, send)

    return broken


def _every_body_is_a_form(app: App) -> App:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            kept = [one for one in scope["headers"] if one[0] != b"content-type"]
            scope["headers"] = [*kept, (b"content-type", b"application/x-www-form-urlencoded")]
        await app(scope, receive, send)

    return broken


def _errors_go_where_the_browser_says(app: App) -> App:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        to = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("redirect_uri")

        async def away(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400 and to:
                message = message | {"status": 302, "headers": [*message["headers"], (b"location", to.encode())]}
            await send(message)

        await app(scope, receive, away if scope.get("path") == "/authorize" else send)

    return broken


def _the_host_is_believed(app: App) -> App:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope.get("headers", ())).get(b"host", b"")

        async def rewritten(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [one for one in message["headers"] if one[0].lower() != b"content-length"]
            elif message["type"] == "http.response.body":
                told = json.loads(message["body"])
                own = told.get("issuer", "").encode()
                message = message | {"body": message["body"].replace(own, b"http://" + host)}
            await send(message)

        known = scope.get("path", "").startswith("/.well-known/o")
        await app(scope, receive, rewritten if known else send)

    return broken


MUTANTS: dict[str, Mutant] = {
    "pkce_is_optional": Mutant(
        "a request without a challenge is taken", ("test_no_client_can_leave_pkce_out",), _pkce_is_optional
    ),
    "plain_is_allowed": Mutant(
        "the challenge may be the verifier itself",
        (
            "test_no_method_but_s256_is_taken",
            "test_a_challenge_without_its_method_does_not_fall_back_to_plain",
            "test_the_challenge_itself_is_no_verifier",
        ),
        _plain_is_allowed,
    ),
    "verifier_unread": Mutant(
        "a code is redeemed whatever the verifier",
        (
            "test_without_the_verifier_a_code_is_worth_nothing",
            "test_with_a_wrong_verifier_a_code_is_worth_nothing",
            "test_the_verifier_of_one_walk_does_not_open_the_code_of_another",
        ),
        _the_verifier_is_not_looked_at,
    ),
    "code_reusable": Mutant(
        "a code can be redeemed again and again",
        ("test_a_code_that_is_used_twice_is_refused_and_its_token_is_dead",),
        _a_code_is_good_for_ever,
    ),
    "code_race": Mutant(
        "a code can be redeemed twice at the same moment",
        ("test_a_code_that_is_redeemed_many_times_at_once_gives_one_token_at_most",),
        _two_at_once_both_win,
    ),
    "replay_ends_nothing": Mutant(
        "a second use of a code leaves its token alive",
        ("test_a_code_that_is_used_twice_is_refused_and_its_token_is_dead",),
        _a_replay_ends_nothing,
    ),
    "code_of_anybody": Mutant(
        "a code of one client is taken from another",
        ("test_a_stolen_code_is_nothing_to_another_client",),
        _a_code_is_good_for_every_client,
    ),
    "address_unread_at_token": Mutant(
        "the redirect URI is not compared at redemption",
        (
            "test_a_code_without_its_redirect_uri_is_refused",
            "test_a_code_with_another_redirect_uri_is_refused",
        ),
        _the_address_is_not_compared_at_redemption,
    ),
    "short_codes": Mutant("a code has 48 bits", ("test_a_code_cannot_be_guessed",), _codes_are_short),
    "address_by_prefix": Mutant(
        "redirect URIs are compared by their beginning",
        ("test_an_address_that_is_not_registered_to_the_letter_is_refused",),
        _addresses_are_compared_by_their_beginning,
    ),
    "address_by_host": Mutant(
        "redirect URIs are compared by their host",
        (
            "test_an_address_that_is_not_registered_to_the_letter_is_refused",
            "test_the_address_of_another_client_is_refused",
        ),
        _addresses_are_compared_by_their_host,
    ),
    "address_unread": Mutant(
        "every redirect URI is taken",
        ("test_an_address_that_is_not_registered_to_the_letter_is_refused",),
        _every_address_will_do,
    ),
    "reference_reusable": Mutant(
        "a request_uri can be used again", ("test_a_reference_is_good_for_one_code",), _a_reference_can_be_used_again
    ),
    "reference_of_anybody": Mutant(
        "a request_uri can be used by every client",
        ("test_a_reference_of_one_client_cannot_be_used_by_another",),
        _a_reference_is_anybodys,
    ),
    "no_iss": Mutant(
        "the authorization response has no iss",
        ("test_the_answer_names_its_issuer_and_returns_the_state_so_that_no_answers_can_be_mixed_up",),
        _the_answer_does_not_say_who_gives_it,
    ),
    "no_state": Mutant(
        "the state does not come back",
        (
            "test_the_answer_names_its_issuer_and_returns_the_state_so_that_no_answers_can_be_mixed_up",
            "test_a_long_state_comes_back_whole",
        ),
        _the_state_is_lost,
    ),
    "scope_unread": Mutant(
        "every scope is granted",
        ("test_a_scope_beyond_the_registration_is_refused",),
        _every_scope_is_granted,
    ),
    "assertion_reusable": Mutant(
        "a client assertion can be used again",
        (
            "test_an_assertion_is_good_for_one_request",
            "test_of_many_uses_of_one_assertion_at_once_one_wins",
            "test_an_assertion_that_was_used_at_one_endpoint_is_used_up_at_the_others",
        ),
        _an_assertion_can_be_used_again,
    ),
    "assertion_for_anybody": Mutant(
        "the audience of an assertion is not read",
        ("test_an_assertion_that_says_something_else_is_refused",),
        _an_assertion_for_anybody_will_do,
    ),
    "assertion_for_endpoint": Mutant(
        "an assertion may name an endpoint",
        ("test_an_assertion_that_names_an_endpoint_in_place_of_the_issuer_is_refused",),
        _an_assertion_for_an_endpoint_will_do,
    ),
    "assertion_for_list": Mutant(
        "an assertion may name others beside us",
        ("test_an_assertion_for_the_whole_list_of_the_worlds_servers_is_refused",),
        _an_assertion_for_a_list_will_do,
    ),
    "assertion_ageless": Mutant(
        "the times in an assertion are not read",
        (
            "test_an_assertion_that_has_expired_is_refused",
            "test_an_assertion_from_the_future_is_refused",
            "test_an_end_that_is_no_time_is_refused",
        ),
        _an_assertion_never_grows_old,
    ),
    "alg_none": Mutant(
        "an assertion with alg none is taken",
        ("test_an_assertion_that_nobody_signed_is_refused",),
        _nobodys_signature_will_do,
    ),
    "signature_unread": Mutant(
        "the signature of an assertion is not read",
        (
            "test_an_assertion_signed_with_another_key_is_refused",
            "test_an_assertion_that_was_changed_after_signing_is_refused",
        ),
        _any_signature_will_do,
    ),
    "alg_from_token": Mutant(
        "a public key serves as an HMAC secret",
        ("test_a_public_key_is_no_shared_secret",),
        _the_token_chooses_the_algorithm,
    ),
    "key_from_token": Mutant(
        "the key in the header of an assertion is used",
        ("test_a_key_that_comes_along_in_the_header_is_not_used",),
        _the_token_brings_its_key,
    ),
    "crit_unread": Mutant(
        "crit in the header of an assertion is passed over",
        ("test_a_rule_that_nobody_knows_is_not_passed_over",),
        _rules_in_a_header_are_passed_over,
    ),
    "two_proofs": Mutant(
        "two ways of client authentication at once are taken",
        ("test_a_proof_and_a_password_in_one_form_are_refused",),
        _two_proofs_at_once_are_taken,
    ),
    "name_is_proof": Mutant(
        "a client_id alone is proof",
        (
            "test_every_endpoint_for_programs_wants_proof",
            "test_introspection_wants_proof_of_who_asks",
            "test_nothing_can_be_pushed_without_proof_of_who_asks",
        ),
        _a_name_is_proof_enough,
    ),
    "errors_tell": Mutant(
        "errors tell an unknown client from a wrong key",
        ("test_an_unknown_client_cannot_be_told_from_a_wrong_key",),
        _errors_tell_who_exists,
    ),
    "parameter_twice": Mutant(
        "a parameter may stand twice",
        (
            "test_a_parameter_that_stands_twice_is_refused_at_the_token_endpoint",
            "test_a_parameter_that_stands_twice_is_refused",
        ),
        _a_parameter_may_stand_twice,
    ),
    "bytes_crash": Mutant(
        "bytes that are no text are a fault of the server",
        ("test_odd_bytes_are_refused_and_never_a_fault_of_the_server",),
        _odd_bytes_are_a_fault,
    ),
    "revoked_is_active": Mutant(
        "introspection ignores revocation",
        ("test_a_revoked_token_is_dead_at_once_and_everywhere",),
        _a_revoked_token_stays_active,
    ),
    "introspection_for_all": Mutant(
        "every client may ask about every token",
        ("test_another_client_learns_nothing_about_a_token",),
        _everybody_may_ask_about_every_token,
    ),
    "revocation_by_all": Mutant(
        "every client may revoke every token",
        ("test_another_client_cannot_revoke_a_token",),
        _everybody_may_revoke_every_token,
    ),
    "revocation_does_nothing": Mutant(
        "revocation answers 200 and does nothing",
        (
            "test_a_revoked_token_is_dead_at_once_and_everywhere",
            "test_the_token_of_a_machine_can_be_taken_back",
        ),
        _revoking_does_nothing,
    ),
    "proof_reusable": Mutant(
        "a DPoP proof can be used again", ("test_a_proof_is_good_once",), _a_proof_can_be_used_again
    ),
    "token_unverified": Mutant(
        "the signature of an access token is not read",
        ("test_a_token_that_was_changed_is_not_active",),
        _access_tokens_are_not_verified,
    ),
    "one_subject": Mutant(
        "a person is the same subject at every client",
        ("test_two_clients_cannot_find_out_that_they_see_the_same_person",),
        _one_subject_for_all_clients,
    ),
    "nonce_lost": Mutant(
        "the ID token has another nonce than the request",
        ("test_the_nonce_of_an_id_token_is_the_one_of_this_very_request",),
        _the_nonce_is_ours,
    ),
    "id_token_audience": Mutant(
        "the ID token is not for the client",
        ("test_an_id_token_is_signed_with_a_published_key_and_says_all_that_it_must",),
        _id_tokens_are_for_the_api,
    ),
    "private_keys": Mutant(
        "the published keys hold private members",
        ("test_the_published_keys_are_public_and_told_apart",),
        _private_keys_are_published,
    ),
    "plain_advertised": Mutant(
        "discovery offers plain PKCE", ("test_plain_pkce_is_not_offered",), _plain_is_advertised
    ),
    "framing": Mutant(
        "pages can be framed",
        ("test_no_page_that_asks_something_can_be_framed_or_kept",),
        wraps=_answers_without(b"content-security-policy", b"x-frame-options"),
    ),
    "cached": Mutant(
        "tokens may be kept by caches",
        (
            "test_a_token_response_is_never_kept_by_a_cache",
            "test_what_is_said_of_a_token_is_not_kept_by_a_cache",
        ),
        wraps=_answers_without(b"cache-control"),
    ),
    "token_in_address": Mutant(
        "userinfo takes a token from the address",
        ("test_userinfo_takes_no_token_from_an_address",),
        wraps=_token_in_the_address,
    ),
    "any_content_type": Mutant(
        "a form is read whatever it calls itself",
        ("test_a_form_that_calls_itself_something_else_is_refused",),
        wraps=_every_body_is_a_form,
    ),
    "open_redirect": Mutant(
        "errors go to the address in the browser",
        ("test_a_bad_reference_sends_nobody_to_an_address_that_the_browser_brings",),
        wraps=_errors_go_where_the_browser_says,
    ),
    "host_believed": Mutant(
        "the issuer is taken from the Host header",
        ("test_a_host_header_does_not_change_who_the_server_says_it_is",),
        wraps=_the_host_is_believed,
    ),
}
