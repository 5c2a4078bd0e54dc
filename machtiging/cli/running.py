"""`machtiging serve`, `demo` and `story`."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from machtiging.cli.database import bring_up_to_date, named, service_sessions, url_of
from machtiging.cli.demo.telling import StoryFailed, Teller
from machtiging.cli.edges import Exit, err, out
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.cli.servers import Servers


def serve(
    *, workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes. Start with one per core.")] = 1
) -> None:
    """Run the service alone, for production behind a TLS proxy.

    Needs keys (`machtiging keys generate`) and a migrated database (`machtiging migrate`). Without
    MACHTIGING_DATABASE_URL it starts and stops an embedded PostgreSQL.
    """
    from machtiging.app import refuse_unsafe
    from machtiging.cli.processes.workers import serve_in_workers
    from machtiging.cli.servers import listen
    from machtiging.crypto.keyring import KeyRing

    refuse_unsafe(Settings())
    with named(Settings(), serving=True) as settings:
        KeyRing.load(settings.keys_dir)  # fail once here, not in every worker
        taken = listen(settings.host, settings.port)
        err.print(f"Serving {settings.issuer} on {settings.host}:{settings.port} with {workers} worker(s).")
        if workers == 1:
            _run(_serve_here(settings, taken))
            return
        os.environ["MACHTIGING_DATABASE_URL"] = url_of(settings)
        serve_in_workers(settings, workers, taken)


async def _serve_here(settings: Settings, taken: socket.socket) -> None:
    """Serve in this process. Plain uvicorn would die of SIGTERM before the embedded database is stopped."""
    from machtiging.app import create_app
    from machtiging.cli.servers import serving
    from machtiging.web.logging import configure

    configure()
    async with serving((create_app(settings), taken)) as servers:
        await servers.until_stopped()


def demo(
    *, story_again: Annotated[bool, typer.Option("--story", help="Play the story again on existing data.")] = False
) -> None:
    """Start everything on this machine with invented people and letters. Prints the addresses. Ctrl-C stops it.

    The first time it plays the story: a helper reads a letter, step by step. Data is kept for the next time.
    """
    _in_a_loop(_demo, story_again)


def story() -> None:
    """Play the story with fresh letters on servers of its own, then stop. Exit 1 when a step fails."""
    _in_a_loop(_story)


def _in_a_loop(act: Any, *arguments: Any) -> None:
    from machtiging.web.logging import configure

    configure("WARNING")
    with named(Settings(), serving=True) as settings:
        try:
            _run(act(settings, *arguments))
        except StoryFailed as failed:
            err.print(f"The story did not come out as told: {failed}", style="red", markup=False, highlight=False)
            raise typer.Exit(Exit.FINDING) from None


def _run(act: Coroutine[Any, Any, None]) -> None:
    if os.name == "nt":
        asyncio.run(act)
        return
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(act)


def practice_sockets(settings: Settings) -> tuple[socket.socket, socket.socket]:
    """Bind the sockets of the service and of the login simulator. The simulator always uses loopback."""
    from machtiging.cli.servers import listen
    from machtiging.simulators.postbus import LOOPBACK

    return listen(settings.host, settings.port), listen(LOOPBACK, settings.simulator_port)


@asynccontextmanager
async def world(settings: Settings) -> AsyncIterator[Servers]:
    """Prepare keys, schema and catalogue. Run the service and the login simulator."""
    from machtiging.agencies.catalogue import load_catalogue
    from machtiging.app import create_app, refuse_unsafe
    from machtiging.cli.servers import serving
    from machtiging.crypto.rotation import generate
    from machtiging.simulators.app import create_simulator, refuse_in_production, refuse_where_others_can_come
    from machtiging.storage.unit_of_work import unit_of_work

    refuse_in_production(settings)
    refuse_where_others_can_come(settings)
    refuse_unsafe(settings)
    sockets = practice_sockets(settings)
    generate(settings.keys_dir)
    with err.status("Preparing the database ..."):
        await bring_up_to_date(settings)
        async with service_sessions(settings) as sessions, unit_of_work(sessions) as session:
            await load_catalogue(session)
    service, simulator = create_app(settings), create_simulator(settings)
    async with serving((simulator, sockets[1]), (service, sockets[0])) as servers:
        for url in (settings.issuer, settings.broker_issuer):
            await _check_reachable(url, settings)
        yield servers


async def _check_reachable(url: str, settings: Settings) -> None:
    """Check that a published address reaches these servers. Raises Fault `adres_leidt_niet_hierheen`."""
    import httpx

    try:
        async with httpx.AsyncClient(timeout=10) as client:
            await client.get(url + "/.well-known/openid-configuration")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        place = f"{url} does not lead to {settings.host}, where the service listens"
        raise Fault("adres_leidt_niet_hierheen", private=place) from error


async def tell_story(settings: Settings, teller: Teller) -> None:
    """Play the story against the running servers of these settings. Raises StoryFailed."""
    from machtiging.cli.database import sealer_engine
    from machtiging.cli.demo.story import tell
    from machtiging.cli.demo.world import World
    from machtiging.crypto.keyring import KeyRing

    async with service_sessions(settings) as sessions, sealer_engine(settings) as sealer:
        keyring = KeyRing.load(settings.keys_dir)
        places = (settings.issuer, settings.broker_issuer)
        await tell(World(*places, sessions=sessions, sealer=sealer, keyring=keyring, clock=SystemClock()), teller)


def _aloud() -> Teller:
    def step(number: int, title: str) -> None:
        out.print(f"\n[bold]{number}. {title}[/bold]")

    def line(what: str, module: str) -> None:
        out.print(f"   {what} [dim]({module})[/dim]", highlight=False, soft_wrap=True)

    return Teller(step, line)


async def _story(settings: Settings) -> None:
    async with world(settings):
        await tell_story(settings, _aloud())
    out.print("\n[green]The story came out as told.[/green]")


async def _demo(settings: Settings, story_again: bool) -> None:  # noqa: FBT001
    from machtiging.cli.demo.world import is_new

    async with world(settings) as servers:
        async with service_sessions(settings) as sessions:
            tell_it = story_again or await is_new(sessions)
        if tell_it:
            await tell_story(settings, _aloud())
        _say_what_to_open(settings)
        await servers.until_stopped()
        err.print("Stopping ...")


def _say_what_to_open(settings: Settings) -> None:
    out.print(f"\n[bold]Open {settings.issuer}[/bold] and log in. The login page asks who you want to be:")
    out.print("   vertegenwoordigde   she gets the letters: see who looked, offer, revoke")
    out.print("   naaste              her son: accept with the code that she gets")
    out.print("   and others: raadslid, collega, bewindvoerder, balie, beheerder ...")
    out.print(f"Mail that was sent: {settings.broker_issuer}/post")
    out.print("Ctrl-C stops everything and keeps the data.\n")
