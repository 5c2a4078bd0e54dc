"""The log of `machtiging serve`: every line is one JSON object of one shape."""

import asyncio
import json
import signal
import sys
from datetime import datetime

import httpx
import pytest

from tests.builders.keys import make_key_directory
from tests.protocol.real_server.serve_process import ServeProcess, wait_until

pytestmark = pytest.mark.whole

# `machtiging serve` with a route that fails, and faults of libraries, of a thread, of the event loop, of a destructor.
FAULTY_PROGRAM = """
import asyncio, logging, sys, threading, warnings
from machtiging import app as assembly
from machtiging.__main__ import main

create_app = assembly.create_app

def fail(*_):
    raise ValueError("citizen 999990019\\nforged line")

class Failing:
    def __del__(self):
        fail()

def create_faulty_app(settings):
    app = create_app(settings)

    @app.get("/faults")
    async def fail_everywhere():
        warnings.warn("a warning of a library\\nforged line", RuntimeWarning, stacklevel=1)
        logging.getLogger("library").warning("a record of %s\\nforged line", "a library")
        logging.getLogger("library").warning("a record without its arguments: %s %s", "one")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        asyncio.get_running_loop().call_soon(fail)
        Failing()
        fail()

    return app

assembly.create_app = create_faulty_app
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""
LEVELS = {"debug", "info", "warning", "error", "critical"}


def read_lines(text):
    """Every line as an object. Raises when one is not, or lacks what all of them have."""
    objects = [json.loads(line) for line in text.splitlines()]
    for one in objects:
        assert isinstance(one, dict)
        assert isinstance(one["event"], str)
        assert one["level"] in LEVELS
        assert datetime.fromisoformat(one["timestamp"]).utcoffset().total_seconds() == 0
    return objects


@pytest.fixture
def start_server(database, tmp_path):
    make_key_directory(tmp_path / "keys")
    started = []

    def begin(*words, program=(), **changes):
        served = ServeProcess(tmp_path, *program, MACHTIGING_DATABASE_URL=database.url, **changes)
        started.append(served)
        served.start(*words)
        return served

    yield begin
    for one in started:
        one.kill()


async def test_every_line_of_serve_is_one_json_object_of_one_shape(start_server, tmp_path):
    program = tmp_path / "faulty.py"
    program.write_text(FAULTY_PROGRAM)
    served = start_server(program=(sys.executable, str(program)), PYTHONWARNINGS="default")
    await wait_until(served.is_ready)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", trust_env=False) as client:
        answer = await client.get("/faults")
    assert answer.status_code == 500
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(served.process.wait, 60) == 0
    lines = read_lines(served.read_output())
    events = {one["event"] for one in lines}
    start = next(one for one in lines if one["event"] == "serving")
    assert (start["port"], start["workers"]) == (served.port, 1)
    request = next(one for one in lines if one["event"] == "request" and one["status"] == 500)
    assert {"method", "route", "status", "ms", "request_id"} <= request.keys()
    assert any("RuntimeWarning: a warning of a library\nforged line" in event for event in events)
    assert "a record of a library\nforged line" in events
    assert [one["logger"] for one in lines if one["event"] == "log_record_unreadable"] == ["library"]
    uncaught = [one for one in lines if one["event"] == "uncaught_error"]
    assert len(uncaught) == 2  # of the thread and of the destructor
    in_the_loop = [one for one in lines if "exception" in one and one["event"].startswith("Exception in callback")]
    (in_the_route,) = [one for one in lines if one["event"] == "unexpected"]
    assert in_the_route["request_id"] == request["request_id"]
    assert all("ValueError" in one["exception"] for one in (*uncaught, *in_the_loop, in_the_route))
    assert in_the_loop
    assert "Shutting down" in events
    assert "999990019" not in served.read_output()


async def test_lines_of_serve_with_workers_are_json_objects(start_server):
    served = start_server("--workers", "2")
    await wait_until(served.is_ready)
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(served.process.wait, 60) == 0
    lines = read_lines(served.read_output())
    assert {"serving", "request", "Shutting down"} <= {one["event"] for one in lines}


async def test_serve_that_cannot_start_logs_the_reason_as_json(start_server, tmp_path):
    served = start_server(MACHTIGING_KEYS_DIR=str(tmp_path / "none"))
    assert await asyncio.to_thread(served.process.wait, 60) == 3
    (line,) = read_lines(served.read_output())
    assert (line["event"], line["level"], line["code"]) == ("service_failed", "error", "sleutelbos_ontbreekt")
    assert "machtiging keys generate" in line["detail"]
