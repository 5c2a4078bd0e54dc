"""An app that names no machtiging: the person chooses whose post it may see (RFC 9396)."""

from __future__ import annotations

import html
import re

import pytest

from machtiging.berichtenbox.authorization_details.consent_choices import OWN_BOX_KEY
from machtiging.delegation.rules import Act, Capacity
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import uuid7
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_authorization_details
from tests.builders.database import record_queries
from tests.builders.flow import HIGH, SUBSTANTIAL, Flow, read_hidden_fields, read_redirect
from tests.builders.machtiging import grant_machtiging
from tests.builders.people import People, add_person_without_bsn, start_login_session
from tests.builders.rows import GRANTS, ORGANISATIONS
from tests.protocol.organisation.organisations import KVK, accept_professional_machtiging, log_in_for

GIVER = "Ans Voorbeeld"
CHOICE_GONE = "De keuze die u maakte, kan niet meer."


def read_labels(page: str) -> dict[str, str]:
    """The keys of the choices on the page, with their texts."""
    found = re.findall(r'name="voor" value="([^"]+)" required> <label[^>]*>(.*?)</label>', page)
    return {key: html.unescape(re.sub("<[^>]+>", "", label)) for key, label in found}


@pytest.fixture
async def flow(oauth) -> Flow:
    """An app that names no machtiging, and the son who is logged in."""
    return await request_any_box(oauth, await oauth.logged_in())


async def request_any_box(oauth, browser, *actions) -> Flow:
    return Flow(await oauth.register_reading_app(), browser, make_authorization_details(None, *actions))


async def test_person_without_machtigingen_gets_no_choice(oauth, flow) -> None:
    page = (await flow.authorize(await flow.pushed())).text
    assert read_labels(page) == {}
    assert "uw eigen" in page
    assert read_hidden_fields(page)["voor"] == OWN_BOX_KEY


async def test_holder_chooses_among_own_box_and_what_he_holds(oauth, flow) -> None:
    held = await oauth.grant_machtiging(purpose="belasting")
    page = await flow.authorize(await flow.pushed())
    assert page.status_code == 200
    assert read_labels(page.text) == {
        OWN_BOX_KEY: "uzelf: uw eigen Berichtenbox",
        str(held.id): f"{GIVER}: belasting, tot 21 februari 2027 om 13:00 uur",
    }
    assert "Ja, ik ga akkoord" not in page.text
    assert "form-action 'self' https://app.voorbeeld.example;" in page.headers["content-security-policy"]


async def choose(flow, uri, key):
    """Choose on the first page, and agree on the second."""
    page = await flow.authorize(uri, voor=str(key))
    assert page.status_code == 200, page.text
    return await flow.press(read_hidden_fields(page.text)), page.text


async def test_tokens_name_the_chosen_machtiging(oauth, flow) -> None:
    held, _ = await oauth.grant_machtiging(), await oauth.grant_machtiging()
    answer, page = await choose(flow, await flow.pushed(), held.id)
    assert f"bij de post van {GIVER}." in page
    assert "Toch de post van iemand anders kiezen" in page
    tokens = (await flow.redeem(read_redirect(answer)["code"])).json()
    assert tokens["authorization_details"] == [
        {"type": "berichtenbox", "machtiging": str(held.id), "actions": ["lijst", "lezen", "downloaden"]}
    ]
    [line] = await oauth.lines("grant:verleend")
    assert (line.machtiging_id, line.for_person_id) == (held.id, oauth.committed.people.mother)


async def test_tokens_for_the_chosen_own_box_name_no_machtiging(oauth, flow) -> None:
    await oauth.grant_machtiging()
    answer, _ = await choose(flow, await flow.pushed(), OWN_BOX_KEY)
    tokens = (await flow.redeem(read_redirect(answer)["code"])).json()
    assert "machtiging" not in tokens["authorization_details"][0]


