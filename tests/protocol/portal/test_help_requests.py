"""A relative requests to help, and the citizen agrees, agrees to less, or refuses."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from machtiging.agencies.rules import Theme
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER, add_person
from tests.builders.portal import ACCEPT
from tests.builders.rows import AGREEMENTS, HELP_REQUESTS, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS
from tests.protocol.portal.help_requests import (
    CODE_FORM,
    NEW_REQUEST,
    REQUESTS,
    answer,
    fill_request,
    find_answer_form,
    make_request,
    type_code,
)

OTHER = Bsn("999993653")


async def open_request(portal, **changes):
    """The browsers of mother and son, and the page with the three answers."""
    mother, son = await portal.mother(), await portal.son()
    return mother, son, await type_code(mother, await make_request(son, **changes))


async def test_request_agreed_as_requested_gives_machtiging_to_exactly_the_requester(portal):
    mother, son, page = await open_request(portal)
    made = await answer(mother, page, "ja")
    assert "Gelukt. U zei ja." in made.text
    row = await MACHTIGINGEN.read_one(portal.world)
    assert (row.vertegenwoordigde_id, row.gemachtigde_id) == (portal.people.mother, portal.people.son)
    assert (row.state, row.capacity, row.purpose) == ("active", "relative", "de zorgtoeslag regelen")
    agreement = await AGREEMENTS.read_one(portal.world)
    assert (agreement.agreed_by, agreement.excluded_themes) == (portal.people.mother, [Theme.ZORG.value])
    assert (agreement.highest_sensitivity, agreement.ends_at > portal.clock.now()) == ("gevoelig", True)
    assert "Ans Voorbeeld" in (await son.open_page(ISSUER + "/ik-help")).text


async def test_request_agreed_notifies_both_and_is_journalled(portal):
    mother, _son, page = await open_request(portal)
    await answer(mother, page, "ja")
    people = portal.people
    mailed = [(row.person_id, row.kind) for row in await NOTIFICATIONS.read(portal.world)]
    assert mailed == [
        (people.son, "hulpvraag_gesteld_door_u"),
        (people.mother, "hulpvraag_toegestaan_door_u"),
        (people.son, "hulpvraag_toegestaan"),
    ]
    lines = [row for row in await JOURNAL_INTAKE.read(portal.world) if row.act.startswith("hulpvraag:")]
    assert [(row.act, row.outcome, row.actor_id, row.for_person_id) for row in lines] == [
        ("hulpvraag:gesteld", "done", people.son, None),
        ("hulpvraag:geopend", "done", people.mother, people.mother),
        ("hulpvraag:toegestaan", "done", people.mother, people.mother),
    ]
    assert lines[-1].machtiging_id == (await MACHTIGINGEN.read_one(portal.world)).id
    assert "zei ja op een vraag om te helpen" in (await mother.open_page(ISSUER + "/wie-keek-mee")).text
    assert "moeder" not in str([row.facts for row in lines])
    assert "Bram" not in str([row.facts for row in lines])


async def test_request_page_tells_requester_and_purpose_and_the_limit_of_our_knowledge(portal):
    _mother, _son, page = await open_request(portal)
    for text in (
        "Bram Voorbeeld wil u helpen met uw brieven",
        "uw zoon Bram",
        "de zorgtoeslag regelen",
        "Deze persoon logde in als Bram Voorbeeld. Meer weten wij niet.",
        "Wat ziet uw helper dan?",
        "zorg en gezondheid",
    ):
        assert text in page.text, text
    assert "mijn moeder" not in page.text


async def test_request_agreed_to_less_gives_less(portal):
    mother, _son, page = await open_request(portal)
    day = portal.clock.now() + timedelta(days=10)
    less = {"minder": "belasting", "zonder": ["gevoelige", "bijlagen", "oudere"]}
    ends = {"einde_dag": str(day.day), "einde_maand": str(day.month), "einde_jaar": str(day.year)}
    await answer(mother, page, "minder", **less, **ends)
    agreement = await AGREEMENTS.read_one(portal.world)
    assert sorted(agreement.themes) == ["belastingen", "toeslagen"]
    assert (agreement.highest_sensitivity, sorted(agreement.acts)) == ("gewoon", ["lezen", "lijst"])
    assert agreement.letters_from == day.date() - timedelta(days=10)
    assert agreement.ends_at < portal.clock.now() + timedelta(days=12)


async def test_request_refused_makes_nothing_and_mails_the_requester_without_a_name(portal):
    mother, son, page = await open_request(portal)
    refused = await answer(mother, page, "nee")
    assert "U zei nee." in refused.text
    assert await MACHTIGINGEN.count(portal.world) == 0
    mail = (await NOTIFICATIONS.read(portal.world))[-1]
    assert (mail.person_id, mail.kind, mail.facts) == (portal.people.son, "hulpvraag_geweigerd", {})
    own = await son.open_page(ISSUER + REQUESTS)
    assert "Nee gezegd" in own.text
    assert "Ans" not in own.text


async def test_request_list_shows_waiting_requests_with_their_page_and_withdrawal(portal):
    mother, son = await portal.mother(), await portal.son()
    code = await make_request(son)
    assert "Wacht op antwoord" in (await son.open_page(ISSUER + REQUESTS)).text
    page = await son.open_page(son.url + "/" + str((await HELP_REQUESTS.read_one(portal.world)).id))
    assert page.codes == [code]
    await type_code(mother, code)
    taken_back = await son.submit_form(page.find_form("/intrekken"), {})
    assert "U trok deze vraag in." in taken_back.text
    assert taken_back.codes == []
    assert "nam deze vraag terug" in (await mother.open_page(mother.url)).text


async def test_overview_of_citizen_names_a_request_that_was_opened_and_not_answered(portal):
    mother, son, page = await open_request(portal)
    waits = "Bram Voorbeeld wil u helpen met uw brieven. U gaf nog geen antwoord."
    assert waits in (await mother.open_page(ISSUER + "/")).text
    assert waits not in (await son.open_page(ISSUER + "/")).text
    await answer(mother, page, "nee")
    assert waits not in (await mother.open_page(ISSUER + "/")).text


async def test_request_code_of_another_citizen_is_answered_as_unknown(portal):
    mother, son = await portal.mother(), await portal.son()
    code = await make_request(son)
    page = await type_code(mother, code)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        other = await add_person(session, OTHER)
    stranger = await portal.browser_of(other)
    refused = await type_code(stranger, code, expect=400)
    assert "Wij vinden geen vraag bij deze code." in refused.text
    assert "Bram" not in refused.text
    unknown = await type_code(stranger, "0000000000", expect=400)
    assert "Wij vinden geen vraag bij deze code." in unknown.text
    await stranger.open_page(ISSUER + find_answer_form(page).action, expected_status=404)
    reasons = [row.reason for row in await JOURNAL_INTAKE.read(portal.world, act="hulpvraag:geopend")]
    assert reasons == ["geopend", "hulpvraag_van_ander", "code_onbekend"]


async def test_own_request_cannot_be_answered_by_its_requester(portal):
    son = await portal.son()
    code = await make_request(son)
    refused = await type_code(son, code, expect=403)
    assert "Deze vraag heeft u zelf gemaakt." in refused.text
    assert (await HELP_REQUESTS.read_one(portal.world)).opened_by is None


@pytest.mark.parametrize("typed", ["999990019", "06 12345678", "", "moeder", "<b>0000-0000-00</b>", "٣" * 300])
async def test_text_that_is_no_code_costs_no_try(portal, typed):
    mother = await portal.mother()
    for _ in range(6):
        await type_code(mother, typed, expect=400)


async def test_wrong_codes_are_limited_and_then_also_a_right_code_is_refused(portal):
    mother, son = await portal.mother(), await portal.son()
    code = await make_request(son)
    for left in (4, 3, 2, 1, 0):
        page = await type_code(mother, "0000000000", expect=400)
        assert ("U kunt nog" in page.text) is (left > 0)
    refused = await type_code(mother, code, expect=429)
    assert "U heeft te vaak een verkeerde code ingevuld." in refused.text
    portal.clock.advance(timedelta(hours=1, minutes=1))
    assert "wil u helpen" in (await type_code(await portal.mother(), code)).text


async def test_request_expires_and_its_code_stops_working(portal):
    mother, son, page = await open_request(portal)
    portal.clock.advance(timedelta(days=14))
    mother, son = await portal.mother(), await portal.son()
    page = await mother.open_page(ISSUER + find_answer_form(page).action)
    assert "Deze vraag is verlopen." in page.text
    other_code = await make_request(son)
    portal.clock.advance(timedelta(days=14))
    await type_code(await portal.mother(), other_code, expect=400)
    assert "Verlopen" in (await (await portal.son()).open_page(ISSUER + REQUESTS)).text


async def test_answer_pressed_twice_leads_to_the_one_machtiging(portal):
    mother, _son, page = await open_request(portal)
    await answer(mother, page, "ja")
    again = await answer(mother, page, "ja")
    assert "/helpers/" in again.url
    assert await MACHTIGINGEN.count(portal.world) == 1


async def test_refusal_pressed_twice_is_answered_kindly(portal):
    mother, _son, page = await open_request(portal)
    await answer(mother, page, "nee")
    assert "U zei nee." in (await answer(mother, page, "nee")).text


@pytest.mark.parametrize(("first", "second", "text"), [("nee", "ja", "U zei nee."), ("ja", "nee", "U zei ja.")])
async def test_answer_in_another_tab_does_not_change_the_first(portal, first, second, text):
    mother, _son, page = await open_request(portal)
    await answer(mother, page, first)
    late = await answer(mother, page, second, expect=409)
    assert text in late.text
    assert "Op deze vraag is al antwoord gegeven." in late.text
    assert await MACHTIGINGEN.count(portal.world) == (1 if first == "ja" else 0)


async def test_answer_to_a_request_withdrawn_meanwhile_makes_nothing(portal):
    mother, son, page = await open_request(portal)
    own = await son.open_page(son.url)
    await son.submit_form(own.find_form("/intrekken"), {})
    late = await answer(mother, page, "ja", expect=409)
    assert "Deze vraag is ingetrokken." in late.text
    assert await MACHTIGINGEN.count(portal.world) == 0


async def test_withdrawal_of_an_answered_request_changes_nothing(portal):
    mother, son, page = await open_request(portal)
    own = await son.open_page(son.url)
    await answer(mother, page, "ja")
    after = await son.submit_form(own.find_form("/intrekken"), {})
    assert "U mag nu helpen." in after.text
    assert (await MACHTIGINGEN.read_one(portal.world)).state == "active"


async def test_agreement_during_emergency_stop_is_refused_and_refusal_is_possible(portal):
    mother, _son, page = await open_request(portal)
    stop = await mother.open_page(ISSUER + "/helpers/stop-alles")
    await mother.submit_form(stop.find_form("/stop-alles"), {})
    refused = await answer(mother, page, "ja", expect=409)
    assert "Uw noodstop staat aan." in refused.text
    assert await MACHTIGINGEN.count(portal.world) == 0
    assert "U zei nee." in (await answer(mother, refused, "nee")).text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "U koos nog niet wat minder mag."),
        ({"minder": "behalve-medisch"}, "Dit is meer dan is gevraagd."),
        ({"minder": "zelf"}, "Dit is meer dan is gevraagd."),
        ({"minder": "<b>"}, "Dit is meer dan is gevraagd."),
        ({"zonder": ["alles"]}, "Kies alleen uit de lijst"),
        ({"einde_dag": "1", "einde_maand": "1", "einde_jaar": "2099"}, "Kies een dag die eerder is dan gevraagd."),
        ({"einde_dag": "1", "einde_maand": "1", "einde_jaar": "1699"}, "jaar"),
        ({"einde_dag": "1", "einde_maand": "1", "einde_jaar": "2001"}, "Deze dag is al voorbij."),
        ({"einde_dag": "31", "einde_maand": "2", "einde_jaar": "2027"}, "bestaat niet"),
    ],
)
async def test_less_that_is_not_less_is_refused(portal, fields, text):
    mother, _son, page = await open_request(portal, keuze="belasting")
    refused = await answer(mother, page, "minder", expect=400, **fields)
    assert text in refused.text
    assert await MACHTIGINGEN.count(portal.world) == 0


async def test_request_for_everything_is_said_to_be_everything_and_offers_both_presets(portal):
    everything = {"keuze": "zelf", "organisaties": "alle", "themas": [theme.value for theme in Theme]}
    _mother, _son, page = await open_request(portal, bestaand="alles", **everything)
    assert "Uw helper mag dan alles lezen wat een helper kan lezen." in page.text
    assert find_answer_form(page).choices["minder"] == ["", "behalve-medisch", "belasting"]


async def test_narrowest_request_offers_no_preset(portal):
    mother, _son, page = await open_request(portal, keuze="belasting", bestaand="nee", gevoelig="nee", bijlagen="nee")
    form = find_answer_form(page)
    assert not {"minder", "zonder"} & set(form.choices)
    refused = await answer(mother, page, "minder", expect=400)
    assert "U koos nog niet wat minder mag." in refused.text


async def test_pages_for_the_two_kinds_of_codes_lead_to_each_other(portal):
    mother = await portal.mother()
    assert CODE_FORM in [href for href, _ in (await mother.open_page(ISSUER + ACCEPT)).links]
    assert ACCEPT in [href for href, _ in (await mother.open_page(ISSUER + CODE_FORM)).links]


async def test_yes_beside_a_choice_of_less_is_refused(portal):
    mother, _son, page = await open_request(portal)
    refused = await answer(mother, page, "ja", expect=400, minder="belasting")
    assert "U vulde ook in wat minder mag." in refused.text
    assert await MACHTIGINGEN.count(portal.world) == 0


async def test_unknown_answer_is_refused(portal):
    mother, _son, page = await open_request(portal)
    assert "Kies: ja" in (await answer(mother, page, "alles", expect=400)).text


@pytest.mark.parametrize(
    "changes",
    [
        {"voor": ""},
        {"ik": "x" * 200},
        {"ik": "Bram\u202ereknab"},
        {"doel": ""},
        {"keuze": "alles"},
        {"bestaand": "straks"},
        {"gevoelig": ""},
        {"bijlagen": "misschien"},
        {"duur": ""},
        {"duur": "eigen", "einde_dag": "1", "einde_maand": "1", "einde_jaar": "1699"},
        {"duur": "eigen", "einde_dag": "1", "einde_maand": "1", "einde_jaar": "2099"},
        {"keuze": "zelf", "organisaties": "alle", "themas": ["muziek"]},
    ],
)
async def test_wizard_with_invalid_answer_shows_the_page_again(portal, changes):
    son = await portal.son()
    await fill_request(son, expect=400, **changes)
    assert await HELP_REQUESTS.count(portal.world) == 0


async def test_words_with_html_are_shown_as_text(portal):
    _mother, _son, page = await open_request(portal, ik="<b>Bram</b>", doel="</p><script>alert(1)</script>")
    assert "<b>Bram</b>" in page.text
    assert "<script>alert(1)</script>" in page.text


async def test_request_made_twice_from_one_draft_is_one_request(portal):
    son = await portal.son()
    check = await fill_request(son)
    made = await son.submit_form(check.find_form("/controle"), {})
    again = await son.submit_form(check.find_form("/controle"), {})
    assert again.codes == made.codes
    assert await HELP_REQUESTS.count(portal.world) == 1


async def test_sixth_waiting_request_is_refused(portal):
    son = await portal.son()
    for _ in range(5):
        await make_request(son)
    check = await fill_request(son)
    refused = await son.submit_form(check.find_form("/controle"), {}, expected_status=409)
    assert "Er wachten al 5 vragen van u." in refused.text
    assert await HELP_REQUESTS.count(portal.world) == 5


async def test_request_needs_substantial_login_of_both(portal):
    low = await portal.son(assurance=Assurance.LOW)
    check = await fill_request(low)
    await low.submit_form(check.find_form("/controle"), {}, expected_status=403)
    code = await make_request(await portal.son())
    await type_code(await portal.mother(assurance=Assurance.LOW), code, expect=403)
    assert (await HELP_REQUESTS.read_one(portal.world)).opened_by is None


async def test_login_for_work_can_neither_request_nor_answer(portal):
    employee = await portal.son(kvk="90000001")
    private = await portal.son()
    await make_request(private)
    own = urlsplit(private.url).path
    for path in (REQUESTS, NEW_REQUEST, CODE_FORM, own, f"{CODE_FORM}/{own.rpartition('/')[2]}"):
        page = await employee.open_page(ISSUER + path, expected_status=403)
        assert "U bent ingelogd voor uw werk" in page.text


async def test_page_of_another_requester_is_not_found(portal):
    mother, son = await portal.mother(), await portal.son()
    await make_request(son)
    await mother.open_page(son.url, expected_status=404)


async def test_pages_in_english_have_no_dutch(portal):
    mother, son = await portal.mother(), await portal.son()
    mother.cookies[ISSUER]["taal"] = son.cookies[ISSUER]["taal"] = "en"
    code = await make_request(son)
    assert "Give this code to the person that you want to help." in son.page.text
    page = await type_code(mother, code)
    assert "Bram Voorbeeld wants to help you with your letters" in page.text
    assert "Yes, but I want less to be read" in page.text


async def test_words_and_code_of_a_request_are_not_readable_in_the_database(portal):
    code = await make_request(await portal.son())
    dump = await HELP_REQUESTS.dump(portal.world)
    for word in ("moeder", "Bram", "zorgtoeslag", code, code.replace("-", "")):
        assert word not in dump
