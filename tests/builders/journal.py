"""Journal lines for the access history of the mother."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.portal import Portal

LIST, READ, DOWNLOAD = JournalAct.BERICHT_LIJST, JournalAct.BERICHT_LEZEN, JournalAct.BERICHT_DOWNLOADEN
REFUSED = {"outcome": JournalOutcome.REFUSED, "reason": "te_oud"}


async def insert_acts(portal: Portal, *acts: tuple[timedelta, JournalAct, dict[str, Any]]) -> None:
    """Insert lines about the mother, by the son unless changed: age, act, changes."""
    people = {"actor_id": portal.people.son, "for_person_id": portal.people.mother}
    plain = {"outcome": JournalOutcome.ALLOWED, "reason": "mag", **people}
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for age, act, changes in acts:
            line = NewJournalLine(act=act, **plain | changes)
            await record(session, line, at=portal.clock.now() - age)


def letter(number: int) -> dict[str, str]:
    """The object of a line: one of many letters that are in no box."""
    return {"object_kind": "bericht", "object_id": f"0190a000-0000-7000-8000-{number:012}"}
