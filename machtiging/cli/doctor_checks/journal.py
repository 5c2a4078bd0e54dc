"""Doctor: check the protections of the journal and its signed head outside the database."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from machtiging.audit.head_anchor import read_head
from machtiging.audit.protection.deviations import find_deviations, load_protection
from machtiging.audit.rules import HEAD_TYPE
from machtiging.audit.tables import JournalLine
from machtiging.cli.database import open_sealer_engine
from machtiging.cli.doctor_checks.installation import Finding, FindingStatus
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import Fault, NotAuthenticated
from machtiging.settings import Settings
from machtiging.storage.columns import table_of

_journal_table = table_of(JournalLine)
_MAX_FINDINGS = 20
_SUBJECT = "journal"


async def check_journal(settings: Settings) -> AsyncIterator[Finding]:
    """Report every changed protection of the journal, and compare it with the external signed head.

    Yields nothing when the database cannot be reached: another check reports that.
    """
    try:
        async with open_sealer_engine(settings) as engine, engine.connect() as connection:
            found = find_deviations(await load_protection(connection))
            for one in found[:_MAX_FINDINGS]:
                yield Finding(
                    _SUBJECT, FindingStatus.WRONG, str(one), "Find out who did it; migrate puts nothing back."
                )
            if not found:
                yield Finding(_SUBJECT, FindingStatus.OK, "its triggers, rights and constraints are as they were made")
                yield await _check_signed_head(connection, settings)
    except (SQLAlchemyError, OSError, TimeoutError):
        return


async def _check_signed_head(connection: AsyncConnection, settings: Settings) -> Finding:
    if settings.journal_head_file is None:
        if settings.journal_head_url is not None:
            return Finding(_SUBJECT, FindingStatus.OK, "its heads go to an address elsewhere")
        mend = "Set MACHTIGING_JOURNAL_HEAD_FILE (another disk) or MACHTIGING_JOURNAL_HEAD_URL."
        return Finding(
            _SUBJECT, FindingStatus.ATTENTION, "no head is kept outside the database: a cut would not show", mend
        )
    last = await connection.scalar(select(func.max(_journal_table.c.seq))) or 0
    try:
        claims = KeyRing.load(settings.keys_dir).verify_own_statement(
            read_head(settings.journal_head_file), typ=HEAD_TYPE
        )
    except OSError:
        mend = "It is written at the next seal. Does the service run, and may it write there?"
        return Finding(_SUBJECT, FindingStatus.ATTENTION, f"no head yet in {settings.journal_head_file}", mend)
    except (NotAuthenticated, Fault):
        mend = "Look who writes there. The next seal puts a head of ours in its place."
        return Finding(_SUBJECT, FindingStatus.WRONG, f"{settings.journal_head_file} holds no head of ours", mend)
    if claims["seq"] > last:
        mend = "Run machtiging audit verify; do not seal before somebody has looked."
        return Finding(_SUBJECT, FindingStatus.WRONG, f"ends at line {last}; it once ended at {claims['seq']}", mend)
    return Finding(
        _SUBJECT, FindingStatus.OK, f"a head is kept in {settings.journal_head_file}, up to line {claims['seq']}"
    )
