"""A file of register events, signed by the register.

It is one compact JWS (RFC 7515) over JSON lines or a JSON array.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from machtiging.crypto.jose import parse_jws, parse_strict_json, verify_parsed_jws
from machtiging.kernel.errors import Fault, InvalidInput, NotAuthenticated
from machtiging.kernel.oin import Oin
from machtiging.kernel.text import drop_byte_order_mark

FILE_TYPE = "register-events+jws"
FILE_ALGORITHMS = ("ES256", "PS256", "Ed25519")
MAX_FILE_BYTES = 32 * 1024 * 1024
# The OIN of each register with its JWK set (RFC 7517).
RegisterKeys = Mapping[str, dict[str, Any]]


class SignedEvents(NamedTuple):
    """The events of a file whose signature is right, and the register that signed it."""

    oin: str
    items: list[dict[str, Any]]


def read_register_keys(file: Path) -> RegisterKeys:
    """Read the public keys of the registers: a JSON object of OIN and JWK set.

    Raises Fault `registersleutels_onleesbaar`.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        keys = {Oin(oin).value: jwks for oin, jwks in found.items()}
        readable = all(isinstance(jwks["keys"], list) for jwks in keys.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise Fault("registersleutels_onleesbaar", private=f"{file}: {type(error).__name__}") from error
    if not readable or not keys:
        raise Fault("registersleutels_onleesbaar", private=f"{file}: no OIN with a list of keys")
    return keys


def verify_signed_file(content: bytes, keys: RegisterKeys) -> SignedEvents:
    """Verify the signature, by the key that `kid` names, and return the events.

    Raises InvalidInput `registerbestand_ongeldig`.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput("registerbestand_ongeldig", private="the file is too large")
    try:
        parts = parse_jws(content.decode("ascii").strip(), max_length=MAX_FILE_BYTES)
        oin = _find_signer(parts.header.get("kid"), keys)
        verify_parsed_jws(parts, keys[oin], algorithms=FILE_ALGORITHMS, typ=FILE_TYPE)
        return SignedEvents(oin, _parse_items(parts.payload))
    except (UnicodeDecodeError, NotAuthenticated) as error:
        private = error.private if isinstance(error, NotAuthenticated) else "the file is no JWS"
        raise InvalidInput("registerbestand_ongeldig", private=private) from error


def _find_signer(kid: Any, keys: RegisterKeys) -> str:
    """Return the OIN of the only register with this key."""
    signers = [oin for oin, jwks in keys.items() if any(key.get("kid") == kid for key in jwks["keys"])]
    if kid is None or len(signers) != 1:
        raise NotAuthenticated("token_ongeldig", private="kid names no key of one register")
    return signers[0]


def _parse_items(payload: bytes) -> list[dict[str, Any]]:
    """Parse a JSON array, or a JSON object on each line."""
    text = drop_byte_order_mark(payload).strip()
    if not text.startswith(b"["):
        return [parse_strict_json(line) for line in text.splitlines() if line.strip()]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NotAuthenticated("token_ongeldig", private="the payload is no array of objects")
    return [parse_strict_json(json.dumps(item).encode()) for item in found]
