"""Tokens of pages of a search (AuthZEN 1.0 section 8.2).

A MAC binds a token to the search and its caller. It expires.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import InvalidInput
from machtiging.verification.authzen.requests import SearchPageRequest
from machtiging.verification.authzen.rules import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, AuthzenSearch

PAGE_TOKEN_LIFETIME = timedelta(minutes=10)
_MAC_BYTES = 16
_MAX_TOKEN_LENGTH = 4096


class PagePosition(NamedTuple):
    """The place of a page in the results.

    `after` is the last key of the page before, `limit` that of the first request.
    """

    after: str
    limit: int | None

    @property
    def size(self) -> int:
        """The number of results on the page."""
        return DEFAULT_PAGE_SIZE if self.limit is None else min(self.limit, MAX_PAGE_SIZE)


@dataclass(frozen=True, slots=True)
class PageTokenBinding:
    """The search and the caller that a token belongs to. `decision_point` is the identifier of the PDP."""

    keyring: KeyRing
    decision_point: str
    caller: str
    search: AuthzenSearch

    def encode(self, position: PagePosition, page: SearchPageRequest, at: datetime) -> str:
        """Encode the position of the next page."""
        expires = int((at + PAGE_TOKEN_LIFETIME).timestamp())
        parts = [position.after, position.limit, self._hash_properties(page), expires]
        content = json.dumps(parts, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._compute_mac(content) + content).decode().rstrip("=")

    def find_position(self, page: SearchPageRequest, at: datetime) -> PagePosition:
        """Return the position that a request names: the first page without a token.

        With a token the other members may be left out, and may not differ. Raises InvalidInput
        `authzen_pagina_ongeldig`.
        """
        if page.token is None:
            return PagePosition("", page.limit)
        after, limit, properties, expires = self._decode(page.token)
        is_changed = (page.limit is not None and page.limit != limit) or (
            page.properties is not None and self._hash_properties(page) != properties
        )
        if is_changed or at.timestamp() >= expires:
            raise InvalidInput("authzen_pagina_ongeldig")
        return PagePosition(after, limit)

    def _decode(self, token: str) -> list[Any]:
        try:
            short = token if len(token) <= _MAX_TOKEN_LENGTH else ""
            raw = base64.b64decode(short + "=" * (-len(short) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not content or not hmac.compare_digest(mac, self._compute_mac(content)):
            raise InvalidInput("authzen_pagina_ongeldig")
        parts: list[Any] = json.loads(content)
        return parts

    def _compute_mac(self, content: bytes) -> bytes:
        question = json.dumps(self.search.question.to_json_object(), sort_keys=True)
        bound = json.dumps([self.decision_point, self.caller, self.search.kind, question, content.hex()])
        return self.keyring.blind_index("authzen-page", bound)[:_MAC_BYTES]

    def _hash_properties(self, page: SearchPageRequest) -> str:
        text = json.dumps(dict(page.properties or {}), sort_keys=True)
        return self.keyring.blind_index("authzen-page-properties", text).hex()[:32]
