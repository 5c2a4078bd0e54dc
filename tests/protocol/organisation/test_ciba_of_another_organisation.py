"""CIBA requests, approvals and polls are bound to the organisation of the machtiging."""

from __future__ import annotations

from machtiging.oauth.ciba.meldcode import create_meldcode
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_authorization_details
from tests.protocol.organisation.organisations import (
    a_professional_machtiging,
    logged_in_for,
    move,
    organisations,
    refusal_reasons,
)

OTHER = "andere_organisatie"


async def meldcode_for(counter, kvk):
    async with unit_of_work(counter.oauth.sessions) as session:
        keyring, at = counter.oauth.service.state.services.keyring, counter.oauth.clock.now()
        return await create_meldcode(session, keyring, counter.son, organisation_kvk=kvk, at=at)


async def request_ciba(counter, kvk, machtiging):
    response = await counter.asks(
        await meldcode_for(counter, kvk), authorization_details=make_authorization_details(machtiging.id)
    )
    assert response.status_code == 200, response.text
    return response.json()["auth_req_id"]


async def test_meldcode_stores_organisation_of_its_session(counter) -> None:
    browser = await logged_in_for(counter.oauth, "90000001")
    csrf = (await browser.get("/aan-de-balie")).text.split('name="csrf" value="')[1].split('"')[0]
    response = await browser.post("/aan-de-balie", {"csrf": csrf})
    assert response.status_code == 200, response.text
    assert await organisations(counter.oauth, "meldcode") == {"90000001"}


async def test_request_with_meldcode_of_another_organisation_reaches_no_person(counter, organisation_pair) -> None:
    accepted_for, used_for = organisation_pair
    machtiging = await a_professional_machtiging(counter.oauth, accepted_for)
    request = await request_ciba(counter, used_for, machtiging)
    assert await counter.hears(request) == "authorization_pending"
    (row,) = await counter.rows()
    assert (row.person_id, row.machtiging_id, row.organisation_kvk) == (None, None, None)
    assert await refusal_reasons(counter.oauth, "verzoek:gedaan") == [OTHER]


async def test_request_approved_in_session_of_same_organisation_issues_token_with_it(counter) -> None:
    machtiging = await a_professional_machtiging(counter.oauth)
    request = await request_ciba(counter, "90000001", machtiging)
    await counter.answers(await logged_in_for(counter.oauth, "90000001"))
    assert (await counter.polls(request)).status_code == 200
    for table in ("backchannel_request", "oauth_grant", "issued_token"):
        assert await organisations(counter.oauth, table) == {"90000001"}, table


async def test_approval_in_session_of_another_organisation_is_refused_and_request_stays_pending(
    counter, organisation_pair
) -> None:
    accepted_for, used_for = organisation_pair
    machtiging = await a_professional_machtiging(counter.oauth, accepted_for)
    request = await request_ciba(counter, accepted_for, machtiging)
    browser = await logged_in_for(counter.oauth, used_for)
    page = await browser.get("/verzoeken")
    assert "andere organisatie dan waarvoor u nu bent ingelogd" in page.text
    assert "Ans Voorbeeld" not in page.text
    assert "akkoord" not in page.text
    assert 'href="/inloggen?terug=/verzoeken"' in page.text
    response = await browser.post("/verzoeken", {**await counter.form_of(browser), "besluit": "akkoord"})
    assert response.status_code == 403
    assert await refusal_reasons(counter.oauth, "verzoek:geweigerd") == [OTHER]
    assert await organisations(counter.oauth, "oauth_grant") == set()
    assert await counter.hears(request) == "authorization_pending"
    await counter.answers(await logged_in_for(counter.oauth, accepted_for))
    counter.oauth.later(seconds=10)
    assert (await counter.polls(request)).status_code == 200


async def test_pending_request_moved_to_another_organisation_is_denied_at_poll(counter, organisation_pair) -> None:
    accepted_for, used_for = organisation_pair
    request = await request_ciba(counter, accepted_for, await a_professional_machtiging(counter.oauth, accepted_for))
    await move(counter.oauth, used_for, "backchannel_request")
    assert await counter.hears(request) == "access_denied"


async def test_approved_request_with_consent_of_another_organisation_issues_no_token(
    counter, organisation_pair
) -> None:
    accepted_for, used_for = organisation_pair
    request = await request_ciba(counter, accepted_for, await a_professional_machtiging(counter.oauth, accepted_for))
    await counter.answers(await logged_in_for(counter.oauth, accepted_for))
    await move(counter.oauth, used_for, "oauth_grant")
    assert await counter.hears(request) == "invalid_grant"
    assert await refusal_reasons(counter.oauth, "token:geweigerd") == [OTHER]
