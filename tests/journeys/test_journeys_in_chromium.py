"""The journeys of the portal in Chromium, by mouse, by keyboard and on small screens."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.journeys.browser_user import BrowserUser
from tests.journeys.chromium_window import ChromiumWindow
from tests.journeys.portal_journeys import JOURNEYS
from tests.journeys.work_journeys import WORK_JOURNEYS

pytestmark = [pytest.mark.browser, pytest.mark.long]


@dataclass(frozen=True)
class BrowsingMode:
    """A way to use the portal. `zoom`: in a window of 1,280 by 900 pixels."""

    width: int = 1280
    height: int = 900
    zoom: int = 1
    script: bool = True
    keyboard: bool = False
    language: str = "nl"


MODES = {
    "mouse": BrowsingMode(),
    "keyboard": BrowsingMode(keyboard=True),
    "without script": BrowsingMode(script=False),
    "phone": BrowsingMode(width=375, height=812),
    "400 percent": BrowsingMode(zoom=4),
    "English": BrowsingMode(language="en"),
}


@pytest.fixture
def open_user(chromium, running_demo):
    """Returns users, each in a window that is closed after the test."""
    opened = []

    def open_one(mode: BrowsingMode = MODES["without script"], *, strict: bool = True) -> BrowserUser:
        context = chromium.new_context(
            java_script_enabled=mode.script,
            locale="nl-NL" if mode.language == "nl" else "en-GB",
            viewport={"width": mode.width // mode.zoom, "height": mode.height // mode.zoom},
            device_scale_factor=mode.zoom,
        )
        context.set_default_timeout(60_000)
        opened.append(context)
        window = ChromiumWindow(context.new_page())
        return BrowserUser(window, running_demo.url, mode.language, keyboard=mode.keyboard, strict=strict)

    yield open_one
    for context in opened:
        context.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("journey", JOURNEYS)
def test_journey_is_completed_without_remark(open_user, journey, mode):
    user = open_user(MODES[mode])
    JOURNEYS[journey](user, open_user(strict=False))
    assert sorted(set(user.remarks)) == []


@pytest.mark.parametrize("mode", ["keyboard", "phone", "English"])
@pytest.mark.parametrize("journey", WORK_JOURNEYS)
def test_journey_at_work_is_completed_without_remark(open_user, journey, mode):
    user = open_user(MODES[mode])
    WORK_JOURNEYS[journey](user, open_user(strict=False))
    assert sorted(set(user.remarks)) == []