async def test_agreement_without_a_choice_is_refused_and_nothing_is_lost(oauth, flow) -> None:
    held = await oauth.grant_machtiging()
    uri = await flow.pushed()
    form = read_hidden_fields((await flow.authorize(uri, voor=str(held.id))).text)
    key = form.pop("voor")
    refused = await flow.press(form)
    assert refused.status_code == 400
    assert "Kies eerst van wie" in refused.text
    assert await GRANTS.count(oauth) == 0
    tokens = (await flow.redeem(read_redirect(await flow.press(form | {"voor": key}))["code"])).json()
    assert tokens["authorization_details"][0]["machtiging"] == str(held.id)


async def test_refusal_on_the_choice_page_goes_to_the_client(oauth, flow) -> None:
    await oauth.grant_machtiging()
    page = await flow.authorize(await flow.pushed())
    csrf_form = read_hidden_fields(page.text.split('method="get" action="/authorize"')[1].partition("</form>")[2])
    answer = await flow.press(csrf_form, "weigeren")
    assert read_redirect(answer)["error"] == "access_denied"


@pytest.mark.parametrize("key", ["", "mama", "EIGEN", "01927f0a-0000-7000-8000-000000000000"])
async def test_unknown_choice_shows_the_choices_again_with_an_error(oauth, flow, key) -> None:
    await oauth.grant_machtiging()
    page = await flow.authorize(await flow.pushed(), voor=key)
    assert page.status_code == 400
    assert len(read_labels(page.text)) == 2
    assert "Deze keuze kan niet of niet meer" in page.text


async def test_machtiging_of_another_holder_is_not_offered_and_rejected(oauth, flow) -> None:
    await oauth.grant_machtiging()
    async with unit_of_work(oauth.sessions) as session:
        stranger = await add_person_without_bsn(session, "Vreemd Voorbeeld", None)
        other = await grant_machtiging(session, People(oauth.committed.people.mother, stranger))
    uri = await flow.pushed()
    page = await flow.authorize(uri, voor=str(other.id))
    assert page.status_code == 400
    assert str(other.id) not in read_labels(page.text)
    form = read_hidden_fields((await flow.authorize(uri, voor=OWN_BOX_KEY)).text)
    answer = await flow.press(form | {"voor": str(other.id)})
    assert read_redirect(answer)["error"] == "invalid_authorization_details"
    assert await GRANTS.count(oauth) == 0


async def test_machtiging_ended_after_the_choice_is_refused_and_gives_no_own_box(oauth, flow) -> None:
    held = await oauth.grant_machtiging()
    page = await flow.authorize(await flow.pushed(), voor=str(held.id))
    async with unit_of_work(oauth.sessions) as session:
        await revoke_machtiging(session, held.id, oauth.committed.people.mother, at=oauth.clock.now())
    answer = await flow.press(read_hidden_fields(page.text))
    assert read_redirect(answer)["error"] == "invalid_authorization_details"
    assert await GRANTS.count(oauth) == 0


async def test_machtiging_ended_before_the_consent_page_shows_that_the_choice_is_gone(oauth, flow) -> None:
    held = await oauth.grant_machtiging()
    uri = await flow.pushed()
    assert len(read_labels((await flow.authorize(uri)).text)) == 2
    async with unit_of_work(oauth.sessions) as session:
        await revoke_machtiging(session, held.id, oauth.committed.people.mother, at=oauth.clock.now())
    page = (await flow.authorize(uri, voor=str(held.id))).text
    assert CHOICE_GONE in page
    assert "De app wil bij uw eigen post." in page
    assert CHOICE_GONE not in (await flow.authorize(uri, voor=OWN_BOX_KEY)).text


async def test_app_that_manages_consents_is_offered_the_own_box_only(oauth, flow) -> None:
    held = await oauth.grant_machtiging()
    flow.app = await oauth.register_reading_app(scope=f"openid {CONSENT_MANAGEMENT_SCOPE}")
    uri = await flow.pushed(scope=f"openid {CONSENT_MANAGEMENT_SCOPE}")
    page = (await flow.authorize(uri)).text
    assert read_labels(page) == {}
    answer = await flow.press(read_hidden_fields(page) | {"voor": str(held.id)})
    assert read_redirect(answer)["error"] == "invalid_scope"
    assert await GRANTS.count(oauth) == 0


