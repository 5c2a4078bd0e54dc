"""The access history: first sentence, weeks, filters, refusals apart, equal lines folded."""

from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.audit.access_history import weekly_access
from machtiging.audit.acts import LISTED_ACT_PREFIXES, JournalAct
from machtiging.portal.access_history.filter import ACT_PREFIXES
from machtiging.portal.access_history.routes import PAGE_SIZE, PATH
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import record_queries
from tests.builders.journal import DOWNLOAD, LIST, READ, REFUSED, insert_acts, letter
from tests.builders.people import ISSUER, add_person_without_bsn
from tests.builders.portal import accept_code, make_offer
from tests.storage.plans.query_plans import grow

MINUTE, DAY, WEEK = timedelta(minutes=1), timedelta(days=1), timedelta(weeks=1)
NOBODY = "Deze week keek niemand met u mee."


async def open_history(portal, query="", *, expected_status=200):
    return await (await portal.mother()).open_page(ISSUER + PATH + query, expected_status=expected_status)


async def read_text(portal, query=""):
    return " ".join((await open_history(portal, query)).text.split())


# The sentence


async def test_sentence_and_picture_without_lines_are_empty(portal):
    text = await read_text(portal)
    assert NOBODY in text
    assert "In de laatste 12 weken las niemand met u mee." in text


async def test_sentence_names_the_helper_and_counts_each_letter_once(portal):
    acts = [(MINUTE * n, READ, letter(n % 2)) for n in range(6)]
    await insert_acts(portal, *acts)
    assert "Deze week: uw helper Bram Voorbeeld 2 brieven. Niemand anders." in await read_text(portal)


async def test_sentence_stands_on_the_overview_too(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1)))
    page = await (await portal.mother()).open_page(ISSUER + "/")
    assert "Deze week: uw helper Bram Voorbeeld 1 brief. Niemand anders." in " ".join(page.text.split())
    assert NOBODY in (await (await portal.son()).open_page(ISSUER + "/")).text


async def test_sentence_counts_attachments_apart(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1)), (MINUTE, DOWNLOAD, letter(2) | {"object_kind": "bijlage"}))
    assert "uw helper Bram Voorbeeld 1 brief en 1 bijlage. Niemand anders." in await read_text(portal)


async def test_sentence_of_several_people_names_each(portal):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        other = await add_person_without_bsn(session, "fatima", None)
    await insert_acts(portal, (MINUTE, READ, letter(1)), (MINUTE, LIST, {"actor_id": other}))
    text = await read_text(portal)
    assert "uw helper Bram Voorbeeld 1 brief en uw helper" in text
    assert "alleen de lijst met brieven. Niemand anders." in text


async def test_sentence_of_many_people_counts_the_rest(portal):
    acts = []
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for number in range(8):
            person = await add_person_without_bsn(session, f"helper-{number}", None)
            acts.append((MINUTE, READ, letter(number) | {"actor_id": person}))
    await insert_acts(portal, *acts)
    text = await read_text(portal)
    assert "en nog 3 anderen." in text
    assert "Niemand anders" not in text
    assert "Anderen" in text  # a column of the picture for those without their own


async def test_sentence_with_refusals_only_counts_them(portal):
    await insert_acts(portal, (MINUTE, READ, REFUSED | letter(1)), (MINUTE, READ, REFUSED | letter(2)))
    text = await read_text(portal)
    assert f"{NOBODY} 2 keer hielden wij iets tegen." in text


async def test_sentence_leaves_out_own_acts_and_last_week(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1) | {"actor_id": portal.people.mother}), (WEEK, READ, letter(2)))
    text = await read_text(portal)
    assert NOBODY in text
    assert "In de laatste 12 weken" not in text


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        ({"actor_id": None, "client_id": "weg"}, "de app een app die niet meer bestaat 1 brief"),
        ({"actor_id": None}, "iemand 1 brief"),
        ({"capacity": "beheerder"}, "een beheerder 1 brief"),
    ],
)
async def test_sentence_names_apps_operators_and_unknown_actors(portal, changes, who):
    await insert_acts(portal, (MINUTE, READ, letter(1) | changes))
    assert f"Deze week: {who}. Niemand anders." in await read_text(portal)


async def test_sentence_of_another_act_does_not_say_that_a_letter_was_read(portal):
    await insert_acts(portal, (MINUTE, JournalAct.BERICHT_MARKEREN, letter(1)))
    assert "uw helper Bram Voorbeeld iets anders met uw brieven. Niemand anders." in await read_text(portal)


async def test_sentence_says_when_not_everything_was_counted(portal, monkeypatch):
    monkeypatch.setattr(weekly_access, "MAX_LINES", 3)
    await insert_acts(portal, *((MINUTE * n, READ, letter(n)) for n in range(6)))
    text = await read_text(portal)
    assert "Wij telden niet alles." in text
    assert "niet alles geteld" in text


