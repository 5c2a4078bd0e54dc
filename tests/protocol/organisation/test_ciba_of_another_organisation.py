"""CIBA requests, approvals and polls are bound to the organisation of the machtiging."""

from __future__ import annotations

from tests.builders.rows import ORGANISATIONS
from tests.protocol.organisation.organisations import (
    accept_professional_machtiging,
    log_in_for,
    move,
    organisations,
    refusal_reasons,
    request_ciba,
)

OTHER = "andere_organisatie"


async def test_meldcode_stores_organisation_of_its_session(ciba_desk) -> None:
    browser = await log_in_for(ciba_desk.oauth, "90000001")
    csrf = (await browser.get("/aan-de-balie")).text.split('name="csrf" value="')[1].split('"')[0]
    response = await browser.post("/aan-de-balie", {"csrf": csrf})
    assert response.status_code == 200, response.text
    assert await organisations(ciba_desk.oauth, "meldcode") == {"90000001"}


async def test_request_with_meldcode_of_another_organisation_reaches_no_person(ciba_desk, organisation_pair) -> None:
    accepted_for, used_for = organisation_pair
    machtiging = await accept_professional_machtiging(ciba_desk.oauth, accepted_for)
    request = await request_ciba(ciba_desk, used_for, machtiging)
    assert await ciba_desk.hears(request) == "authorization_pending"
    (row,) = await ciba_desk.rows()
    assert (row.person_id, row.machtiging_id, row.organisation_kvk) == (None, None, None)
    assert await refusal_reasons(ciba_desk.oauth, "verzoek:gedaan") == [OTHER]


async def test_request_approved_in_session_of_same_organisation_issues_token_with_it(ciba_desk) -> None:
    machtiging = await accept_professional_machtiging(ciba_desk.oauth)
    request = await request_ciba(ciba_desk, "90000001", machtiging)
    await ciba_desk.answers(await log_in_for(ciba_desk.oauth, "90000001"))
    assert (await ciba_desk.polls(request)).status_code == 200
    for table in ("backchannel_request", "oauth_grant", "issued_token"):
        assert await organisations(ciba_desk.oauth, table) == {"90000001"}, table
    organisation = await ORGANISATIONS.read_value(ciba_desk.oauth, "id", kvk="90000001")
    (line,) = await ciba_desk.oauth.lines("grant:verleend")
    assert line.on_behalf_of == organisation


async def test_approval_in_session_of_another_organisation_is_refused_and_request_stays_pending(
    ciba_desk, organisation_pair
) -> None:
    accepted_for, used_for = organisation_pair
    machtiging = await accept_professional_machtiging(ciba_desk.oauth, accepted_for)
    request = await request_ciba(ciba_desk, accepted_for, machtiging)
    browser = await log_in_for(ciba_desk.oauth, used_for)
    page = await browser.get("/verzoeken")
    assert "een machtiging van een andere organisatie" in page.text
    assert "Ans Voorbeeld" not in page.text
    assert "akkoord" not in page.text
    assert 'href="/inloggen?terug=/verzoeken"' in page.text
    response = await browser.post("/verzoeken", {**await ciba_desk.form_of(browser), "besluit": "akkoord"})
    assert response.status_code == 403
    assert await refusal_reasons(ciba_desk.oauth, "verzoek:geweigerd") == [OTHER]
    assert await organisations(ciba_desk.oauth, "oauth_grant") == set()
    assert await ciba_desk.hears(request) == "authorization_pending"
    await ciba_desk.answers(await log_in_for(ciba_desk.oauth, accepted_for))
    ciba_desk.oauth.later(seconds=10)
    assert (await ciba_desk.polls(request)).status_code == 200


async def test_pending_request_moved_to_another_organisation_is_denied_at_poll(ciba_desk, organisation_pair) -> None:
    accepted_for, used_for = organisation_pair
    request = await request_ciba(
        ciba_desk, accepted_for, await accept_professional_machtiging(ciba_desk.oauth, accepted_for)
    )
    await move(ciba_desk.oauth, used_for, "backchannel_request")
    assert await ciba_desk.hears(request) == "access_denied"


async def test_approved_request_with_consent_of_another_organisation_issues_no_token(
    ciba_desk, organisation_pair
) -> None:
    accepted_for, used_for = organisation_pair
    request = await request_ciba(
        ciba_desk, accepted_for, await accept_professional_machtiging(ciba_desk.oauth, accepted_for)
    )
    await ciba_desk.answers(await log_in_for(ciba_desk.oauth, accepted_for))
    await move(ciba_desk.oauth, used_for, "oauth_grant")
    assert await ciba_desk.hears(request) == "invalid_grant"
    assert await refusal_reasons(ciba_desk.oauth, "token:geweigerd") == [OTHER]
