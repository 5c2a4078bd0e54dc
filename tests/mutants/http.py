"""Mutants of the HTTP layer, as ASGI wrappers around the application."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.mutants.mutant import App, Mutant


def _drop_response_headers(*names: bytes) -> Callable[[App], App]:
    def wraps(app: App) -> App:
        async def build_replacement(scope: Any, receive: Any, send: Any) -> None:
            async def send_without(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [one for one in message["headers"] if one[0].lower() not in names]
                await send(message)

            await app(scope, receive, send_without)

        return build_replacement

    return wraps


def _token_in_query_is_accepted(app: App) -> App:
    async def build_replacement(scope: Any, receive: Any, send: Any) -> None:
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        if scope.get("path") == "/userinfo" and "access_token" in query:
            headers = [one for one in scope["headers"] if one[0] != b"authorization"]
            scope["headers"] = [*headers, (b"authorization", f"Bearer {query['access_token']}".encode())]
            scope["query_string"] = b""
        await app(scope, receive, send)

    return build_replacement


def _content_type_is_ignored(app: App) -> App:
    async def build_replacement(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            headers = [one for one in scope["headers"] if one[0] != b"content-type"]
            scope["headers"] = [*headers, (b"content-type", b"application/x-www-form-urlencoded")]
        await app(scope, receive, send)

    return build_replacement


def _errors_redirect_to_unverified_uri(app: App) -> App:
    async def build_replacement(scope: Any, receive: Any, send: Any) -> None:
        uri = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("redirect_uri")

        async def redirect(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400 and uri:
                message = message | {"status": 302, "headers": [*message["headers"], (b"location", uri.encode())]}
            await send(message)

        await app(scope, receive, redirect if scope.get("path") == "/authorize" else send)

    return build_replacement


def _issuer_follows_host_header(app: App) -> App:
    async def build_replacement(scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope.get("headers", ())).get(b"host", b"")

        async def rewrite(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [one for one in message["headers"] if one[0].lower() != b"content-length"]
            elif message["type"] == "http.response.body":
                document = json.loads(message["body"])
                own = document.get("issuer", "").encode()
                message = message | {"body": message["body"].replace(own, b"http://" + host)}
            await send(message)

        is_metadata = scope.get("path", "").startswith("/.well-known/o")
        await app(scope, receive, rewrite if is_metadata else send)

    return build_replacement


MUTANTS: dict[str, Mutant] = {
    "framing_allowed": Mutant(
        "clickjacking headers removed",
        ("test_clickjacking_pages_deny_framing_and_caching",),
        wraps=_drop_response_headers(b"content-security-policy", b"x-frame-options"),
    ),
    "caching_allowed": Mutant(
        "Cache-Control header removed",
        (
            "test_token_response_has_cache_control_no_store",
            "test_introspection_response_has_cache_control_no_store",
        ),
        wraps=_drop_response_headers(b"cache-control"),
    ),
    "token_in_query": Mutant(
        "access token in the query accepted at userinfo",
        ("test_userinfo_with_token_in_query_is_rejected",),
        wraps=_token_in_query_is_accepted,
    ),
    "content_type_ignored": Mutant(
        "content type check of forms removed",
        ("test_form_with_other_content_type_is_rejected",),
        wraps=_content_type_is_ignored,
    ),
    "open_redirect": Mutant(
        "error redirects to an unverified redirect_uri",
        ("test_open_redirect_with_invalid_request_uri_is_blocked",),
        wraps=_errors_redirect_to_unverified_uri,
    ),
    "host_header_trusted": Mutant(
        "issuer taken from the Host header",
        ("test_forged_host_header_does_not_change_metadata",),
        wraps=_issuer_follows_host_header,
    ),
}
