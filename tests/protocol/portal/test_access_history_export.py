"""The access history as CSV and PDF: filtered, bounded, safe in a spreadsheet, tagged."""

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.message_catalogue import use_language
from machtiging.portal.access_history.export import (
    MAX_LINES,
    ExportFormat,
    HistoryExport,
    neutralise_formula,
    render_csv,
)
from machtiging.portal.access_history.lines import JournalLineView
from machtiging.portal.access_history.routes import PATH
from tests.builders.database import record_queries
from tests.builders.journal import LIST, READ, REFUSED, insert_acts, letter
from tests.builders.pdf import read_pdf, read_structure_types, read_text
from tests.builders.people import ISSUER

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def download(portal, query="", chosen="csv", *, language="nl", expected_status=200):
    browser = await portal.mother()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())
    headers = {"Cookie": f"{cookies}; taal={language}"}
    answer = await portal.http.get(f"{ISSUER}{PATH}.{chosen}{query}", headers=headers)
    assert answer.status_code == expected_status
    return answer


def rows_of(answer, delimiter=";"):
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=delimiter))


def make_line(**changes):
    names = ("at", "reason", "bericht_id", "app", "machtiging_id", "purpose", "object_id")
    values = dict.fromkeys(names) | {"who": "Bram", "what": "las een brief", "refused": False, "is_own": False}
    return JournalLineView(**values | changes)


def make_export(portal_clock, *lines):
    now = portal_clock.now()
    return HistoryExport(list(lines), (now - DAY, now), [], is_cut=False, owner="Riet", made_at=now)


async def test_csv_has_every_line_with_its_outcome_and_reason(portal):
    await insert_acts(
        portal, (MINUTE, READ, letter(1)), (2 * MINUTE, READ, REFUSED | letter(2)), (3 * MINUTE, LIST, {})
    )
    answer = await download(portal)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="wie-keek-mee-2026-')
    assert answer.headers["x-content-type-options"] == "nosniff"
    head, first, refused, last, notes = rows_of(answer)
    assert head == ["Wanneer", "Wie", "Wat", "Gelukt of niet", "Waarom niet", "App", "Machtiging"]
    assert first[1:4] == ["Bram Voorbeeld", "las een brief", "Gelukt"]
    assert refused[2:5] == ["wilde een brief lezen", "Dat mocht niet.", "De brief is ouder dan u heeft afgesproken."]
    assert last[2] == "bekeek de lijst met brieven"
    assert notes[0].startswith("Dit gaat over ")


async def test_csv_begins_with_a_byte_order_mark_and_quotes_every_value(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1)))
    content = (await download(portal)).content
    assert content.startswith(b'\xef\xbb\xbf"')
    assert all(value.startswith('"') for line in content.decode("utf-8-sig").splitlines() for value in line.split(";"))


async def test_csv_in_english_is_separated_by_commas(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1)))
    assert rows_of(await download(portal, language="en"), ",")[0][:3] == ["When", "Who", "What"]


@pytest.mark.parametrize("start", ["=1+1", "+31", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"])
def test_csv_value_like_a_formula_is_neutralised(clock, start):
    with use_language("nl"):
        content = render_csv(make_export(clock, make_line(who=start, app=start, purpose=start, reason=start)))
    (_, row, _) = csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";")
    assert [row[place] for place in (1, 4, 5, 6)] == [f"'{start}"] * 4


@pytest.mark.parametrize("value", ["Bram", "a=b", "1-2", "", 'met "aanhaling"; en puntkomma', "twee\nregels"])
def test_csv_ordinary_value_is_read_back_as_it_is(clock, value):
    assert neutralise_formula(value) == value
    with use_language("nl"):
        content = render_csv(make_export(clock, make_line(who=value)))
    _, row, _ = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";")
    assert row[1] == value


