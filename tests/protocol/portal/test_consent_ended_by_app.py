"""Overview lines of a consent that an app ended itself name the app."""

import pytest

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.ids import uuid7
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.register_client import register_client
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.client import make_app_metadata
from tests.builders.people import ISSUER
from tests.builders.tokens import insert_grant


async def register_app(session, at) -> str:
    return (
        await register_client(
            session,
            make_app_metadata(None, client_name="Leesapp van Voorbeeld"),
            detail_type="berichtenbox",
            oin=None,
            at=at,
        )
    )["client_id"]


async def end_stored_consent(portal, ending) -> str:
    """Store a consent of the mother for her own box and end it like this."""
    at, grant_id = portal.clock.now(), uuid7()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        client = await register_app(session, at)
        await insert_grant(session, client, portal.people.mother, None, at=at, id=grant_id)
        assert await end_grant(session, BOX_HANDLER, grant_id, ending, at=at)
    return client


async def overview(portal) -> str:
    return (await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")).text


@pytest.mark.parametrize("reason", ["token_ingetrokken", "code_hergebruikt"])
async def test_consent_ended_by_app_is_shown_with_the_app_name(portal, reason):
    await end_stored_consent(portal, GrantEnding(reason))
    told = await overview(portal)
    assert "De app Leesapp van Voorbeeld heeft geen toestemming meer" in told
    assert "Iemand" not in told
    assert "met de app" not in told


async def test_consent_ended_by_suspended_app_keeps_the_app_name(portal):
    client = await end_stored_consent(portal, GrantEnding("token_ingetrokken"))
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await suspend_client(session, client, at=portal.clock.now())
    assert "De app Leesapp van Voorbeeld heeft" in await overview(portal)


async def test_consent_ended_by_person_is_not_attributed_to_the_app(portal):
    await end_stored_consent(portal, GrantEnding("intrekken", portal.people.mother, "self"))
    told = await overview(portal)
    assert "U stopte de toestemming van een app" in told
    assert "De app" not in told


@pytest.mark.parametrize("client_id", [None, "bestaat-niet"])
async def test_consent_ended_without_person_or_known_app_is_attributed_to_neither(portal, client_id):
    line = NewJournalLine(
        JournalAct.GRANT_BEEINDIGD, JournalOutcome.DONE, "x", client_id=client_id, for_person_id=portal.people.mother
    )
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await record(session, line, at=portal.clock.now())
    told = await overview(portal)
    assert ("een app die niet meer bestaat" in told) is (client_id is not None)
    assert ("Iemand" in told) is (client_id is None)
