"""The pages `/beheer/cijfers` and `/beheer/opvallend`: for the auditor and the privacy officer alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.access.oversight.unusual_use import THRESHOLDS, UnusualRule
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.clock import to_dutch_date
from machtiging.simulators import personas
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.rows import JOURNAL_INTAKE

PAGES = ("/beheer/cijfers", "/beheer/opvallend")


async def write_refusals(database, clock, number):
    actor, person = uuid4(), uuid4()
    line = NewJournalLine(
        JournalAct.BERICHT_LEZEN, JournalOutcome.REFUSED, "geweigerd", actor_id=actor, for_person_id=person
    )
    async with unit_of_work(database.sessions) as session:
        ids = [await record(session, line, at=clock.now()) for _ in range(number)]
    return ids, {str(actor), str(person)}


async def test_figures_are_rounded_and_say_when_they_were_counted(auditor):
    page = (await auditor.get("/beheer/cijfers")).text

    assert "Geteld op" in page
    assert "minder dan 5" in page
    assert "Naar kanaal" in page
    assert "parent_12" not in page


async def test_unusual_use_shows_a_reference_and_no_person(database, clock, auditor):
    ids, people = await write_refusals(database, clock, THRESHOLDS[UnusualRule.REFUSALS])

    page = (await auditor.get("/beheer/opvallend")).text

    assert any(str(one) in page for one in ids)
    assert [person for person in people if person in page] == []


async def test_day_before_has_a_link_and_shows_what_was_then(database, clock, auditor):
    ids, _ = await write_refusals(database, clock, THRESHOLDS[UnusualRule.REFUSALS])
    before = to_dutch_date(clock.now()) - timedelta(days=1)

    assert f"/beheer/opvallend?dag={before}" in (await auditor.get("/beheer/opvallend")).text
    page = (await auditor.get("/beheer/opvallend", params={"dag": str(before)})).text
    assert [one for one in ids if str(one) in page] == []


@pytest.mark.parametrize("day", ["gisteren", "2026-02-30", "0001-01-01", "9999-12-31", "1", "2026-01-01'--"])
async def test_bad_day_is_refused(auditor, day):
    assert (await auditor.get("/beheer/opvallend", params={"dag": day})).status_code in (400, 404, 422)


async def test_empty_day_is_today(auditor):
    assert (await auditor.get("/beheer/opvallend?dag=")).status_code == 200


@pytest.mark.parametrize("persona", ["naaste", "raadslid", "balie", "beheerder"])
async def test_figures_are_closed_to_others_also_to_operators(service, database, persona):
    browser = await service.logged_in(persona)

    for path in PAGES:
        assert (await browser.get(path)).status_code == 403, path
    assert "/beheer/cijfers" not in (await browser.get("/beheer")).text
    lines = await JOURNAL_INTAKE.read(database, act="beheer:geweigerd")
    assert "alleen_voor_auditors" in {line.reason for line in lines}


async def test_auditor_with_role_of_operator_is_refused(service, monkeypatch):
    both = replace(personas.PERSONAS["auditor"], roles=("auditor", "beheerder"))
    monkeypatch.setattr(personas, "PERSONAS", personas.PERSONAS | {"auditor": both})
    browser = await service.logged_in("auditor")

    for path in (*PAGES, "/beheer/dossiers"):
        assert (await browser.get(path)).status_code == 403, path


async def test_menu_of_the_auditor_has_both_pages(auditor):
    page = (await auditor.get("/beheer")).text

    assert [path for path in PAGES if path not in page] == []
