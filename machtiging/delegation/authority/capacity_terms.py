"""The Dutch terms of a capacity in our APIs and signed answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from machtiging.delegation.rules import Capacity

Hoedanigheid = Literal["naaste", "hulpverlener", "curator", "bewindvoerder", "mentor", "ouder", "bestuurder"]
# SELF and the two ages of a parent are capacities of the policy only.
CAPACITY_TERMS: Mapping[Capacity, Hoedanigheid] = {
    Capacity.RELATIVE: "naaste",
    Capacity.PROFESSIONAL: "hulpverlener",
    Capacity.CURATOR: "curator",
    Capacity.BEWINDVOERDER: "bewindvoerder",
    Capacity.MENTOR: "mentor",
    Capacity.PARENT: "ouder",
    Capacity.DIRECTOR: "bestuurder",
}
