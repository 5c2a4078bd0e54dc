"""Identifiers: UUIDv7 (RFC 9562 section 5.7), with one static type per kind of object."""

from __future__ import annotations

import secrets
import time
from typing import NewType
from uuid import UUID

PersonId = NewType("PersonId", UUID)
MachtigingId = NewType("MachtigingId", UUID)
BerichtId = NewType("BerichtId", UUID)
BijlageId = NewType("BijlageId", UUID)
GrantId = NewType("GrantId", UUID)
TokenId = NewType("TokenId", UUID)


def uuid7() -> UUID:
    """Create a UUIDv7: 48 bits of milliseconds, then 74 random bits.

    Ids sort roughly by age and cannot be guessed.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
