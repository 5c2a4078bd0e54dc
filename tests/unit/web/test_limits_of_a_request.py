"""A body is there as a whole before anything is done for it, or the request is refused."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request

from machtiging.web import limits, problems


async def never_ending():
    yield b"a"
    await asyncio.Event().wait()


@pytest.fixture
def app() -> FastAPI:
    made = FastAPI(openapi_url=None)
    made.state.opened = []
    problems.install(made)
    limits.install(made, default=100, larger={"/groot": 1000}, patience=0.05)

    @made.post("/gewoon")
    @made.post("/groot")
    async def taken(request: Request) -> dict[str, str]:
        made.state.opened.append(request.url.path)
        return {"body": (await request.body()).decode()}

    return made


def a_client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


async def test_row_61_a_body_that_never_ends_is_408_and_nothing_was_begun(app):
    answer = await a_client(app).post("/gewoon", content=never_ending())
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


async def test_where_a_large_body_may_come_it_is_read_while_it_comes(app):
    body = (piece async for piece in never_ending())
    asking = asyncio.create_task(a_client(app).post("/groot", content=body))
    await asyncio.sleep(0.2)  # well over the patience
    assert app.state.opened == ["/groot"]
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await body.aclose()
