"""Today: the letters of all clients of an employee."""

import re

import pytest

from tests.builders.database import record_queries
from tests.builders.letters import UWV
from tests.builders.organisations import OTHER_KVK
from tests.builders.rows import BERICHTEN, JOURNAL_INTAKE
from tests.protocol.letters.box import fill_box, statements_of
from tests.protocol.work.office import WorkOffice

MOST_STATEMENTS = 4
LETTER = re.compile(r"/werk/clienten/([0-9a-f-]{36})/brieven/([0-9a-f-]{36})")
OLDER = re.compile(r'href="(/werk\?[^"]*vanaf=[^"]*)"')


async def list_all(worker, path="/werk"):
    """The letters of every page, in order."""
    found = []
    while path:
        page = (await worker.request(path)).text
        found += LETTER.findall(page)
        older = OLDER.search(page)
        path = older.group(1).replace("&amp;", "&") if older else None
    return found


@pytest.fixture
async def clients(office):
    """Three clients with nine letters each. Their machtigingen end on different days."""
    return [
        await office.add_client(name, None, *(f"Brief {n} {name}" for n in range(9)), ends_at=office.days(days))
        for name, days in (("Anna de Boer", 90), ("Gerrit Hofstra", 10), ("Mo Haddou", 60))
    ]


@pytest.mark.parametrize("order", ["nieuwste", "einddatum"])
async def test_pages_of_today_have_every_letter_once_in_order(office, clients, order):
    worker = await office.log_in()
    found = await list_all(worker, f"/werk?volgorde={order}")
    assert len(set(found)) == len(found) == 27
    boxes = [machtiging_id for machtiging_id, _ in found]
    if order == "einddatum":
        assert list(dict.fromkeys(boxes)) == [str(clients[one]) for one in (1, 2, 0)]
    else:
        published = dict(await BERICHTEN.read(office.world, "id", "published_at"))
        moments = [published[one] for one in map(type(next(iter(published))), (letter for _, letter in found))]
        assert moments == sorted(moments, reverse=True)


async def test_today_takes_at_most_four_statements(office, clients, database):
    worker = await office.log_in()
    for path in ("/werk", "/werk?volgorde=einddatum&ongelezen=ja"):
        await worker.request(path)
        with record_queries(database) as queries:
            page = await worker.request(path)
        assert len(LETTER.findall(page.text)) == 20
        assert len(statements_of(queries)) <= MOST_STATEMENTS, queries


async def test_letter_opens_in_one_press_and_is_read_by_this_employee_only(office, clients):
    worker = await office.log_in()
    box, letter = (await list_all(worker))[0]
    page = await worker.request(f"/werk/clienten/{box}/brieven/{letter}")
    assert page.status_code == 200
    assert "U leest de post van" in page.text
    assert "Reden: post bijhouden" in page.text
    assert len(await list_all(worker, "/werk?ongelezen=ja")) == 26
    assert await BERICHTEN.read_column(office.world, "read_at", id=letter) == [None]


async def test_filters_of_today_narrow_to_client_sender_and_theme(office, clients):
    [anna, *_] = clients
    person = await office.add_person("Rosa Fernandes")
    await fill_box(office.world, person, ["Werk"], afzender_oin=UWV, dienst_code="ww-uitkering", theme="inkomen")
    rosa = await office.assign(await office.grant(person))
    worker = await office.log_in()
    assert {box for box, _ in await list_all(worker, f"/werk?client={anna}")} == {str(anna)}
    assert {box for box, _ in await list_all(worker, f"/werk?afzender={UWV}")} == {str(rosa)}
    assert {box for box, _ in await list_all(worker, "/werk?thema=inkomen")} == {str(rosa)}
    assert len(await list_all(worker, "/werk?thema=pensioen")) == 27


