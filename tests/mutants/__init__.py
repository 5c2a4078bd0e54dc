"""Ours, broken on purpose: one guard taken away at a time, in a process of its own, to see that a test notices.

Each mutant says what is broken and which tests of `tests/protocol/black_box` must fail on it. A name that is taken away
here and no longer exists is an error: then the guard has moved, and the mutant must follow it.
"""

from __future__ import annotations

from tests.mutants import clients, codes, counters, exchanging, network, refreshing, requests, tokens
from tests.mutants.mutant import Mutant

MUTANTS: dict[str, Mutant] = {}
for _area in (codes, clients, tokens, network, refreshing, requests, exchanging, counters):
    assert not MUTANTS.keys() & _area.MUTANTS.keys()
    MUTANTS |= _area.MUTANTS
