"""The table of clients: search, order, counts, and what it does not tell."""

import re
from datetime import date
from urllib.parse import quote

import pytest
from sqlalchemy import text

from machtiging.kernel.birth_date import build_birth_date
from tests.builders.database import record_queries
from tests.builders.machtiging import update_machtiging
from tests.builders.organisations import add_employee, change_employee, decide_recognition
from tests.protocol.letters.box import statements_of

MOST_STATEMENTS = 4
CLIENT = re.compile(r'<a href="/werk/clienten/([0-9a-f-]{36})"')
OLDER = re.compile(r'href="(/werk/clienten\?[^"]*vanaf=[^"]*)"')
UNREAD = re.compile(r'>(\d+) nieuw<span class="m-hidden"> voor (\w+)')
COUNTS = re.compile(r"\((\d+)\)")


async def find(worker, search=None, **more):
    params = ({} if search is None else {"zoek": search}) | more
    query = "&".join(f"{name}={quote(str(value))}" for name, value in params.items())
    return await worker.request("/werk/clienten" + (f"?{query}" if query else ""))


async def names_of(office, page):
    return [office.names[one] for one in CLIENT.findall(page.text)]


@pytest.fixture
async def clients(office):
    """Clients with a name, a birth date and a case reference."""
    office.names = {}
    people = (
        ("Riet van der Linden", date(1951, 4, 7), "Z-2026-0012", 3, 20),
        ("Karim el Amrani", build_birth_date(1969, None, None), "Z 77", 0, 90),
        ("Ali Yıldız", date(1969, 2, 11), None, 1, 40),
        ("An Ek", None, None, 2, 10),
        ("Jörg Müller-Lüdenscheidt", date(1990, 6, 24), "Z%", 0, 60),
    )
    for name, born, reference, letters, days in people:
        subjects = [f"Brief {number}" for number in range(letters)]
        changes = {"reference": reference, "ends_at": office.days(days)}
        office.names[str(await office.add_client(name, born, *subjects, **changes))] = name
    return office


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("lin", ["Riet van der Linden"]),
        ("LIND", ["Riet van der Linden"]),
        ("van der linden", ["Riet van der Linden"]),
        ("Linden", ["Riet van der Linden"]),
        ("amrani", ["Karim el Amrani"]),
        ("El Amrani", ["Karim el Amrani"]),
        ("yild", ["Ali Yıldız"]),
        ("Yıldız", ["Ali Yıldız"]),
        ("ek", ["An Ek"]),
        ("mull", ["Jörg Müller-Lüdenscheidt"]),
        ("lüdens", ["Jörg Müller-Lüdenscheidt"]),
        ("7-4-1951", ["Riet van der Linden"]),
        ("1951-04-07", ["Riet van der Linden"]),
        ("11/02/1969", ["Karim el Amrani", "Ali Yıldız"]),
        ("z20260012", ["Riet van der Linden"]),
        ("Z-2026-0012", ["Riet van der Linden"]),
        ("z 77", ["Karim el Amrani"]),
        ("riet", []),
        ("Lindeman", ["Riet van der Linden"][:0]),
        ("8-4-1951", []),
        ("%%%", None),
        ("___", None),
        ("lin%", ["Riet van der Linden"]),
        ("'; DROP TABLE person; --", []),
        ("*", None),
    ],
)
async def test_search_finds_first_letters_birth_date_and_reference(clients, search, names):
    page = await find(await clients.log_in(), search)
    if names is None:
        assert page.status_code == 400
        assert "Vul ten minste twee letters in" in page.text
    else:
        assert page.status_code == 200
        assert sorted(await names_of(clients, page)) == sorted(names)
        assert COUNTS.findall(page.text)[0] == str(len(names))


async def test_clients_of_one_name_are_told_apart_by_their_birth_dates(office):
    for born in (date(1961, 10, 2), date(1984, 1, 15), build_birth_date(1970, None, None)):
        await office.add_client("Jan de Vries", born)
    page = await find(await office.log_in())
    assert page.text.count("Jan de Vries") >= 3
    assert re.findall(r"geboren ([^<]+)<", page.text) == ["2 oktober 1961", "15 januari 1984"]


