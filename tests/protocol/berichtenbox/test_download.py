"""GET .../bijlagen/{bijlageId}: a download in parts, stopped when access ends."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from machtiging.berichtenbox.download import authorize_download, stream_bijlage
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.berichtenbox.rules import PART_BYTES
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import Fault, NotInForce
from machtiging.kernel.ids import uuid7
from machtiging.oauth.grant_management.consent_revocation import revoke_consent
from machtiging.oauth.register_client import register_client as register_client
from tests.builders.applications import BOX_HANDLER
from tests.builders.client import make_app_metadata
from tests.builders.database import bypass_triggers, seal_rows
from tests.builders.downloads import start_download
from tests.builders.letters import HELPING, SVB, UWV, make_pdf
from tests.builders.rows import BIJLAGEN, ISSUED_TOKENS
from tests.builders.tokens import insert_grant

PDF = "application/pdf"
TWO_PIECES, THREE_PIECES = make_pdf(PART_BYTES + 17), make_pdf(2 * PART_BYTES + 17)


async def with_bijlage(world, content=None, name="brief.pdf", **changes):
    bericht_id = await world.deliver_letter((name, content or make_pdf(), PDF), **changes)
    found = await BIJLAGEN.read(world, "id", bericht_id=bericht_id)
    return bericht_id, str(found[0].id)


async def get(world, token, bericht_id, bijlage_id, **headers):
    async with world.client(token) as client:
        return await client.get(f"{API_PREFIX}/berichten/{bericht_id}/bijlagen/{bijlage_id}", headers=headers)


@pytest.mark.parametrize(
    "content", [make_pdf(), make_pdf(PART_BYTES), THREE_PIECES], ids=["small", "one piece", "three pieces"]
)
async def test_download_returns_the_delivered_content(world, content):
    ids = await with_bijlage(world, content)
    answer = await get(world, await world.issue_helper_token(), *ids)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert await world.reasons("bericht:downloaden") == ["toegestaan"]


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("brief.pdf", "attachment; filename=\"brief.pdf\"; filename*=UTF-8''brief.pdf"),
        ("één €.pdf", "attachment; filename=\"__n _.pdf\"; filename*=UTF-8''%C3%A9%C3%A9n%20%E2%82%AC.pdf"),
        ("a;b='c'.pdf", "attachment; filename=\"a_b__c_.pdf\"; filename*=UTF-8''a%3Bb%3D%27c%27.pdf"),
    ],
)
async def test_row_58_download_is_sent_as_attachment_with_nosniff(world, name, disposition):
    answer = await get(world, await world.issue_helper_token(), *await with_bijlage(world, name=name))
    assert answer.headers["content-disposition"] == disposition
    assert answer.headers["content-type"] == PDF
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_row_39_idor_bijlage_of_another_bericht_or_out_of_scope_returns_404(world):
    hers = await with_bijlage(world)
    other = await with_bijlage(world, oin=SVB, dienst="aow")
    token = await world.issue_helper_token(afzenders=[UWV])
    asked = {
        "another letter's": (hers[0], other[1]),
        "out of scope": other,
        "under a readable parent": (hers[0], other[1]),
        "parent that is none": (str(uuid7()), hers[1]),
        "not existing": (hers[0], str(uuid7())),
        "no id": (hers[0], "1"),
    }
    answers = {what: await get(world, token, *ids) for what, ids in asked.items()}
    assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(asked, 404)
    assert {answer.json()["code"] for answer in answers.values()} == {"bericht_onbekend"}
    assert "toegestaan" not in await world.reasons("bericht:downloaden")


async def test_download_with_read_action_only_returns_403(world):
    ids = await with_bijlage(world)
    under = await world.grant_machtiging()
    answer = await get(world, await world.issue_token(world.helper, under=under, acts=(Act.LIST, Act.READ)), *ids)
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")


async def test_download_with_unsupported_accept_returns_406(world):
    ids = await with_bijlage(world)
    answer = await get(world, await world.issue_helper_token(), *ids, Accept="text/html")
    assert answer.status_code == 406


@pytest.fixture
async def two_part_download(world):
    """The world, machtiging, token and ids of a download in two parts."""
    bericht_id, bijlage_id = await with_bijlage(world, TWO_PIECES)
    under = await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=under, acts=HELPING)
    return world, under, token, bericht_id, bijlage_id


def stream_response(world, token, bericht_id, bijlage_id):
    """The ASGI messages of the response, one by one."""
    download = start_download(world.app, f"{API_PREFIX}/berichten/{bericht_id}/bijlagen/{bijlage_id}", token)
    return download.task, download.messages, download.demand


async def test_row_47_machtiging_revoked_during_download_stops_it(two_part_download):
    world, under, token, *ids = two_part_download
    task, sent, go_on = stream_response(world, token, *ids)
    assert (await sent.get())["status"] == 200
    assert len((await sent.get())["body"]) == PART_BYTES
    await world.revoke(under)
    for _ in range(5):
        go_on.release()
    with pytest.raises(RuntimeError):
        await task
    assert sent.empty()
    assert await world.reasons("bericht:downloaden") == ["toegestaan", "toegang_beeindigd_tijdens_downloaden"]


async def test_row_47_machtiging_paused_or_token_revoked_during_download_stops_it(two_part_download, clock):
    world, under, _, *ids = two_part_download

    async def revoke_tokens(machtiging_id):
        async with world.sessions.begin() as session:
            closing = "UPDATE issued_token SET revoked_at = now() WHERE machtiging_id = :under"
            await session.execute(text(closing), {"under": machtiging_id})

    for stop in (world.pause, revoke_tokens):
        token = await world.issue_token(world.helper, under=under, acts=HELPING)
        task, sent, go_on = stream_response(world, token, *ids)
        assert (await sent.get())["status"] == 200
        await stop(under)
        for _ in range(5):
            go_on.release()
        with pytest.raises(RuntimeError):
            await task
        await world.resume(under)


async def test_row_47_consent_ended_during_download_stops_it(two_part_download, clock):
    world, under, token, *ids = two_part_download
    grant_id = uuid7()
    async with world.sessions.begin() as session:
        client = await register_client(
            session, make_app_metadata(None), detail_type="berichtenbox", oin=None, at=clock.now()
        )
        await insert_grant(
            session, client["client_id"], world.helper, None, at=clock.now(), id=grant_id, machtiging_id=under
        )
        await session.execute(text("UPDATE issued_token SET grant_id = :id"), {"id": grant_id})
        await seal_rows(session)
    task, sent, go_on = stream_response(world, token, *ids)
    assert (await sent.get())["status"] == 200
    assert len((await sent.get())["body"]) == PART_BYTES
    async with world.sessions.begin() as session:
        assert await revoke_consent(session, BOX_HANDLER, world.citizen, grant_id, at=clock.now())
    for _ in range(5):
        go_on.release()
    with pytest.raises(RuntimeError):
        await task
    assert sent.empty()


async def test_token_expired_during_download_does_not_stop_it(two_part_download, clock):
    world, _, token, *ids = two_part_download
    task, sent, go_on = stream_response(world, token, *ids)
    await sent.get()
    clock.advance(timedelta(minutes=11))
    for _ in range(6):
        go_on.release()
    await task
    bodies = [sent.get_nowait()["body"] for _ in range(sent.qsize())]
    assert b"".join(bodies) == TWO_PIECES


async def test_download_is_journalled_before_the_first_byte(two_part_download):
    world, _, token, *ids = two_part_download
    task, sent, _ = stream_response(world, token, *ids)
    await sent.get()
    assert await world.reasons("bericht:downloaden") == ["toegestaan"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM bijlage_part WHERE number = 1",
        "UPDATE bijlage_part SET number = number + 10 WHERE number > 0",
        "UPDATE bijlage_part SET sealed = (SELECT p.sealed FROM bijlage_part p WHERE p.number = 0) WHERE number = 1",
        "UPDATE bijlage SET parts = 2",
    ],
    ids=["left out", "renumbered", "swapped", "shortened"],
)
async def test_row_66_bijlage_parts_moved_or_removed_do_not_decrypt(world, database, harm):
    bericht_id, bijlage_id = await with_bijlage(world, THREE_PIECES)
    async with bypass_triggers(database) as connection:
        await connection.execute(text(harm))
    under = await world.grant_machtiging()
    await world.issue_token(world.helper, under=under, acts=HELPING)
    row = await ISSUED_TOKENS.read_one(world, "id", machtiging_id=under)
    actor = replace(await world.actor(under), token_id=row.id)
    async with world.sessions.begin() as session:
        asked = (UUID(bericht_id), UUID(bijlage_id))
        wanted = await authorize_download(session, world.keyring, world.policy, actor, asked, at=world.clock.now())
    taken = []
    with pytest.raises(Fault):
        async for piece in stream_bijlage(world.sessions, actor, wanted, world.clock):
            taken.append(piece)
    assert all(piece in THREE_PIECES for piece in taken)
    assert len(taken) < 3


async def test_row_47_access_check_before_each_part_names_the_reason(two_part_download):
    world, under, _, bericht_id, bijlage_id = two_part_download
    row = (await ISSUED_TOKENS.read(world, "id", machtiging_id=under))[0]
    actor = replace(await world.actor(under), token_id=row.id)
    async with world.sessions.begin() as session:
        asked = (UUID(bericht_id), UUID(bijlage_id))
        wanted = await authorize_download(session, world.keyring, world.policy, actor, asked, at=world.clock.now())
    stream = stream_bijlage(world.sessions, actor, wanted, world.clock)
    assert len(await anext(stream)) == PART_BYTES
    await world.revoke(under)
    with pytest.raises(NotInForce, match="toegang_beeindigd_tijdens_downloaden"):
        await anext(stream)
