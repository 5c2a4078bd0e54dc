"""Act on a login: activate an invited employee, and index the name of a client."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.search_index import index_machtigingen_of_giver
from machtiging.identity.rules import VerifiedLogin
from machtiging.kernel.ids import PersonId
from machtiging.organisations.employees import activate_employee


async def handle_login(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, login: VerifiedLogin, *, at: datetime
) -> None:
    """Activate an invited employee, and index the name of a client of an organisation."""
    await activate_employee(session, keyring, person_id, login, at=at)
    await index_machtigingen_of_giver(session, keyring, person_id)
