"""Slow request bodies (slowloris): they block neither a revocation nor the connection pool."""

import asyncio

from machtiging.berichtenbox.routes import API_PREFIX

BERICHTEN_URL = f"{API_PREFIX}/berichten/"


class Trickle:
    """A request body whose second half waits for `go`.

    `asked` is set when the server waits for that half: all work before the body is done then.
    """

    def __init__(self, first: bytes, rest: bytes) -> None:
        self._first, self._rest = first, rest
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def __aiter__(self):
        yield self._first
        self.asked.set()
        await self.go.wait()
        yield self._rest


async def test_row_46_slow_helper_request_does_not_delay_revocation(world):
    bericht_id, under = await world.deliver_letter(), await world.grant_machtiging()
    body = Trickle(b'{"gelezen"', b": true}")
    kind = {"Content-Type": "application/json"}
    async with world.client(await world.issue_token(world.helper, under=under)) as client:
        asking = asyncio.create_task(client.patch(BERICHTEN_URL + bericht_id, content=body, headers=kind))
        await asyncio.wait_for(body.asked.wait(), 5)
        await asyncio.wait_for(world.revoke(under), 2)
        body.go.set()
        answer = await asking
    assert (answer.status_code, answer.json()["code"]) == (403, "machtiging_beeindigd")


async def test_row_61_slow_requests_hold_no_database_connection(world, database):
    bericht_id, token = await world.deliver_letter(), await world.issue_token(world.citizen)
    bodies = [Trickle(b"{", b"}") for _ in range(database.service.pool.size() + 3)]
    kind = {"Content-Type": "application/json"}
    async with world.client(token) as client:
        asking = [
            asyncio.create_task(client.patch(BERICHTEN_URL + bericht_id, content=b, headers=kind)) for b in bodies
        ]
        for body in bodies:
            await asyncio.wait_for(body.asked.wait(), 5)
        assert database.service.pool.checkedout() == 0
        assert (await asyncio.wait_for(client.get(BERICHTEN_URL + bericht_id), 5)).status_code == 200
        for body in bodies:
            body.go.set()
        assert {answer.status_code for answer in await asyncio.gather(*asking)} == {200}
