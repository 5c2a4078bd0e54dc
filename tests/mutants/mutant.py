"""The record of a mutant, and helpers to write one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from tests.builders.database import seal_rows

App = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """The check that is removed, how, and the tests that must detect it. `wraps` wraps the ASGI application."""

    what: str
    caught_by: tuple[str, ...]
    breaks: Callable[[], None] = lambda: None
    wraps: Callable[[App], App] | None = None


def swap(owner: Any, target: Any, make: Callable[[Any], Any]) -> None:
    """Replace `target` in its module or class `owner` by `make(target)`. Raises ValueError if it is not there."""
    (name,) = [name for name in dir(owner) if getattr(owner, name, None) is target]
    patch(owner, name, make(target))


def swap_constant(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a constant, which only its name identifies, by `make(value)`."""
    patch(owner, name, make(getattr(owner, name)))


def patch(owner: Any, name: str, new: Any) -> None:
    """Set the attribute. The one place that changes code."""
    setattr(owner, name, new)


def claims_of(token: str) -> dict[str, Any]:
    """Decode the claims of a JWT without verification."""
    return _decode_part(token, 1)


def header_of(token: str) -> dict[str, Any]:
    """Decode the header of a JWT without verification."""
    return _decode_part(token, 0)


def _decode_part(token: str, index: int) -> dict[str, Any]:
    part = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def always_true(*_: Any, **__: Any) -> bool:
    """Return True, in place of a check."""
    return True


async def async_true(*_: Any, **__: Any) -> bool:
    """Do nothing and return True, in place of an action."""
    return True


async def run_sealed_statement(session: Any, statement: str, parameters: dict[str, Any]) -> None:
    """Run the statement with the parameters that it names, then seal the changed rows. The row seal stays intact."""
    named = {name: value for name, value in parameters.items() if f":{name}" in statement}
    await session.execute(text(statement), named)
    await seal_rows(session)
