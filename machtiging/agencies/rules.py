"""Themes and degrees of sensitivity of letters, and the reference to a bundle. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Sensitivity(StrEnum):
    """The harm a letter can do in the wrong hands. The agency sets it per dienst."""

    GEWOON = "gewoon"
    GEVOELIG = "gevoelig"
    VERTROUWELIJK = "vertrouwelijk"

    def is_at_most(self, other: Sensitivity) -> bool:
        """Return whether this is no more sensitive than `other`."""
        return _RANK[self] <= _RANK[other]


_RANK = {Sensitivity.GEWOON: 0, Sensitivity.GEVOELIG: 1, Sensitivity.VERTROUWELIJK: 2}


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


class BundleReference(NamedTuple):
    """A published version of a bundle, with the name that it had."""

    code: str
    version: int
    name: str