async def test_history_in_english_is_english(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1)), (MINUTE, READ, letter(2)))
    browser = await portal.mother()
    browser.cookies[ISSUER]["taal"] = "en"
    text = (await browser.open_page(ISSUER + PATH)).text
    assert "This week: your helper Bram Voorbeeld 2 letters. Nobody else." in text


# The picture


async def test_picture_has_a_row_for_each_week_up_to_the_first_reading_and_a_column_for_each_person(portal):
    await insert_acts(
        portal,
        (MINUTE, READ, letter(1)),
        (2 * WEEK, READ, letter(2)),
        (2 * WEEK, READ, letter(3)),
        (13 * WEEK, READ, {}),
    )
    page = await portal_markup(portal)
    markup = page.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = markup.split("</tr>")[:-1]
    assert [row.partition("<td>")[2][0] for row in rows] == ["1", "0", "2"]
    assert "Daarvoor gebeurde 9 weken lang niets." in page
    assert all('<th scope="row">' in row for row in rows)
    assert markup.count("<svg") == markup.count('aria-hidden="true"') == 2  # a bar beside each number but 0


async def portal_markup(portal, query=""):
    browser = await portal.mother()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())
    answer = await portal.http.get(ISSUER + PATH + query, headers={"Cookie": cookies, "Accept": "text/html"})
    assert answer.status_code == 200
    return answer.text


async def test_week_begins_on_monday_on_dutch_clocks(portal):
    now = portal.clock.now()
    monday = (now - now.weekday() * DAY).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=1)
    await insert_acts(portal, (now - monday, READ, letter(1)), (now - monday + MINUTE, READ, letter(2)))
    markup = (await portal_markup(portal)).partition("<tbody>")[2]
    assert [row.partition("<td>")[2][0] for row in markup.split("</tr>")[:2]] == ["1", "1"]


# Refusals, own acts, folding


async def test_refusals_stand_apart_with_a_calm_explanation(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1)), (MINUTE, READ, REFUSED | letter(2)))
    text = await read_text(portal)
    apart, _, timeline = text.partition("Wat er gebeurde")
    assert "Het is dus niet gebeurd. U hoeft niets te doen." in apart
    assert "wilde een brief lezen" in apart
    assert "wilde een brief lezen" not in timeline
    assert "las een brief" in timeline


async def test_own_acts_are_folded(portal):
    await make_offer(await portal.mother())
    markup = await portal_markup(portal)
    assert "U deed zelf" in markup
    assert "maakte een machtiging" in markup.partition("U deed zelf")[2].partition("</details>")[0]


async def test_equal_lines_of_a_day_are_one_with_their_number(portal):
    await insert_acts(portal, *((10 * MINUTE * n, LIST, {}) for n in range(4)))
    text = await read_text(portal)
    assert text.count("bekeek de lijst met brieven") == 1
    assert "4 keer op deze dag" in text


async def test_lines_about_different_letters_are_not_folded(portal):
    await insert_acts(portal, *((MINUTE * n, READ, letter(n)) for n in range(4)))
    assert (await read_text(portal)).count("las een brief") == 4


# Filters


@pytest.fixture
async def filled(portal):
    mother, son = await portal.mother(), await portal.son()
    await accept_code(son, await make_offer(mother))
    machtiging_id = son.url.split("?")[0].rpartition("/")[2]
    await insert_acts(
        portal,
        (MINUTE, READ, letter(1) | {"machtiging_id": machtiging_id}),
        (2 * MINUTE, READ, REFUSED | letter(2)),
        (3 * MINUTE, JournalAct.GRANT_VERLEEND, {"actor_id": portal.people.mother}),
        (40 * DAY, LIST, {"actor_id": None}),
    )
    return machtiging_id


def has_acts(text, *phrases):
    every = (
        "las een brief",
        "wilde een brief lezen",
        "gaf een app toestemming",
        "bekeek de lijst",
        "nam de machtiging",
    )
    return {phrase for phrase in every if phrase in text} == set(phrases)


async def test_filter_by_person_shows_acts_of_that_person(portal, filled):
    text = await read_text(portal, f"?helper={portal.people.son}")
    assert has_acts(text, "las een brief", "wilde een brief lezen", "nam de machtiging")
    assert "U ziet nu alleen: Wie: Bram Voorbeeld" in text


async def test_filter_by_machtiging_shows_acts_under_it(portal, filled):
    assert has_acts(await read_text(portal, f"?helper={filled}&soort=brieven"), "las een brief")


