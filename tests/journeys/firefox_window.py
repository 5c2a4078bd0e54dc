"""A window of Firefox, driven over Marionette, the WebDriver server inside Firefox."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
LONGEST_WAIT = 60.0
# The keys of WebDriver (https://www.w3.org/TR/webdriver/#keyboard-actions).
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": " ", "ArrowDown": "\ue015"}
PREFERENCES = {
    "intl.accept_languages": "nl",
    "browser.download.folderList": 2,
    "browser.download.always_ask_before_handling_new_types": False,
    "browser.download.alwaysOpenPanel": False,
    "pdfjs.disabled": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    # A window without a screen has the focus too.
    "focusmanager.testmode": True,
}


class MarionetteError(Exception):
    """Firefox refused a command."""


@dataclass
class Marionette:
    """A connection with Firefox. A message is its length, a colon and JSON."""

    connection: socket.socket
    received: bytes = b""
    count: int = 0

    def read(self) -> Any:
        """Read one message."""
        while b":" not in self.received:
            self._receive()
        length, _, self.received = self.received.partition(b":")
        while len(self.received) < int(length):
            self._receive()
        message, self.received = self.received[: int(length)], self.received[int(length) :]
        return json.loads(message)

    def command(self, name: str, **parameters: Any) -> Any:
        """Send a command; returns its value. Raises MarionetteError."""
        self.count += 1
        message = json.dumps([0, self.count, f"WebDriver:{name}", parameters]).encode()
        self.connection.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, result = self.read()
        if error is not None:
            raise MarionetteError(f"{error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and "value" in result else result

    def _receive(self) -> None:
        part = self.connection.recv(65536)
        if not part:
            raise MarionetteError("Firefox has closed the connection")
        self.received += part


@dataclass
class FirefoxWindow:
    """The window of a Firefox with a profile of its own."""

    firefox: Marionette
    downloads: Path

    def open(self, url: str) -> None:
        self.firefox.command("Navigate", url=url)

    def evaluate(self, script: str, argument: Any = None) -> Any:
        body = f"const value = ({script}); return typeof value === 'function' ? value(arguments[0]) : value;"
        return self.firefox.command("ExecuteScript", script=body, args=[argument], sandbox="checks", newSandbox=True)

    def click(self, x: float, y: float) -> None:
        move = {"type": "pointerMove", "x": round(x), "y": round(y), "origin": "viewport"}
        presses = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self.firefox.command("PerformActions", actions=[mouse | {"actions": [move, *presses]}])

    def key(self, name: str) -> None:
        self._type(KEYS[name])

    def write(self, text: str) -> None:
        self._type(text)

    def navigate(self, act: Callable[[], None]) -> None:
        self.evaluate("document.documentElement.dataset.left = 'yes'")
        act()
        self._wait("document.readyState === 'complete' && !document.documentElement.dataset.left")

    def download(self, act: Callable[[], None]) -> bytes:
        earlier = set(self.downloads.iterdir())
        act()
        deadline = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < deadline:
            saved = [one for one in set(self.downloads.iterdir()) - earlier if one.suffix != ".part"]
            if saved and saved[0].stat().st_size:
                return saved[0].read_bytes()
            time.sleep(0.1)
        raise AssertionError("nothing was saved")

    def _type(self, text: str) -> None:
        presses = [{"type": kind, "value": one} for one in text for kind in ("keyDown", "keyUp")]
        self.firefox.command("PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": presses}])

    def _wait(self, condition: str) -> None:
        deadline = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < deadline:
            try:
                if self.evaluate(condition):
                    return
            except MarionetteError:  # between two pages
                pass
            time.sleep(0.02)
        raise AssertionError(f"{condition} does not come true at {self.evaluate('location.href')}")


@contextmanager
def open_firefox(width: int, height: int) -> Iterator[FirefoxWindow]:
    """Start a Firefox without a screen, with a profile of its own."""
    assert FIREFOX is not None
    place = Path(tempfile.mkdtemp(prefix="machtiging-firefox-"))
    (downloads := place / "downloads").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wanted = PREFERENCES | {"marionette.port": port, "browser.download.dir": str(downloads)}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items()]
    (place / "user.js").write_text("\n".join(lines))
    words = [FIREFOX, "--headless", "--no-remote", "--marionette", "--profile", str(place)]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([*words, f"--width={width}", f"--height={height}"], stdout=log, stderr=log)
    try:
        firefox = Marionette(_connect(port, process, place / "log"))
        firefox.read()
        firefox.command("NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": False}})
        firefox.command("SetWindowRect", width=width, height=height)
        yield FirefoxWindow(firefox, downloads)
        firefox.connection.close()
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(place, ignore_errors=True)


def _connect(port: int, process: subprocess.Popen[bytes], log: Path) -> socket.socket:
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=LONGEST_WAIT)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
