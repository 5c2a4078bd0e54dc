"""A machtiging changed without the key: no name is shown, and it can be ended."""

import pytest
from sqlalchemy import text

from tests.builders.database import bypass_triggers
from tests.builders.people import ISSUER
from tests.builders.portal import enter_code
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS

LIST = ISSUER + "/helpers"
OTHER_NAMES = {"mother": "Bram Voorbeeld", "son": "Ans Voorbeeld"}


async def change_without_key(database):
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE machtiging SET purpose = 'iets anders'"))


@pytest.fixture
async def accepted(portal):
    offered = await portal.world.offer()
    return await portal.world.accept(offered.code, at=portal.clock.now())


@pytest.mark.parametrize("viewer", OTHER_NAMES)
async def test_forged_machtiging_shows_neither_name_nor_terms(portal, database, accepted, viewer):
    browser = await getattr(portal, viewer)()
    await change_without_key(database)
    place = LIST if viewer == "mother" else f"{ISSUER}/ik-help"
    for path in (place, f"{place}/{accepted.id}"):
        shown = (await browser.open_page(path)).text
        assert "Er klopt iets niet in onze gegevens." in shown
        assert [secret for secret in (OTHER_NAMES[viewer], "iets anders", "UWV") if secret in shown] == []


async def test_revocation_of_a_forged_machtiging_sends_no_message(portal, database, accepted):
    mother = await portal.mother()
    await change_without_key(database)
    already_sent = await NOTIFICATIONS.count(database)
    page = await mother.open_page(f"{LIST}/{accepted.id}/intrekken")
    await mother.submit_form(page.find_form("/intrekken"), {})
    assert await MACHTIGINGEN.read_value(database, "state") == "ended"
    assert await NOTIFICATIONS.count(database) == already_sent
    assert "rij:geweigerd" in await JOURNAL_INTAKE.read_column(database, "act")


async def test_preview_of_a_forged_offer_is_refused(portal, database):
    offered = await portal.world.offer()
    await change_without_key(database)
    page = await enter_code(await portal.son(), offered.code, expect=403)
    assert "Er klopt iets niet in onze gegevens." in page.text
    assert OTHER_NAMES["son"] not in page.text
