"""My helpers: the list, a page for each machtiging, narrowing, extending and the emergency stop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.amendments.versions import extend_machtiging
from machtiging.delegation.suspension.emergency_stop import find_emergency_stop
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.ids import uuid7
from machtiging.portal.gemachtigden.overview import PAGE_SIZE
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import record_queries
from tests.builders.machtiging import MACHTIGING_LIMITS, insert_relative_machtiging
from tests.builders.people import ISSUER, add_person
from tests.builders.portal import ACCEPT, accept_code, enter_code, make_offer, open_offer
from tests.builders.rows import AGREEMENTS, GRANTS, JOURNAL_INTAKE, MACHTIGINGEN

LIST, STOP = f"{ISSUER}/helpers", f"{ISSUER}/helpers/stop-alles"
WORKS = "Deze machtiging werkt nu."
SHORTER, TOO_LATE = timedelta(days=10), timedelta(days=400)


async def accept(portal):
    """The browser of mother, and the page of the machtiging that her son accepted."""
    mother, son = await portal.mother(), await portal.son()
    await accept_code(son, await make_offer(mother))
    return mother, son, son.url.split("?")[0].replace("/ik-help/", "/helpers/").removesuffix("/brieven")


async def stop_all(portal, browser):
    page = await browser.open_page(STOP)
    return await browser.submit_form(page.find_form("/stop-alles"), {})


def split_day(day):
    return {"einde_dag": str(day.day), "einde_maand": str(day.month), "einde_jaar": str(day.year)}


async def test_list_names_helper_state_and_last_day(portal):
    mother, _, _ = await accept(portal)
    page = await mother.open_page(LIST)
    for text in ("Bram Voorbeeld", "Werkt nu", WORKS, "Tot en met", "Las de laatste zeven dagen geen brieven."):
        assert text in page.text, text


async def test_list_without_helpers_is_told(portal):
    page = await (await portal.son()).open_page(LIST)
    assert "Niemand helpt u nu met uw brieven." in page.text


async def test_list_in_english_has_english_sentences(portal):
    mother, _, _ = await accept(portal)
    mother.cookies[ISSUER]["taal"] = "en"
    page = await mother.open_page(LIST)
    assert "This machtiging works now." in page.text
    assert WORKS not in page.text


async def test_list_keeps_offers_and_ended_ones_apart_from_helpers(portal):
    mother, _, where = await accept(portal)
    await make_offer(mother, doel="wacht nog")
    sure = await mother.open_page(where + "/intrekken")
    await mother.submit_form(sure.find_form("/intrekken"), {})
    text = (await mother.open_page(LIST)).text
    parts = [
        text.index(each) for each in ("Niemand helpt u nu", "mijn zoon Bram", "Vroeger: 1 helper", "Bram Voorbeeld")
    ]
    assert parts == sorted(parts)


async def test_list_tells_how_many_letters_a_helper_read_and_when(portal):
    mother, _, where = await accept(portal)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for letter in (uuid7(), uuid7()):
            line = NewJournalLine(
                act=JournalAct.BERICHT_LEZEN,
                outcome=JournalOutcome.ALLOWED,
                reason="toegestaan",
                actor_id=portal.people.son,
                for_person_id=portal.people.mother,
                machtiging_id=(await MACHTIGINGEN.read_one(session)).id,
                object_kind="bericht",
                object_id=str(letter),
            )
            await record(session, line, at=portal.clock.now())
    portal.clock.advance(timedelta(minutes=1))
    assert "Las deze week 2 brieven, het laatst vandaag." in (await mother.open_page(LIST)).text
    detail = (await mother.open_page(where)).text
    assert detail.count("Bram Voorbeeld las een brief") == 2


@pytest.mark.parametrize("count", [1, 300])
async def test_list_takes_at_most_five_statements_however_many_helpers(portal, database, count):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for _ in range(count):
            await insert_relative_machtiging(session, portal.people.mother, portal.people.son, portal.clock.now())
    mother = await portal.mother()
    await mother.open_page(LIST)
    with record_queries(database) as statements:
        await mother.open_page(LIST)
    read = [one for one in statements if one.startswith("SELECT")]
    assert 0 < len(read) <= 5, read


async def test_list_pages_show_every_machtiging_once(portal):
    total, now = PAGE_SIZE * 2 + 3, portal.clock.now()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for number in range(total):
            at = now - timedelta(days=number % 3 * 60, minutes=number)  # of three, one is over
            await insert_relative_machtiging(session, portal.people.mother, portal.people.son, at)
    mother, url, seen = await portal.mother(), LIST, []
    while url:
        page = await mother.open_page(url)
        seen += [href for href, _ in page.links if href.startswith("/helpers/") and href.count("-") == 4]
        url = next((ISSUER + href for href, _ in page.links if "voor=" in href), None)
    assert len(seen) == len(set(seen)) == total


async def test_page_of_machtiging_shows_days_left_and_what_is_agreed(portal):
    mother, _, where = await accept(portal)
    text = (await mother.open_page(where)).text
    for each in ("Nog 91 van 91 dagen", "post bijhouden", "belastingen", "Uw helper gebruikt nu geen app."):
        assert each in text, each
    assert "om " not in text.split("Tot en met")[1][:40]


async def test_old_address_leads_giver_to_new_page(portal):
    mother, son, where = await accept(portal)
    await mother.open_page(where.replace("/helpers/", "/machtigingen/"))
    assert mother.url.split("?")[0] == where
    await son.open_page(where.replace("/helpers/", "/machtigingen/"))
    assert "/ik-help/" in son.url


@pytest.mark.parametrize("below", ["", "/intrekken", "/beperken", "/verlengen"])
async def test_idor_page_of_helper_or_stranger_returns_404(portal, below):
    _, son, where = await accept(portal)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        stranger = await add_person(session, Bsn("999990044"))
    for browser in (son, await portal.browser_of(stranger)):
        await browser.open_page(where + below, expected_status=404)


# Narrowing


async def test_narrowing_takes_away_at_once_what_is_unticked(portal):
    mother, son, where = await accept(portal)
    page = await mother.open_page(where + "/beperken")
    form = page.find_form("/beperken")
    day = to_dutch_date(portal.clock.now()) + SHORTER
    answers = {"themas": ["wonen"], "zonder": ["bijlagen"]} | split_day(day)
    done = await mother.submit_form(form, answers)
    assert "Gelukt. Uw helper kan nu minder brieven lezen." in done.text
    assert "bijlagen opslaan" not in done.text.split("De helper mag niet")[0].split("De helper mag")[1]
    row = (await AGREEMENTS.read(portal.app.state.services.sessions, order_by="number"))[-1]
    assert (row.number, "wonen" in row.excluded_themes, "belastingen" in row.excluded_themes) == (2, False, True)
    assert row.acts == ["lezen", "lijst"]
    assert "bijlagen opslaan" not in (await son.open_page(where.replace("/helpers/", "/ik-help/"))).text


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"afzenders": []}, "Kies minstens één organisatie."),
        ({"themas": []}, "Kies minstens één onderwerp."),
        ({"themas": ["zorg"]}, "Kies alleen uit de lijst."),
        ({"afzenders": ["00000099000000009999"]}, "Kies alleen uit de lijst."),
        ({"zonder": ["alles"]}, "Kies alleen uit de lijst."),
        ({"einde_dag": "", "einde_maand": "", "einde_jaar": ""}, "Vul de laatste dag in."),
        ({"einde_dag": "31", "einde_maand": "2"}, "Deze datum bestaat niet."),
        ({"einde_jaar": "2019"}, "Kies vandaag of een latere dag."),
        ({"einde_jaar": "0001"}, "Vul een jaar in"),
    ],
)
async def test_narrowing_with_bad_answers_keeps_the_form_and_changes_nothing(portal, answers, sentence):
    mother, _, where = await accept(portal)
    form = (await mother.open_page(where + "/beperken")).find_form("/beperken")
    page = await mother.submit_form(form, answers, expected_status=400)
    assert sentence in page.text
    assert await AGREEMENTS.count(portal.app.state.services.sessions) == 1


async def test_narrowing_pressed_twice_makes_one_version(portal):
    mother, _, where = await accept(portal)
    form = (await mother.open_page(where + "/beperken")).find_form("/beperken")
    for _ in range(2):
        page = await mother.submit_form(form, {"zonder": ["bijlagen"]})
        assert "Gelukt. Uw helper kan nu minder brieven lezen." in page.text
    assert await AGREEMENTS.count(portal.app.state.services.sessions) == 2


@pytest.mark.parametrize("act", ["beperken", "verlengen"])
async def test_change_of_machtiging_that_ended_meanwhile_shows_the_truth(portal, act):
    mother, _, where = await accept(portal)
    form = (await mother.open_page(f"{where}/{act}")).find_form(f"/{act}")
    sure = await mother.open_page(where + "/intrekken")
    await mother.submit_form(sure.find_form("/intrekken"), {})
    answers = {"tot": form.choices["tot"][0]} if act == "verlengen" else {}
    page = await mother.submit_form(form, answers, expected_status=409)
    assert "Hieronder ziet u wat er nu geldt." in page.text
    assert "U heeft deze machtiging gestopt." in page.text
    assert "U heeft deze machtiging gestopt." in (await mother.open_page(f"{where}/{act}")).text


# Extending


async def test_extension_keeps_the_scope_and_is_done_once(portal):
    mother, _, where = await accept(portal)
    form = (await mother.open_page(where + "/verlengen")).find_form("/verlengen")
    until = (to_dutch_date(portal.clock.now()) + timedelta(days=180)).isoformat()
    for _ in range(2):
        page = await mother.submit_form(form, {"tot": until})
        assert "Gelukt. De machtiging duurt nu langer." in page.text
        assert "Nog 181 van 181 dagen" in page.text
    before, after = await AGREEMENTS.read(portal.app.state.services.sessions, order_by="number")
    assert (after.afzenders, after.acts, after.excluded_themes) == (
        before.afzenders,
        before.acts,
        before.excluded_themes,
    )


@pytest.mark.parametrize("until", ["", "2031-01-01", "morgen", "2026-11-30<script>"])
async def test_extension_to_another_day_than_offered_is_refused(portal, until):
    mother, _, where = await accept(portal)
    form = (await mother.open_page(where + "/verlengen")).find_form("/verlengen")
    page = await mother.submit_form(form, {"tot": until}, expected_status=400)
    assert "Kies tot wanneer." in page.text
    assert await AGREEMENTS.count(portal.app.state.services.sessions) == 1


async def test_extension_offers_nothing_beyond_the_longest_term(portal):
    mother, _, where = await accept(portal)
    at = portal.clock.now()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        held = (await MACHTIGINGEN.read_one(session)).id
        last_day = MACHTIGING_LIMITS.latest_end_date(to_dutch_date(at))
        await extend_machtiging(session, MACHTIGING_LIMITS, held, portal.people.giver, last_day, at=at)
    page = await mother.open_page(where + "/verlengen")
    assert "Dit is al zo lang als kan." in page.text


# The emergency stop


async def test_emergency_stop_asks_first_and_stops_everything(portal):
    mother, son, where = await accept(portal)
    code = await make_offer(mother)
    assert "Alles stoppen?" in (await mother.open_page(STOP)).text
    assert WORKS in (await mother.open_page(where)).text
    page = await stop_all(portal, mother)
    assert "Alles is gestopt. Niemand anders leest uw brieven." in page.text
    assert "U heeft de noodstop gebruikt. Uw helper kan nu niets lezen." in (await mother.open_page(where)).text
    listed = (await mother.open_page(LIST)).text
    assert "De noodstop staat aan." in listed
    assert "/helpers/nieuw" not in listed
    refused = await enter_code(son, code, expect=400)
    assert ACCEPT in refused.find_form(ACCEPT).action
    assert WORKS not in (await son.open_page(where.replace("/helpers/", "/ik-help/"))).text


async def test_emergency_stop_repeated_says_that_it_is_on(portal):
    mother, _, _ = await accept(portal)
    form = (await mother.open_page(STOP)).find_form("/stop-alles")
    for _ in range(3):
        assert "De noodstop staat aan" in (await mother.submit_form(form, {})).text
    lines = JOURNAL_INTAKE.c.act == "noodstop:aangezet"
    assert await JOURNAL_INTAKE.count(portal.app.state.services.sessions, lines) == 2


async def test_emergency_stop_is_lifted_by_her_and_all_is_as_before(portal):
    mother, _, where = await accept(portal)
    page = await stop_all(portal, mother)
    lifted = await mother.submit_form(page.find_form("/opheffen"), {})
    assert "De noodstop is uit. Alles geldt weer zoals daarvoor." in lifted.text
    assert WORKS in (await mother.open_page(where)).text
    again = await mother.submit_form(page.find_form("/opheffen"), {})
    assert "De noodstop is uit." in again.text


async def test_emergency_stop_of_one_person_leaves_that_of_another_alone(portal):
    mother, son, where = await accept(portal)
    await stop_all(portal, son)
    assert WORKS in (await mother.open_page(where)).text
    await mother.submit_form((await mother.open_page(STOP)).find_form("/stop-alles"), {})
    son_page = await son.open_page(STOP)
    await son.submit_form(son_page.find_form("/opheffen"), {})
    async with unit_of_work(portal.app.state.services.sessions) as session:
        assert await find_emergency_stop(session, portal.people.mother) is not None


async def test_emergency_stop_ends_the_apps_of_the_citizen_herself(portal):
    mother, _, _ = await accept(portal)
    await stop_all(portal, mother)
    assert await GRANTS.count(portal.app.state.services.sessions, ended_at=None) == 0


async def test_ending_all_for_good_ends_offers_and_machtigingen(portal):
    mother, _, where = await accept(portal)
    await make_offer(mother)
    await stop_all(portal, mother)
    sure = await mother.open_page(STOP + "/voorgoed")
    assert "U heeft 2 machtigingen." in sure.text
    for _ in range(2):
        ended = await mother.submit_form(sure.find_form("/voorgoed"), {})
        assert "Al uw machtigingen zijn voorgoed gestopt." in ended.text
    assert await MACHTIGINGEN.read_column(portal.app.state.services.sessions, "state") == ["ended", "ended"]
    assert "U heeft deze machtiging gestopt." in (await mother.open_page(where)).text
    assert "De noodstop staat aan" in (await mother.open_page(STOP)).text


async def test_buttons_in_emergency_stop_show_the_truth(portal):
    mother, _, where = await accept(portal)
    form = (await mother.open_page(where)).find_form("/pauzeren")
    longer = (await mother.open_page(where + "/verlengen")).find_form("/verlengen")
    await stop_all(portal, mother)
    page = await mother.submit_form(form, {}, expected_status=409)
    assert "De noodstop staat aan." in page.text
    until = (to_dutch_date(portal.clock.now()) + timedelta(days=180)).isoformat()
    page = await mother.submit_form(longer, {"tot": until}, expected_status=409)
    assert "De noodstop staat aan." in page.text


async def test_offer_in_emergency_stop_is_refused_kindly(portal):
    mother = await portal.mother()
    await stop_all(portal, mother)
    assert (await open_offer(mother)).text


@pytest.mark.parametrize("path", ["", "/opheffen", "/voorgoed"])
async def test_csrf_emergency_stop_without_token_is_rejected(portal, path):
    mother, _, where = await accept(portal)
    form = (await mother.open_page(STOP)).find_form("/stop-alles")
    form.action = STOP + path
    await mother.submit_form(form, {"csrf": ""}, expected_status=403)
    assert WORKS in (await mother.open_page(where)).text


async def test_give_back_asks_first(portal):
    _, son, where = await accept(portal)
    held = where.replace("/helpers/", "/ik-help/")
    sure = await son.open_page(held + "/teruggeven")
    assert "Wilt u stoppen met helpen van Ans Voorbeeld?" in sure.text
    assert "Werkt nu" in (await son.open_page(held)).text
    assert "Teruggegeven" in (await son.submit_form(sure.find_form("/teruggeven"), {})).text
