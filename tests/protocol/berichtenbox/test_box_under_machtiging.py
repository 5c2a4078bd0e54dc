"""/api/v1/machtigingen/{machtigingId}/berichten: the box of the token's machtiging, and no other."""

import json
from uuid import UUID

import pytest

from machtiging.kernel.ids import uuid7
from tests.builders.database import record_queries
from tests.builders.letters import HELPING, make_pdf
from tests.builders.rows import BIJLAGEN, JOURNAL_INTAKE, READER_MARKS

API = "/api/v1"
PDF = "application/pdf"
# `None` and the nil id: what a box without a machtiging could be mistaken for.
MALFORMED = ["None", "nul", "00000000-0000-0000-0000-000000000000", "%00", "..%5C", "urn:uuid:{id}", "{upper}", "{hex}"]
PLACES = {
    "lijst": "/berichten",
    "lezen": "/berichten/{bericht}",
    "downloaden": "/berichten/{bericht}/bijlagen/{bijlage}",
}


@pytest.fixture
async def letter(world):
    """A letter with a bijlage: the places of its resources below a box."""
    bericht = await world.deliver_letter(("brief.pdf", make_pdf(), PDF))
    [(bijlage,)] = await BIJLAGEN.read(world, "id")
    return {act: place.format(bericht=bericht, bijlage=bijlage) for act, place in PLACES.items()}


async def issue_box_token(world):
    held = await world.grant_machtiging()
    return str(held), await world.issue_token(world.helper, under=held, acts=HELPING)


def without_request_id(answer):
    """The answer without what is new on each request."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    body = json.loads(answer.content) if answer.content else {}
    assert body.pop("verzoekId", None) == (answer.headers["x-request-id"] if body else None)
    return answer.status_code, headers, body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("act", list(PLACES))
async def test_idor_other_machtiging_is_refused_as_one_that_does_not_exist(world, database, letter, act, method):
    held, token = await issue_box_token(world)
    other = await world.grant_machtiging(vertegenwoordigde_id=world.helper, gemachtigde_id=world.citizen)
    forms = [each.format(id=held, upper=held.upper(), hex=held.replace("-", "")) for each in MALFORMED]
    answers, statements = [], []
    async with world.client(token) as client:
        for wrong in (uuid7(), other, *forms):
            with record_queries(database) as said:
                answer = await client.request(method, f"{API}/machtigingen/{wrong}{letter[act]}")
            answers.append(without_request_id(answer))
            statements.append([each.split("(")[0] for each in said])
    assert answers == [answers[0]] * len(answers)
    assert statements == [statements[0]] * len(statements)
    status, _, body = answers[0]
    assert (status, body.get("code")) == (404, "machtiging_onbekend" if method == "GET" else None)
    assert await world.reasons(f"bericht:{act}") == ["machtiging_niet_van_token"] * len(answers)
    assert await READER_MARKS.read(world, "bericht_id") == []


@pytest.mark.parametrize("act", list(PLACES))
async def test_own_box_has_no_machtiging_in_its_path(world, letter, act):
    given = await world.grant_machtiging()
    async with world.client(await world.issue_token(world.citizen)) as client:
        for wrong in (given, "None", uuid7()):
            answer = await client.get(f"{API}/machtigingen/{wrong}{letter[act]}")
            assert (answer.status_code, answer.json()["code"]) == (404, "machtiging_onbekend")


async def test_other_machtiging_of_the_same_holder_needs_its_own_token(world, letter):
    (first, token), (second, _) = await issue_box_token(world), await issue_box_token(world)
    async with world.client(token) as client:
        assert (await client.get(f"{API}/machtigingen/{first}{letter['lezen']}")).status_code == 200
        assert (await client.get(f"{API}/machtigingen/{second}{letter['lezen']}")).status_code == 404
    line = await JOURNAL_INTAKE.read_one(world, "machtiging_id", "for_person_id", reason="machtiging_niet_van_token")
    assert tuple(line) == (UUID(first), world.citizen)


@pytest.mark.parametrize("act", list(PLACES))
async def test_box_of_a_paused_machtiging_tells_that_it_is_paused(world, letter, act):
    held = await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=held, acts=HELPING)
    await world.pause(held)
    async with world.client(token) as client:
        answers = [await client.get(f"{API}{box}{letter[act]}") for box in ("", f"/machtigingen/{held}")]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "machtiging_gepauzeerd")] * 2


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT", "POST"])
async def test_box_under_machtiging_has_no_method_that_changes_a_letter(world, letter, method):
    held, token = await issue_box_token(world)
    async with world.client(token) as client:
        answer = await client.request(method, f"{API}/machtigingen/{held}{letter['lezen']}", json={"map": "x"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("act", ["lezen", "downloaden"])
async def test_box_under_machtiging_gives_the_same_answer_and_statements(world, database, letter, act):
    held, token = await issue_box_token(world)
    answers, statements = [], []
    async with world.client(token) as client:
        await client.get(API + letter[act])
        for box in ("", f"/machtigingen/{held}"):
            with record_queries(database) as said:
                answers.append(await client.get(f"{API}{box}{letter[act]}"))
            statements.append(list(said))
    assert answers[0].status_code == 200
    assert answers[0].content == answers[1].content
    assert answers[0].headers["content-type"] == answers[1].headers["content-type"]
    assert statements[0] == statements[1]


async def test_list_under_machtiging_has_links_and_cursors_of_its_own_place(world):
    letters = [await world.deliver_letter(publicatietijdstip=f"2026-11-{day:02}T12:00:00Z") for day in (1, 2, 3)]
    held, token = await issue_box_token(world)
    here = f"http://localhost:8000{API}/machtigingen/{held}/berichten?aantal=2"
    async with world.client(token) as client:
        first = (await client.get(f"{API}/machtigingen/{held}/berichten", params={"aantal": 2})).json()
        assert first["_links"]["self"]["href"] == here
        assert first["_links"]["next"]["href"].startswith(here + "&cursor=")
        second = (await client.get(first["_links"]["next"]["href"])).json()
        plain = (await client.get(f"{API}/berichten")).json()
    assert "next" not in second["_links"]
    found = [one["berichtId"] for one in first["berichten"] + second["berichten"]]
    assert found == letters[::-1] == [one["berichtId"] for one in plain["berichten"]]
    assert first["berichten"] + second["berichten"] == plain["berichten"]


async def test_cursor_of_another_machtiging_is_refused(world):
    for day in (1, 2):
        await world.deliver_letter(publicatietijdstip=f"2026-11-{day:02}T12:00:00Z")
    (first, token), (second, other_token) = await issue_box_token(world), await issue_box_token(world)
    async with world.client(token) as client:
        page = (await client.get(f"{API}/machtigingen/{first}/berichten", params={"aantal": 1})).json()
    cursor = page["_links"]["next"]["href"].split("cursor=")[1]
    async with world.client(other_token) as client:
        answer = await client.get(f"{API}/machtigingen/{second}/berichten?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_ongeldig")
