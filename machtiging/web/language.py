"""The language of a request, Dutch if nothing names one.

First the query parameter `ui_locales` (OpenID Connect Core 3.1.2.1), then the choice kept in a cookie, then
`Accept-Language` (RFC 9110, 12.5.4).
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.message_catalogue import DUTCH, LANGUAGES, use_language

LANGUAGE_COOKIE = "taal"
_MAX_HEADER_LENGTH = 200


class _LanguageMiddleware:
    """Set the language for all sentences of this request, and name it in the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        language = choose_language(scope)

        async def send_with_language(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_text(message):
                message["headers"] = [
                    *message["headers"],
                    (b"content-language", language.encode()),
                    (b"vary", b"Accept-Language"),
                ]
            await send(message)

        with use_language(language):
            await self._app(scope, receive, send_with_language)


def _is_text(message: Message) -> bool:
    """Return True for what has sentences: pages and problem documents."""
    kind = dict(message.get("headers", ())).get(b"content-type", b"")
    return bool(kind.startswith((b"text/html", b"application/problem+json")))


def choose_language(scope: Scope) -> str:
    """Return the language for this request; Dutch for anything that names no language of ours."""
    headers = dict(scope["headers"])
    chosen = _read_ui_locales(scope.get("query_string", b"")) or _read_cookie(headers.get(b"cookie", b""))
    return chosen or _negotiate_language(headers.get(b"accept-language", b"")) or DUTCH


def _read_ui_locales(query: bytes) -> str | None:
    """Return the first language of ours in the list. It is in order of preference."""
    if b"ui_locales" not in query:
        return None
    offered = dict(parse_qsl(query.decode("latin-1"))).get("ui_locales", "")
    named = [tag.lower().partition("-")[0] for tag in offered.split()]
    return next((language for language in named if language in LANGUAGES), None)


def _read_cookie(header: bytes) -> str | None:
    if LANGUAGE_COOKIE.encode() not in header:
        return None
    try:
        morsel = SimpleCookie(header.decode("latin-1")).get(LANGUAGE_COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None and morsel.value in LANGUAGES else None


def _negotiate_language(header: bytes) -> str | None:
    """Return the language of ours that has the highest weight; the first one of equals."""
    weights: dict[str, float] = {}
    for offered in header[:_MAX_HEADER_LENGTH].decode("latin-1").split(","):
        tag, _, parameter = offered.partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            weights[language] = max(weights.get(language, 0.0), _parse_weight(parameter))
    best = max(weights, key=lambda language: weights[language], default=None)
    return best if best is not None and weights[best] > 0 else None


def _parse_weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(float(value), 1.0) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0


def install(app: FastAPI) -> None:
    """Add the middleware to the application."""
    app.add_middleware(_LanguageMiddleware)
