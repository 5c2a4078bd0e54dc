"""PATCH and DELETE: the citizen's alone."""

import json
from datetime import timedelta

import pytest

from machtiging.berichtenbox.routes import API, MERGE_PATCH
from machtiging.kernel.ids import uuid7
from tests.builders.berichtenbox import SVB, UWV, a_world

WHERE = f"{API}/berichten/"


@pytest.fixture
async def world(database, clock):
    return await a_world(database, clock)


@pytest.fixture
async def citizen(world):
    async with world.client(await world.token(world.citizen)) as client:
        yield client


async def patch(client, bericht_id, change, kind=MERGE_PATCH):
    content = change if isinstance(change, str | bytes) else json.dumps(change)
    return await client.patch(WHERE + bericht_id, content=content, headers={"Content-Type": kind})


async def test_she_marks_a_letter_as_read_and_back(world, citizen, clock):
    bericht_id = await world.letter()
    answer = await patch(citizen, bericht_id, {"gelezen": True})
    assert (answer.status_code, answer.json()) == (200, {"gelezen": True, "gewijzigdOp": "2026-11-23T12:00:00Z"})
    clock.advance(timedelta(minutes=1))
    answer = await patch(citizen, bericht_id, {"gelezen": False})
    assert answer.json() == {"gelezen": False, "gewijzigdOp": "2026-11-23T12:01:00Z"}
    assert await world.reasons("bericht:markeren") == ["toegestaan", "toegestaan"]


async def test_what_a_patch_does_not_name_stays(world, citizen):
    bericht_id = await world.letter()
    await patch(citizen, bericht_id, {"gelezen": True, "map": "Huis"})
    assert (await patch(citizen, bericht_id, {"gelezen": False})).json()["map"] == "Huis"
    assert "map" not in (await patch(citizen, bericht_id, {"map": None})).json()
    await patch(citizen, bericht_id, {"map": "Auto", "gelezen": True})
    assert (await patch(citizen, bericht_id, {"map": None})).json()["gelezen"] is True


async def test_an_empty_patch_changes_nothing(world, citizen):
    answer = await patch(citizen, await world.letter(), {})
    assert (answer.status_code, answer.json()) == (200, {"gelezen": False})


async def test_a_deleted_letter_is_gone_for_everybody(world, citizen):
    bericht_id, token = await world.letter(), await world.helper_token()
    assert (await citizen.delete(WHERE + bericht_id)).status_code == 204
    assert (await citizen.get(WHERE + bericht_id)).status_code == 404
    assert (await citizen.delete(WHERE + bericht_id)).status_code == 404
    assert (await patch(citizen, bericht_id, {"gelezen": True})).status_code == 404
    async with world.client(token) as helper:
        assert (await helper.get(f"{API}/berichten")).json()["berichten"] == []
        assert (await helper.get(WHERE + bericht_id)).status_code == 404
    assert (await world.rows("SELECT count(*) FROM bericht"))[0][0] == 1


async def test_a_helper_may_not_and_is_told_so_about_a_letter_he_may_read(world):
    bericht_id = await world.letter()
    async with world.client(await world.helper_token()) as helper:
        for answer in (await helper.delete(WHERE + bericht_id), await patch(helper, bericht_id, {"gelezen": True})):
            assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")
    assert await world.reasons("bericht:verwijderen") == ["handeling_niet_toegestaan"]
    assert tuple((await world.rows("SELECT read_at, changed_at, deleted_at FROM bericht"))[0]) == (None, None, None)


async def test_about_any_other_letter_a_helper_is_told_nothing(world):
    hidden, stranger = await world.letter(oin=SVB, dienst="aow"), str(uuid7())
    async with world.client(await world.helper_token(afzenders=[UWV])) as helper:
        for bericht_id in (hidden, stranger, "1"):
            assert (await helper.delete(WHERE + bericht_id)).status_code == 404
            assert (await patch(helper, bericht_id, {"gelezen": True})).status_code == 404


async def test_row_38_nobody_else_touches_her_letter(world):
    bericht_id = await world.letter()
    async with world.client(await world.token(world.helper)) as stranger:
        assert (await stranger.delete(WHERE + bericht_id)).status_code == 404
        assert (await patch(stranger, bericht_id, {"gelezen": True})).status_code == 404


async def test_row_6_and_7_a_patch_changes_what_it_may_and_takes_no_0_for_false(world, citizen):
    bericht_id = await world.letter()
    wrong = [
        {"gelezen": 0},
        {"gelezen": "true"},
        {"gelezen": None},
        {"map": 1},
        {"map": ""},
        {"map": "x" * 129},
        {"map": "a\nb"},
        {"onderwerp": "x"},
        {"ontvanger_id": str(world.helper)},
        {"deleted_at": None},
        [],
        None,
    ]
    for change in wrong:
        answer = await patch(citizen, bericht_id, change)
        assert (change, answer.status_code, answer.json()["code"]) == (change, 400, "ongeldige_invoer")
    for broken in ("", "{", "[" * 100_000, b"\xff", '{"gelezen": true} x'):
        assert (await patch(citizen, bericht_id, broken)).status_code == 400
    assert await world.reasons("bericht:markeren") == []


async def test_another_content_type_is_415_and_says_what_is_taken(world, citizen):
    bericht_id = await world.letter()
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", ""):
        answer = await patch(citizen, bericht_id, {"gelezen": True}, kind)
        assert answer.status_code == 415
        assert MERGE_PATCH in answer.headers["accept-patch"]


async def test_without_a_token_there_is_nothing_to_patch_or_delete(world):
    bericht_id = await world.letter()
    async with world.client() as client:
        assert (await client.delete(WHERE + bericht_id)).status_code == 401
        assert (await patch(client, bericht_id, {"gelezen": True})).status_code == 401