async def test_journal_lines_of_an_employee_name_the_organisation(oauth) -> None:
    assigned = await accept_professional_machtiging(oauth)
    flow = await request_any_box(oauth, await log_in_for(oauth, KVK))
    answer, _ = await choose(flow, await flow.pushed(), assigned.id)
    await flow.redeem(read_redirect(answer)["code"])
    organisation = await ORGANISATIONS.read_value(oauth, "id", kvk=KVK)
    [consent], [token] = await oauth.lines("grant:verleend"), await oauth.lines("token:uitgegeven")
    assert (consent.on_behalf_of, token.on_behalf_of) == (organisation, organisation)


async def test_other_choice_than_the_named_machtiging_is_refused(oauth, flow) -> None:
    held, other = await oauth.grant_machtiging(), await oauth.grant_machtiging()
    flow.asks = make_authorization_details(held.id)
    form = await flow.consent_form(await flow.pushed())
    for key in (other.id, OWN_BOX_KEY, uuid7()):
        uri = await flow.pushed()
        answer = await flow.press(form | {"request_uri": uri, "voor": str(key)})
        assert read_redirect(answer)["error"] == "invalid_authorization_details"
    assert await GRANTS.count(oauth) == 0


async def test_acts_that_change_a_box_are_for_the_own_box_without_choice(oauth) -> None:
    held = await oauth.grant_machtiging()
    flow = await request_any_box(oauth, await oauth.logged_in(), "lezen", "markeren")
    page = await flow.authorize(await flow.pushed(), voor=str(held.id))
    assert read_labels(page.text) == {}
    answer = await flow.press(read_hidden_fields(page.text) | {"voor": str(held.id)})
    assert read_redirect(answer)["error"] == "invalid_authorization_details"
    assert await GRANTS.count(oauth) == 0


async def test_machtiging_without_the_requested_acts_is_not_offered(oauth) -> None:
    await oauth.grant_machtiging(acts=frozenset({Act.LIST}))
    flow = await request_any_box(oauth, await oauth.logged_in(), "lezen")
    assert read_labels((await flow.authorize(await flow.pushed())).text) == {}


async def test_machtiging_below_the_requested_level_is_not_offered(oauth, flow) -> None:
    await oauth.grant_machtiging()
    token = await start_login_session(oauth.service.state.services, oauth.committed.people.son, Assurance.HIGH)
    flow.browser = oauth.browser_with(token)
    assert len(read_labels((await flow.authorize(await flow.pushed(acr_values=SUBSTANTIAL))).text)) == 2
    assert read_labels((await flow.authorize(await flow.pushed(acr_values=HIGH))).text) == {}


async def test_employee_chooses_among_his_assignments_only(oauth) -> None:
    assigned = await accept_professional_machtiging(oauth)
    relative = await oauth.grant_machtiging(capacity=Capacity.RELATIVE)
    for kvk, offered in ((KVK, assigned.id), (None, relative.id)):
        flow = await request_any_box(oauth, await log_in_for(oauth, kvk))
        labels = read_labels((await flow.authorize(await flow.pushed())).text)
        assert set(labels) == {OWN_BOX_KEY, str(offered)}


async def test_prompt_none_with_a_choice_returns_consent_required(oauth, flow) -> None:
    await oauth.grant_machtiging()
    assert read_redirect(await flow.authorize(await flow.pushed(prompt="none")))["error"] == "consent_required"


async def test_choice_page_takes_as_many_statements_for_many_machtigingen(oauth, database, flow) -> None:
    counts = []
    for more in (1, 6):
        for _ in range(more):
            await oauth.grant_machtiging()
        uri = await flow.pushed()
        with record_queries(database) as statements:
            await flow.authorize(uri)
        counts.append(len(statements))
    assert counts[0] == counts[1]
