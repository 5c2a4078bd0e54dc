"""The output and checks of the story: numbered steps, one line per event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class StoryFailed(Exception):
    """A step of the story had another result than expected."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"verwacht: {expected}; gekregen: {got}")
        self.expected = expected
        self.got = got


def expect(*, that: bool, expected: str, got: object) -> None:
    """Raise StoryFailed unless the condition holds."""
    if not that:
        raise StoryFailed(expected, str(got))


@dataclass
class Teller:
    """Prints the story. `print_step` and `print_event` write to a terminal or to a test."""

    step: Callable[[int, str], None]
    line: Callable[[str, str], None]
    told: list[tuple[str, str]] = field(default_factory=list)

    def begin(self, number: int, title: str) -> None:
        """Begin a step."""
        self.step(number, title)

    def tell(self, what: str, module: str) -> None:
        """Print one event and the module that acted."""
        self.told.append((what, module))
        self.line(what, module)
