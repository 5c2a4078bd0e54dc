"""How the story is told: numbered steps, one line per thing that happened and the module that did it, and checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class StoryFailed(Exception):
    """Something did not come out as told."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"verwacht: {expected}; gekregen: {got}")
        self.expected = expected
        self.got = got


def expect(*, that: bool, expected: str, got: object) -> None:
    """Go on only when the story comes out as told. Raises StoryFailed."""
    if not that:
        raise StoryFailed(expected, str(got))


@dataclass
class Teller:
    """Says aloud what happens. `step` and `line` are given by whoever listens: a terminal or a test."""

    step: Callable[[int, str], None]
    line: Callable[[str, str], None]
    told: list[tuple[str, str]] = field(default_factory=list)

    def begin(self, number: int, title: str) -> None:
        """Open a step."""
        self.step(number, title)

    def tell(self, what: str, module: str) -> None:
        """Say one thing that happened, and which module acted."""
        self.told.append((what, module))
        self.line(what, module)
