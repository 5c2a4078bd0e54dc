"""Acts of an operator on sessions are shown in the citizen's overview."""

from __future__ import annotations

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import OPERATOR, NewJournalLine, record
from machtiging.identity.rules import SessionEndReason
from machtiging.oauth.grant_management.operator_session_end import SessionEndOrder, end_sessions_for_person
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.people import ISSUER
from tests.builders.tokens import make_refresh_token_holder, open_oauth_world, register_refreshing_app


async def test_operator_lookup_and_logout_are_shown_in_the_overview(portal) -> None:
    oauth = open_oauth_world(portal)
    await make_refresh_token_holder(oauth, await register_refreshing_app(oauth, client_name="Brievenlezer"), own=True)
    her, at = portal.people.mother, portal.clock.now()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        looked = NewJournalLine(
            JournalAct.SESSIE_BEKEKEN, JournalOutcome.DONE, "bekeken", capacity=OPERATOR, for_person_id=her
        )
        await record(session, looked, at=at)
        await end_sessions_for_person(
            session, BOX_HANDLER, her, SessionEndOrder("beheer1", SessionEndReason.MISUSE, consents=True), at=at
        )
    page = " ".join((await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")).text.split())
    for deed in ("keek waar u was ingelogd", "logde u uit op alle apparaten", "stopte de toestemming van een app"):
        assert f"Een beheerder {deed}" in page
    assert "De app Brievenlezer heeft geen toestemming meer" not in page
    assert "beheer1" not in page
    await oauth.close()


async def test_own_login_and_logout_are_not_shown_in_the_overview(portal) -> None:
    async with unit_of_work(portal.app.state.services.sessions) as session:
        line = NewJournalLine(
            JournalAct.SESSIE_BEEINDIGD, JournalOutcome.DONE, "uitgelogd", actor_id=portal.people.mother
        )
        await record(session, line, at=portal.clock.now())
    assert "logde u uit" not in (await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")).text
