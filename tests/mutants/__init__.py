"""Mutants: our server with one check removed, to prove that the tests detect it. One mutant runs in one process.

Each mutant says which check is removed and which tests of `tests/protocol/black_box` must fail on it. It names the code
by import. A rename finds it, and a mutant of code that no longer exists is an error.
"""

from __future__ import annotations

from tests.mutants import (
    authorization,
    ciba,
    client_authentication,
    http,
    refresh_tokens,
    request_objects,
    token_exchange,
    tokens,
)
from tests.mutants.mutant import Mutant

MUTANTS: dict[str, Mutant] = {}
for _area in (
    authorization,
    client_authentication,
    tokens,
    http,
    refresh_tokens,
    request_objects,
    token_exchange,
    ciba,
):
    assert not MUTANTS.keys() & _area.MUTANTS.keys()
    MUTANTS |= _area.MUTANTS
