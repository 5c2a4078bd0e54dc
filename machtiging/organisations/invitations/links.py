"""The token of an invitation link, and the encrypted words of an invitation.

The token is derived with a key of the key ring, so that the worker can send it again. The database has only its hash.
"""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import sha256_digest

_LINK_PURPOSE, _EMAIL_PURPOSE = "uitnodigingslink", "uitnodiging-adres"
_MAX_TOKEN_LENGTH = 128


def derive_link_token(keyring: KeyRing, invitation_id: UUID, link_number: int) -> str:
    """Derive the token of this link: 256 bits, unknown without the key ring. Another number gives another token."""
    digest = keyring.blind_index(_LINK_PURPOSE, f"{invitation_id}:{link_number}")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def hash_link_token(token: str) -> bytes | None:
    """Return the stored hash of a token; None for an impossible length."""
    return sha256_digest(token) if token and len(token) <= _MAX_TOKEN_LENGTH else None


def index_email(keyring: KeyRing, organisation_id: UUID, email: str) -> bytes:
    """Return the keyed index of an address in one organisation, without regard to case."""
    return keyring.blind_index(_EMAIL_PURPOSE, f"{organisation_id}:{email.casefold()}")


def encrypt_words(key: DataKey, invitation_id: UUID, email: str, name: str) -> dict[str, bytes]:
    """Encrypt the address and the name with the data key of the organisation."""
    return {
        "email_sealed": key.encrypt(email.encode(), *_context(invitation_id, "adres")),
        "display_name_sealed": key.encrypt(name.encode(), *_context(invitation_id, "naam")),
    }


def decrypt_email(key: DataKey, row: Any) -> str:
    """Decrypt the address of an invitation. Raises Fault `versleuteling_klopt_niet`."""
    return key.decrypt(row.email_sealed, *_context(row.id, "adres")).decode()


def decrypt_name(key: DataKey, row: Any) -> str:
    """Decrypt the name of an invitation. Raises Fault `versleuteling_klopt_niet`."""
    return key.decrypt(row.display_name_sealed, *_context(row.id, "naam")).decode()


def _context(invitation_id: UUID, field: str) -> tuple[str, str, str]:
    return ("invitation_link", str(invitation_id), field)
