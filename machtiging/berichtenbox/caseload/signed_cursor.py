"""Cursors of lists over many boxes, bound with a MAC to reader and filter."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import Any

from machtiging.access.actor import Actor
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import InvalidInput

MAX_CURSOR_LENGTH = 400
_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class CursorBinding:
    """The binding of a cursor: the list, its filter, and its reader."""

    keyring: KeyRing
    list_name: str
    reader: Actor
    filter_values: tuple[str, ...]

    def encode(self, position: list[Any]) -> str:
        """Encode a position: JSON values that the reader saw on the page."""
        content = json.dumps(position, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._compute_mac(content) + content).decode().rstrip("=")

    def decode(self, cursor: str) -> list[Any]:
        """Decode a cursor. Raises InvalidInput `cursor_ongeldig` for one of another filter, list or reader."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not content or not hmac.compare_digest(mac, self._compute_mac(content)):
            raise InvalidInput("cursor_ongeldig")
        position: list[Any] = json.loads(content)
        return position

    def _compute_mac(self, content: bytes) -> bytes:
        reader = [self.reader.person_id, self.reader.organisation_kvk, self.reader.client_id]
        bound = json.dumps([self.list_name, *map(str, reader), self.filter_values, content.hex()])
        return self.keyring.blind_index("cursor", bound)[:_MAC_BYTES]
