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


def check_step(*, condition: bool, expected: str, got: object) -> None:
    """Raise StoryFailed unless the condition holds."""
    if not condition:
        raise StoryFailed(expected, str(got))


@dataclass
class StoryNarrator:
    """Prints the story. `print_step` and `print_event` write to a terminal or to a test."""

    print_step: Callable[[int, str], None]
    print_event: Callable[[str, str], None]
    events: list[tuple[str, str]] = field(default_factory=list)

    def begin_step(self, number: int, title: str) -> None:
        """Begin a step."""
        self.print_step(number, title)

    def tell_event(self, what: str, module: str) -> None:
        """Print one event and the module that acted."""
        self.events.append((what, module))
        self.print_event(what, module)
