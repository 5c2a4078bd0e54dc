"""Themes and degrees of sensitivity of letters. Pure."""

from __future__ import annotations

from enum import StrEnum


class Sensitivity(StrEnum):
    """The harm a letter can do in the wrong hands. The agency sets it per dienst."""

    GEWOON = "gewoon"
    GEVOELIG = "gevoelig"
    VERTROUWELIJK = "vertrouwelijk"

    def at_most(self, other: Sensitivity) -> bool:
        """Return whether this is no more sensitive than `other`."""
        return _DEGREE[self] <= _DEGREE[other]


_DEGREE = {Sensitivity.GEWOON: 0, Sensitivity.GEVOELIG: 1, Sensitivity.VERTROUWELIJK: 2}


class Theme(StrEnum):
    """The subject of a letter, in the words of the citizen. A closed list, since the policy is written per theme."""

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
