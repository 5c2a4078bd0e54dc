"""The own record of an employee: filter, pages, file, and what it does not tell."""

import csv
import io
import re
from datetime import timedelta

import pytest

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from tests.builders.database import record_queries
from tests.builders.machtiging import update_machtiging
from tests.builders.organisations import OTHER_KVK, change_employee, decide_recognition
from tests.builders.rows import BERICHTEN
from tests.protocol.letters.box import statements_of
from tests.protocol.work.office import WorkOffice

PATH = "/werk/wat-ik-deed"
LETTER = re.compile(r'href="(/werk/clienten/[0-9a-f-]{36}/brieven/[0-9a-f-]{36})"')
OLDER = re.compile(r'href="(/werk/wat-ik-deed\?[^"]*voor=[^"]*)"')
SENDER = "Sociale Verzekeringsbank"
MOST_STATEMENTS = 8


async def open_letters(worker, client, number=1):
    """Open the newest letters of this client."""
    letters = LETTER.findall((await worker.request(f"/werk/clienten/{client}/brieven")).text)
    for path in list(dict.fromkeys(letters))[:number]:
        assert (await worker.request(path)).status_code == 200


def read_rows(answer):
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))


@pytest.fixture
async def clients(office):
    """Two clients, of each of whom the worker opened a letter."""
    made = [await office.add_client(name, None, f"Brief van {name}") for name in ("Anna de Boer", "Mo Haddou")]
    worker = await office.log_in()
    for client in made:
        await open_letters(worker, client)
        office.world.clock.advance(timedelta(minutes=1))
    return made


async def test_own_record_has_the_acts_for_every_client_newest_first(office, clients):
    page = (await (await office.log_in()).request(PATH)).text
    assert page.index("Mo Haddou") < page.index("Anna de Boer")
    assert len(set(LETTER.findall(page))) == 2
    assert 'aria-current="page"' in page


async def test_own_record_filtered_on_client_and_month_has_only_those_lines(office, clients):
    worker = await office.log_in()
    page = (await worker.request(f"{PATH}?client={clients[0]}")).text
    assert "Anna de Boer" in page
    assert "Mo Haddou" not in page
    month = office.world.clock.now().strftime("%Y-%m")
    assert "Mo Haddou" in (await worker.request(f"{PATH}?maand={month}")).text
    assert "Mo Haddou" not in (await worker.request(f"{PATH}?maand=2020-01")).text
    assert (await worker.request(f"{PATH}?maand=&client=")).status_code == 200


@pytest.mark.parametrize("query", ["maand=2026-13", "maand=x", "client=x", "voor=x", "maand=1999-01"])
async def test_own_record_with_a_bad_filter_is_refused(office, query):
    assert (await (await office.log_in()).request(f"{PATH}?{query}")).status_code == 400


async def test_client_of_another_employee_is_told_as_one_that_does_not_exist(office, clients):
    piet = await office.grant(await office.add_person("Piet Jansen"))
    worker = await office.log_in()
    for one in (piet, "018f0000-0000-7000-8000-000000000001"):
        for path in (PATH, PATH + ".csv"):
            answer = await worker.request(f"{path}?client={one}")
            assert answer.status_code == 404
            assert "Piet" not in answer.text


async def test_line_of_a_client_no_longer_assigned_has_no_name_and_no_sender(office, clients):
    ended = {"state": "ended", "ended_at": office.world.clock.now(), "end_reason": "teruggegeven"}
    async with office.world.sessions.begin() as session:
        await update_machtiging(session, clients[0], **ended)
    worker = await office.log_in()
    page = (await worker.request(PATH)).text
    rows = read_rows(await worker.request(PATH + ".csv"))
    assert "Anna" not in page
    assert "Een cliënt van wie u nu geen post leest" in page
    assert all(str(clients[0]) not in path for path in LETTER.findall(page))
    assert {row[1] for row in rows[1:-1]} == {"Mo Haddou", "Een cliënt van wie u nu geen post leest"}
    assert all(SENDER not in row[2] for row in rows[1:-1] if row[1] != "Mo Haddou")
    assert (await worker.request(f"{PATH}?client={clients[0]}")).status_code == 404


