"""Consents that end with their machtiging are journalled with the actor and the capacity."""

import pytest

from machtiging.oauth.register_client import register_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_app_metadata
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE
from tests.builders.tokens import insert_grant


async def store_consent(portal):
    """Store a consent of the son for his mother's box."""
    offered = await portal.world.offer()
    held = await portal.world.accept(offered.code)
    at = portal.clock.now()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        client = (await register_client(session, make_app_metadata(None), detail_type="berichtenbox", oin=None, at=at))[
            "client_id"
        ]
        await insert_grant(session, client, portal.people.son, held, at=at)
    return held, client


@pytest.mark.parametrize(
    ("who", "deed", "capacity"), [("mother", "intrekken", "self"), ("son", "teruggeven", "relative")]
)
async def test_consent_ended_with_machtiging_is_journalled_with_its_actor(portal, who, deed, capacity):
    held, client = await store_consent(portal)
    browser = await getattr(portal, who)()
    address = f"{ISSUER}/{'helpers' if who == 'mother' else 'ik-help'}/{held.id}/{deed}"
    await browser.submit_form((await browser.open_page(address)).find_form(f"/{deed}"), {})
    async with unit_of_work(portal.app.state.services.sessions) as session:
        found = await JOURNAL_INTAKE.read_one(session, act="grant:beeindigd")
        line = found
    assert (line.actor_id, line.capacity) == (getattr(portal.people, who), capacity)
    assert (line.for_person_id, line.client_id) == (portal.people.mother, client)
