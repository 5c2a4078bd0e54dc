"""Our server in its own process, for tests that know only its address.

Service and login stand-in are on loopback.

`python -m tests.protocol.black_box.our_server CONFIG` serves until it is told to stop. CONFIG is a JSON file with
`database_url` (migrated), `keys` (a key ring), `target` (the file to describe itself in, written when it
is up) and, when it is to be broken on purpose, `mutant`: a name in tests.mutants.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from tests.builders.applications import replace_services
from tests.builders.keys import make_key_directory
from tests.mutants import MUTANTS
from tests.protocol.black_box.client_metadata import DELIVERING, DETAILS, POST_LOGOUT_MEMBER, clients, clients_beyond

ROOT = Path(__file__).parents[3]
_UP_SECONDS = 60
# How somebody is asked something at a counter: where she gets the hint that she reads out, and where she answers.
_COUNTER = {
    "login": "/inloggen?terug=/aan-de-balie",
    "hint": "/aan-de-balie",
    "hint_is": "<output[^>]*>([^<]+)</output>",
    "questions": "/verzoeken",
    "yes": {"besluit": "akkoord"},
    "no": {"besluit": "weigeren"},
    "binding_message": "Balie 3, W4X-7KP",
    "people": ["vertegenwoordigde", "naaste", "burger-onder-bewind", "burger-zonder-digid", "eu-burger", "raadslid"],
    "nobody": "0000-0000",
}


def _key() -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True)


async def _register(app: Any, home: str) -> dict[str, dict[str, Any]]:
    from machtiging.agencies.catalogue import find_catalogue_oin, upsert_catalogue
    from machtiging.oauth.invitations.initial_access_token import create_invitation
    from machtiging.oauth.register_client import register_client
    from machtiging.storage.unit_of_work import unit_of_work

    told: dict[str, dict[str, Any]] = {}
    async with unit_of_work(app.state.services.sessions) as session:
        await upsert_catalogue(session)
        for name, metadata in (clients(home) | clients_beyond(home)).items():
            confidential = metadata["token_endpoint_auth_method"] != "none"
            key = _key() if confidential else None
            more = {} if key is None else {"jwks": {"keys": [key.as_dict(private=False)]}}
            oin = find_catalogue_oin("UWV") if DELIVERING in metadata["scope"] else None
            made = await register_client(
                session, metadata | more, detail_type="berichtenbox", oin=oin, at=datetime.now(UTC), practice=True
            )
            told[name] = {"client_id": made["client_id"], "scope": metadata["scope"]}
            told[name] |= {} if key is None else {"jwk": key.as_dict(private=True)}
            told[name] |= {"redirect_uri": metadata["redirect_uris"][0]} if "redirect_uris" in metadata else {}
            told[name] |= {key: metadata[key] for key in ("resource",) if key in metadata}
            told[name] |= {key: metadata[f"{key}s"][0] for key in (POST_LOGOUT_MEMBER,) if f"{key}s" in metadata}
        token = await create_invitation(session, "proef", uses=100, lifetime=timedelta(days=1), at=datetime.now(UTC))
    told["newcomer"] = {"client_id": "", "initial_access_token": token}
    return told


async def _serve(config: dict[str, Any]) -> None:
    from machtiging.app import create_app
    from machtiging.cli.processes.servers import bind_socket, run_servers
    from machtiging.settings import Environment, Settings
    from machtiging.simulators.app import create_simulator
    from machtiging.web.structured_logging import configure_logging
    from tests.protocol.black_box.expired_credentials import spent

    configure_logging("WARNING")
    front, broker = bind_socket("127.0.0.1", 0), bind_socket("127.0.0.1", 0)
    issuer, broker_issuer = (f"http://localhost:{taken.getsockname()[1]}" for taken in (front, broker))
    settings = Settings(
        env=Environment.TEST,
        issuer=issuer,
        broker_issuer=broker_issuer,
        database_url=config["database_url"],
        database_pool_size=8,
        keys_dir=config["keys"],
        policies_dir=ROOT / "policies",
        smtp_host="localhost",
        smtp_port=0,
        **config.get("settings", {}),
    )
    app, simulator = create_app(settings), create_simulator(settings)
    replace_services(app, cause_in_answers=False)  # as in production, where no answer may tell which clients exist
    wraps = MUTANTS[config["mutant"]].wraps if "mutant" in config else None
    front_app = app if wraps is None else wraps(app)
    target = {
        "name": config.get("mutant", "ours"),
        "issuer": issuer,
        "clients": await _register(app, "http://localhost:9"),
        "login": {"login_hint": "naaste", "besluit": "akkoord"},
        "refusing": {"besluit": "weigeren"},
        "details": DETAILS,
        "counter": _COUNTER,
    }
    target["spent"] = await spent(app, target["clients"])
    async with run_servers((simulator, broker), (front_app, front)) as servers:
        file = Path(config["target"])
        file.with_suffix(".new").write_text(json.dumps(target))
        file.with_suffix(".new").rename(file)
        await servers.wait_until_stopped()


def wait_until(up: Callable[[], bool], stopped: Callable[[], bool], log: Path) -> None:
    """Until the server is up. Raises AssertionError with its last words."""
    until = time.monotonic() + _UP_SECONDS
    while not up():
        if stopped() or time.monotonic() > until:
            raise AssertionError(f"the server does not come up:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.02)


@contextmanager
def running(command: list[str], place: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, stopped by its own pid."""
    with (place / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def ours(database_url: str, place: Path, **more: Any) -> Iterator[Path]:
    """Ours, running; gives the file that describes it."""
    target, config = described(database_url, place, **more)
    command = [sys.executable, "-m", "tests.protocol.black_box.our_server", str(config)]
    with running(command, place, cwd=ROOT, env=os.environ) as process:
        wait_until(target.exists, lambda: process.poll() is not None, place / "server.log")
        yield target


def described(database_url: str, place: Path, **more: Any) -> tuple[Path, Path]:
    """The file in which a server describes itself, and its start file."""
    place.mkdir(parents=True, exist_ok=True)
    target, config = place / "target.json", place / "config.json"
    keys = make_key_directory(place / "keys")
    told = {"database_url": database_url, "keys": str(keys), "target": str(target)} | more
    config.write_text(json.dumps(told))
    return target, config


def serve(config: str) -> None:
    """Break what is to be broken, then serve until told to stop."""
    told = json.loads(Path(config).read_text())
    if "mutant" in told:
        MUTANTS[told["mutant"]].breaks()
    asyncio.run(_serve(told))


if __name__ == "__main__":
    serve(sys.argv[1])