async def test_pdf_is_tagged_and_names_period_owner_and_filter(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1)), (2 * MINUTE, READ, REFUSED | letter(2)))
    answer = await download(portal, f"?helper={portal.people.son}&soort=brieven", "pdf")
    assert answer.headers["content-type"] == "application/pdf"
    text = read_text(answer.content)
    for words in ("Ans Voorbeeld", "Bram Voorbeeld", "las een brief", "Dat mocht niet.", "Dit gaat over", "Brieven"):
        assert words in text
    root = read_pdf(answer.content).trailer["/Root"]
    assert root["/Lang"] == "nl"
    assert {"Table", "TH", "H1"} <= read_structure_types(answer.content)


async def test_pdf_in_english_is_english(portal):
    content = (await download(portal, "", "pdf", language="en")).content
    assert "Nothing happened in this period." in read_text(content)
    assert read_pdf(content).trailer["/Root"]["/Lang"] == "en"


@pytest.mark.parametrize("chosen", ExportFormat)
async def test_export_beyond_its_bound_says_so(portal, monkeypatch, chosen):
    monkeypatch.setitem(MAX_LINES, chosen, 3)
    await insert_acts(portal, *((MINUTE * n, READ, letter(n)) for n in range(5)))
    content = (await download(portal, "", chosen)).content
    text = content.decode("utf-8-sig") if chosen is ExportFormat.CSV else read_text(content)
    assert text.count("las een brief") == 3
    assert "Dit zijn de nieuwste 3." in text


async def test_export_at_its_bound_does_not_say_so(portal, monkeypatch):
    monkeypatch.setitem(MAX_LINES, ExportFormat.CSV, 3)
    await insert_acts(portal, *((MINUTE * n, READ, letter(n)) for n in range(3)))
    assert "Er zijn meer regels" not in (await download(portal)).text


async def test_export_without_month_is_of_the_last_year(portal):
    await insert_acts(portal, (364 * DAY, READ, letter(1)), (367 * DAY, LIST, {}))
    text = (await download(portal)).text
    assert ("las een brief" in text, "bekeek de lijst" in text) == (True, False)


async def test_export_of_a_month_is_of_that_month(portal):
    month = portal.clock.now() - 367 * DAY
    await insert_acts(portal, (367 * DAY, LIST, {}), (MINUTE, READ, letter(1)))
    text = (await download(portal, f"?maand={month:%Y-%m}")).text
    assert ("las een brief" in text, "bekeek de lijst" in text) == (False, True)


async def test_export_holds_only_lines_about_the_visitor(portal):
    await insert_acts(portal, (MINUTE, READ, letter(1) | {"for_person_id": portal.people.son}))
    assert len(rows_of(await download(portal, f"?helper={portal.people.son}"))) == 2


@pytest.mark.parametrize("query", ["?maand=1", "?helper=x"])
async def test_export_malformed_is_rejected(portal, query):
    await download(portal, query, expected_status=400)


@pytest.mark.parametrize("chosen", ["docx", "CSV", "csv.pdf", ""])
async def test_export_in_unknown_format_is_rejected(portal, chosen):
    browser = await portal.mother()
    page = await portal.http.get(
        f"{ISSUER}{PATH}.{chosen}",
        headers={"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies[ISSUER].items())},
    )
    assert page.status_code in (400, 404)


async def test_export_without_login_leads_to_the_login(portal):
    answer = await portal.http.get(f"{ISSUER}{PATH}.pdf", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert "/inloggen" in answer.headers["location"]


async def test_export_costs_four_statements(portal, database):
    await insert_acts(portal, *((MINUTE * n, READ, letter(n)) for n in range(40)))
    await download(portal)
    cookies = "; ".join(f"{name}={value}" for name, value in (await portal.mother()).cookies[ISSUER].items())
    with record_queries(database) as statements:
        await portal.http.get(f"{ISSUER}{PATH}.csv", headers={"Cookie": cookies})
    assert len([one for one in statements if not one.startswith(("BEGIN", "COMMIT"))]) == 4


async def test_export_with_hostile_names_prints_them_as_text(portal):
    await insert_acts(portal, (MINUTE, READ, {"client_id": '#read("/etc/passwd")', "object_id": str(uuid4())}))
    assert "root:" not in read_text((await download(portal, "", "pdf")).content)
