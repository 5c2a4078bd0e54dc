"""A window of Chromium for a user of the portal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class ChromiumWindow:
    """A page of Playwright."""

    page: Any

    def open(self, url: str) -> None:
        self.page.goto(url)

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(x, y)

    def key(self, name: str) -> None:
        self.page.keyboard.press(name)

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)

    def navigate(self, act: Callable[[], None]) -> None:
        with self.page.expect_navigation():
            act()

    def download(self, act: Callable[[], None]) -> bytes:
        with self.page.expect_download() as download:
            act()
        return Path(download.value.path()).read_bytes()
