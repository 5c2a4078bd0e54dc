"""A citizen chooses an organisation, and the organisation says yes or no without a code."""

import pytest

from machtiging.delegation.directed_offers.decision import accept_directed_offer
from machtiging.delegation.directed_offers.queries import OFFER_LIFETIME
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotAllowed
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.organisations import add_organisation, decide_recognition
from tests.builders.people import ISSUER
from tests.builders.portal import CHECK, fill_offer
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS

OFFERS = ISSUER + "/organisatie/aangeboden"
ACCEPTED, REFUSED = "machtiging:aangenomen", "machtiging:geweigerd"


async def offer_to(office, organisation=None, *, expect=200):
    """Mother gives to this organisation. Returns the page after the last button."""
    mother = await office.portal.mother()
    chosen = str(organisation or office.rows.organisation)
    check = await fill_offer(mother, soort="professional", organisatie=chosen)
    return await mother.submit_form(check.find_form(CHECK), {"akkoord": "ja"}, expected_status=expect)


async def make_offer(office):
    """The id of an open offer to the organisation."""
    await offer_to(office)
    (row,) = await MACHTIGINGEN.read(office.rows.database, offered_to=office.rows.organisation)
    return row.id


async def decide(office, offer, choice, *, browser=None, expect=200):
    browser = browser or await office.log_in()
    form = (await browser.open_page(f"{OFFERS}/{offer}")).find_form(str(offer))
    return await browser.submit_form(form, {"besluit": choice}, expected_status=expect)


async def test_offer_to_an_organisation_has_no_code(office):
    page = await offer_to(office)
    assert page.codes == []
    assert "Niemand leest nu uw brieven." in page.text
    (row,) = await MACHTIGINGEN.read(office.rows.database)
    assert (row.state, row.offered_to, row.gemachtigde_id) == ("offered", office.rows.organisation, None)


async def test_waiting_offer_to_an_organisation_speaks_of_no_code(office):
    offer = await make_offer(office)
    mother = await office.portal.mother()
    for path in ("/", "/helpers", f"/helpers/{offer}"):
        text = (await mother.open_page(ISSUER + path)).text
        assert "Er is nog geen antwoord." in text, path
        assert "een code gemaakt" not in text, path


async def test_offer_to_an_organisation_is_told_to_its_leaders(office):
    await make_offer(office)
    told = await NOTIFICATIONS.read_column(office.rows.database, "person_id", kind="aanbod_voor_organisatie")
    assert sorted(told) == sorted([office.administrator, office.rows.leader])


async def test_accepted_offer_is_a_client_without_a_reader(office):
    offer = await make_offer(office)
    page = await decide(office, offer, "aannemen")
    assert "Aangenomen. Kies nu wie de brieven leest." in page.text
    assert "1 cliënt heeft nu geen lezer." in page.text
    (row,) = await MACHTIGINGEN.read(office.rows.database)
    assert (row.state, row.gemachtigde_id) == ("active", office.rows.organisation)
    assert await office.read_outcomes(ACCEPTED) == [("done", "aannemen")]


async def test_accepted_offer_without_a_reader_is_told_to_the_client_alone(office):
    offer = await make_offer(office)
    before = await NOTIFICATIONS.count(office.rows.database)
    await decide(office, offer, "aannemen")
    told = (await NOTIFICATIONS.read(office.rows.database, order_by="created_at"))[before:]
    assert [(row.kind, row.person_id) for row in told] == [
        ("machtiging_aangenomen_door_organisatie", office.portal.people.mother)
    ]
    assert told[0].facts["organisation"] == f"Wijkteam {office.rows.kvk}"


async def test_employee_reads_after_acceptance_and_assignment(office):
    offer = await make_offer(office)
    await decide(office, offer, "aannemen")
    link = await office.rows.assign(offer)
    box = await office.open_box(office.rows.worker, link)
    assert (await box.get()).status_code == 200


async def test_acceptance_twice_changes_nothing(office):
    offer = await make_offer(office)
    first, second = await office.log_in(), await office.log_in_administrator()
    forms = [(await browser.open_page(f"{OFFERS}/{offer}")).find_form(str(offer)) for browser in (first, second)]
    await first.submit_form(forms[0], {"besluit": "aannemen"})
    await second.submit_form(forms[1], {"besluit": "aannemen"})
    assert await JOURNAL_INTAKE.count(office.rows.database, act=ACCEPTED) == 1


async def test_refusal_after_acceptance_is_refused_and_the_client_stays(office):
    offer = await make_offer(office)
    browser = await office.log_in_administrator()
    form = (await browser.open_page(f"{OFFERS}/{offer}")).find_form(str(offer))
    await decide(office, offer, "aannemen")
    await browser.submit_form(form, {"besluit": "weigeren"}, expected_status=409)
    assert (await MACHTIGINGEN.read(office.rows.database))[0].state == "active"


async def test_refused_offer_ends_and_the_citizen_is_told(office):
    offer = await make_offer(office)
    page = await decide(office, offer, "weigeren")
    assert "U zei nee." in page.text
    (row,) = await MACHTIGINGEN.read(office.rows.database)
    assert (row.state, row.end_reason) == ("ended", "geweigerd")
    assert await NOTIFICATIONS.count(office.rows.database, kind="machtiging_geweigerd") == 1


async def test_decision_without_a_choice_is_a_fault(office):
    offer = await make_offer(office)
    page = await decide(office, offer, "", expect=400)
    assert "Kies of uw organisatie helpt." in page.text


async def test_decision_of_a_hulpverlener_is_refused(office):
    offer = await make_offer(office)
    worker = await office.log_in(office.rows.worker)
    await worker.open_page(OFFERS, expected_status=403)
    await worker.open_page(f"{OFFERS}/{offer}", expected_status=403)


