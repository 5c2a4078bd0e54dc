"""A body is there as a whole before anything is done for it, or the request is refused."""

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from machtiging.web import body_limits, problems
from tests.builders.virtual_time import run_in_virtual_time


async def never_ending():
    yield b"a"
    await asyncio.Event().wait()


@pytest.fixture
def app() -> FastAPI:
    made = FastAPI(openapi_url=None)
    made.state.opened = []
    problems.install(made)
    body_limits.install(
        made,
        default_max_bytes=100,
        max_bytes_by_path={"/groot": 1000, "/lang": 1000},
        timeout=0.05,
        min_bytes_per_second=10,
    )

    @made.post("/gewoon")
    @made.post("/groot")
    async def taken(request: Request) -> dict[str, str]:
        made.state.opened.append(request.url.path)
        return {"body": (await request.body()).decode()}

    return made


def a_client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


def test_row_61_a_body_that_never_ends_is_408_and_nothing_was_begun(app):
    answer = run_in_virtual_time(a_client(app).post("/gewoon", content=never_ending()))
    assert (answer.status_code, answer.json()["code"]) == (408, "verzoek_te_traag")
    assert answer.headers["connection"] == "close"
    assert app.state.opened == []


async def test_a_body_arrives_unchanged_in_whatever_pieces_it_came(app):
    async def pieces():
        for piece in (b"een", b"", b" twee", b" drie"):
            yield piece

    assert (await a_client(app).post("/gewoon", content=pieces())).json() == {"body": "een twee drie"}
    assert (await a_client(app).post("/gewoon")).json() == {"body": ""}


async def test_who_goes_away_before_the_end_has_asked_nothing(app):
    messages = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/gewoon", "raw_path": b"/gewoon", "query_string": b""}
    scope |= {"headers": [(b"content-length", b"9")], "server": ("localhost", 80), "scheme": "http", "root_path": ""}
    await app(scope, receive, send)
    assert app.state.opened == []
    assert sent[0]["status"] == 400


def ask(app, path: str, messages: list, pause: float = 0.0) -> list[dict]:
    """One request as a server hands it over: each message after a pause, and then silence. Gives what was answered."""
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
    run_in_virtual_time(asyncio.wait_for(app(scope | {"root_path": ""}, receive, send), 5))
    return sent


def a_piece(body: bytes, *, more: bool = True) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


def test_where_a_large_body_may_come_it_is_read_while_it_comes(app):
    # Each piece well within the patience, all of them together well over it.
    sent = ask(app, "/groot", [a_piece(b"a") for _ in range(9)] + [a_piece(b"z", more=False)], pause=0.02)
    assert sent[0]["status"] == 200
    assert app.state.opened == ["/groot"]


@pytest.mark.parametrize("size", [1, 400])  # also when what came before was worth more than the silence
def test_row_61_a_large_body_that_falls_silent_is_408(app, size):
    sent = ask(app, "/groot", [a_piece(b"a" * size)])
    assert sent[0]["status"] == 408
    assert dict(sent[0]["headers"])[b"connection"] == b"close"
    assert json.loads(sent[1]["body"])["code"] == "verzoek_te_traag"


def test_row_61_pieces_without_a_byte_buy_no_time(app):
    sent = ask(app, "/groot", [a_piece(b"") for _ in range(20)] + [a_piece(b"z", more=False)], pause=0.02)
    assert sent[0]["status"] == 408


def hurried(app: FastAPI, slowest: int) -> FastAPI:
    """The same application, with another idea of what is too slow."""
    made = FastAPI(openapi_url=None, routes=app.routes)
    made.state.opened = app.state.opened
    problems.install(made)
    body_limits.install(
        made, default_max_bytes=100, max_bytes_by_path={"/groot": 10_000}, timeout=0.2, min_bytes_per_second=slowest
    )
    return made


@pytest.mark.parametrize(("size", "status"), [(1, 408), (10, 408), (200, 200)])
def test_row_61_a_body_that_never_falls_silent_but_comes_too_slowly_is_408(app, size, status):
    # Thirty pieces in 0.6 seconds: 50, 500 or 10 000 bytes a second, where 1500 is the least.
    pieces = [a_piece(b"a" * size) for _ in range(29)] + [a_piece(b"z", more=False)]
    sent = ask(hurried(app, 1500), "/groot", pieces, pause=0.02)
    assert sent[0]["status"] == status


def test_row_61_what_came_fast_at_first_buys_time_for_its_own_bytes_and_no_more(app):
    pieces = [a_piece(b"a" * 100)] + [a_piece(b"a") for _ in range(60)]
    sent = ask(hurried(app, 1000), "/groot", pieces, pause=0.02)
    assert sent[0]["status"] == 408
    assert len(pieces) > 20


def test_the_time_that_we_take_ourselves_is_not_the_senders(app):
    @app.post("/lang")
    async def dawdling(request: Request) -> dict[str, int]:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            await asyncio.sleep(0.03)  # together well over what the sender may take
        return {"size": size}

    sent = ask(app, "/lang", [a_piece(b"a") for _ in range(5)] + [a_piece(b"z", more=False)])
    assert sent[0]["status"] == 200


def test_a_large_body_in_small_pieces_is_still_counted(app):
    sent = ask(app, "/groot", [a_piece(b"x" * 400) for _ in range(3)])
    assert sent[0]["status"] == 413


def test_once_a_large_body_is_there_the_answer_may_take_its_time(app):
    @app.post("/lang")
    async def slow(request: Request) -> StreamingResponse:
        await request.body()

        async def pieces():
            for _ in range(5):
                await asyncio.sleep(0.02)  # together over the patience, while the server listens for a hang-up
                yield b"x"

        return StreamingResponse(pieces())

    sent = ask(app, "/lang", [a_piece(b"z", more=False)])
    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent[1:]) == b"xxxxx"
