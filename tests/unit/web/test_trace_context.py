"""W3C Trace Context: valid headers are continued, all others start a new trace."""

import re

import httpx
import pytest
from fastapi import FastAPI

from machtiging.web import correlation_ids, headers
from machtiging.web.correlation_ids import TraceContext, build_traceparent, parse_traceparent
from tests.builders.server import SITE_NAME, make_json_response, make_outbound_client, serve_site

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE_ID}-{PARENT_ID}-01"
A_BSN = "999990019"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (VALID, True),
        (f"00-{TRACE_ID}-{PARENT_ID}-00", False),
        (f"00-{TRACE_ID}-{PARENT_ID}-03", True),
        (f"00-{TRACE_ID}-{PARENT_ID}-fe", False),
        (f"cc-{TRACE_ID}-{PARENT_ID}-01-what-the-future-will-be-like", True),
        (f"01-{TRACE_ID}-{PARENT_ID}-01", True),
        (f"01-{TRACE_ID}-{PARENT_ID}-01-", True),
    ],
)
def test_valid_traceparent_is_continued(header, sampled):
    assert parse_traceparent(header) == TraceContext(TRACE_ID, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        VALID.upper(),
        VALID + "-",
        VALID + "-more",
        VALID + " ",
        VALID + "\n",
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[:-1]}-{PARENT_ID}-01",
        f"00-{TRACE_ID}0-{PARENT_ID}-01",
        f"00-{TRACE_ID[:-1]}g-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{PARENT_ID}",
        f"00_{TRACE_ID}-{PARENT_ID}-01",
        f"01-{TRACE_ID}-{PARENT_ID}-01.more",
        f"00-{TRACE_ID}-{PARENT_ID}-1",
        f"00-{'٤' * 32}-{PARENT_ID}-01",
    ],
)
def test_invalid_traceparent_is_ignored(header):
    assert parse_traceparent(header) is None


@pytest.mark.parametrize(
    "trace_id", [A_BSN.zfill(32), "1" * 32, f"abcdefabcdefabcdefabcde{A_BSN}", f"ab00000{A_BSN}cdefabcdefabcdef"]
)
def test_trace_id_that_could_hold_a_bsn_is_ignored(trace_id):
    assert len(trace_id) == 32
    assert parse_traceparent(f"00-{trace_id}-{PARENT_ID}-01") is None


def make_client():
    app = FastAPI(openapi_url=None)
    headers.install(app)

    @app.get("/spoor")
    async def spoor() -> list[str]:
        return [correlation_ids.get_or_create_trace_id(), build_traceparent()]

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


async def test_request_with_traceparent_continues_the_trace_with_another_parent():
    found, passed_on = (await make_client().get("/spoor", headers={"traceparent": VALID})).json()
    assert found == TRACE_ID
    assert re.fullmatch(f"00-{TRACE_ID}-[0-9a-f]{{16}}-01", passed_on)
    assert PARENT_ID not in passed_on


@pytest.mark.parametrize("offered", [[], [("traceparent", "x")], [("traceparent", VALID), ("traceparent", VALID)]])
async def test_request_without_one_valid_traceparent_starts_a_new_trace(offered):
    first, second = [(await make_client().get("/spoor", headers=offered)).json()[0] for _ in range(2)]
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert TRACE_ID not in (first, second)
    assert first != second


async def test_outbound_request_carries_the_trace_and_no_tracestate():
    async with serve_site(answer=make_json_response({})) as site:
        correlation_ids.begin_trace([(b"traceparent", VALID.encode()), (b"tracestate", b"rojo=00f067aa0ba902b7")])
        await make_outbound_client().get(f"https://{SITE_NAME}:{site.port}/jwks")
    (head,) = site.asked
    assert re.search(f"^traceparent: 00-{TRACE_ID}-[0-9a-f]{{16}}-01\r$", head, re.M)
    assert "tracestate" not in head.lower()
