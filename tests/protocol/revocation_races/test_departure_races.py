"""Departure races: no read of the leaver that starts after the answer succeeds."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders.people import ISSUER
from tests.protocol.organisation_pages.office import OfficePages

_READERS = 3


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.1, 0.3])
async def test_no_read_of_the_leaver_that_starts_after_the_answer_succeeds(portal, database, pause):
    office = await OfficePages.begin(portal, database)
    roots = [await office.rows.grant(purpose=f"post {number}") for number in range(_READERS)]
    links = [await office.rows.assign(root) for root in roots]
    boxes = [await office.open_box(office.rows.worker, link) for link in links]
    browser = await office.log_in_administrator()
    path = f"/organisatie/medewerkers/{office.rows.worker_id}/vertrek"
    form = (await browser.open_page(ISSUER + path)).find_form("/vertrek")
    answered, stop, late, early = asyncio.Event(), asyncio.Event(), [], []

    async def read_on(box):
        while not stop.is_set():
            statuses = late if answered.is_set() else early
            statuses.append((await box.get()).status_code)

    reading = [asyncio.create_task(read_on(box)) for box in boxes]
    await asyncio.sleep(pause)
    await browser.submit_form(form, {})
    answered.set()
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.gather(*reading)
    assert late
    assert 200 not in late
    assert pause < 0.1 or 200 in early
