"""/organisatie/wie-heeft-wat.csv: who has which client, for administrator and toezicht."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import text

from machtiging.kernel.assurance import Assurance
from machtiging.portal.organisation import assignment_export
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.organisations import OTHER_KVK, decide_recognition
from tests.builders.people import ISSUER, MOTHER
from tests.protocol.organisation_pages.office import OfficePages

PATH = "/organisatie/wie-heeft-wat.csv"
ACT = "organisatie:export"


async def download(browser, expect=200):
    answer = await browser._send_request("GET", ISSUER + PATH, None)
    assert answer.status_code == expect, answer.text
    return answer


def read_rows(answer):
    text = answer.content.decode("utf-8-sig")
    return [
        dict(zip(head, row, strict=True))
        for head, *rows in [list(csv.reader(io.StringIO(text), delimiter=";"))]
        for row in rows[:-1]
    ]


async def test_file_of_administrator_has_each_employee_and_client(office):
    await office.rows.assign(await office.rows.grant(purpose="hulp bij post"))
    await office.rows.grant(purpose="zonder lezer")
    answer = await download(await office.log_in_administrator())
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = read_rows(answer)
    pairs = {(row["Medewerker"], row["Waarvoor"]) for row in rows}
    assert ("Niemand", "zonder lezer") in pairs
    assert any(who.startswith("Hugo") and purpose == "hulp bij post" for who, purpose in pairs)
    assert any(who.startswith("Tess") and purpose == "" for who, purpose in pairs)
    assert MOTHER.reveal() not in answer.text
    assert await office.read_outcomes(ACT) == [("allowed", "wie_heeft_wat")]


async def test_client_of_an_employee_with_a_forged_row_is_in_the_file(office, database):
    await office.rows.assign(await office.rows.grant(purpose="hulp bij post"))
    async with bypass_triggers(database) as connection:
        forging = text("UPDATE employee SET mac = sha256('x') WHERE id = :id")
        await connection.execute(forging, {"id": office.rows.worker_id})
    rows = read_rows(await download(await office.log_in_administrator()))
    assert "hulp bij post" in {row["Waarvoor"] for row in rows}


async def test_large_file_is_cut_and_says_so(office, monkeypatch):
    monkeypatch.setattr(assignment_export, "MAX_ROWS", 2)
    for _ in range(3):
        await office.rows.grant(purpose="zonder lezer")
    answer = await download(await office.log_in_administrator())
    assert len(read_rows(answer)) == 2
    assert "De rest staat niet in dit bestand." in answer.text


async def test_supervisor_gets_the_file_too(office):
    person, _ = await office.hire("Tine Toezicht", roles=["toezicht"])
    assert "Medewerker" in (await download(await office.log_in(person))).text


async def test_leader_and_care_worker_are_refused(office):
    for person in (office.rows.leader, office.rows.worker):
        await download(await office.log_in(person), expect=403)
    assert await office.read_outcomes(ACT) == []
    reasons = [reason for _, reason in await office.read_outcomes("toezicht:ingezien")]
    assert reasons == ["alleen_voor_toezicht"] * 2


async def test_private_login_is_refused(office):
    await download(await office.portal.mother(), expect=403)


async def test_login_of_low_level_is_sent_to_a_surer_login(office):
    answer = await download(await office.log_in(office.administrator, Assurance.LOW), expect=303)
    assert "/inloggen?" in answer.headers["location"]


async def test_client_of_another_organisation_is_not_in_the_file(office, portal, database):
    theirs = await OfficePages.begin(portal, database, OTHER_KVK)
    await theirs.rows.assign(await theirs.rows.grant(purpose="van een ander"))
    assert "van een ander" not in (await download(await office.log_in_administrator())).text


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "@SUM(A1)", "-2"])
async def test_value_that_begins_like_a_formula_is_neutralised(office, name):
    await office.hire(name)
    text = (await download(await office.log_in_administrator())).text
    assert f"\"'{name}" in text
    assert f'"{name}' not in text


async def test_organisation_with_withdrawn_recognition_gets_no_file(office):
    async with unit_of_work(office.rows.database.sessions) as session:
        await decide_recognition(session, office.rows.organisation, 3, "ingetrokken")
    await download(await office.log_in_administrator(), expect=403)
