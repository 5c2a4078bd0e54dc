"""What kinds of post there are: twelve themes, three degrees of sensitivity. Pure."""

from __future__ import annotations

from enum import StrEnum


class Sensitivity(StrEnum):
    """How much harm a letter does in the wrong hands; declared per dienst by the agency that sends it."""

    GEWOON = "gewoon"
    GEVOELIG = "gevoelig"
    VERTROUWELIJK = "vertrouwelijk"

    def at_most(self, other: Sensitivity) -> bool:
        """Whether this is no more sensitive than `other`."""
        return _DEGREE[self] <= _DEGREE[other]


_DEGREE = {Sensitivity.GEWOON: 0, Sensitivity.GEVOELIG: 1, Sensitivity.VERTROUWELIJK: 2}


class Theme(StrEnum):
    """What a letter is about, in the words of the citizen. A closed list: the policy is written per theme."""

    BELASTINGEN = "belastingen"
    TOESLAGEN = "toeslagen"
    INKOMEN = "inkomen"
    ZORG = "zorg"
    WONEN = "wonen"
    ONDERWIJS = "onderwijs"
    VERKEER = "verkeer"
    JUSTITIE = "justitie"
    GEZIN = "gezin"
    PENSIOEN = "pensioen"
    GEMEENTE = "gemeente"
    OVERIG = "overig"
