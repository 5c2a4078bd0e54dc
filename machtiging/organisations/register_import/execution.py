"""Do what a plan showed, all of it or nothing. Recognitions wait for another operator, as anywhere else."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import constant_time_equals
from machtiging.kernel.errors import Conflict, Refusal
from machtiging.organisations.employees import invite_employee
from machtiging.organisations.journal_lines import OrganisationAct, journal_act, journal_refusal
from machtiging.organisations.queries import load_organisation_view
from machtiging.organisations.recognition import narrow_ceiling
from machtiging.organisations.register_import.csv_lines import RegisterFile
from machtiging.organisations.register_import.plan import narrow_to, plan_import
from machtiging.organisations.register_import.rules import (
    AdministratorLine,
    ImportEffect,
    ImportPlan,
    OrganisationLine,
    PlannedLine,
)
from machtiging.organisations.registration import register_organisation, request_recognition
from machtiging.organisations.rules import ActingOperator

WORLD_CHANGED = "import_wereld_veranderd"


async def execute_import(
    session: AsyncSession,
    keyring: KeyRing,
    operator: ActingOperator,
    file: RegisterFile,
    broker_issuer: str,
    shown_digest: str,
    *,
    at: datetime,
) -> ImportPlan:
    """Do the new and changed lines of the plan with this digest. Refused lines are left out, as was shown.

    The import has a journal line of its own, with the number of lines of each effect and the reasons of those refused.
    Raises Conflict `import_wereld_veranderd` if the register is no longer as it was shown, and journals that. Then
    nothing changed.
    """
    plan = await plan_import(session, file, broker_issuer, at=at)
    act = OrganisationAct(JournalAct.REGISTER_GEIMPORTEERD, operator, None, at, "import")
    async with journal_refusal(session, act, _count_lines(file, plan)):
        if not constant_time_equals(plan.digest, shown_digest):
            raise Conflict(WORLD_CHANGED)
        try:
            async with session.begin_nested():
                for line in plan.lines:
                    if line.effect in (ImportEffect.NEW, ImportEffect.CHANGED):
                        await _execute_line(session, keyring, operator, line, at)
        except Refusal as refusal:
            raise Conflict(WORLD_CHANGED, private=refusal.code) from refusal
    await journal_act(session, act, "uitgevoerd", [], facts=_count_lines(file, plan))
    return plan


def _count_lines(file: RegisterFile, plan: ImportPlan) -> dict[str, Any]:
    """Count the lines by effect, and those refused by reason. No value of the file is in it."""
    refused = [one.message.key for one in plan.lines if one.effect is ImportEffect.REFUSED and one.message is not None]
    effects = {effect.value: plan.count(effect) for effect in ImportEffect}
    return {"bestand": file.kind.value, "regels": effects, "redenen": dict(Counter(sorted(refused)))}


async def _execute_line(
    session: AsyncSession, keyring: KeyRing, operator: ActingOperator, line: PlannedLine, at: datetime
) -> None:
    match line.content, line.organisation_id:
        case OrganisationLine(registration, request), None:
            await register_organisation(session, keyring, operator, registration, request, at=at)
        case OrganisationLine(registration, request) as wanted, organisation_id if organisation_id is not None:
            view = await load_organisation_view(session, organisation_id, at=at)
            if view.status is None:
                name = registration.name
                await request_recognition(session, operator, organisation_id, request, name=name, at=at)
            ceiling = narrow_to(wanted, view.ceiling)
            if ceiling != view.ceiling:
                await narrow_ceiling(session, operator, organisation_id, ceiling, at=at)
        case AdministratorLine(_, invitation), organisation_id if organisation_id is not None:
            await invite_employee(session, keyring, operator, organisation_id, invitation, at=at)
