"""Raw sockets: ambiguous (smuggled), endless or cut-off requests.

Quickly at what reads the bytes, and once more at a server on a port.
"""

import asyncio
import json

import pytest

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.berichtenbox.rules import PART_BYTES
from machtiging.web.http_protocol import MAX_HEAD_BYTES, BoundedHttpProtocol
from tests.builders.letters import make_bericht, make_pdf
from tests.builders.rows import READERS
from tests.builders.server import serve_application, serve_socket_pairs

SECOND = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSING_REQUEST = SECOND.replace(b"Host:", b"Connection: close\r\nHost:")
DELIVERY_HEAD = b"POST /api/v1/aanleveringen HTTP/1.1\r\nHost: localhost\r\n"
TWO_WAYS = {
    "CL.TE": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE.CL": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "TE that is no TE": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "TE in a list": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "TE folded": b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 50\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a chunk of no length": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n0\r\n\r\n",
    "a bare LF in a chunk": b"Transfer-Encoding: chunked\r\n\r\n0;\nx\r\n\r\n",
    "a bare CR in a header": b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header": b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
}


@pytest.fixture(params=["at the reader", pytest.param("on a port", marks=pytest.mark.whole)])
async def server(world, request):
    if request.param == "at the reader":
        yield serve_socket_pairs(world.app)
    else:
        async with serve_application(world.app) as made:
            yield made


async def test_row_59_request_smuggling_is_rejected_and_connection_closed(server):
    for name, rest in TWO_WAYS.items():
        answer = await server.say(DELIVERY_HEAD + rest + SECOND)
        assert answer.startswith(b"HTTP/1.1 400 "), name
        assert answer.count(b"HTTP/1.1 ") == 1, name
        assert b"connection: close" in answer, name
        assert b"openapi" not in answer, name


async def test_row_59_pipelined_requests_get_two_answers(server):
    health = b"GET /api/v1/berichten HTTP/1.1\r\nHost: localhost\r\n\r\n"
    closing = b"GET /api/v1/berichten HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await server.say(health + closing)
    assert answer.count(b"HTTP/1.1 401 ") == 2


async def test_connection_idle_for_longer_than_clients_keep_one_is_answered(server):
    reader, writer = await server.connect()
    for pause in (0, 6):  # many HTTP clients keep an idle connection for five seconds
        await asyncio.sleep(pause)
        writer.write(b"GET /api/v1/berichten HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        await reader.read(65_536)
    writer.close()


async def test_row_60_absolute_request_target_does_not_change_the_api_address(server):
    answer = await server.say(
        b"GET http://kwaad.example/api/v1/openapi.json HTTP/1.1\r\nHost: kwaad.example\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"kwaad" not in answer


async def test_row_61_endless_headers_are_cut_off(server):
    sent = 0

    def endless():
        nonlocal sent
        yield b"GET /api/v1/berichten HTTP/1.1\r\nHost: localhost\r\nX: "
        while sent < 64 * MAX_HEAD_BYTES:
            sent += 4096
            yield b"a" * 4096

    reader, writer = await server.connect()
    try:
        with pytest.raises(ConnectionError):
            for piece in endless():
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            await asyncio.wait_for(reader.readexactly(1 << 20), 10)
    finally:
        writer.transport.abort()
    assert sent < 64 * MAX_HEAD_BYTES
    assert (await server.say(CLOSING_REQUEST)).startswith(b"HTTP/1.1 200 ")


async def test_row_30_large_headers_within_limit_are_accepted(server):
    large = b"X: " + b"a" * 16_000 + b"\r\n"
    answer = await server.say(
        b"GET /api/v1/berichten HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + large + b"\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 401 ")


class Impatient(BoundedHttpProtocol):
    head_timeout = 0.1


async def test_row_61_slowloris_with_unfinished_headers_is_disconnected(world):
    impatient = serve_socket_pairs(world.app, http=Impatient)

    async def is_put_out(half):
        answer = await impatient.say(half, patience=60)
        assert answer.count(b"HTTP/1.1 200 ") == half.count(b"\r\n\r\n")
        assert answer.count(b"HTTP/1.1 ") == half.count(b"\r\n\r\n")

    async with asyncio.timeout(50):
        await asyncio.gather(*(is_put_out(half) for half in (b"", SECOND[:-2], SECOND + SECOND[:-2])))


async def test_row_61_slowloris_by_many_leaves_others_served(world, server):
    bericht_id, token = await world.deliver_letter(), await world.issue_token(world.citizen)
    slow_head = b"GET /api/v1/berichten HTTP/1.1\r\nHost: localhost\r\nX: "
    slow_body = b"POST /uitloggen HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"
    dawdlers = [await server.connect() for _ in range(100)]
    try:
        for number, (_, writer) in enumerate(dawdlers):
            writer.write(slow_head if number % 2 else slow_body)
            await writer.drain()
        reading = f"GET {API_PREFIX}/berichten/{bericht_id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for _ in range(5):
            answer = await server.say(f"{reading}Authorization: Bearer {token}\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 200 ")
    finally:
        for _, writer in dawdlers:
            writer.transport.abort()


def build_letter_body(*, bijlage: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="bericht"\r\n\r\n'
    head += json.dumps(make_bericht(kenmerk="een-brief")).encode()
    part = b'\r\n--x\r\nContent-Disposition: form-data; name="bijlage"; filename="brief.pdf"\r\n\r\n'
    return head + part + bijlage + b"\r\n--x--\r\n"


async def test_delivery_cut_halfway_is_not_stored_and_retry_is_accepted(world, server):
    token = await world.issue_token(oin="00000099000000001000")
    body = build_letter_body(bijlage=make_pdf(PART_BYTES + 1))
    head = DELIVERY_HEAD + b"Content-Type: multipart/form-data; boundary=x\r\nAuthorization: Bearer " + token.encode()
    counted = head + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    chunked = head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + f"{len(body):x}\r\n".encode()
    for start in (counted, chunked):
        for part in (300, len(body) // 2, len(body) - 1):
            assert await server.say(start, body[:part], cut=True) == b""
    await server.at_rest()
    for table in ("bericht", "bijlage", "bijlage_part", "journal_intake"):
        assert await READERS[table].count(world) == 0
    closing = counted.replace(b"Host:", b"Connection: close\r\nHost:")
    assert (await server.say(closing, body)).startswith(b"HTTP/1.1 201 ")
    assert await world.reasons("aanlevering:ontvangen") == ["ontvangen"]
