"""`machtiging work` as a process of its own, beside `serve` without a worker inside."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime

import httpx
import pytest

from machtiging.audit.acts import JournalAct
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import SettableClock
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import make_key_directory
from tests.builders.people import add_person
from tests.builders.rows import JOURNAL, JOURNAL_INTAKE, NOTIFICATIONS
from tests.protocol.real_server.serve_process import ServeProcess, wait_until
from tests.storage.audit.journal_lines import record_journal_lines

pytestmark = pytest.mark.whole
FACTS = {"machtiging_id": "x", "begins_on": "2026-11-23", "ends_on": "2027-02-21"}


@pytest.fixture
def installation(database, tmp_path):
    make_key_directory(tmp_path / "keys")
    made = ServeProcess(tmp_path, MACHTIGING_DATABASE_URL=database.url, MACHTIGING_WORKER_INSIDE="false")
    yield made
    made.kill()


async def read_warnings(installation):
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{installation.port}/health/ready", timeout=5)
    return answer.json().get("waarschuwingen", {})


def is_sealed(database, lines):
    """Each of so many written lines is sealed once. Service and worker write lines of their own."""

    async def sealed():
        async with database.sealer.connect() as connection:
            written = await JOURNAL.count(connection, act=JournalAct.BERICHT_LEZEN)
            return written == lines and await JOURNAL_INTAKE.count(connection) == 0

    return sealed


async def test_serve_without_worker_seals_nothing_and_says_so(installation, database):
    clock = SettableClock(datetime.now(UTC))
    await record_journal_lines(database, clock, 3)
    installation.start()
    await wait_until(installation.is_ready)
    assert "machtiging work" in (await read_warnings(installation))["werker"]
    await asyncio.sleep(2.5)
    async with database.sealer.connect() as connection:
        assert await JOURNAL.count(connection) == 0
    worker = installation.run(command="work")
    await wait_until(is_sealed(database, 3))
    assert "werker" not in await read_warnings(installation)
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 60) == 0
    assert "nog nooit gezien" in (await read_warnings(installation))["werker"]
    assert "working" in {json.loads(line)["event"] for line in installation.read_output().splitlines()}


async def test_two_workers_seal_each_line_once_also_when_one_is_killed(installation, database):
    clock = SettableClock(datetime.now(UTC))
    workers = [installation.run(command="work") for _ in range(2)]
    await record_journal_lines(database, clock, 400)
    await wait_until(is_sealed(database, 400))
    await record_journal_lines(database, clock, 400)
    workers[0].kill()
    await wait_until(is_sealed(database, 800))


async def test_worker_killed_while_sending_leaves_the_mail_for_the_next(database, tmp_path):
    """The mail server is silent, so the worker is killed in the middle of the dialogue."""
    make_key_directory(tmp_path / "keys")
    called = asyncio.Event()

    async def stay_silent(reader, writer):
        called.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(stay_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    installation = ServeProcess(tmp_path, MACHTIGING_DATABASE_URL=database.url, MACHTIGING_SMTP_PORT=str(port))
    try:
        async with unit_of_work(database.sessions) as session:
            person = await add_person(session, Bsn("999990019"), email="ans@voorbeeld.example")
            await enqueue_notification(session, person, NotificationKind.AANGENOMEN, FACTS, at=datetime.now(UTC))
        worker = installation.run(command="work")
        async with asyncio.timeout(90):
            await called.wait()
        worker.kill()
        worker.wait()
        async with database.sessions() as session:
            [(tries, sent_at, given_up_at)] = await NOTIFICATIONS.read(session, "tries", "sent_at", "given_up_at")
        assert (tries, sent_at, given_up_at) == (1, None, None)
    finally:
        installation.kill()
        server.close()
