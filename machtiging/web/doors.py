"""Doors: the dependencies that say who may call a route. Every route declares exactly one; a test counts them.

`Public` is here; `Citizen`, `Operator` and `Auditor` in `identity/session.py`; `TokenUser` and `Agency` in
`access/bearer.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends

_Dependency = TypeVar("_Dependency", bound=Callable[..., object])
DOOR_ATTRIBUTE = "__machtiging_door__"


def door(name: str) -> Callable[[_Dependency], _Dependency]:
    """Mark a dependency as a door, for the architecture test to find."""

    def mark_dependency(dependency: _Dependency) -> _Dependency:
        setattr(dependency, DOOR_ATTRIBUTE, name)
        return dependency

    return mark_dependency


@door("Public")
async def _allow_anyone() -> None:
    """Admit every request without authentication."""


Public = Annotated[None, Depends(_allow_anyone)]
