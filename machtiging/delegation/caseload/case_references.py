"""Case references of assignments, sealed with the data key of the organisation: its own words."""

from __future__ import annotations

from uuid import UUID

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.kernel.errors import Fault


def encrypt_case_reference(key: DataKey, machtiging_id: UUID, case_reference: str) -> bytes:
    """Encrypt the reference of an assignment."""
    return key.encrypt(case_reference.encode(), *_reference_context(machtiging_id))


def decrypt_case_reference(key: DataKey, machtiging_id: UUID, sealed: bytes | None) -> str | None:
    """Decrypt the sealed reference of an assignment; None if it has none."""
    return None if sealed is None else key.decrypt(sealed, *_reference_context(machtiging_id)).decode()


def open_case_reference(key: DataKey, machtiging_id: UUID, sealed: bytes) -> str | None:
    """Decrypt the reference to order by it; None for a changed one, which the MAC of its row refuses to show."""
    try:
        return decrypt_case_reference(key, machtiging_id, sealed)
    except Fault:
        return None


def _reference_context(machtiging_id: UUID) -> tuple[str, str, str]:
    return ("assignment", str(machtiging_id), "case_reference")
