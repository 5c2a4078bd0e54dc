"""The meldcode: a short code for one CIBA request.

The person makes it in her own session and reads it out at the counter.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.ids import PersonId
from machtiging.kernel.readable_code import CODE_ALPHABET, compute_check_character
from machtiging.oauth.ciba.rules import MELDCODE_LENGTH, MELDCODE_LIFETIME
from machtiging.oauth.tables import Meldcode
from machtiging.storage.columns import table_of

_MELDCODE = table_of(Meldcode)
_PURPOSE = "meldcode"


@dataclass(frozen=True, slots=True)
class MeldcodeHolder:
    """The person who made a meldcode, and the organisation (KvK) of the session.

    None for a private person.
    """

    person_id: PersonId
    organisation_kvk: str | None


async def create_meldcode(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, *, organisation_kvk: str | None = None, at: datetime
) -> str:
    """Create a meldcode, formatted as XXXX-XXXX. It replaces an unused one."""
    body = "".join(secrets.choice(CODE_ALPHABET) for _ in range(MELDCODE_LENGTH - 1))
    code = body + compute_check_character(body)
    fresh = {
        "code_hash": keyring.blind_index(_PURPOSE, code),
        "created_at": at,
        "expires_at": at + MELDCODE_LIFETIME,
        "organisation_kvk": organisation_kvk,
    }
    adding = insert(_MELDCODE).values(fresh | {"person_id": person_id})
    replacing = adding.on_conflict_do_update(
        index_elements=[_MELDCODE.c.person_id], index_where=_MELDCODE.c.used_at.is_(None), set_=fresh
    )
    await session.execute(replacing)
    line = NewJournalLine(
        JournalAct.MELDCODE_GEMAAKT, JournalOutcome.DONE, "gemaakt", actor_id=person_id, for_person_id=person_id
    )
    await record(session, line, at=at)
    return f"{code[:4]}-{code[4:]}"


async def consume_meldcode(
    session: AsyncSession, keyring: KeyRing, code: str, *, at: datetime
) -> MeldcodeHolder | None:
    """Consume a meldcode and return its holder.

    None for a code that is unknown, expired, replaced or used before.
    """
    mine = (_MELDCODE.c.code_hash == keyring.blind_index(_PURPOSE, code), _MELDCODE.c.used_at.is_(None))
    using = update(_MELDCODE).where(*mine, _MELDCODE.c.expires_at > at).values(used_at=at)
    found = await session.execute(using.returning(_MELDCODE.c.person_id, _MELDCODE.c.organisation_kvk))
    row = found.one_or_none()
    return None if row is None else MeldcodeHolder(PersonId(row.person_id), row.organisation_kvk)