async def test_acceptance_with_a_low_login_is_refused_and_journalled(office):
    offer = await make_offer(office)
    login = office.rows.login(assurance=Assurance.LOW)
    with pytest.raises(NotAllowed, match="niveau_te_laag"):
        async with unit_of_work(office.rows.database.sessions) as session:
            await accept_directed_offer(session, login, offer, at=office.portal.clock.now())
    assert (await MACHTIGINGEN.read(office.rows.database))[0].state == "offered"
    assert await office.read_outcomes(ACCEPTED) == [("refused", "niveau_te_laag")]


async def test_offer_to_another_organisation_is_not_found(office):
    async with unit_of_work(office.rows.database.sessions) as session:
        other = await add_organisation(session, "90000099")
    await offer_to(office, other)
    (row,) = await MACHTIGINGEN.read(office.rows.database)
    leader = await office.log_in()
    assert "Er is nu niets aangeboden" in (await leader.open_page(OFFERS)).text
    own = await make_own_form(office, leader)
    own.action = f"/organisatie/aangeboden/{row.id}"
    await leader.submit_form(own, {"besluit": "aannemen"}, expected_status=404)
    assert await office.read_outcomes(ACCEPTED) == [("refused", "niet_van_u")]


async def make_own_form(office, leader):
    offer = await make_offer(office)
    return (await leader.open_page(f"{OFFERS}/{offer}")).find_form(str(offer))


async def test_expired_offer_cannot_be_accepted(office):
    offer = await make_offer(office)
    office.portal.clock.advance(OFFER_LIFETIME)
    leader = await office.log_in()
    assert "Er is nu niets aangeboden" in (await leader.open_page(OFFERS)).text
    detail = (await (await office.portal.mother()).open_page(f"{ISSUER}/helpers/{offer}")).text
    assert "gaf niet op tijd antwoord" in detail


async def test_withdrawn_offer_cannot_be_accepted(office):
    offer = await make_offer(office)
    leader = await office.log_in()
    form = (await leader.open_page(f"{OFFERS}/{offer}")).find_form(str(offer))
    mother = await office.portal.mother()
    question = (await mother.open_page(f"{ISSUER}/helpers/{offer}/intrekken")).find_form("/intrekken")
    await mother.submit_form(question, {})
    await leader.submit_form(form, {"besluit": "aannemen"}, expected_status=409)
    assert await office.read_outcomes(ACCEPTED) == [("refused", "machtiging_beeindigd")]


async def test_suspended_organisation_cannot_accept_and_may_refuse(office):
    offer = await make_offer(office)
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    await decide(office, offer, "aannemen", expect=403)
    assert "U zei nee." in (await decide(office, offer, "weigeren")).text


@pytest.mark.parametrize("status", ["opgeschort", "ingetrokken"])
async def test_organisation_without_recognition_cannot_be_chosen(office, status):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, status)
    mother = await office.portal.mother()
    page = await fill_offer(mother, expect=400, soort="professional", organisatie=str(office.rows.organisation))
    assert "Deze organisatie is nu niet erkend." in page.text


async def test_organisation_suspended_during_the_wizard_gets_no_offer(office):
    mother = await office.portal.mother()
    check = await fill_offer(mother, soort="professional", organisatie=str(office.rows.organisation))
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "opgeschort")
    page = await mother.submit_form(check.find_form(CHECK), {"akkoord": "ja"}, expected_status=409)
    assert "Deze organisatie is nu niet erkend." in page.text
    assert await MACHTIGINGEN.count(office.rows.database) == 0


@pytest.mark.parametrize("chosen", ["", "alle", "0b7f8a04-0000-4000-8000-000000000000"])
async def test_unknown_organisation_is_a_fault(office, chosen):
    await fill_offer(await office.portal.mother(), expect=400, soort="professional", organisatie=chosen)
    assert await MACHTIGINGEN.count(office.rows.database) == 0


async def test_search_finds_by_the_begin_of_a_word_and_by_number(office):
    async with unit_of_work(office.rows.database.sessions) as session:
        await add_organisation(session, "90000099", name="Stichting Sociaal Loket")
    mother = await office.portal.mother()
    page = await fill_offer(mother, expect=400, soort="professional", organisatie="")
    step = mother.url.partition("?")[0]
    for wanted in ("loket", "sociaal lo", "90000099"):
        page = await mother.open_page(f"{step}?zoek={wanted}")
        assert "Stichting Sociaal Loket" in page.text
    for wanted in ("oket", "%25", "_"):
        page = await mother.open_page(f"{step}?zoek={wanted}")
        assert "Stichting Sociaal Loket" not in page.text
        assert "Wij vinden geen organisatie met deze naam." in page.text


async def test_new_code_for_an_offer_to_an_organisation_is_refused(office):
    offer = await make_offer(office)
    mother = await office.portal.mother()
    page = await mother.open_page(f"{ISSUER}/helpers/{offer}")
    assert "De organisatie kan ja zeggen tot" in page.text
    form = page.find_form("/uitloggen")
    form.action = f"/helpers/{offer}/nieuwe-code"
    refused = await mother.submit_form(form, {}, expected_status=409)
    assert refused.codes == []


async def test_offer_during_an_emergency_stop_says_so(office):
    mother = await office.portal.mother()
    check = await fill_offer(mother, soort="professional", organisatie=str(office.rows.organisation))
    stop = (await mother.open_page(ISSUER + "/helpers/stop-alles")).find_form("/stop-alles")
    await mother.submit_form(stop, {})
    page = await mother.submit_form(check.find_form(CHECK), {"akkoord": "ja"}, expected_status=409)
    assert "noodstop" in page.text.lower()
    assert await MACHTIGINGEN.count(office.rows.database) == 0
