"""Isolation of berichtenboxen (IDOR): genuine requests by the wrong person."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from tests.builders.database import bypass_triggers
from tests.builders.letters import CITIZEN, HELPING, STRANGER, UWV, build_upload_parts, make_bericht
from tests.builders.organisations import add_employee, add_organisation

BERICHTEN_URL = f"{API_PREFIX}/berichten/"
NEVER_SEEN = "123456782"


async def status(world, token, bericht_id):
    async with world.client(token) as client:
        return (await client.get(BERICHTEN_URL + bericht_id)).status_code


async def test_row_41_idor_machtiging_token_in_another_box_returns_404(world):
    hers, strangers = (
        await world.deliver_letter(),
        await world.deliver_letter(ontvanger={"type": "BSN", "waarde": STRANGER}),
    )
    token = await world.issue_helper_token()
    assert await status(world, token, hers) == 200
    assert await status(world, token, strangers) == 404


async def test_row_42_machtiging_passed_on_by_its_holder_gives_no_access(world):
    """A machtiging that the son gives opens his own box, never his mother's."""
    hers, his = (
        await world.deliver_letter(),
        await world.deliver_letter(ontvanger={"type": "BSN", "waarde": "999990020"}),
    )
    await world.grant_machtiging()
    async with world.sessions.begin() as session:
        third = await find_or_create_by_bsn(session, world.keyring, Bsn(STRANGER), at=world.clock.now())
    onward = await world.grant_machtiging(vertegenwoordigde_id=world.helper, gemachtigde_id=third)
    token = await world.issue_token(third, under=onward, acts=HELPING)
    assert await status(world, token, his) == 200
    assert await status(world, token, hers) == 404


async def add_stranger_as_employee(world, person_id):
    async with world.sessions.begin() as session:
        return await add_employee(session, await add_organisation(session), person_id)


async def test_row_42_machtiging_with_forged_parent_gives_no_access(world, database):
    hers, parent = await world.deliver_letter(), await world.grant_machtiging()
    async with world.sessions.begin() as session:
        third = await find_or_create_by_bsn(session, world.keyring, Bsn(STRANGER), at=world.clock.now())
    with pytest.raises(DBAPIError, match="organisation of its chain"):
        await world.grant_machtiging(gemachtigde_id=third, parent_id=parent)
    child = await world.grant_machtiging(gemachtigde_id=third)
    async with bypass_triggers(database) as connection:
        link = "parent_id = :parent, gemachtigde_id = NULL, employee_id = :hired"
        forging = f"UPDATE machtiging SET {link} WHERE id = :id"
        values = {"parent": parent, "hired": await add_stranger_as_employee(world, third), "id": child}
        await connection.execute(text(forging), values)
    assert await status(world, await world.issue_token(third, under=child, acts=HELPING), hers) != 200


async def test_row_51_enumeration_delivery_does_not_reveal_whether_a_bsn_is_known(world, database):
    """The answer and the statements are the same, except for inserting the person."""
    done, looks = [], []
    token = await world.issue_token(oin=UWV)
    event.listen(database.service.sync_engine, "before_cursor_execute", lambda *a: done.append(a[2]))
    async with world.client(token) as client:
        for bsn in (CITIZEN, NEVER_SEEN):
            done.clear()
            letter = build_upload_parts(make_bericht(ontvanger={"type": "BSN", "waarde": bsn}))
            answer = await client.post(API_PREFIX + "/aanleveringen", files=letter)
            headers = {k for k in answer.headers if k != "x-request-id"}
            looks.append((answer.status_code, set(answer.json()), headers, list(done)))
    known, unknown = looks
    assert known[:3] == unknown[:3]
    extra = [statement for statement in unknown[3] if statement not in known[3]]
    assert len(extra) == 1
    assert "(INSERT INTO person " in extra[0]
    assert "INSERT INTO party " in extra[0]


async def test_row_38_timing_marks_of_other_readers_do_not_change_the_work(world):
    """Marks of other readers are not read, so they do not change the work."""
    hers = await world.deliver_letter()
    for _ in range(3):
        assert await status(world, await world.issue_helper_token(), hers) == 200
    token = await world.issue_token(world.citizen)
    async with world.client(token) as client:
        first = (await client.get(f"{API_PREFIX}/berichten")).json()["berichten"][0]
    assert first["gelezen"] is False
    world.clock.advance(timedelta(minutes=11))
    assert await status(world, token, hers) == 401
