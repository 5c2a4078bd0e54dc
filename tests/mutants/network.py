"""Between the network and the application: one guard taken away there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.mutants.mutant import App, Mutant


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
        ("test_clickjacking_pages_deny_framing_and_caching",),
        wraps=_answers_without(b"content-security-policy", b"x-frame-options"),
    ),
    "cached": Mutant(
        "tokens may be kept by caches",
        (
            "test_token_response_has_cache_control_no_store",
            "test_introspection_response_has_cache_control_no_store",
        ),
        wraps=_answers_without(b"cache-control"),
    ),
    "token_in_address": Mutant(
        "userinfo takes a token from the address",
        ("test_userinfo_with_token_in_query_is_rejected",),
        wraps=_token_in_the_address,
    ),
    "any_content_type": Mutant(
        "a form is read whatever it calls itself",
        ("test_form_with_other_content_type_is_rejected",),
        wraps=_every_body_is_a_form,
    ),
    "open_redirect": Mutant(
        "errors go to the address in the browser",
        ("test_open_redirect_with_invalid_request_uri_is_blocked",),
        wraps=_errors_go_where_the_browser_says,
    ),
    "host_believed": Mutant(
        "the issuer is taken from the Host header",
        ("test_forged_host_header_does_not_change_metadata",),
        wraps=_the_host_is_believed,
    ),
}
