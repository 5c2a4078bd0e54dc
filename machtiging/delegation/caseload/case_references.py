"""Case references of assignments, sealed with the data key of the organisation: its own words."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import FromClause, Join

from machtiging.crypto.envelope_encryption import DataKey
from machtiging.delegation.tables import AssignmentRow
from machtiging.kernel.errors import Fault
from machtiging.storage.columns import table_of

_ASSIGNMENT = table_of(AssignmentRow)
# Select it from `join_case_references`; `open_case_reference` reads it.
CASE_REFERENCE_SEALED = _ASSIGNMENT.c.case_reference_sealed


def join_case_references(clients: FromClause) -> Join:
    """Join clients, by their `machtiging_id`, with their sealed case reference."""
    return clients.outerjoin(_ASSIGNMENT, _ASSIGNMENT.c.machtiging_id == clients.c.machtiging_id)


def encrypt_case_reference(key: DataKey, machtiging_id: UUID, case_reference: str) -> bytes:
    """Encrypt the reference of an assignment."""
    return key.encrypt(case_reference.encode(), *_reference_context(machtiging_id))


def decrypt_case_reference(key: DataKey, machtiging_id: UUID, sealed: bytes | None) -> str | None:
    """Decrypt the sealed reference of an assignment; None if it has none."""
    return None if sealed is None else key.decrypt(sealed, *_reference_context(machtiging_id)).decode()


def open_case_reference(key: DataKey, machtiging_id: UUID, sealed: bytes) -> str | None:
    """Decrypt the reference to order by it; None for one that was changed.

    The MAC of its row refuses to show that one.
    """
    try:
        return decrypt_case_reference(key, machtiging_id, sealed)
    except Fault:
        return None


def _reference_context(machtiging_id: UUID) -> tuple[str, str, str]:
    return ("assignment", str(machtiging_id), "case_reference")
