"""Three journeys of the portal in Firefox, by mouse and by keyboard."""

from __future__ import annotations

import pytest

from tests.journeys.browser_user import BrowserUser
from tests.journeys.firefox_window import FIREFOX, open_firefox
from tests.journeys.portal_journeys import JOURNEYS

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture(scope="module")
def open_user(running_demo):
    """Returns pairs of users in two Firefoxes, which are closed after the tests."""
    if FIREFOX is None:
        pytest.skip("needs Firefox: install the Debian package firefox-esr")
    with open_firefox(1280, 900) as window, open_firefox(1280, 900) as background:
        yield lambda **ways: (
            BrowserUser(window, running_demo.url, **ways),
            BrowserUser(background, running_demo.url, strict=False),
        )


@pytest.mark.parametrize("keyboard", [False, True], ids=["mouse", "keyboard"])
@pytest.mark.parametrize("journey", ["give", "stop", "read as a helper"])
def test_journey_in_firefox_is_completed_without_remark(open_user, journey, keyboard):
    user, background = open_user(keyboard=keyboard)
    JOURNEYS[journey](user, background)
    assert sorted(set(user.remarks)) == []
