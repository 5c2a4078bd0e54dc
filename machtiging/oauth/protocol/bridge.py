"""Convert HTTP requests to Authlib requests, and await coroutines from Authlib's synchronous calls.

Authlib checks five parameters for duplicates, on one endpoint, and answers 500 to odd characters. So one parser here
validates the parameters for every endpoint.
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
    """Await a coroutine inside `protocol.server.run_authlib`: Authlib calls us synchronously.

    The greenlet yields while the event loop runs the coroutine on the same connection. No thread is used, and the
    transaction is the same.
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
    """A request with unique, printable parameters. Its URI uses our issuer, not the Host header."""

    def __init__(self, method: str, uri: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers=dict(headers))
        self.payload = _Payload(parameters)
        # The caller proved more than a name: a signature, or a code of ours. Only then is a refusal journalled.
        self.proven = False
        # The DPoP proof or certificate of the request. The binding of the token is set at /token, after client
        # authentication.
        self.shown: Shown = NOTHING
        self.binding: Binding = UNBOUND

    def asking(self, parameters: Mapping[str, str]) -> WireRequest:
        """Copy the request with other parameters: those of a request object (RFC 9101)."""
        other = copy(self)
        other.payload = _Payload(parameters)
        return other

    @property
    def args(self) -> dict[str, str]:
        """Empty: the query string of a POST is not read."""
        return {}

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        data: dict[str, str] = self.payload.data
        return data


async def posted(request: Request, uri: str) -> WireRequest:
    """Read a form request of a client. Raises OAuthRefusal `invalid_request`, TooLarge."""
    return wired(request, uri, await form_in(request))


def wired(request: Request, uri: str, form: Mapping[str, str]) -> WireRequest:
    """Build the Authlib request from a form that was read before."""
    wire = WireRequest("POST", uri, form, request.headers)
    wire.shown = shown_in(request)
    return wire


async def form_in(request: Request) -> dict[str, str]:
    """Read the form of a client's request. Raises OAuthRefusal `invalid_request`, TooLarge."""
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
    """Read the query parameters of /authorize. Raises OAuthRefusal `invalid_request`."""
    return WireRequest("GET", uri, unique(_pairs(_query(request))), {})


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """Parse the query string into pairs, duplicates included; empty when it is unreadable."""
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
    """Validate parameters: no duplicates (RFC 6749 3.1), printable, of limited length.

    Empty ones are dropped.

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
    """Check that a value is printable and of limited length.

    PostgreSQL and HTTP headers cannot hold NUL, CR, LF or lone surrogates.
    """
    return len(text) <= _LONGEST_VALUE and _UNPRINTABLE.search(text) is None