async def test_letter_under_two_machtigingen_of_one_client_is_listed_once(office):
    person = await office.add_person("Nel Kuipers")
    await fill_box(office.world, person, ["Een", "Twee"])
    for _ in range(2):
        await office.assign(await office.grant(person))
    assert len(await list_all(await office.log_in())) == 2


async def test_today_journals_each_box_of_which_a_letter_is_shown(office, clients):
    worker = await office.log_in()
    await office.add_client("Zonder Brieven")
    await worker.request(f"/werk?client={clients[0]}")
    lines = await JOURNAL_INTAKE.read(office.world, "machtiging_id", "outcome", act="bericht:lijst")
    assert [tuple(line) for line in lines] == [(clients[0], "allowed")]


async def test_cursor_of_another_filter_or_employee_is_refused(office, clients):
    worker = await office.log_in()
    cursor = OLDER.search((await worker.request("/werk")).text).group(1).split("vanaf=")[1]
    assert (await worker.request(f"/werk?vanaf={cursor}")).status_code == 200
    for other in ("ongelezen=ja&", "volgorde=einddatum&", "thema=pensioen&", f"client={clients[0]}&"):
        page = await worker.request(f"/werk?{other}vanaf={cursor}")
        assert page.status_code == 400
        assert "Begin opnieuw bij het begin" in page.text
    colleague = await office.add_person("Kim Collega")
    stranger = await office.log_in(colleague)
    assert (await stranger.request(f"/werk?vanaf={cursor}")).status_code == 400
    for wrong in ("x", "%00", "A" * 401, "AAAA"):
        assert (await worker.request(f"/werk?vanaf={wrong}")).status_code == 400


async def test_filter_by_a_client_of_another_is_told_as_one_that_does_not_exist(office, clients):
    other = await office.grant(await office.add_person("Piet Jansen"))
    worker = await office.log_in()
    answers = [await worker.request(f"/werk?client={one}") for one in (other, "018f0000-0000-7000-8000-000000000001")]
    assert [one.status_code for one in answers] == [404, 404]
    assert "Piet Jansen" not in answers[0].text


async def test_two_organisations_of_one_person_do_not_mix(office, clients, world, portal):
    second = await WorkOffice.open(world, portal, OTHER_KVK)
    second.numbers = office.numbers
    piet = await second.add_client("Piet Jansen", None, "Brief van Piet")
    first, other = await list_all(await office.log_in()), await list_all(await second.log_in())
    assert {box for box, _ in first} == {str(one) for one in clients}
    assert {box for box, _ in other} == {str(piet)}
    for path in (f"/werk/clienten/{piet}", f"/werk/clienten/{piet}/brieven", f"/werk?client={piet}"):
        assert (await (await office.log_in()).request(path)).status_code in (403, 404)
        assert "Piet" not in (await (await office.log_in()).request(path)).text


async def test_list_of_today_is_what_opens(office):
    scopes = [{}, {"themes": ["inkomen"]}, {"excluded_themes": ["pensioen"]}, {"highest_sensitivity": "gewoon"}]
    scopes += [{"afzenders": [UWV]}, {"letters_from": office.days(0).date()}, {"acts": ["lijst"]}]
    boxes, delivered = [], 0
    for number, scope in enumerate(scopes):
        person = await office.add_person(f"Client {number}")
        held = await office.assign(await office.grant(person, **scope))
        for theme, sensitivity in (("inkomen", "gewoon"), ("pensioen", "gevoelig"), ("zorg", "gewoon")):
            kinds = {"theme": theme, "sensitivity": sensitivity}
            for at in (office.days(0), office.days(-40)):
                delivered += len(await fill_box(office.world, person, ["Brief"], **kinds, published_at=at))
        boxes.append(held)
    worker = await office.log_in()
    listed, beside = set(await list_all(worker)), set()
    for held in boxes:
        beside |= set(LETTER.findall((await worker.request(f"/werk/clienten/{held}/brieven")).text))
    assert listed == beside
    assert 0 < len(listed) < delivered
