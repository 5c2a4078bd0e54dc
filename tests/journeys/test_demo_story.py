"""The story of the demo, in this process against real servers on loopback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from machtiging.cli.database import open_sealer_engine
from machtiging.cli.demo import world
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.environment import StoryEnvironment, create_http_client, is_first_run
from machtiging.cli.demo.narrator import StoryFailed, StoryNarrator
from machtiging.cli.serve import run_practice_servers, tell_story
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings
from machtiging.simulators import practice_page
from machtiging.simulators.personas import PERSONAS
from tests.builders.keys import make_key_directory

ROOT = Path(__file__).resolve().parents[2]
# Seven steps of each story.
STEPS = list(range(1, 15))


def ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return numbers


@pytest.fixture
def settings(database, tmp_path) -> Settings:
    service, simulator, smtp = ports(3)
    return Settings(
        env=Environment.TEST,
        port=service,
        issuer=f"http://localhost:{service}",
        simulator_port=simulator,
        broker_issuer=f"http://localhost:{simulator}",
        smtp_port=smtp,
        database_url=database.url,
        database_pool_size=4,
        keys_dir=make_key_directory(tmp_path / "keys"),
        policies_dir=ROOT / "policies",
    )


class Listener:
    """Record the steps of the story."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.teller = StoryNarrator(print_step=lambda number, _: self.steps.append(number), print_event=lambda *_: None)


async def test_story_succeeds_twice_and_names_existing_modules(settings, database):
    first, second = Listener(), Listener()
    async with run_practice_servers(settings):
        assert await is_first_run(database.sessions)
        await tell_story(settings, first.teller)
        assert not await is_first_run(database.sessions)
        await tell_story(settings, second.teller)
    assert first.steps == second.steps == STEPS
    named = {module for _, module in first.teller.events}
    assert [module for module in named if not (ROOT / "machtiging" / module).is_file()] == []


@pytest.mark.whole
async def test_practice_world_left_half_made_is_finished_by_next_run_and_has_each_scene(
    settings, database, monkeypatch
):
    keyring = KeyRing.load(settings.keys_dir)
    async with run_practice_servers(settings), open_sealer_engine(settings) as sealer:
        await tell_story(settings, Listener().teller)
        environment = StoryEnvironment(
            settings.issuer, settings.broker_issuer, database.sessions, sealer, keyring, SystemClock()
        )
        with monkeypatch.context() as only_two_clients:
            only_two_clients.setattr(world, "_CLIENTS", world._CLIENTS[:2])
            assert await world.add_practice_world(environment) > 0
        assert not await world.is_practice_world_complete(environment)
        assert await world.add_practice_world(environment) > 0
        assert await world.is_practice_world_complete(environment)
        assert await world.add_practice_world(environment) == 0
        assert (await environment.seal_and_verify_journal()).ok
        for key, path in practice_page.SCENES.values():
            await open_scene(environment, key, path)


async def open_scene(environment: StoryEnvironment, key: str, path: str) -> None:
    async with create_http_client() as http:
        visitor = Browser(http, frozenset({environment.issuer, environment.broker}))
        page = await visitor.open_page(environment.issuer + practice_page.build_login_link(key, path))
    assert visitor.url == environment.issuer + path
    assert PERSONAS[key].name in page.text


async def test_story_on_ipv6_loopback_succeeds(settings):
    listener, there = Listener(), {"host": "::1", "issuer": f"http://[::1]:{settings.port}"}
    on_ipv6 = settings.model_copy(update=there)
    async with run_practice_servers(on_ipv6):
        await tell_story(on_ipv6, listener.teller)
    assert listener.steps == STEPS


async def test_story_with_issuer_of_another_server_is_refused(settings):
    elsewhere = settings.model_copy(update={"issuer": f"http://localhost:{ports(1)[0]}"})
    with pytest.raises(Fault) as refused:
        async with run_practice_servers(elsewhere):
            pytest.fail("the story began")
    assert refused.value.code == "adres_leidt_niet_hierheen"
    assert elsewhere.issuer in refused.value.private


async def test_story_fails_at_the_first_unexpected_result(settings):
    listener = Listener()
    async with run_practice_servers(settings.model_copy(update={"access_token_seconds": 300})):
        with pytest.raises(StoryFailed) as failed:
            await tell_story(settings, listener.teller)
    assert (failed.value.expected, failed.value.got) == ("tien minuten geldig", "300")
    assert listener.steps == [1, 2, 3, 4]
