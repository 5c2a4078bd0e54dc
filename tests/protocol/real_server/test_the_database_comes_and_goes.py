"""The database crashes under load and comes back: no 200 without a commit, no lost line, no restart of ours."""

import asyncio
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from machtiging.audit.seal import seal_waiting
from machtiging.audit.verify import verify
from machtiging.berichtenbox.routes import API
from machtiging.kernel.ids import uuid7
from machtiging.storage.embedded import EmbeddedPostgres, running_pid
from machtiging.storage.migrate import migrate
from tests.builders.applications import with_own_state
from tests.builders.berichtenbox import ISSUER, UWV, a_bericht, a_pdf, a_world, parts
from tests.builders.portal import the_assembled
from tests.builders.real_server import an_assembled_world, served

READS = "SELECT count(*) FROM (SELECT act, outcome FROM journal UNION ALL SELECT act, outcome FROM journal_intake) j"


async def becomes(what, patience=60):
    """Wait until this is so; `what` is asked again and again."""
    async with asyncio.timeout(patience):
        for _ in iter(int, 1):
            if await what():
                return
            await asyncio.sleep(0.05)


class Postgres:
    """A server of this test's own, to be crashed."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._server = EmbeddedPostgres(place)
        # Not synchronous_commit = off, as the other tests have it: what was committed must be there after the crash.
        self.url = self._server.start("fsync = off\n")

    def crash(self) -> None:
        """All its processes stop at once, in the middle of whatever they do; at the next start it must recover.

        (kill -9 of the server is in the journey that kills everything; what it leaves may be a zombie for a while.)
        """
        pid = running_pid(self._place.resolve())
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)

    async def back(self) -> None:
        """Start again, once it is gone."""
        pid_file = self._place / "postmaster.pid"

        async def gone():
            return not pid_file.exists()

        await becomes(gone)
        await asyncio.to_thread(self._server.start)

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture
def postgres():
    place = Path(tempfile.mkdtemp(prefix="machtiging-crash-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    made = Postgres(place / "data")
    yield made
    made.stop()
    shutil.rmtree(place, ignore_errors=True)


class Crowd:
    """Readers and a sender who go on and on; every answer is kept."""

    def __init__(self, server, bericht_id, reads, delivers):
        self._server, self._where = server, f"{API}/berichten/{bericht_id}"
        self._reads, self._delivers = reads, delivers
        self.answers, self.deliveries = [], {}
        self._stop = asyncio.Event()

    async def read(self):
        async with self._server.client(self._reads) as client:
            while not self._stop.is_set():
                answer = await client.get(self._where)
                self.answers.append(answer)
                if answer.status_code != 200:
                    await asyncio.sleep(0.05)

    async def deliver(self):
        async with self._server.client(self._delivers) as client:
            while not self._stop.is_set():
                kenmerk = f"brief-{len(self.deliveries)}"
                letter = parts(a_bericht(kenmerk=kenmerk), ("brief.pdf", a_pdf(), "application/pdf"))
                answer = await client.post(API + "/aanleveringen", files=letter)
                self.deliveries[kenmerk] = answer
                if answer.status_code != 201:
                    await asyncio.sleep(0.05)

    def begin(self):
        works = [self.read(), self.read(), self.read(), self.deliver()]
        self._tasks = [asyncio.create_task(work) for work in works]

    async def until(self, status, count=1):
        """Until so many more answers with this status have come."""
        before = self._count(status)

        async def enough():
            return self._count(status) >= before + count

        await becomes(enough)

    def _count(self, status):
        return sum(answer.status_code == status for answer in self.answers)

    async def end(self):
        self._stop.set()
        await asyncio.gather(*self._tasks)


@pytest.mark.whole
async def test_a_database_that_crashes_and_restarts_under_load_loses_nothing_and_tells_no_lie(
    postgres, clock, tmp_path
):
    await migrate(postgres.url)
    world = await an_assembled_world(postgres.url, clock, tmp_path)
    bericht_id = await world.letter(inhoud="Alleen voor haar")
    reads = await world.token(world.helper, under=await world.machtiging())
    async with served(world.app) as server:
        crowd = Crowd(server, bericht_id, reads, await world.token(oin=UWV))
        crowd.begin()
        for _ in range(2):
            await crowd.until(200, 20)
            postgres.crash()
            await crowd.until(503, 5)
            await _is_alive_and_not_ready(server)
            await postgres.back()
            await crowd.until(200, 5)
        await crowd.end()
        await _nothing_is_lost_and_nothing_is_made_up(world, crowd)
        await _who_tries_again_has_one_letter(world, server, crowd)
    await _the_journal_verifies(world)


async def _is_alive_and_not_ready(server):
    async with server.client() as client:
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["controles"]["database"] == "antwoordt niet"


async def _nothing_is_lost_and_nothing_is_made_up(world, crowd):
    statuses = {answer.status_code for answer in crowd.answers}
    assert statuses == {200, 503}
    refused = [answer for answer in crowd.answers if answer.status_code == 503]
    assert all(answer.json()["code"] == "opslag_niet_bereikbaar" for answer in refused)
    assert not any("Alleen voor haar" in answer.text or "asyncpg" in answer.text for answer in refused)
    shown = len(crowd.answers) - len(refused)
    ((lines,),) = await world.rows(READS + " WHERE act = 'bericht:lezen' AND outcome = 'allowed'")
    # A commit whose answer was lost on the way may stand in the journal; an answer without a line may not.
    assert shown <= lines <= shown + len(refused)
    known = {row.sender_reference for row in await world.rows("SELECT sender_reference FROM bericht")}
    told = {kenmerk for kenmerk, answer in crowd.deliveries.items() if answer.status_code == 201}
    assert told <= known
    half = "SELECT 1 FROM bijlage b WHERE (SELECT count(*) FROM bijlage_part p WHERE p.bijlage_id = b.id) <> b.parts"
    assert await world.rows(half) == []


async def _who_tries_again_has_one_letter(world, server, crowd):
    failed = [kenmerk for kenmerk, answer in crowd.deliveries.items() if answer.status_code != 201]
    assert failed
    async with server.client(await world.token(oin=UWV)) as client:
        for kenmerk in failed:
            letter = parts(a_bericht(kenmerk=kenmerk), ("brief.pdf", a_pdf(), "application/pdf"))
            assert (await client.post(API + "/aanleveringen", files=letter)).status_code in {200, 201}
            again = "SELECT 1 FROM bericht WHERE sender_reference = :kenmerk"
            assert len(await world.rows(again, kenmerk=kenmerk)) == 1


async def _the_journal_verifies(world):
    service, sealer, reserved = world.app.state.engines
    await seal_waiting(sealer, world.keyring, world.clock)
    report = await verify(sealer, world.keyring)
    assert report.ok, report
    assert report.waiting == 0
    for engine in (service, sealer, reserved):
        await engine.dispose()


@pytest.fixture
async def nowhere(database, clock):
    """The service whose database is not there, and what is needed to make a token for it beside it."""
    app = with_own_state(the_assembled(), clock=clock, issuer=ISSUER)
    beside = await a_world(database, clock)
    return replace(beside, app=app, keyring=app.state.keyring)


async def test_without_a_database_the_answer_is_a_503_that_says_no_more_than_that(nowhere):
    async with nowhere.client(await nowhere.token(nowhere.citizen)) as client:
        answers = [await client.get(API + "/berichten"), await client.get(f"{API}/berichten/{uuid7()}")]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "opslag_niet_bereikbaar")
        assert "nergens" not in answer.text


async def test_what_needs_no_database_is_answered_without_one(nowhere):
    async with nowhere.client() as client:
        answers = [await client.get(path) for path in ("/jwks", "/health/live")]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_without_a_database_it_is_alive_and_not_ready(nowhere):
    await _is_alive_and_not_ready(nowhere)


@pytest.mark.whole
async def test_a_server_that_cannot_be_reached_at_all_is_told_as_503_and_not_as_a_page_of_errors(
    clock, tmp_path, postgres
):
    await migrate(postgres.url)
    world = await an_assembled_world(postgres.url, clock, tmp_path)
    token = await world.token(world.citizen)
    postgres.crash()
    async with served(world.app) as server, server.client(token) as client:
        answers: list[httpx.Response] = [
            await client.get(path) for path in (API + "/berichten", "/jwks", "/health/live")
        ]
        assert [answer.status_code for answer in answers] == [503, 200, 200]
        await postgres.back()

        async def answers_again():
            return (await client.get(API + "/berichten")).status_code == 200

        await becomes(answers_again)
