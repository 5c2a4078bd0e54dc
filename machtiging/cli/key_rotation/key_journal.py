"""Journal lines about changes of the key ring: key id and operator, no key material.

The ring is in files and the journal in a database, so one can succeed without the other. A failure is printed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.cli.database import open_service_sessions, provide_database
from machtiging.cli.errors import err
from machtiging.cli.operator_name import get_operator_name
from machtiging.crypto.key_manifest import KeyEntry
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings


def has_database(settings: Settings) -> bool:
    """Return true when a database exists. Creating keys must not create one."""
    return settings.database_url is not None or (settings.data_dir / "postgres").exists()


def journal_key_change(act: JournalAct, reason: str, entries: Iterable[KeyEntry]) -> bool:
    """Write a journal line for each of these keys. Returns false when that failed."""
    settings = Settings()
    if not has_database(settings):
        err.print("There is no database yet, so this does not stand in the journal.")
        return True
    try:
        with provide_database(settings) as with_database:
            asyncio.run(_insert_lines(with_database, act, reason, tuple(entries)))
    except Fault as fault:
        warning = f"NOT in the journal: the database cannot be written to ({fault.code}). Note it down yourself."
        err.print(warning, style="red", soft_wrap=True)
        return False
    return True


async def _insert_lines(settings: Settings, act: JournalAct, reason: str, entries: tuple[KeyEntry, ...]) -> None:
    from machtiging.audit.journal import OPERATOR, NewJournalLine, record
    from machtiging.crypto.keyring import KeyRing
    from machtiging.storage.unit_of_work import unit_of_work

    ring, at = KeyRing.load(settings.keys_dir), SystemClock().now()
    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        for entry in entries:
            facts = {"beheerder": get_operator_name(), "soort": entry.kind.value}
            if entry.activated_at is not None and entry.activated_at > at:
                facts["vanaf"] = entry.activated_at.isoformat()
            kid = ring.kid_of(entry.name)
            line = NewJournalLine(
                act, JournalOutcome.DONE, reason, None, OPERATOR, object_kind="sleutel", object_id=kid, facts=facts
            )
            await record(session, line, at=at)
