"""`machtiging serve`, `work`, `demo` and `story`."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from machtiging.cli.agencies import load_catalogue
from machtiging.cli.database import migrate_schema, open_service_sessions, provide_database, require_database_url
from machtiging.cli.demo.narrator import StoryFailed, StoryNarrator
from machtiging.cli.demo.optional_packages import require_demo_extra
from machtiging.cli.errors import ExitCode, err, out
from machtiging.cli.processes.event_loop import run_event_loop
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.cli.demo.environment import StoryEnvironment
    from machtiging.cli.processes.servers import RunningServers

_log = structlog.get_logger(__name__)


def run_service(
    *, workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes. Start with one per core.")] = 1
) -> None:
    """Run the service alone, for production behind a TLS proxy.

    Needs keys (`machtiging keys generate`) and a migrated database (`machtiging migrate`). Without
    MACHTIGING_DATABASE_URL it starts and stops an embedded PostgreSQL. Each line that it prints is a JSON object.
    """
    from machtiging.web.structured_logging import configure_logging

    configure_logging()  # before the imports below, which may warn
    from machtiging.app import refuse_unsafe_settings
    from machtiging.cli.processes.servers import bind_socket
    from machtiging.cli.processes.workers import serve_in_workers
    from machtiging.crypto.keyring import KeyRing

    refuse_unsafe_settings(Settings())
    with provide_database(Settings(), serving=True) as settings:
        KeyRing.load(settings.keys_dir)  # fail once here, not in every worker
        asyncio.run(_require_newest_schema(settings))  # also once here
        listener = bind_socket(settings.host, settings.port)
        _log.info("serving", issuer=settings.issuer, host=settings.host, port=settings.port, workers=workers)
        if workers == 1:
            run_event_loop(_serve_in_process(settings, listener))
            return
        os.environ["MACHTIGING_DATABASE_URL"] = require_database_url(settings)
        serve_in_workers(settings, workers, listener)


async def _require_newest_schema(settings: Settings) -> None:
    from machtiging.storage.migration_runner import require_newest_schema

    async with open_service_sessions(settings) as sessions:
        await require_newest_schema(sessions)


async def _serve_in_process(settings: Settings, listener: socket.socket) -> None:
    """Serve in this process. Plain uvicorn would die of SIGTERM before the embedded database is stopped."""
    from machtiging.app import create_app
    from machtiging.cli.processes.servers import run_servers

    async with run_servers((create_app(settings), listener)) as servers:
        await servers.wait_until_stopped()


def run_worker() -> None:
    """Do the work that no request does: seal the journal, send mail, expire, delete. Several may run at once.

    Needs keys (`machtiging keys generate`) and a migrated database (`machtiging migrate`). `serve` starts one itself
    unless MACHTIGING_WORKER_INSIDE=false. SIGTERM lets each loop finish its round. Each line that it prints is a JSON
    object.
    """
    from machtiging.web.structured_logging import configure_logging

    configure_logging()  # before the imports below, which may warn
    from machtiging.app import refuse_unsafe_settings
    from machtiging.cli.processes.worker_loops import work_until_stopped

    refuse_unsafe_settings(Settings())
    with provide_database(Settings(), serving=True) as settings:
        run_event_loop(work_until_stopped(settings))


def run_demo(
    *, story_again: Annotated[bool, typer.Option("--story", help="Play the story again on existing data.")] = False
) -> None:
    """Start everything on this machine with invented people and letters. Prints the addresses. Ctrl-C stops it.

    The first time it plays two stories, step by step: a helper reads a letter, and a caseload. Data is kept for the
    next time.
    """
    _run_with_database(_run_demo_until_stopped, story_again)


def run_story() -> None:
    """Play both stories with fresh letters on servers of their own, then stop. Exit 1 when a step fails."""
    _run_with_database(_run_story_once)


def _run_with_database(main: Any, *arguments: Any) -> None:
    from machtiging.web.structured_logging import configure_logging

    require_demo_extra("The demo")
    configure_logging("WARNING")
    with provide_database(Settings(), serving=True) as settings:
        try:
            run_event_loop(main(settings, *arguments))
        except StoryFailed as failed:
            err.print(f"The story did not come out as told: {failed}", style="red", markup=False, highlight=False)
            raise typer.Exit(ExitCode.FINDING) from None


def bind_practice_sockets(settings: Settings) -> tuple[socket.socket, socket.socket]:
    """Bind the sockets of the service and of the login simulator. The simulator always uses loopback."""
    from machtiging.cli.processes.servers import bind_socket
    from machtiging.simulators.mail_catcher import LOOPBACK

    return bind_socket(settings.host, settings.port), bind_socket(LOOPBACK, settings.simulator_port)


@asynccontextmanager
async def run_practice_servers(settings: Settings) -> AsyncIterator[RunningServers]:
    """Prepare keys, schema and catalogue. Run the service and the login simulator."""
    from machtiging.app import create_app, refuse_unsafe_settings
    from machtiging.cli.key_rotation.row_statement import state_practice_rows
    from machtiging.cli.processes.servers import run_servers
    from machtiging.crypto.rotation import generate_key_ring
    from machtiging.simulators.app import create_simulator, refuse_in_production, refuse_non_loopback_host
    from machtiging.storage.unit_of_work import unit_of_work

    refuse_in_production(settings)
    refuse_non_loopback_host(settings)
    refuse_unsafe_settings(settings)
    sockets = bind_practice_sockets(settings)
    generate_key_ring(settings.keys_dir)
    with err.status("Preparing the database ..."):
        await migrate_schema(settings)
        await state_practice_rows(settings)
        async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
            await load_catalogue(session, settings)
    service, simulator = create_app(settings), create_simulator(settings)
    async with run_servers((simulator, sockets[1]), (service, sockets[0])) as servers:
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


@asynccontextmanager
async def _open_story_environment(settings: Settings) -> AsyncIterator[StoryEnvironment]:
    from machtiging.cli.database import open_sealer_engine
    from machtiging.cli.demo.environment import StoryEnvironment
    from machtiging.crypto.keyring import KeyRing

    keyring = KeyRing.load(settings.keys_dir)
    async with open_service_sessions(settings, keyring) as sessions, open_sealer_engine(settings) as sealer:
        places = (settings.issuer, settings.broker_issuer)
        yield StoryEnvironment(*places, sessions=sessions, sealer=sealer, keyring=keyring, clock=SystemClock())


async def tell_story(settings: Settings, narrator: StoryNarrator) -> None:
    """Play both stories against the running servers of these settings. Raises StoryFailed."""
    from machtiging.cli.demo.caseload.story import play_caseload_story
    from machtiging.cli.demo.story import play_story

    async with _open_story_environment(settings) as environment:
        await play_story(environment, narrator)
        await play_caseload_story(environment, narrator)


async def _add_practice_world(settings: Settings) -> None:
    """Leave a world worth seeing, and finish one that an earlier run left half made."""
    from machtiging.cli.demo.world import add_practice_world, is_practice_world_complete

    async with _open_story_environment(settings) as environment:
        if await is_practice_world_complete(environment):
            return
        out.print("\nFilling the practice world with letters of two years ...")
        delivered = await add_practice_world(environment)
    out.print(f"   {delivered} letters, and machtigingen that work now")


def _create_terminal_narrator() -> StoryNarrator:
    def print_step(number: int, title: str) -> None:
        out.print(f"\n[bold]{number}. {title}[/bold]")

    def print_event(event: str, module: str) -> None:
        out.print(f"   {event} [dim]({module})[/dim]", highlight=False, soft_wrap=True)

    return StoryNarrator(print_step, print_event)


async def _run_story_once(settings: Settings) -> None:
    async with run_practice_servers(settings):
        await tell_story(settings, _create_terminal_narrator())
    out.print("\n[green]The stories came out as told.[/green]")


async def _run_demo_until_stopped(settings: Settings, story_again: bool) -> None:  # noqa: FBT001
    from machtiging.cli.demo.environment import is_first_run

    async with run_practice_servers(settings) as servers:
        async with open_service_sessions(settings) as sessions:
            tell_it = story_again or await is_first_run(sessions)
        if tell_it:
            await tell_story(settings, _create_terminal_narrator())
        await _add_practice_world(settings)
        _print_addresses(settings)
        await servers.wait_until_stopped()
        err.print("Stopping ...")


def _print_addresses(settings: Settings) -> None:
    out.print(f"\n[bold]Open {settings.issuer}/oefenen[/bold] to choose who you want to be and what you want to see:")
    out.print(
        "   Riet gets letters and lets others read along; her son Bram reads; Fatima has twelve clients; and others."
    )
    out.print(f"Mail that was sent: {settings.broker_issuer}/post")
    out.print("Ctrl-C stops everything and keeps the data.\n")
