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
from starlette.requests import Request

from machtiging.access_tokens.sender_constraint.binding import NO_BINDING, TokenBinding
from machtiging.access_tokens.sender_constraint.presented_credentials import (
    NO_CREDENTIALS,
    PresentedCredentials,
    read_presented_credentials,
)
from machtiging.kernel.errors import TooLarge
from machtiging.oauth.errors import OAuthRefusal, invalid_request_error
from machtiging.storage.connections.greenlets import await_in_greenlet

_T = TypeVar("_T")
_MAX_BODY_BYTES = 64 * 1024
_MAX_PARAMETERS = 50
_MAX_NAME_LENGTH, _MAX_VALUE_LENGTH = 64, 16 * 1024
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"


def await_sync(awaitable: Awaitable[_T]) -> _T:
    """Await a coroutine inside `protocol.server.run_authlib`: Authlib calls us synchronously.

    The greenlet yields while the event loop runs the coroutine on the same connection. No thread is used, and the
    transaction is the same.
    """
    return await_in_greenlet(awaitable)


class _Payload(OAuth2Payload):  # type: ignore[misc]
    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._data = dict(parameters)

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class OAuthRequest(OAuth2Request):  # type: ignore[misc]
    """A request with unique, printable parameters. Its URI uses our issuer, not the Host header."""

    def __init__(self, method: str, uri: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers=dict(headers))
        self.payload = _Payload(parameters)
        # The caller proved more than a name: a signature, or a code of ours. Only then is a refusal journalled.
        self.credential_proven = False
        # The DPoP proof or certificate of the request. The binding of the token is set at /token, after client
        # authentication.
        self.presented: PresentedCredentials = NO_CREDENTIALS
        self.binding: TokenBinding = NO_BINDING

    def with_parameters(self, parameters: Mapping[str, str]) -> OAuthRequest:
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


async def read_form_request(request: Request, uri: str) -> OAuthRequest:
    """Read a form request of a client. Raises OAuthRefusal `invalid_request`, TooLarge."""
    return to_oauth_request(request, uri, await read_form(request))


def to_oauth_request(request: Request, uri: str, form: Mapping[str, str]) -> OAuthRequest:
    """Build the Authlib request from a form that was read before."""
    wire = OAuthRequest("POST", uri, form, request.headers)
    wire.presented = read_presented_credentials(request)
    return wire


async def read_form(request: Request) -> dict[str, str]:
    """Read the form of a client's request. Raises OAuthRefusal `invalid_request`, TooLarge."""
    if request.scope["query_string"]:
        raise invalid_request_error("parameters_in_adres")
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM_MEDIA_TYPE:
        raise invalid_request_error("geen_formulier", form_media_type=_FORM_MEDIA_TYPE)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise TooLarge("verzoek_te_groot")
    return validate_parameters(_parse_pairs(bytes(body)))


def read_query_request(request: Request, uri: str) -> OAuthRequest:
    """Read the query parameters of /authorize. Raises OAuthRefusal `invalid_request`."""
    return OAuthRequest("GET", uri, validate_parameters(_parse_pairs(_encode_query(request))), {})


def parse_query_pairs(request: Request) -> list[tuple[str, str]]:
    """Parse the query string into pairs, duplicates included; empty when it is unreadable."""
    try:
        return _parse_pairs(_encode_query(request))
    except OAuthRefusal:
        return []


def _encode_query(request: Request) -> bytes:
    return request.url.query.encode("latin-1", "replace")


def _parse_pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise invalid_request_error("parameters_onleesbaar") from None


def validate_parameters(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Validate parameters: no duplicates (RFC 6749 3.1), printable, of limited length.

    Empty ones are dropped.

    Raises OAuthRefusal `invalid_request`.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise invalid_request_error("parameter_dubbel")
        if not name or len(name) > _MAX_NAME_LENGTH or not (is_printable_value(name) and is_printable_value(value)):
            raise invalid_request_error("parameter_onleesbaar")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def is_printable_value(text: str) -> bool:
    """Check that a value is printable and of limited length.

    PostgreSQL and HTTP headers cannot hold NUL, CR, LF or lone surrogates.
    """
    return len(text) <= _MAX_VALUE_LENGTH and _UNPRINTABLE.search(text) is None
