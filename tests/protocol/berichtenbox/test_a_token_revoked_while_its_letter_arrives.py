"""The door looks at the token before the letter comes in, and once more before it is put in the box."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from starlette.requests import Request

from machtiging.access import tokens
from machtiging.access.recheck import recheck
from machtiging.kernel.errors import NotAuthenticated
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.berichtenbox import UWV, a_bericht, a_pdf, a_world, parts
from tests.builders.lock_waits import wait_until_blocked

WHERE = "/api/v1/aanleveringen"
PDF = "application/pdf"


@pytest.fixture
async def world(database, clock):
    return await a_world(database, clock)


class Upload:
    """An aanlevering of which the end waits until `go`; once it has `begun`, the door has let it in."""

    def __init__(self, client, *bijlagen, **changes) -> None:
        self._client = client
        whole = client.build_request("POST", WHERE, files=parts(a_bericht(**changes), *bijlagen))
        self._kind, self._body = whole.headers["content-type"], b"".join(whole.stream)
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def _pieces(self):
        yield self._body[:-20]
        self.begun.set()
        await self.go.wait()
        yield self._body[-20:]

    async def send(self):
        return await self._client.post(WHERE, content=self._pieces(), headers={"Content-Type": self._kind})


async def deliver_while(world, act, *bijlagen):
    """Begin a delivery, do this, and let the rest of it come; returns the answer."""
    async with world.client(await world.token(oin=UWV)) as client:
        upload = Upload(client, *bijlagen, ontvanger={"type": "BSN", "waarde": "123456782"})
        sending = asyncio.create_task(upload.send())
        await asyncio.wait_for(upload.begun.wait(), 5)
        await asyncio.wait_for(act(), 5)
        upload.go.set()
        return await sending


def revoking(world, oin=UWV):
    async def act():
        async with unit_of_work(world.sessions) as session:
            assert await tokens.revoke_of_client(session, f"client-{oin}", world.clock.now()) <= 1

    return act


async def test_it_delivers_nothing_and_nothing_of_it_stays_but_a_line(world):
    before = await world.rows("SELECT count(*) FROM person")
    answer = await deliver_while(world, revoking(world), ("brief.pdf", a_pdf(), PDF))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")
    for table in ("bericht", "bijlage", "bijlage_part"):
        assert await world.rows(f"SELECT 1 FROM {table}") == []
    assert await world.rows("SELECT count(*) FROM person") == before
    assert await world.reasons("aanlevering:geweigerd") == ["token_ingetrokken"]
    assert await world.reasons("aanlevering:ontvangen") == []


async def test_it_does_not_learn_either_whether_its_letter_was_there_before(world):
    async with world.client(await world.token(oin=UWV)) as client:
        upload = Upload(client, kenmerk="K1")
        assert (await client.post(WHERE, files=parts(a_bericht(kenmerk="K1")))).status_code == 201
        sending = asyncio.create_task(upload.send())
        await asyncio.wait_for(upload.begun.wait(), 5)
        await revoking(world)()
        upload.go.set()
        answer = await sending
    assert answer.status_code == 401
    assert "berichtId" not in answer.text


async def test_revoking_the_tokens_of_another_sender_stops_nothing(world):
    assert (await deliver_while(world, revoking(world, "00000099000000002000"))).status_code == 201


async def test_a_token_that_only_ran_out_meanwhile_may_finish(world):
    async def later():
        world.clock.advance(timedelta(minutes=11))

    assert (await deliver_while(world, later)).status_code == 201


async def test_a_revocation_that_comes_while_the_letter_is_being_put_away_is_still_seen(world, database):
    token, owner = await world.token(oin=UWV), await asyncpg.connect(database.url)
    async with world.client(token) as client:
        await owner.execute("BEGIN; LOCK TABLE journal_intake IN EXCLUSIVE MODE")
        sending = asyncio.create_task(client.post(WHERE, files=parts(a_bericht())))
        await wait_until_blocked(
            world.sessions, sending
        )  # the letter is written; its line in the journal is what it waits for
        await revoking(world)()
        await owner.execute("COMMIT")
        await owner.close()
        answer = await sending
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")
    assert await world.rows("SELECT 1 FROM bericht") == []


def a_request(world, token):
    scope = {"type": "http", "method": "POST", "path": WHERE, "query_string": b"", "app": world.app}
    return Request(scope | {"headers": [(b"authorization", f"Bearer {token}".encode())]})


async def test_after_the_second_look_a_revocation_waits_for_the_letter(world):
    request = a_request(world, await world.token(oin=UWV))
    async with unit_of_work(world.sessions) as session:
        await recheck(request, session, opened_at=world.clock.now())
        waiting = asyncio.create_task(revoking(world)())
        await wait_until_blocked(world.sessions, waiting)
    await waiting
    async with unit_of_work(world.sessions) as session:
        with pytest.raises(NotAuthenticated, match="token_ingetrokken"):
            await recheck(request, session, opened_at=world.clock.now())


async def test_two_letters_with_one_token_do_not_wait_for_each_other(world):
    request = a_request(world, await world.token(oin=UWV))
    async with unit_of_work(world.sessions) as first, unit_of_work(world.sessions) as second:
        await recheck(request, first, opened_at=world.clock.now())
        await asyncio.wait_for(recheck(request, second, opened_at=world.clock.now()), 2)


@pytest.mark.parametrize("token", ["", "onzin"])
async def test_what_is_no_token_of_ours_is_refused_at_the_second_look_too(world, token):
    async with unit_of_work(world.sessions) as session:
        with pytest.raises(NotAuthenticated):
            await recheck(a_request(world, token), session, opened_at=world.clock.now())
