"""Processes that the measurement starts, and only those. On loopback, on free ports, stopped by their own pid."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.bench.load import Plan, Result
from tests.bench.rounds import MeasurementFailed

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 30
_LOAD_SECONDS = 60


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class MeasuredServer:
    """One server process that answers on `port`."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def cpu_seconds(self) -> float:
        """Processor time it has used so far, in user and in kernel."""
        used = psutil.Process(self.process.pid).cpu_times()
        return float(used.user + used.system)

    def last_words(self) -> str:
        """The exit state of the process, and the end of its log."""
        return f"exit code {self.process.poll()}, log:\n{self.log.read_text(errors='replace')[-3000:]}"

    def resident_mib(self) -> float:
        """Memory it holds now."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20


@contextlib.contextmanager
def server(
    name: str, command: list[str], port: int, place: Path, *, environ: Mapping[str, str], cwd: Path = _ROOT
) -> Iterator[MeasuredServer]:
    """Start a server, wait until it answers, and stop it afterwards."""
    log = place / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, env=os.environ | environ, stdout=output, stderr=output)
    try:
        _wait_until_it_listens(process, port, log)
        yield MeasuredServer(name, port, process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise MeasurementFailed(f"{log.name}: the server does not answer:\n{log.read_text(errors='replace')[-3000:]}")


@dataclass(frozen=True)
class Round:
    """One round of load on one server."""

    per_second: float
    cpu_ms: float
    median_ms: float
    p99_ms: float
    client_cpu_ms: float


async def load(target: MeasuredServer, plan: Plan, place: Path) -> Round:
    """Send the plan from a process of its own. Stops everything when an answer is not the expected one."""
    file = place / "plan.json"
    plan.save(file)
    cpu = target.cpu_seconds()
    try:
        result = await asyncio.wait_for(_run_load(file), _LOAD_SECONDS)
    except (TimeoutError, MeasurementFailed) as error:
        raise MeasurementFailed(f"{target.name}: {error!r}; {target.last_words()}") from error
    if result.wrong:
        raise MeasurementFailed(
            f"{target.name} answered {result.wrong}, not {plan.expect}; first:\n{result.first_wrong}"
        )
    return Round(
        per_second=result.answered / result.seconds,
        cpu_ms=(target.cpu_seconds() - cpu) / result.answered * 1e3,
        median_ms=result.median_ms,
        p99_ms=result.p99_ms,
        client_cpu_ms=result.client_cpu_seconds / result.answered * 1e3,
    )


async def _run_load(file: Path) -> Result:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", str(file), cwd=_ROOT, stdout=subprocess.PIPE
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise MeasurementFailed("the load generator stopped; what it said stands above")
    return Result(**json.loads(output))
