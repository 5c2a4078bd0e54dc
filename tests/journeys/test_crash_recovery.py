"""Crash recovery: kill -9 between any two steps of both stories leaves no partial state.

The service and the login stand-in are one process; every other time the database server is killed as well.
"""

import os
import signal
import time

import pytest
from sqlalchemy import text

from machtiging.cli.database import open_sealer_engine, open_service_sessions
from machtiging.cli.demo.caseload.story import play_caseload_story
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.cli.demo.narrator import StoryNarrator
from machtiging.cli.demo.story import play_story
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings
from machtiging.storage.embedded_postgres import find_server_pid

HALF_DONE = {
    "a bericht without all its bijlagen": """SELECT b.id FROM bijlage b LEFT JOIN bijlage_part p ON p.bijlage_id = b.id
        GROUP BY b.id HAVING count(p.number) <> b.parts""",
    "a used code whose machtiging was not accepted": """SELECT c.id FROM machtigingscode c JOIN machtiging m
        ON m.id = c.machtiging_id WHERE c.used_at IS NOT NULL AND m.accepted_at IS NULL AND m.state <> 'ended'""",
    "a grant alive under an ended machtiging": """SELECT g.id FROM oauth_grant g JOIN machtiging m
        ON m.id = g.machtiging_id WHERE m.state = 'ended' AND g.ended_at IS NULL""",
    # An employee who accepts by code assigns in one act: the line stands at the assignment below it. What a register
    # gave has the line of its registration, and an assignment that of the administrator.
    "an accepted machtiging without a journal line": """SELECT m.id FROM machtiging m WHERE m.accepted_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM journal j JOIN machtiging link ON link.id = j.machtiging_id
        WHERE j.act IN ('machtiging:aangenomen', 'machtiging:geregistreerd') AND m.id IN (link.id, link.parent_id))
        AND NOT EXISTS (SELECT FROM journal j JOIN assignment a ON a.machtiging_id = m.id
        WHERE j.act = 'toewijzing:gemaakt' AND j.machtiging_id = m.id)""",
    "an assignment alive of an employee who left": """SELECT m.id FROM machtiging m JOIN employee e
        ON e.id = m.employee_id WHERE e.state = 'vertrokken' AND m.state <> 'ended'""",
}


class Killer:
    """A listener of the story that kills and restarts the service at every step."""

    def __init__(self, installation):
        self.installation = installation
        self.killed = 0

    def step(self, number: int, title: str) -> None:
        assert self.installation.stop(signal.SIGKILL) == -signal.SIGKILL
        if number % 2 == 0:
            self._kill_the_database()
        self.installation.start()
        self.killed += 1

    def _kill_the_database(self) -> None:
        place = self.installation.place / "data" / "postgres"
        pid = find_server_pid(place)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while find_server_pid(place) is not None and time.monotonic() < deadline:
            time.sleep(0.05)


@pytest.mark.long
async def test_story_resumes_after_kill_at_every_step_without_partial_state(stopped_installation, monkeypatch):
    stopped_installation.start()
    for name, value in stopped_installation.environment().items():
        if name.startswith("MACHTIGING_"):
            monkeypatch.setenv(name, value)
    host = stopped_installation.place / "data" / "postgres"
    settings = Settings(database_url=f"postgresql://postgres@/postgres?host={host}")
    killer = Killer(stopped_installation)
    async with open_service_sessions(settings) as sessions, open_sealer_engine(settings) as sealer:
        sessions.kw["bind"].sync_engine.pool._pre_ping = True
        sealer.sync_engine.pool._pre_ping = True
        keyring = KeyRing.load(settings.keys_dir)
        world = StoryEnvironment(settings.issuer, settings.broker_issuer, sessions, sealer, keyring, SystemClock())
        narrator = StoryNarrator(killer.step, lambda what, module: None)
        await play_story(world, narrator)
        await play_caseload_story(world, narrator)
        assert killer.killed == 14
        async with sessions() as session:
            for what, query in HALF_DONE.items():
                assert (await session.execute(text(query))).all() == [], what
        report = await world.seal_and_verify_journal()
        assert report.ok, report
