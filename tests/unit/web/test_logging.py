"""Log lines: their fields, and the redaction of secrets."""

import io
import json
import logging as standard
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import structlog
from fastapi import FastAPI

from machtiging.access.policy_engine import Policy
from machtiging.delegation.machtigingscode import format_code, generate_code
from machtiging.web import headers, structured_logging
from machtiging.web.errors.handlers import install_error_handlers
from tests.builders.command_line import preserve_logging

POLICIES = Path(__file__).resolve().parents[3] / "policies"
CASBIN = ("casbin", "casbin.policy", "casbin.enforcer", "casbin.role")
JWT = "eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    with preserve_logging():
        taken = io.StringIO()
        structured_logging.configure_logging(stream=taken)
        yield taken


def read_log_lines(log_stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in log_stream.getvalue().splitlines()]


def make_client() -> httpx.AsyncClient:
    app = FastAPI(openapi_url=None)
    install_error_handlers(app)
    headers.install(app)

    @app.get("/api/v1/berichten/{bericht_id}")
    async def bericht(bericht_id: str) -> None:
        if bericht_id == "stuk":
            raise ValueError(f"citizen 999990019 with {JWT}")

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


async def test_request_log_has_route_and_no_path_or_query(log_stream):
    answer = await make_client().get("/api/v1/berichten/999990019?code=geheim", headers={"X-Request-ID": "abcdefgh"})
    (line,) = read_log_lines(log_stream)
    assert answer.status_code == line["status"] == 200
    assert line["event"] == "request"
    assert line["route"] == "/api/v1/berichten/{bericht_id}"
    assert line["method"] == "GET"
    assert answer.headers["x-request-id"] == "abcdefgh"
    assert UUID(line["request_id"]).version == 7
    assert line["ms"] >= 0
    assert "999990019" not in log_stream.getvalue()
    assert "geheim" not in log_stream.getvalue()


async def test_row_67_unexpected_exception_log_has_id_and_no_secret(log_stream):
    answer = await make_client().get("/api/v1/berichten/stuk")
    found = [line for line in read_log_lines(log_stream) if line["event"] == "unexpected"]
    assert found[0]["request_id"] == answer.json()["verzoekId"]
    assert "ValueError" in found[0]["exception"]
    assert "999990019" not in log_stream.getvalue()
    assert JWT not in log_stream.getvalue()


@pytest.mark.parametrize(
    "secret",
    ["999990019", JWT, "x" * 43, format_code(generate_code())],
    ids=["bsn", "jwt", "random word", "machtigingscode"],
)
def test_row_67_secret_in_log_is_redacted(log_stream, secret):
    structlog.get_logger("t").warning("iets", detail=f"zie {secret}.", deeper={"a": [secret]})
    standard.getLogger("library").warning("iets met %s", secret)
    assert secret not in log_stream.getvalue()
    assert len(read_log_lines(log_stream)) == 2


def test_row_5_log_injection_by_line_break_is_escaped(log_stream):
    structlog.get_logger("t").info("iets", detail='a\r\n{"event": "forged"}\u2028x')
    standard.getLogger("library").warning("b\r\nforged")
    assert len(log_stream.getvalue().splitlines()) == 2 or len(read_log_lines(log_stream)) == 2
    assert all(line["event"] != "forged" for line in read_log_lines(log_stream))


def test_library_record_without_its_arguments_is_one_line_with_its_logger(log_stream):
    ours = next(one for one in standard.getLogger().handlers if isinstance(one, structured_logging._LibraryLogHandler))
    # given to our handler only: the one of pytest would raise
    ours.handle(standard.LogRecord("library", standard.WARNING, __file__, 1, "%s and %s", ("one",), None))
    (line,) = read_log_lines(log_stream)
    assert (line["event"], line["logger"], line["level"]) == ("log_record_unreadable", "library", "error")


def test_uncaught_error_of_a_thread_is_one_line_without_secret(log_stream):
    def fail():
        raise ValueError(f"citizen 999990019 with {JWT}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    (line,) = read_log_lines(log_stream)
    assert (line["event"], line["level"]) == ("uncaught_error", "critical")
    assert "ValueError" in line["exception"]
    assert "999990019" not in log_stream.getvalue()
    assert JWT not in log_stream.getvalue()


def test_request_line_passes_the_redaction_of_every_line(log_stream):
    structured_logging.log_request(method="GET", route="/999990019", status=200)
    (line,) = read_log_lines(log_stream)
    assert line["route"] == "/[weggelaten]"


async def test_request_on_closed_log_stream_is_answered(log_stream):
    log_stream.close()
    assert (await make_client().get("/api/v1/berichten/1")).status_code == 200


def test_ids_and_times_in_log_are_not_redacted(log_stream):
    the_id = "019ab0c4-7a5e-7c3e-9f1a-123456789012"
    structlog.get_logger("t").info("iets", object_id=the_id, at="2026-11-23T12:00:00+00:00")
    assert read_log_lines(log_stream)[0]["object_id"] == the_id


def test_policy_loading_logs_nothing(log_stream):
    for name in CASBIN:  # an earlier enforcer has disabled them
        standard.getLogger(name).disabled = False
    Policy.load(POLICIES)
    assert read_log_lines(log_stream) == []
    assert {standard.getLogger(name).getEffectiveLevel() for name in CASBIN} == {standard.WARNING}
