"""From an HTTP request to what Authlib reads, checked before Authlib sees it; and the way back into async code.

Authlib checks five parameters for duplicates, on one endpoint, and answers 500 to odd characters. So parameters are
taken apart here, by one parser, for every endpoint alike.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from copy import copy
from typing import TypeVar
from urllib.parse import parse_qsl

from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import OAuth2Payload
from sqlalchemy.util import await_only
from starlette.requests import Request

from machtiging.access.proof.binding import UNBOUND, Binding
from machtiging.access.proof.shown import NOTHING, Shown, shown_in
from machtiging.kernel.errors import TooLarge
from machtiging.oauth.errors import OAuthRefusal, malformed

_T = TypeVar("_T")
_LARGEST_BODY = 64 * 1024
_MOST_PARAMETERS = 50
_LONGEST_NAME, _LONGEST_VALUE = 64, 16 * 1024
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_FORM = "application/x-www-form-urlencoded"


def wait(work: Awaitable[_T]) -> _T:
    """Await inside `protocol.server.run`: Authlib calls us synchronously, our verbs are coroutines.

    The greenlet steps aside while the event loop runs the coroutine on the same connection: no thread, one transaction.
    """
    result: _T = await_only(work)
    return result


class _Payload(OAuth2Payload):  # type: ignore[misc]
    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._data = dict(parameters)

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class WireRequest(OAuth2Request):  # type: ignore[misc]
    """One request with unique, printable parameters. Its URI is ours, not the Host header's."""

    def __init__(self, method: str, uri: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers=dict(headers))
        self.payload = _Payload(parameters)
        # Whether its sender showed more than a name: a signature, or a code of ours. Only then is a refusal journalled.
        self.proven = False
        # The proof of a key or the certificate that came with it; and, at /token and once the client has proved who it
        # is, what its token will be bound to.
        self.shown: Shown = NOTHING
        self.binding: Binding = UNBOUND

    def asking(self, parameters: Mapping[str, str]) -> WireRequest:
        """The same request with other parameters: those that were signed (RFC 9101)."""
        other = copy(self)
        other.payload = _Payload(parameters)
        return other

    @property
    def args(self) -> dict[str, str]:
        """Nothing: what stands in the address of a POST is not read."""
        return {}

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        data: dict[str, str] = self.payload.data
        return data


async def posted(request: Request, uri: str) -> WireRequest:
    """A request with a form that was posted by a program. Raises OAuthRefusal `invalid_request`, TooLarge."""
    return wired(request, uri, await form_in(request))


def wired(request: Request, uri: str, form: Mapping[str, str]) -> WireRequest:
    """A request, as Authlib reads one, whose form was read before."""
    wire = WireRequest("POST", uri, form, request.headers)
    wire.shown = shown_in(request)
    return wire


async def form_in(request: Request) -> dict[str, str]:
    """A form that was posted by a program. Raises OAuthRefusal `invalid_request`, TooLarge."""
    if request.scope["query_string"]:
        raise malformed("parameters_in_adres", "Parameters belong in the request body.")
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        raise malformed("geen_formulier", f"The content type must be {_FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise TooLarge("verzoek_te_groot", "Dit verzoek is te groot.")
    return unique(_pairs(bytes(body)))


def asked(request: Request, uri: str) -> WireRequest:
    """The parameters in the address, for /authorize. Raises OAuthRefusal `invalid_request`."""
    return WireRequest("GET", uri, unique(_pairs(_query(request))), {})


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """Parse the query string into pairs, also where names stand twice; empty when it cannot be read."""
    try:
        return _pairs(_query(request))
    except OAuthRefusal:
        return []


def _query(request: Request) -> bytes:
    return request.url.query.encode("latin-1", "replace")


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise malformed("parameters_onleesbaar", "The parameters cannot be read.") from None


def unique(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Each parameter once (RFC 6749 3.1), printable and of a sane length; empty ones count as left out.

    Raises OAuthRefusal `invalid_request`.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise malformed("parameter_dubbel", "A parameter stands twice.")
        if not name or len(name) > _LONGEST_NAME or not (is_readable(name) and is_readable(value)):
            raise malformed("parameter_onleesbaar", "A parameter has no name, is too long or holds control characters.")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def is_readable(text: str) -> bool:
    """Check that a parameter is of a sane length and printable, so that PostgreSQL and a header can hold it (no NUL,
    CR, LF, lone surrogates)."""
    return len(text) <= _LONGEST_VALUE and _UNPRINTABLE.search(text) is None
