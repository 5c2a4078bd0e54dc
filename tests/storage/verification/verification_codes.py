"""Verification codes in a database: made by mother or son, used by an agency."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.verification.codes.consumption import consume_code
from machtiging.verification.codes.creation import CodeMaker, create_code
from machtiging.verification.codes.queries import load_own_code
from machtiging.verification.codes.rules import CodeAsker, CodeLife, CodePurpose, CodeRequest, VerificationCode
from machtiging.verification.codes.tables import VerificationCodeRow, VerificationCodeTry
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import UWV
from tests.builders.rows import TableReader

CODES, TRIES = TableReader(VerificationCodeRow), TableReader(VerificationCodeTry)
WW = "ww-uitkering"


def make_request(**changes: Any) -> CodeRequest:
    """For UWV at the counter, for a day."""
    values = {"oin": UWV, "purpose": CodePurpose.COUNTER, "life": CodeLife.DAY, "dienst": None}
    return CodeRequest(**(values | changes))


async def add_code(
    session: AsyncSession,
    maker_id: PersonId,
    machtiging_id: UUID,
    key: str = "een",
    *,
    kvk: str | None = None,
    assurance: Assurance = Assurance.SUBSTANTIAL,
    at: datetime = NOON,
    **changes: Any,
) -> VerificationCode:
    """Make a code, and return it with its text."""
    maker = CodeMaker(maker_id, kvk, assurance)
    request = make_request(**changes)
    code_id = await create_code(session, load_keyring(), maker, MachtigingId(machtiging_id), request, key, at=at)
    found = await load_own_code(session, load_keyring(), code_id, maker_id)
    assert found is not None
    return found


def make_asker(person_id: PersonId | None, **changes: Any) -> CodeAsker:
    """An employee of UWV; without a person a client of UWV."""
    client_id = None if person_id is not None else "uwv-controle"
    return CodeAsker(**({"oin": UWV, "person_id": person_id, "client_id": client_id} | changes))


async def use_code(
    session: AsyncSession,
    asker: CodeAsker,
    code: str | None,
    at: datetime = NOON,
    purpose: str = "balie",
    dienst: str | None = WW,
) -> VerificationCode:
    """Use the code as this agency."""
    return await consume_code(session, load_keyring(), asker, purpose, dienst, code or "", at=at)
