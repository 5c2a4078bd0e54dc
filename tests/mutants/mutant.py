"""What a mutant is, and what the makers of mutants share."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

App = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """What is broken; how; and the tests that must see it. `wraps` stands between the network and the application."""

    what: str
    caught_by: tuple[str, ...]
    breaks: Callable[[], None] = lambda: None
    wraps: Callable[[App], App] | None = None


def swap(place: Any, name: str, new: Callable[[Any], Any]) -> None:
    """Put something else where `name` was; `new` is given what was there."""
    setattr(place, name, new(getattr(place, name)))


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def yes(*_: Any, **__: Any) -> bool:
    """In place of a question."""
    return True


async def nothing(*_: Any, **__: Any) -> bool:
    """In place of an act."""
    return True


async def statement_in(session: Any, statement: str, given: dict[str, Any]) -> None:
    """Run it, with those of the values that it names, and seal what it changed: the guard over rows is not the one
    that is taken away."""
    from sqlalchemy import text

    from tests.builders.sealing import seal_rows

    await session.execute(text(statement), {name: value for name, value in given.items() if f":{name}" in statement})
    await seal_rows(session)
