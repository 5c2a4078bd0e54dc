"""PATCH and DELETE of a bericht: for the citizen only."""

import json
from datetime import timedelta

import pytest

from machtiging.berichtenbox.routes import API_PREFIX, MERGE_PATCH
from machtiging.kernel.ids import uuid7
from tests.builders.letters import SVB, UWV
from tests.builders.rows import BERICHTEN

BERICHTEN_URL = f"{API_PREFIX}/berichten/"


@pytest.fixture
async def citizen(world):
    async with world.client(await world.issue_token(world.citizen)) as client:
        yield client


async def patch(client, bericht_id, change, kind=MERGE_PATCH):
    content = change if isinstance(change, str | bytes) else json.dumps(change)
    return await client.patch(BERICHTEN_URL + bericht_id, content=content, headers={"Content-Type": kind})


async def test_patch_marks_bericht_read_and_unread(world, citizen, clock):
    bericht_id = await world.deliver_letter()
    answer = await patch(citizen, bericht_id, {"gelezen": True})
    assert (answer.status_code, answer.json()) == (200, {"gelezen": True, "gewijzigdOp": "2026-11-23T12:00:00Z"})
    clock.advance(timedelta(minutes=1))
    answer = await patch(citizen, bericht_id, {"gelezen": False})
    assert answer.json() == {"gelezen": False, "gewijzigdOp": "2026-11-23T12:01:00Z"}
    assert await world.reasons("bericht:markeren") == ["toegestaan", "toegestaan"]


async def test_patch_keeps_members_it_does_not_name(world, citizen):
    bericht_id = await world.deliver_letter()
    await patch(citizen, bericht_id, {"gelezen": True, "map": "Huis"})
    assert (await patch(citizen, bericht_id, {"gelezen": False})).json()["map"] == "Huis"
    assert "map" not in (await patch(citizen, bericht_id, {"map": None})).json()
    await patch(citizen, bericht_id, {"map": "Auto", "gelezen": True})
    assert (await patch(citizen, bericht_id, {"map": None})).json()["gelezen"] is True


async def test_patch_empty_changes_nothing(world, citizen):
    answer = await patch(citizen, await world.deliver_letter(), {})
    assert (answer.status_code, answer.json()) == (200, {"gelezen": False})


async def test_deleted_bericht_returns_404_for_all_readers(world, citizen):
    bericht_id, token = await world.deliver_letter(), await world.issue_helper_token()
    assert (await citizen.delete(BERICHTEN_URL + bericht_id)).status_code == 204
    assert (await citizen.get(BERICHTEN_URL + bericht_id)).status_code == 404
    assert (await citizen.delete(BERICHTEN_URL + bericht_id)).status_code == 404
    assert (await patch(citizen, bericht_id, {"gelezen": True})).status_code == 404
    async with world.client(token) as helper:
        assert (await helper.get(f"{API_PREFIX}/berichten")).json()["berichten"] == []
        assert (await helper.get(BERICHTEN_URL + bericht_id)).status_code == 404
    assert await BERICHTEN.count(world) == 1


async def test_helper_patch_or_delete_of_readable_bericht_returns_403(world):
    bericht_id = await world.deliver_letter()
    async with world.client(await world.issue_helper_token()) as helper:
        for answer in (
            await helper.delete(BERICHTEN_URL + bericht_id),
            await patch(helper, bericht_id, {"gelezen": True}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")
    assert await world.reasons("bericht:verwijderen") == ["handeling_niet_toegestaan"]
    assert tuple((await BERICHTEN.read(world, "read_at", "changed_at", "deleted_at"))[0]) == (None, None, None)


async def test_helper_patch_or_delete_of_other_bericht_returns_404(world):
    hidden, stranger = await world.deliver_letter(oin=SVB, dienst="aow"), str(uuid7())
    async with world.client(await world.issue_helper_token(afzenders=[UWV])) as helper:
        for bericht_id in (hidden, stranger, "1"):
            assert (await helper.delete(BERICHTEN_URL + bericht_id)).status_code == 404
            assert (await patch(helper, bericht_id, {"gelezen": True})).status_code == 404


async def test_row_38_idor_patch_or_delete_by_stranger_returns_404(world):
    bericht_id = await world.deliver_letter()
    async with world.client(await world.issue_token(world.helper)) as stranger:
        assert (await stranger.delete(BERICHTEN_URL + bericht_id)).status_code == 404
        assert (await patch(stranger, bericht_id, {"gelezen": True})).status_code == 404


async def test_row_6_and_7_mass_assignment_and_type_confusion_in_patch_are_rejected(world, citizen):
    bericht_id = await world.deliver_letter()
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


async def test_patch_with_other_content_type_returns_415_with_accept_patch(world, citizen):
    bericht_id = await world.deliver_letter()
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", ""):
        answer = await patch(citizen, bericht_id, {"gelezen": True}, kind)
        assert answer.status_code == 415
        assert MERGE_PATCH in answer.headers["accept-patch"]


async def test_patch_or_delete_without_token_returns_401(world):
    bericht_id = await world.deliver_letter()
    async with world.client() as client:
        assert (await client.delete(BERICHTEN_URL + bericht_id)).status_code == 401
        assert (await patch(client, bericht_id, {"gelezen": True})).status_code == 401