@pytest.mark.parametrize("search", ["999990032", "9999 90 032", "999.990.032", "bsn 123456789", "１２３４５６７８９"])
async def test_search_with_a_number_of_nine_digits_is_refused_with_a_sentence(clients, search):
    page = await find(await clients.log_in(), search)
    assert page.status_code == 400
    assert "Zoek nooit met een BSN" in page.text
    assert CLIENT.findall(page.text) == []
    assert "Fout:" in page.text.split("</title>")[0]


@pytest.mark.parametrize("search", ["a", "é", "1", "-"])
async def test_search_with_one_letter_is_refused(clients, search):
    assert (await find(await clients.log_in(), search)).status_code == 400


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("ongelezen", ["Riet", "An", "Ali", "Jörg", "Karim"]),
        ("einddatum", ["An", "Riet", "Ali", "Jörg", "Karim"]),
        ("toegewezen", ["Riet", "Karim", "Ali", "An", "Jörg"]),
        ("zaakkenmerk", ["Jörg", "Riet", "Karim", "Ali", "An"]),
        ("naam", ["Karim", "An", "Riet", "Jörg", "Ali"]),
    ],
)
async def test_orders_of_the_list(clients, order, names):
    page = await find(await clients.log_in(), volgorde=order)
    assert [name.split()[0] for name in await names_of(clients, page)] == names


async def test_counts_equal_the_lists(clients):
    worker = await clients.log_in()
    totals = COUNTS.findall((await find(worker)).text)[:3]
    assert totals == ["5", "3", "2"]
    for shown, number in (("ongelezen", 3), ("bijna-voorbij", 2)):
        page = await find(worker, toon=shown)
        assert len(CLIENT.findall(page.text)) == number
        assert COUNTS.findall(page.text)[:3] == totals
    assert COUNTS.findall((await find(worker, "linden")).text)[:3] == ["1", "1", "1"]


async def test_clients_with_ten_new_letters_or_more_stand_by_what_ends_first(office, monkeypatch):
    for name, letters, days in (("An Negen", 9, 5), ("Bo Twaalf", 12, 30), ("Cy Elf", 11, 10), ("Di Tien", 10, 20)):
        await office.add_client(name, None, *(["Brief"] * letters), ends_at=office.days(days))
    worker, expected = await office.log_in(), [("11", "Cy"), ("10", "Di"), ("12", "Bo"), ("9", "An")]
    page = (await find(worker)).text
    assert UNREAD.findall(page) == expected
    monkeypatch.setattr("machtiging.portal.work.parameters.PAGE_SIZE", 1)
    found, path = [], "/werk/clienten?volgorde=ongelezen"
    while path:
        page = (await worker.request(path)).text
        found += UNREAD.findall(page)
        older = OLDER.search(page)
        path = older.group(1).replace("&amp;", "&") if older else None
    assert found == expected


@pytest.mark.parametrize("order", ["ongelezen", "einddatum", "toegewezen", "zaakkenmerk", "naam"])
async def test_pages_have_every_client_once_in_the_same_order(clients, order, monkeypatch):
    worker = await clients.log_in()
    whole = CLIENT.findall((await find(worker, volgorde=order)).text)
    monkeypatch.setattr("machtiging.portal.work.parameters.PAGE_SIZE", 2)
    found, path = [], f"/werk/clienten?volgorde={order}"
    while path:
        page = (await worker.request(path)).text
        found += CLIENT.findall(page)
        older = OLDER.search(page)
        path = older.group(1).replace("&amp;", "&") if older else None
    assert found == whole


async def test_cursor_of_another_filter_answers_a_kind_page(clients, monkeypatch):
    monkeypatch.setattr("machtiging.portal.work.parameters.PAGE_SIZE", 2)
    worker = await clients.log_in()
    cursor = OLDER.search((await find(worker)).text).group(1).split("vanaf=")[1]
    for other in ({"volgorde": "naam"}, {"toon": "ongelezen"}, {"zoek": "linden"}):
        page = await find(worker, **other, vanaf=cursor)
        assert page.status_code == 400
        assert "Begin opnieuw bij het begin" in page.text


async def test_list_takes_at_most_four_statements(clients, database):
    worker = await clients.log_in()
    for search in (None, "linden", "11-02-1969"):
        await find(worker, search)
        with record_queries(database) as queries:
            await find(worker, search)
        assert len(statements_of(queries)) <= MOST_STATEMENTS, queries


