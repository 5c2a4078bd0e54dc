"""The end of a period in Dutch: its last day, inclusive, on every page."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from machtiging.web.pages import format_period_end

TEMPLATES = sorted((Path(__file__).resolve().parents[3] / "machtiging").rglob("templates/*.html"))


@pytest.mark.parametrize(
    ("ends_at", "words"),
    [
        (datetime(2027, 2, 21, 23, tzinfo=UTC), "tot en met 21 februari 2027"),
        (datetime(2027, 7, 21, 22, tzinfo=UTC), "tot en met 21 juli 2027"),
        (datetime(2027, 3, 27, 23, tzinfo=UTC), "tot en met 27 maart 2027"),  # the night in which the clocks go forward
        (datetime(2028, 2, 28, 23, tzinfo=UTC), "tot en met 28 februari 2028"),
        (datetime(2027, 2, 21, 12, tzinfo=UTC), "tot 21 februari 2027 om 13:00 uur"),
        (datetime(2027, 2, 22, 0, 0, tzinfo=UTC), "tot 22 februari 2027 om 01:00 uur"),
    ],
)
def test_period_end_is_written_as_last_day_or_moment(ends_at, words):
    assert format_period_end(ends_at) == words


def test_every_template_writes_period_end_with_one_filter():
    ends = re.compile(r"\{\{[^}]*(?:ends_at|until)\s*\|\s*(\w+)")
    shown = {(path.name, used) for path in TEMPLATES for used in ends.findall(path.read_text())}
    assert {used for _, used in shown} == {"tot"}, shown
