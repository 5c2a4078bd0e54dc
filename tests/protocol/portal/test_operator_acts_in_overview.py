"""Acts of an operator on sessions are shown in the citizen's overview."""

from __future__ import annotations

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import OPERATOR, Line, record
from machtiging.identity.over.rules import Why
from machtiging.oauth.manage.end_for_person import Order, end_for_person
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.login import ISSUER
from tests.builders.refreshing import a_holder, oauth_in, refreshing_app


async def test_operator_lookup_and_logout_are_shown_in_the_overview(portal) -> None:
    oauth = oauth_in(portal)
    await a_holder(oauth, await refreshing_app(oauth, client_name="Brievenlezer"), own=True)
    her, at = portal.people.mother, portal.clock.now()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        looked = Line(JournalAct.SESSIE_BEKEKEN, Outcome.DONE, "bekeken", capacity=OPERATOR, for_person_id=her)
        await record(session, looked, at=at)
        await end_for_person(session, her, Order("beheer1", Why.MISUSE, consents=True), at=at)
    page = " ".join((await (await portal.mother()).open(ISSUER + "/inzage")).text.split())
    for deed in ("keek waar u was ingelogd", "logde u uit op alle apparaten", "stopte de toestemming van een app"):
        assert f"Een beheerder {deed}" in page
    assert "De app Brievenlezer heeft geen toestemming meer" not in page
    assert "beheer1" not in page
    await oauth.close()


async def test_own_login_and_logout_are_not_shown_in_the_overview(portal) -> None:
    async with unit_of_work(portal.app.state.services.sessions) as session:
        line = Line(JournalAct.SESSIE_BEEINDIGD, Outcome.DONE, "uitgelogd", actor_id=portal.people.mother)
        await record(session, line, at=portal.clock.now())
    assert "logde u uit" not in (await (await portal.mother()).open(ISSUER + "/inzage")).text
