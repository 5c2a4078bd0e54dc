"""`machtiging serve` as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil

from tests.builders.applications import POLICIES


def folder_in_memory(prefix: str) -> Path:
    """A new folder, in memory where there is one."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def find_free_port() -> int:
    """A port that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def wait_until(what: Callable[[], Awaitable[bool]], patience: float = 90) -> None:
    """Wait until this is so; it is asked again and again."""
    async with asyncio.timeout(patience):
        for _ in iter(int, 1):
            if await what():
                return
            await asyncio.sleep(0.1)


class ServeProcess:
    """One installation that is served, with its port, its keys and what it said."""

    process: subprocess.Popen[bytes]

    def __init__(self, place: Path, *program: str, **changes: str) -> None:
        """Prepare `program serve`, by default with the Python of the tests; `changes` are settings."""
        self.place, self.port = place, find_free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MACHTIGING_")}
        self.environment = kept | {
            "MACHTIGING_PORT": str(self.port),
            "MACHTIGING_ISSUER": f"http://localhost:{self.port}",
            "MACHTIGING_KEYS_DIR": str(place / "keys"),
            "MACHTIGING_POLICIES_DIR": str(POLICIES),
            "MACHTIGING_DATABASE_POOL_SIZE": "2",
            "MACHTIGING_SMTP_PORT": "1",
            **changes,
        }
        self.program = program or (sys.executable, "-m", "machtiging")
        self.log = (place / f"log-{self.port}").open("wb")
        self.runs: list[subprocess.Popen[bytes]] = []

    def run(self, *words: str, command: str = "serve") -> subprocess.Popen[bytes]:
        """Start this command with these words, beside what runs."""
        arguments = [*self.program, command, *words]
        self.runs.append(subprocess.Popen(arguments, env=self.environment, stdout=self.log, stderr=self.log))
        return self.runs[-1]

    def start(self, *words: str) -> None:
        """Start the one that is asked and ended by the rest of this."""
        self.process = self.run(*words)

    def read_output(self) -> str:
        """Everything that was said so far."""
        return Path(self.log.name).read_text(encoding="utf-8")

    async def is_ready(self) -> bool:
        """Tell if `/health/ready` answers 200."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=5)
            except httpx.HTTPError:
                return False
        return answer.status_code == 200

    def workers(self) -> list[psutil.Process]:
        """Its worker processes. Not the resource tracker of `multiprocessing`, which is a child too."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if any("spawn_main" in word for word in child.cmdline())]

    def kill(self) -> None:
        """End everything that it started. A child may end by itself meanwhile, as its parent is gone."""
        self.log.close()
        for process in self.runs:
            left = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.kill()
            process.wait()
            for child in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
