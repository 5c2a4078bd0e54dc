"""Levels of assurance as in eIDAS (Regulation 910/2014 art. 8), named on the wire by their `acr` URI."""

from __future__ import annotations

from enum import StrEnum

_ORDER = ("laag", "substantieel", "hoog")
_URI = "http://eidas.europa.eu/LoA/"


class Assurance(StrEnum):
    """How sure we are of who is at the keyboard."""

    LOW = "laag"
    SUBSTANTIAL = "substantieel"
    HIGH = "hoog"

    @property
    def acr(self) -> str:
        """The eIDAS URI that tokens carry (NL GOV OIDC 5.2.5)."""
        return _URI + {"laag": "low", "substantieel": "substantial", "hoog": "high"}[self.value]

    def reaches(self, needed: Assurance) -> bool:
        """Whether this level is at or above the needed one."""
        return _ORDER.index(self.value) >= _ORDER.index(needed.value)

    @classmethod
    def from_acr(cls, acr: str) -> Assurance:
        """The level behind an `acr` URI. Raises ValueError for anything else."""
        for level in cls:
            if level.acr == acr:
                return level
        raise ValueError(acr)


def lowest(*levels: Assurance) -> Assurance:
    """The weakest of the levels: a chain is as strong as that."""
    return min(levels, key=lambda level: _ORDER.index(level.value))
