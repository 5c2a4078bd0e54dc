"""The policy request: enums and booleans only, without ids, clock or free text.

The number of possible requests is finite, so the policy can be printed, tested exhaustively and cached.
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
    """One request to the policy engine.

    `level` is the lowest assurance of login, giving and accepting. The booleans are facts computed by the domain rules.
    """

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
        """Return the plain values in the order of REQUEST_FIELDS, for Casbin."""
        words = [self.capacity.value, self.act.value, self.theme.value, self.sensitivity.value, self.level.value]
        return [*words, self.in_force, self.covered, self.act_given, self.chain_complete]


FIELDS = tuple(field.name for field in fields(Question))
FACTS = ("in_force", "covered", "act_given", "chain_complete")


def all_questions() -> Iterator[Question]:
    """Yield every possible policy request, for tables and exhaustive tests."""
    truth = (True, False)
    for values in product(Capacity, Act, Theme, Sensitivity, Assurance, truth, truth, truth, truth):
        yield Question(*values)