async def test_filter_by_kind_shows_that_kind(portal, filled):
    assert has_acts(await read_text(portal, "?soort=apps"), "gaf een app toestemming")
    assert has_acts(
        await read_text(portal, "?soort=brieven"), "las een brief", "wilde een brief lezen", "bekeek de lijst"
    )


async def test_filter_on_refusals_shows_only_refusals(portal, filled):
    assert has_acts(await read_text(portal, "?geweigerd=ja"), "wilde een brief lezen")


async def test_filter_on_letter_shows_lines_of_that_letter(portal, filled):
    assert has_acts(await read_text(portal, f"?brief={letter(1)['object_id']}"), "las een brief")


async def test_filter_on_month_shows_lines_of_that_month(portal, filled):
    month = portal.clock.now() - 40 * DAY
    text = await read_text(portal, f"?maand={month:%Y-%m}")
    assert has_acts(text, "bekeek de lijst")


async def test_filter_on_letter_shows_lines_of_its_attachments(portal, superuser_connection):
    bericht_id, bijlage_id = uuid4(), uuid4()
    await superuser_connection.execute("SET session_replication_role = replica")
    await superuser_connection.execute(
        "INSERT INTO bijlage (id, bericht_id, position, naam_sealed, mime_type, size, parts, sha256)"
        " VALUES ($1, $2, 1, 'x', 'application/pdf', 9, 1, $3)",
        bijlage_id,
        bericht_id,
        bytes(32),
    )
    await insert_acts(portal, (MINUTE, DOWNLOAD, {"object_kind": "bijlage", "object_id": str(bijlage_id)}))
    assert "haalde een bijlage op" in await read_text(portal, f"?brief={bericht_id}")


async def test_filters_without_choice_are_no_filter(portal, filled):
    assert "U ziet nu alleen" not in await read_text(portal, "?helper=&soort=&maand=&geweigerd=&brief=")


async def test_filter_that_finds_nothing_says_so(portal, filled):
    assert "Er is niets gevonden." in await read_text(portal, f"?helper={uuid4()}")


@pytest.mark.parametrize(
    "query",
    [
        *("helper=bram", "soort=alles", "geweigerd=nee", "brief=1", "maand=2026-13", "maand=november"),
        *("maand=1999-12", "maand=9999-12", "maand=2026-1", "voor=gisteren", "regel=1"),
    ],
)
async def test_filter_malformed_is_rejected(portal, query):
    await open_history(portal, f"?{query}", expected_status=400)


async def test_filter_for_another_person_shows_nothing_of_that_person(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1) | {"for_person_id": portal.people.son}))
    assert NOBODY in await read_text(portal, f"?helper={portal.people.son}")


async def test_filter_is_kept_on_the_next_page(portal):
    await insert_acts(portal, *((MINUTE * n, READ, letter(n)) for n in range(PAGE_SIZE + 5)), (MINUTE, LIST, {}))
    first = await open_history(portal, f"?helper={portal.people.son}&soort=brieven")
    older = next(href for href, word in first.links if "Ouder" in word)
    assert f"helper={portal.people.son}&soort=brieven&voor=" in older
    second = await open_history(portal, older.removeprefix(PATH))
    assert sum(page.text.count("las een brief") for page in (first, second)) == PAGE_SIZE + 5


def test_every_listed_act_has_a_kind():
    assert {prefix for prefixes in ACT_PREFIXES.values() for prefix in prefixes} == set(LISTED_ACT_PREFIXES)


async def test_old_address_redirects_and_keeps_its_query(portal):
    answer = await portal.http.get(ISSUER + "/inzage?soort=apps")
    assert (answer.status_code, answer.headers["location"]) == (308, PATH + "?soort=apps")


# Cost


async def test_history_of_300_machtigingen_and_10_000_lines_costs_five_statements(
    portal, superuser_connection, database, filled
):
    await superuser_connection.execute("SET session_replication_role = replica")
    await grow(superuser_connection, "machtiging", 300, vertegenwoordigde_id=f"'{portal.people.mother}'")
    await grow(
        superuser_connection,
        "journal_intake",
        10_000,
        for_person_id=f"'{portal.people.mother}'",
        act="'bericht:lezen'",
        occurred_at="to_jsonb((one.t).occurred_at - n * interval '10 minutes')",
        object_id="gen_random_uuid()::text",
        machtiging_id="(SELECT id FROM machtiging OFFSET n % 300 LIMIT 1)",
    )
    browser = await portal.mother()
    for query in ("", "?geweigerd=ja", f"?helper={filled}"):
        await browser.open_page(ISSUER + PATH + query)
        with record_queries(database) as statements:
            await browser.open_page(ISSUER + PATH + query)
        assert len([one for one in statements if not one.startswith(("BEGIN", "COMMIT"))]) <= 5