async def test_suspended_organisation_leaves_no_name_in_the_record(office, clients):
    async with office.world.sessions.begin() as session:
        await decide_recognition(session, office.organisation, 3, "opgeschort")
    page = (await (await office.log_in()).request(PATH)).text
    assert "Anna" not in page
    assert "Mo Haddou" not in page
    assert page.count("Een cliënt van wie u nu geen post leest") >= 2


async def test_refused_act_tells_no_more_than_the_refusal_did(office, clients):
    worker = await office.log_in()
    hidden = await office.add_client("Nel Kuipers", None, "Geheim", themes=["inkomen"])
    [letter] = await BERICHTEN.read_column(office.world, "id", ontvanger_id=office.people["Nel Kuipers"])
    assert (await worker.request(f"/werk/clienten/{hidden}/brieven/{letter}")).status_code == 404
    page = (await worker.request(f"{PATH}?client={hidden}")).text
    assert "Dat mocht niet." in page
    assert SENDER not in page
    assert str(letter) not in page


async def test_acts_for_another_organisation_and_of_a_colleague_are_not_in_the_record(office, clients, world, portal):
    second = await WorkOffice.open(world, portal, OTHER_KVK)
    second.numbers = office.numbers
    piet = await second.add_client("Piet Jansen", None, "Brief van Piet")
    await open_letters(await second.log_in(), piet)
    assert "Piet" not in (await (await office.log_in()).request(PATH)).text
    other = (await (await second.log_in()).request(PATH)).text
    assert "Piet Jansen" in other
    assert "Anna" not in other
    colleague = await office.add_person("Kim Collega")
    assert "Anna" not in (await (await office.log_in(colleague)).request(PATH)).text


async def test_departed_employee_sees_lines_without_names(office, clients):
    worker = await office.log_in()
    async with office.world.sessions.begin() as session:
        await change_employee(session, office.employee, state="vertrokken", ends_at=office.world.clock.now())
    page = (await worker.request(PATH)).text
    assert "Anna" not in page
    assert "Mo Haddou" not in page


async def test_pages_of_the_record_have_every_line_once(office, clients):
    lines = 120
    async with office.world.sessions.begin() as session:
        person = office.people["Anna de Boer"]
        for _ in range(lines):
            office.world.clock.advance(timedelta(seconds=1))
            at = office.world.clock.now()
            line = NewJournalLine(
                act=JournalAct.BERICHT_LEZEN,
                outcome=JournalOutcome.ALLOWED,
                reason="toegestaan",
                actor_id=office.worker,
                capacity="professional",
                for_person_id=person,
                machtiging_id=clients[0],
                on_behalf_of=office.organisation,
            )
            await record(session, line, at=at)
    worker = await office.log_in()
    seen, path, pages = 0, f"{PATH}?client={clients[0]}", 0
    before = 2  # the list and the letter of the set-up
    while path:
        page = (await worker.request(path)).text
        times = [int(found) for found in re.findall(r"(\d+) keer", page)]
        seen += sum(times) + page.count("<time ") - len(times)
        older = OLDER.search(page)
        path, pages = (older.group(1).replace("&amp;", "&") if older else None), pages + 1
    assert pages == 3
    assert seen == lines + before
    assert len(read_rows(await worker.request(f"{PATH}.csv?client={clients[0]}"))) == lines + before + 2


async def test_file_has_a_header_a_note_and_cells_that_are_no_formulas(office, clients):
    worker = await office.log_in()
    await open_letters(worker, await office.add_client("=HYPERLINK(1)", None, "Brief"))
    answer = await worker.request(f"{PATH}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="wat-ik-deed-' in answer.headers["content-disposition"]
    rows = read_rows(answer)
    assert rows[0] == ["Wanneer", "Cliënt", "Wat u deed", "Gelukt of niet", "App"]
    assert "'=HYPERLINK(1)" in {row[1] for row in rows[1:-1]}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert len(rows[-1]) == 1


async def test_record_takes_the_same_statements_for_one_client_and_for_many(office, clients, database):
    worker = await office.log_in()
    numbers = []
    for _ in range(2):
        await worker.request(PATH)
        with record_queries(database) as queries:
            await worker.request(PATH)
        numbers.append(len(statements_of(queries)))
        for name in ("Nel Kuipers", "Rosa Fernandes", "Gerrit Hofstra"):
            if numbers[1:]:
                break
            await open_letters(worker, await office.add_client(name, None, "Brief"))
    assert numbers[0] == numbers[1] <= MOST_STATEMENTS
