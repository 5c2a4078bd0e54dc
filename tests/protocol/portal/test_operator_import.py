"""`/beheer/importeren`: a file is shown, then done; a bad file is told with its line."""

from __future__ import annotations

import re

import pytest

from machtiging.organisations.tables import Organisation
from tests.builders.rows import JOURNAL_INTAKE, TableReader
from tests.protocol.portal.test_operator_pages import saskia, send, service

__all__ = ["saskia", "service"]
ORGANISATIONS = TableReader(Organisation)
PATH = "/beheer/importeren"
FILE = "naam;soort;kvk;grond\r\nWijkteam Noord;welzijn;90000007;aanvraag\r\nFout;welzijn;1;aanvraag\r\n"


async def upload(browser, content: bytes, **fields: str):
    page = (await browser.get("/uitloggen")).text
    token = re.search(r'name="csrf" value="([^"]+)"', page).group(1)
    headers = {"Origin": "https://machtigen.test"}
    files = {"bestand": ("register.csv", content, "text/csv")}
    url = f"https://machtigen.test{PATH}"
    return await browser.http.post(url, data={"csrf": token, **fields}, files=files, headers=headers)


def read_hidden(text: str, name: str) -> str:
    return re.search(rf'name="{name}" value="([^"]*)"', text).group(1)


async def test_file_is_shown_then_done_and_repeats_without_effect(saskia, database):
    assert "Importeren uit een bestand" in (await saskia.get(PATH)).text
    shown = await upload(saskia, FILE.encode("utf-8-sig"))
    assert shown.status_code == 200, shown.text
    for words in ("Er is nog niets veranderd", "Nieuw: 1", "Geweigerd: 1", "Wijkteam Noord"):
        assert words in shown.text
    assert await ORGANISATIONS.count(database, name="Wijkteam Noord") == 0
    fields = {name: read_hidden(shown.text, name) for name in ("plan", "inhoud")}
    done = await send(saskia, PATH + "/uitvoeren", **fields)
    assert (done.status_code, done.headers["location"]) == (303, f"{PATH}?gedaan=ja")
    assert "Het bestand is verwerkt" in (await saskia.get(f"{PATH}?gedaan=ja")).text
    assert await ORGANISATIONS.count(database, name="Wijkteam Noord") == 1
    again = await send(saskia, PATH + "/uitvoeren", **fields)
    assert again.status_code == 409
    lines = await JOURNAL_INTAKE.read(database, act="register:geimporteerd")
    assert [(line.outcome, line.reason) for line in lines] == [
        ("done", "uitgevoerd"),
        ("refused", "import_wereld_veranderd"),
    ]
    assert "Het register is veranderd" in again.text
    assert "Ongewijzigd: 1" in again.text
    assert "Er valt niets uit te voeren" in again.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Er is geen bestand"),
        (b"a;b\n1;2\n", "niet de kolommen"),
        (b"naam;soort;kvk;grond\nx\0;y;z;w\n", "Regel 2 heeft een nulteken"),
        (b"naam;soort;kvk;grond\n\x81;y;z;w\n", "Regel 2 heeft tekens"),
        (b"x" * 110_000, "groter dan 100 kB"),
    ],
)
async def test_file_that_cannot_be_used_is_told(saskia, content, words):
    answer = await upload(saskia, content)
    assert answer.status_code == 400
    assert words in answer.text
    assert "<title>Fout:" in answer.text


async def test_file_of_ten_megabytes_is_refused(saskia):
    assert (await upload(saskia, b"x" * 10_000_000)).status_code == 413


@pytest.mark.parametrize("fields", [{}, {"plan": "x", "inhoud": "%%%"}, {"plan": "x", "inhoud": "AAAA"}])
async def test_second_press_with_bad_input_changes_nothing(saskia, database, fields):
    before = await ORGANISATIONS.count(database)
    assert (await send(saskia, PATH + "/uitvoeren", **fields)).status_code == 400
    assert await ORGANISATIONS.count(database) == before


@pytest.mark.parametrize("persona", ["auditor", "privacyfunctionaris", "vertegenwoordigde", "raadslid"])
async def test_import_is_for_operators_only(service, database, persona):
    visitor = await service.logged_in(persona)
    assert (await visitor.get(PATH)).status_code == 403
    assert (await upload(visitor, FILE.encode())).status_code == 403
    assert (await send(visitor, PATH + "/uitvoeren", plan="x", inhoud="x")).status_code == 403


async def test_upload_without_csrf_token_is_refused(saskia):
    assert (await upload(saskia, FILE.encode(), csrf="x")).status_code == 403
