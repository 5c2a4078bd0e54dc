"""Doors: every route declares exactly one, and a test counts them.

A door is a dependency that says who may knock. `Public` is said aloud here; `Citizen` and `Operator` are in
`identity/session.py`, `Helper` and `Agency` in `access/bearer.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends

_Dependency = TypeVar("_Dependency", bound=Callable[..., object])
DOOR_ATTRIBUTE = "__machtiging_door__"


def door(name: str) -> Callable[[_Dependency], _Dependency]:
    """Mark a dependency as a door, so that the architecture test finds it on the routes."""

    def mark(dependency: _Dependency) -> _Dependency:
        setattr(dependency, DOOR_ATTRIBUTE, name)
        return dependency

    return mark


@door("Public")
async def _public() -> None:
    """Anybody may knock here."""


Public = Annotated[None, Depends(_public)]
