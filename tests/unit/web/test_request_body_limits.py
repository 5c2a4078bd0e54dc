"""Request body limits: size, idle timeout and minimum rate, before the handler runs."""

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from machtiging.web import body_limits
from machtiging.web.errors.handlers import install_error_handlers
from tests.unit.virtual_time import run_in_virtual_time


async def never_ending():
    yield b"a"
    await asyncio.Event().wait()


@pytest.fixture
def application() -> FastAPI:
    made = FastAPI(openapi_url=None)
    made.state.opened = []
    install_error_handlers(made)
    body_limits.install(
        made,
        default_max_bytes=100,
        max_bytes_by_path={"/groot": 1000, "/lang": 1000},
        timeout=0.05,
        min_bytes_per_second=10,
    )

    @made.post("/gewoon")
    @made.post("/groot")
    async def read_body(request: Request) -> dict[str, str]:
        made.state.opened.append(request.url.path)
        return {"body": (await request.body()).decode()}

    return made


def make_client(application: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://localhost:8000")


def test_row_61_slow_body_that_never_ends_returns_408(application):
    answer = run_in_virtual_time(make_client(application).post("/gewoon", content=never_ending()))
    assert (answer.status_code, answer.json()["code"]) == (408, "verzoek_te_traag")
    assert answer.headers["connection"] == "close"
    assert application.state.opened == []


async def test_chunked_body_is_received_unchanged(application):
    async def pieces():
        for piece in (b"een", b"", b" twee", b" drie"):
            yield piece

    assert (await make_client(application).post("/gewoon", content=pieces())).json() == {"body": "een twee drie"}
    assert (await make_client(application).post("/gewoon")).json() == {"body": ""}


async def test_client_disconnect_before_body_end_runs_no_handler(application):
    messages = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/gewoon", "raw_path": b"/gewoon", "query_string": b""}
    scope |= {"headers": [(b"content-length", b"9")], "server": ("localhost", 80), "scheme": "http", "root_path": ""}
    await application(scope, receive, send)
    assert application.state.opened == []
    assert sent[0]["status"] == 400


def ask(application, path: str, messages: list, pause: float = 0.0) -> list[dict]:
    """Send one request as ASGI messages with pauses, then silence. Returns the response messages."""
    sent = []

    async def receive():
        if not messages:
            await asyncio.Event().wait()
        await asyncio.sleep(pause)
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": [(b"transfer-encoding", b"chunked")], "server": ("localhost", 80), "scheme": "http"}
    run_in_virtual_time(asyncio.wait_for(application(scope | {"root_path": ""}, receive, send), 5))
    return sent


def make_body_event(body: bytes, *, more: bool = True) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


def test_large_body_is_streamed_within_idle_timeout(application):
    # Each chunk within the idle timeout, all chunks together over it.
    sent = ask(
        application,
        "/groot",
        [make_body_event(b"a") for _ in range(9)] + [make_body_event(b"z", more=False)],
        pause=0.02,
    )
    assert sent[0]["status"] == 200
    assert application.state.opened == ["/groot"]


@pytest.mark.parametrize("size", [1, 400])  # also after bytes that bought more time than the silence takes
def test_row_61_stalled_large_body_returns_408(application, size):
    sent = ask(application, "/groot", [make_body_event(b"a" * size)])
    assert sent[0]["status"] == 408
    assert dict(sent[0]["headers"])[b"connection"] == b"close"
    assert json.loads(sent[1]["body"])["code"] == "verzoek_te_traag"


def test_row_61_empty_chunks_do_not_extend_the_timeout(application):
    sent = ask(
        application,
        "/groot",
        [make_body_event(b"") for _ in range(20)] + [make_body_event(b"z", more=False)],
        pause=0.02,
    )
    assert sent[0]["status"] == 408


def hurried(application: FastAPI, slowest: int) -> FastAPI:
    """The same application with another minimum rate."""
    made = FastAPI(openapi_url=None, routes=application.routes)
    made.state.opened = application.state.opened
    install_error_handlers(made)
    body_limits.install(
        made, default_max_bytes=100, max_bytes_by_path={"/groot": 10_000}, timeout=0.2, min_bytes_per_second=slowest
    )
    return made


@pytest.mark.parametrize(("size", "status"), [(1, 408), (10, 408), (200, 200)])
def test_row_61_body_under_minimum_rate_returns_408(application, size, status):
    # Thirty pieces in 0.6 seconds: 50, 500 or 10 000 bytes a second, where 1500 is the least.
    pieces = [make_body_event(b"a" * size) for _ in range(29)] + [make_body_event(b"z", more=False)]
    sent = ask(hurried(application, 1500), "/groot", pieces, pause=0.02)
    assert sent[0]["status"] == status


def test_row_61_fast_start_then_slow_body_returns_408(application):
    pieces = [make_body_event(b"a" * 100)] + [make_body_event(b"a") for _ in range(60)]
    sent = ask(hurried(application, 1000), "/groot", pieces, pause=0.02)
    assert sent[0]["status"] == 408
    assert len(pieces) > 20


def test_handler_time_is_not_counted_as_sender_time(application):
    @application.post("/lang")
    async def dawdling(request: Request) -> dict[str, int]:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            await asyncio.sleep(0.03)  # together well over what the sender may take
        return {"size": size}

    sent = ask(application, "/lang", [make_body_event(b"a") for _ in range(5)] + [make_body_event(b"z", more=False)])
    assert sent[0]["status"] == 200


def test_large_body_in_chunks_over_limit_returns_413(application):
    sent = ask(application, "/groot", [make_body_event(b"x" * 400) for _ in range(3)])
    assert sent[0]["status"] == 413


def test_slow_response_after_complete_body_is_sent(application):
    @application.post("/lang")
    async def slow(request: Request) -> StreamingResponse:
        await request.body()

        async def pieces():
            for _ in range(5):
                await asyncio.sleep(0.02)  # together over the patience, while the server listens for a hang-up
                yield b"x"

        return StreamingResponse(pieces())

    sent = ask(application, "/lang", [make_body_event(b"z", more=False)])
    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent[1:]) == b"xxxxx"
