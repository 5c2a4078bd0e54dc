"""Case references of assignments, sealed with the data key of the organisation: its own words."""

from __future__ import annotations

from uuid import UUID

from machtiging.crypto.envelope_encryption import DataKey


def encrypt_case_reference(key: DataKey, machtiging_id: UUID, case_reference: str) -> bytes:
    """Encrypt the reference of an assignment."""
    return key.encrypt(case_reference.encode(), *_reference_context(machtiging_id))


def decrypt_case_reference(key: DataKey, machtiging_id: UUID, sealed: bytes | None) -> str | None:
    """Decrypt the sealed reference of an assignment; None if it has none."""
    return None if sealed is None else key.decrypt(sealed, *_reference_context(machtiging_id)).decode()


def _reference_context(machtiging_id: UUID) -> tuple[str, str, str]:
    return ("assignment", str(machtiging_id), "case_reference")
