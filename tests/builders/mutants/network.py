"""Between the network and the application: one guard taken away there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.builders.mutants.mutant import App, Mutant


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