async def _change_links(office, **changes):
    async with office.world.sessions.begin() as session:
        for one in office.names:
            await update_machtiging(session, one, **changes)


async def _change_roots(office, **changes):
    async with office.world.sessions.begin() as session:
        for root in (await session.execute(text("SELECT id FROM machtiging WHERE parent_id IS NULL"))).scalars():
            await update_machtiging(session, root, **changes)


async def _end(office):
    ending = {"state": "ended", "ended_at": office.world.clock.now(), "end_reason": "ingetrokken"}
    await _change_links(office, **ending)


async def _withdraw(office):
    ending = {"state": "ended", "ended_at": office.world.clock.now(), "end_reason": "ingetrokken"}
    await _change_roots(office, **ending)


async def _pause(office):
    await _change_roots(office, state="paused", paused_at=office.world.clock.now())


async def _stop(office):
    await _change_roots(office, stopped_at=office.world.clock.now())


async def _expire(office):
    office.world.clock.advance(seconds=100 * 24 * 3600)


async def _leave(office):
    async with office.world.sessions.begin() as session:
        at = office.world.clock.now()
        await change_employee(session, office.employee, state="vertrokken", ends_at=at)


async def _put_off_duty(office):
    async with office.world.sessions.begin() as session:
        await change_employee(session, office.employee, state="op_non_actief")


async def _suspend(office):
    async with office.world.sessions.begin() as session:
        await decide_recognition(session, office.organisation, 3, "opgeschort")


async def _lose_recognition(office):
    async with office.world.sessions.begin() as session:
        await decide_recognition(session, office.organisation, 3, "ingetrokken")


async def _forge(office):
    async with office.world.sessions.begin() as session:
        await session.execute(text("UPDATE machtiging SET accepted_assurance = 'hoog' WHERE parent_id IS NOT NULL"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_suspend, "De erkenning van uw organisatie is opgeschort."),
        (_lose_recognition, "De erkenning van uw organisatie is ingetrokken."),
        (_put_off_duty, "U bent bij deze organisatie niet actief als medewerker."),
    ],
)
async def test_employee_without_standing_is_told_the_reason(clients, change, reason):
    worker = await clients.log_in()
    await change(clients)
    for path in ("/werk", "/werk/clienten"):
        page = (await worker.request(path)).text
        assert reason in page, path
        assert "nog geen cliënten" not in page


async def test_employee_without_clients_is_told_no_reason(office):
    page = (await (await office.log_in()).request("/werk")).text
    assert "erkenning van uw organisatie" not in page


@pytest.mark.parametrize("change", [_end, _withdraw, _pause, _stop, _leave, _put_off_duty, _suspend, _lose_recognition])
async def test_client_of_a_stopped_machtiging_is_not_listed_or_found(clients, change):
    worker = await clients.log_in()
    assert len(CLIENT.findall((await find(worker)).text)) == 5
    await change(clients)
    for page in [await find(worker), await find(worker, "linden"), await worker.request("/werk")]:
        assert page.status_code == 200
        assert not [name for name in clients.names.values() if name in page.text]
        assert set(COUNTS.findall(page.text)) <= {"0"}
    for below in ("", "/brieven", "/wat-ik-deed", "/overzicht.pdf"):
        for one in clients.names:
            answer = await worker.request(f"/werk/clienten/{one}{below}")
            assert below in ("/wat-ik-deed", "/overzicht.pdf") or answer.status_code in (403, 404)


async def test_idor_client_of_a_colleague_is_not_found(clients):
    colleague = await clients.add_person("Kim Collega")
    async with clients.world.sessions.begin() as session:
        other = await add_employee(session, clients.organisation, colleague, starts_at=clients.days(0))
    person = await clients.add_person("Piet Jansen", date(1953, 7, 21))
    held = await clients.assign(await clients.grant(person), other, "Z-geheim")
    worker = await clients.log_in()
    for search in ("jansen", "21-7-1953", "Z-geheim"):
        page = await find(worker, search)
        assert CLIENT.findall(page.text) == []
        assert COUNTS.findall(page.text)[0] == "0"
        assert page.text == (await find(worker, search)).text
    assert CLIENT.findall((await find(await clients.log_in(colleague), "jansen")).text) == [str(held)]
    assert (await worker.request(f"/werk/clienten/{held}")).status_code == 404
