"""What applications of tests have in common: their routes. To work out what each one takes costs more than most tests.

Routes keep nothing: whatever a request changes is in `app.state` and behind it, and that is each application's own.
"""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import State

from machtiging.access.engine import Policy

POLICIES = Path(__file__).resolve().parents[2] / "policies"


def with_own_state(app: FastAPI, **changes: Any) -> FastAPI:
    """Another application with the same routes and layers, and a state of its own: a copy with these changes."""
    made = copy.copy(app)
    made.state = State({**app.state._state, **changes})
    # Built again at the first request, so that no layer is shared either.
    made.middleware_stack = None
    return made


@functools.cache
def a_policy() -> Policy:
    """The real policy, the same object each time. A test of what it remembers loads its own."""
    return Policy.load(POLICIES)
