"""The KvK number of the organisation of an afzender, so that its employees can log in for it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Conflict
from machtiging.organisations.journal_lines import OrganisationAct, journal_act, journal_refusal
from machtiging.organisations.queries import ORGANISATION, build_number_condition, lock_organisation
from machtiging.organisations.rules import ActingOperator, OrganisationNumbers
from machtiging.organisations.tables import SEALED_ORGANISATION
from machtiging.storage.row_mac import reseal_changes


async def add_kvk_number(
    session: AsyncSession, operator: ActingOperator, organisation_id: UUID, kvk: str, *, at: datetime
) -> None:
    """Add the KvK number to the organisation of an afzender. It is added once; repeating it changes nothing.

    Raises InvalidInput `kvk_ongeldig`, NotFound `organisatie_onbekend`, NotAllowed `rij_ongeldig`, Conflict
    `kvk_kan_niet` for an organisation without an OIN or with another number, and Conflict `organisatie_bestaat_al` if
    another organisation has the number.
    """
    numbers = OrganisationNumbers(kvk=kvk)
    act = OrganisationAct(JournalAct.ORGANISATIE_NUMMER, operator, organisation_id, at)
    async with journal_refusal(session, act):
        organisation = await lock_organisation(session, organisation_id, at=at)
        if organisation.kvk == kvk:
            return
        if organisation.oin is None or organisation.kvk is not None:
            raise Conflict("kvk_kan_niet")
        same_number = select(ORGANISATION.c.id).where(build_number_condition(numbers)).limit(1)
        if await session.scalar(same_number) is not None:
            raise Conflict("organisatie_bestaat_al")
        added = {"kvk": kvk, "epoch": organisation.epoch + 1}
        changes = reseal_changes(session, SEALED_ORGANISATION, organisation, added)
        try:
            async with session.begin_nested():
                await session.execute(update(ORGANISATION).where(ORGANISATION.c.id == organisation_id).values(changes))
        except IntegrityError as error:  # a concurrent act registered the number
            raise Conflict("organisatie_bestaat_al") from error
    row = {**dict(zip(ORGANISATION.c.keys(), organisation, strict=True)), **changes}
    await journal_act(session, act, "kvk", [(SEALED_ORGANISATION, row)])
