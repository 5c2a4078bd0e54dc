"""The load generator, a process of its own. Sends prepared requests over a few kept connections, one after another.

`python -m tests.bench.load PLAN`: the plan is a JSON file, the result is one line of JSON on standard output. The
requests are bytes already, and of an answer only its status and length are read, so that it costs the machine little.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Plan:
    """The requests to send. Request number n is `requests[n % len(requests)]`; `expect` is the only good status."""

    port: int
    connections: int
    total: int
    expect: int
    requests: list[str]

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)), encoding="ascii")


@dataclass
class Result:
    """The result of one run. `wrong` counts the answers with another status than expected, by status."""

    seconds: float = 0.0
    answered: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    first_wrong: str = ""
    median_ms: float = 0.0
    p99_ms: float = 0.0
    client_cpu_seconds: float = 0.0


class _Connection(asyncio.Protocol):
    """One kept connection: the next request leaves when the answer to the last is complete."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no isinstance: the transports of uvloop are of no class of asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send()

    def _send(self) -> None:
        request = self._run.next_request()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        if length is None:
            self._run.fail("an answer without Content-Length")
        elif len(self._received) >= end + len(_HEAD_END) + int(length[1]):
            self._run.answered(self._received, time.perf_counter() - self._sent_at)
            self._received = b""
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.closed(error)


class _Run:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = [request.encode("latin-1") for request in plan.requests]
        self._sent = 0
        self._open = plan.connections
        self._expected = str(plan.expect).encode()
        self._durations: list[float] = []
        self._result = Result()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next_request(self) -> bytes | None:
        if self._sent >= self._plan.total:
            return None
        self._sent += 1
        return self._requests[(self._sent - 1) % len(self._requests)]

    def answered(self, answer: bytes, seconds: float) -> None:
        self._durations.append(seconds)
        status = answer[9:12]  # after "HTTP/1.1 "
        if status != self._expected:
            name = status.decode("latin-1")
            self._result.wrong[name] = self._result.wrong.get(name, 0) + 1
            self._result.first_wrong = self._result.first_wrong or answer[:1000].decode("latin-1")

    def fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(why))

    def closed(self, error: Exception | None) -> None:
        self._open -= 1
        if error is not None:
            self.fail(repr(error))
        elif self._open == 0 and not self._done.done():
            self._done.set_result(None)

    async def __call__(self) -> Result:
        loop = asyncio.get_running_loop()
        begin = time.perf_counter()
        for _ in range(self._plan.connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._plan.port)
        await self._done
        result = self._result
        result.seconds = time.perf_counter() - begin
        durations = sorted(self._durations)
        result.answered = len(durations)
        if result.answered < self._plan.total:
            raise RuntimeError(f"the server closed connections: {result.answered} answers of {self._plan.total}")
        result.median_ms = durations[len(durations) // 2] * 1e3
        result.p99_ms = durations[int(len(durations) * 0.99)] * 1e3
        used = resource.getrusage(resource.RUSAGE_SELF)
        result.client_cpu_seconds = used.ru_utime + used.ru_stime
        return result


async def _main(plan: Plan) -> Result:
    return await _Run(plan)()


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_main(Plan(**json.loads(Path(sys.argv[1]).read_bytes())))))))
