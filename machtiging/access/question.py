"""The closed world that the policy speaks about: enums and booleans, no ids, no clock, no free text.

That makes the policy a function over a finite number of questions: it can be printed, tested one by one and remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance


@dataclass(frozen=True, slots=True)
class Question:
    """What the policy is asked. `level` is the lowest of login, giving and accepting; the rest are facts from rules."""

    capacity: Capacity
    act: Act
    theme: Theme
    sensitivity: Sensitivity
    level: Assurance
    in_force: bool
    covered: bool
    act_given: bool
    chain_complete: bool

    def values(self) -> list[str | bool]:
        """The plain values in the order of FIELDS: the engine sees no enums and no objects."""
        words = [self.capacity.value, self.act.value, self.theme.value, self.sensitivity.value, self.level.value]
        return [*words, self.in_force, self.covered, self.act_given, self.chain_complete]


FIELDS = tuple(field.name for field in fields(Question))
FACTS = ("in_force", "covered", "act_given", "chain_complete")


def all_questions() -> Iterator[Question]:
    """Every question there is, for tables and exhaustive tests."""
    truth = (True, False)
    for values in product(Capacity, Act, Theme, Sensitivity, Assurance, truth, truth, truth, truth):
        yield Question(*values)
