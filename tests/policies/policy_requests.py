"""Policy requests for tests of the policy: allowed unless a test changes something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from machtiging.access.policy_request import PolicyRequest
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance


def make_policy_request(**changes: Any) -> PolicyRequest:
    """A relative reads an ordinary letter, everything in order."""
    return replace(
        PolicyRequest(
            Capacity.RELATIVE,
            Act.READ,
            Theme.TOESLAGEN,
            Sensitivity.GEWOON,
            Assurance.SUBSTANTIAL,
            in_force=True,
            covered=True,
            act_given=True,
            chain_complete=True,
        ),
        **changes,
    )


def list_requests_in_order() -> Iterator[PolicyRequest]:
    """Every question of which all facts hold."""
    for words in product(Capacity, Act, Theme, Sensitivity, Assurance):
        yield PolicyRequest(*words, in_force=True, covered=True, act_given=True, chain_complete=True)
