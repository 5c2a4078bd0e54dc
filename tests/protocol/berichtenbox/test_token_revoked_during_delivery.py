"""Token revocation during a delivery. Checked before the body is read and again before the bericht is stored."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from starlette.requests import Request

from machtiging.access_tokens import token_revocation
from machtiging.access_tokens.revocation_check import assert_token_not_revoked
from machtiging.kernel.errors import NotAuthenticated
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.letters import UWV, build_upload_parts, make_bericht, make_pdf
from tests.builders.rows import BERICHTEN, PERSONS, READERS

DELIVERIES_URL = "/api/v1/aanleveringen"
PDF = "application/pdf"


class Upload:
    """A delivery whose last part waits for `go`. `begun` is set after the first token check."""

    def __init__(self, client, *bijlagen, **changes) -> None:
        self._client = client
        whole = client.build_request(
            "POST", DELIVERIES_URL, files=build_upload_parts(make_bericht(**changes), *bijlagen)
        )
        self._kind, self._body = whole.headers["content-type"], b"".join(whole.stream)
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def _pieces(self):
        yield self._body[:-20]
        self.begun.set()
        await self.go.wait()
        yield self._body[-20:]

    async def send(self):
        return await self._client.post(DELIVERIES_URL, content=self._pieces(), headers={"Content-Type": self._kind})


async def deliver_while(world, act, *bijlagen):
    """Start a delivery, run this, finish the delivery; returns the response."""
    async with world.client(await world.issue_token(oin=UWV)) as client:
        upload = Upload(client, *bijlagen, ontvanger={"type": "BSN", "waarde": "123456782"})
        sending = asyncio.create_task(upload.send())
        await asyncio.wait_for(upload.begun.wait(), 5)
        await asyncio.wait_for(act(), 5)
        upload.go.set()
        return await sending


def revoking(world, oin=UWV):
    async def act():
        async with unit_of_work(world.sessions) as session:
            assert await token_revocation.revoke_tokens_of_client(session, f"client-{oin}", world.clock.now()) <= 1

    return act


async def test_delivery_with_token_revoked_meanwhile_is_rejected_and_journalled(world):
    before = await PERSONS.count(world)
    answer = await deliver_while(world, revoking(world), ("brief.pdf", make_pdf(), PDF))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")
    for table in ("bericht", "bijlage", "bijlage_part"):
        assert await READERS[table].count(world) == 0
    assert await PERSONS.count(world) == before
    assert await world.reasons("aanlevering:geweigerd") == ["token_ingetrokken"]
    assert await world.reasons("aanlevering:ontvangen") == []


async def test_duplicate_delivery_with_token_revoked_meanwhile_does_not_reveal_the_bericht(world):
    async with world.client(await world.issue_token(oin=UWV)) as client:
        upload = Upload(client, kenmerk="K1")
        assert (
            await client.post(DELIVERIES_URL, files=build_upload_parts(make_bericht(kenmerk="K1")))
        ).status_code == 201
        sending = asyncio.create_task(upload.send())
        await asyncio.wait_for(upload.begun.wait(), 5)
        await revoking(world)()
        upload.go.set()
        answer = await sending
    assert answer.status_code == 401
    assert "berichtId" not in answer.text


async def test_delivery_continues_after_revocation_of_another_senders_tokens(world):
    assert (await deliver_while(world, revoking(world, "00000099000000002000"))).status_code == 201


async def test_delivery_with_token_expired_meanwhile_is_accepted(world):
    async def later():
        world.clock.advance(timedelta(minutes=11))

    assert (await deliver_while(world, later)).status_code == 201


async def test_delivery_with_token_revoked_while_storing_is_rejected(world, database):
    token, owner = await world.issue_token(oin=UWV), await asyncpg.connect(database.url)
    async with world.client(token) as client:
        await owner.execute("BEGIN; LOCK TABLE journal_intake IN EXCLUSIVE MODE")
        sending = asyncio.create_task(client.post(DELIVERIES_URL, files=build_upload_parts(make_bericht())))
        await wait_until_blocked(
            world.sessions, sending
        )  # the bericht is inserted; the journal insert waits for the lock
        await revoking(world)()
        await owner.execute("COMMIT")
        await owner.close()
        answer = await sending
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")
    assert await BERICHTEN.count(world) == 0


def build_request(world, token):
    scope = {"type": "http", "method": "POST", "path": DELIVERIES_URL, "query_string": b"", "app": world.app}
    return Request(scope | {"headers": [(b"authorization", f"Bearer {token}".encode())]})


async def test_revocation_after_the_second_check_waits_for_the_delivery(world):
    request = build_request(world, await world.issue_token(oin=UWV))
    async with unit_of_work(world.sessions) as session:
        await assert_token_not_revoked(request, session, opened_at=world.clock.now())
        waiting = asyncio.create_task(revoking(world)())
        await wait_until_blocked(world.sessions, waiting)
    await waiting
    async with unit_of_work(world.sessions) as session:
        with pytest.raises(NotAuthenticated, match="token_ingetrokken"):
            await assert_token_not_revoked(request, session, opened_at=world.clock.now())


async def test_concurrent_deliveries_with_one_token_do_not_block_each_other(world):
    request = build_request(world, await world.issue_token(oin=UWV))
    async with unit_of_work(world.sessions) as first, unit_of_work(world.sessions) as second:
        await assert_token_not_revoked(request, first, opened_at=world.clock.now())
        await asyncio.wait_for(assert_token_not_revoked(request, second, opened_at=world.clock.now()), 2)


@pytest.mark.parametrize("token", ["", "onzin"])
async def test_second_token_check_rejects_invalid_token(world, token):
    async with unit_of_work(world.sessions) as session:
        with pytest.raises(NotAuthenticated):
            await assert_token_not_revoked(build_request(world, token), session, opened_at=world.clock.now())
