"""Queries on verification codes. A row with an invalid MAC is treated as absent, and journalled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_data_key
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.readable_code import normalise_code
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes
from machtiging.verification.codes.rules import CODE_INDEX_PURPOSE, CodeAsker, CodePurpose, VerificationCode
from machtiging.verification.codes.tables import SEALED_VERIFICATION_CODE, VerificationCodeRow

CODE = table_of(VerificationCodeRow)
MAX_LISTED_CODES = 50
# A form that is sent again within this time shows the same answer.
REPEAT_WINDOW = timedelta(minutes=10)


async def find_by_code_for_update(session: AsyncSession, keyring: KeyRing, code: str) -> VerificationCode | None:
    """Find a code by its text, and lock its row. None if it is unknown."""
    mine = select(CODE).where(CODE.c.code_hash == keyring.blind_index(CODE_INDEX_PURPOSE, code)).with_for_update()
    row = (await session.execute(mine)).mappings().one_or_none()
    if row is None or not await authenticate_row(session, SEALED_VERIFICATION_CODE, row):
        return None
    return _build_code(row)


async def load_own_code(
    session: AsyncSession, keyring: KeyRing, code_id: UUID, maker_id: PersonId, *, lock: bool = False
) -> VerificationCode | None:
    """Load a code of this maker, with its text while that is stored. None for any other."""
    statement = select(CODE).where(CODE.c.id == code_id, CODE.c.maker_id == maker_id)
    row = (await session.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()
    if row is None or not await authenticate_row(session, SEALED_VERIFICATION_CODE, row):
        return None
    if row["code_sealed"] is None:
        return _build_code(row)
    key = await load_data_key(session, keyring, maker_id)
    return _build_code(row, _decrypt_code(key, row))


async def list_codes_of_person(
    session: AsyncSession,
    person_id: PersonId,
    organisation_id: UUID | None = None,
    *,
    limit: int = MAX_LISTED_CODES,
) -> list[VerificationCode]:
    """List the codes that this person made, and those that helpers made about this person. Newest first.

    `organisation_id`: that of the login. An employee sees only the codes that were made for that organisation.
    """
    own = (CODE.c.maker_id == person_id) & CODE.c.organisation_id.is_not_distinct_from(organisation_id)
    mine = or_(own, CODE.c.vertegenwoordigde_id == person_id) if organisation_id is None else own
    newest = select(CODE).where(mine).order_by(CODE.c.created_at.desc(), CODE.c.id.desc()).limit(limit)
    rows = (await session.execute(newest)).mappings().all()
    return [_build_code(row) for row in rows if await authenticate_row(session, SEALED_VERIFICATION_CODE, row)]


async def count_codes(
    session: AsyncSession, maker_id: PersonId, machtiging_id: MachtigingId, since: datetime, *, at: datetime
) -> tuple[int, int]:
    """Count one maker's codes for one machtiging: open ones, and those made since an instant.

    Serialises the making of these codes until the transaction ends.
    """
    lock = literal(f"controlecode:{maker_id}:{machtiging_id}")
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(lock, 0))))
    mine = (CODE.c.maker_id == maker_id, CODE.c.machtiging_id == machtiging_id)
    counts = select(func.count().filter(_is_open(at)), func.count().filter(CODE.c.created_at > since))
    row = (await session.execute(counts.where(*mine))).one()
    return row[0], row[1]


def _is_open(at: datetime) -> ColumnElement[bool]:
    return CODE.c.used_at.is_(None) & CODE.c.withdrawn_at.is_(None) & (CODE.c.expires_at > at)


async def update_code(session: AsyncSession, code_id: UUID, changes: Mapping[str, Any]) -> None:
    """Change a locked code, with a new MAC."""
    row = (await session.execute(select(CODE).where(CODE.c.id == code_id))).one()
    changed = reseal_changes(session, SEALED_VERIFICATION_CODE, row, changes)
    await session.execute(update(CODE).where(CODE.c.id == code_id).values(changed))


async def load_used_codes(
    session: AsyncSession, user_id: PersonId, oins: Collection[str], since: datetime
) -> list[VerificationCode]:
    """Load the codes that this employee used for these agencies since an instant, newest first."""
    mine = (CODE.c.used_by == user_id, CODE.c.used_at >= since, CODE.c.oin.in_(oins))
    newest = select(CODE).where(*mine).order_by(CODE.c.used_at.desc(), CODE.c.id.desc()).limit(MAX_LISTED_CODES)
    rows = (await session.execute(newest)).mappings().all()
    return [_build_code(row) for row in rows if await authenticate_row(session, SEALED_VERIFICATION_CODE, row)]


async def load_saved_answer(
    session: AsyncSession, keyring: KeyRing, code_id: UUID, user_id: PersonId, oin: str, since: datetime
) -> tuple[VerificationCode, bytes] | None:
    """Load what this employee was told with a code since an instant, for this agency. None for any other."""
    mine = (CODE.c.id == code_id, CODE.c.used_by == user_id, CODE.c.used_at >= since, CODE.c.oin == oin)
    row = (await session.execute(select(CODE).where(*mine))).mappings().one_or_none()
    if row is None or row["answer_sealed"] is None:
        return None
    if not await authenticate_row(session, SEALED_VERIFICATION_CODE, row):
        return None
    key = await load_data_key(session, keyring, row["vertegenwoordigde_id"])
    return _build_code(row), key.decrypt(row["answer_sealed"], *answer_context(code_id))


async def find_own_use(
    session: AsyncSession, keyring: KeyRing, asker: CodeAsker, typed_code: str, dienst: str, *, at: datetime
) -> UUID | None:
    """Find the code that this employee used a moment ago for this dienst."""
    hashed = keyring.blind_index(CODE_INDEX_PURPOSE, normalise_code(typed_code))
    mine = (CODE.c.code_hash == hashed, CODE.c.used_by == asker.person_id, CODE.c.used_at > at - REPEAT_WINDOW)
    found: UUID | None = await session.scalar(
        select(CODE.c.id).where(*mine, CODE.c.oin == asker.oin, CODE.c.used_dienst == dienst)
    )
    return found


def encrypt_code(key: DataKey, code_id: UUID, code: str) -> bytes:
    """Encrypt the text of a code with its maker's data key, for this row."""
    return key.encrypt(code.encode(), *_code_context(code_id))


def _decrypt_code(key: DataKey, row: Mapping[Any, Any]) -> str:
    return key.decrypt(row["code_sealed"], *_code_context(row["id"])).decode()


def _code_context(code_id: UUID) -> tuple[str, ...]:
    return ("verification_code", str(code_id))


def answer_context(code_id: UUID) -> tuple[str, ...]:
    """Return the context of an encrypted answer: it opens in this row only."""
    return ("verification_answer", str(code_id))


def _build_code(row: Mapping[Any, Any], code: str | None = None) -> VerificationCode:
    used_by = row["used_by"]
    return VerificationCode(
        id=row["id"],
        machtiging_id=MachtigingId(row["machtiging_id"]),
        vertegenwoordigde_id=PersonId(row["vertegenwoordigde_id"]),
        maker_id=PersonId(row["maker_id"]),
        organisation_id=row["organisation_id"],
        oin=row["oin"],
        dienst=row["dienst"],
        purpose=CodePurpose(row["purpose"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        used_by=None if used_by is None else PersonId(used_by),
        used_dienst=row["used_dienst"],
        is_yes=row["is_yes"],
        answer_id=row["answer_id"],
        withdrawn_at=row["withdrawn_at"],
        code=code,
    )
