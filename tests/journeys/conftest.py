"""The service in a process of its own (`machtiging demo`), and a real Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.journeys.app_site import serve_redirect_uri

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Chromium refuses its sandbox to root; the rest keeps it from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass
class Installation:
    """One installation in a directory of its own: keys, data and ports."""

    place: Path
    process: subprocess.Popen[bytes] | None = None
    ports: list[int] = field(default_factory=lambda: free_ports(3))

    @property
    def url(self) -> str:
        return f"http://localhost:{self.ports[0]}"

    @property
    def broker(self) -> str:
        return f"http://localhost:{self.ports[1]}"

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MACHTIGING_")}
        return kept | {
            "MACHTIGING_ISSUER": self.url,
            "MACHTIGING_PORT": str(self.ports[0]),
            "MACHTIGING_BROKER_ISSUER": self.broker,
            "MACHTIGING_SIMULATOR_PORT": str(self.ports[1]),
            "MACHTIGING_SMTP_PORT": str(self.ports[2]),
            "MACHTIGING_DATA_DIR": str(self.place / "data"),
            "MACHTIGING_KEYS_DIR": str(self.place / "keys"),
            "MACHTIGING_POLICIES_DIR": str(ROOT / "policies"),
            "PYTHONWARNINGS": "ignore",
        }

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "machtiging", *words],
            cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=check, timeout=300,
        )  # fmt: skip

    def start(self) -> None:
        with (self.place / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "machtiging", "demo"], cwd=ROOT, env=self.environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.place / "log").read_text()
            try:
                if "Ctrl-C stops" in (self.place / "log").read_text() and self.ready():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError((self.place / "log").read_text())

    def ready(self) -> bool:
        return httpx.get(self.url + "/health/ready", timeout=60).status_code == 200

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=120)
        self.process = None
        return code


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Show, with a failed journey, what its page said and the last lines of its server's log."""
    report = yield
    if report.failed and report.when == "call":
        fixtures = item.funcargs
        if (page := fixtures.get("page")) is not None and not page.is_closed():
            report.sections.append(("the page", page.inner_text("body", timeout=2_000)))
        if (demo := fixtures.get("running_demo")) is not None and (demo.place / "log").exists():
            report.sections.append(("the log", "\n".join((demo.place / "log").read_text().splitlines()[-40:])))
    return report


@pytest.fixture
def stopped_installation() -> Iterator[Installation]:
    """An installation that is not started."""
    place = Path(tempfile.mkdtemp(prefix="machtiging-journey-"))
    made = Installation(place)
    yield made
    if made.process is not None:
        made.stop(signal.SIGTERM)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def running_demo() -> Iterator[Installation]:
    """A running demo after its story, shared by the tests of one file."""
    place = Path(tempfile.mkdtemp(prefix="machtiging-journey-"))
    made = Installation(place)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def chromium():
    """One Chromium for the tests of a file."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(chromium):
    """A fresh window without JavaScript, as the pages promise to work."""
    context = chromium.new_context(java_script_enabled=False, locale="nl-NL", viewport={"width": 1100, "height": 900})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def app_site() -> Iterator[str]:
    """The redirect URI of an app, which answers."""
    with serve_redirect_uri() as uri:
        yield uri
