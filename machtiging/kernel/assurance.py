"""Levels of assurance of eIDAS (Regulation 910/2014 art. 8), with their `acr` URIs."""

from __future__ import annotations

from enum import StrEnum

_ORDER = ("laag", "substantieel", "hoog")
_URI = "http://eidas.europa.eu/LoA/"


class Assurance(StrEnum):
    """The level of assurance of a login."""

    LOW = "laag"
    SUBSTANTIAL = "substantieel"
    HIGH = "hoog"

    @property
    def acr(self) -> str:
        """The eIDAS URI in the `acr` claim (NL GOV OIDC section 5.2.5)."""
        return _URI + {"laag": "low", "substantieel": "substantial", "hoog": "high"}[self.value]

    def reaches(self, needed: Assurance) -> bool:
        """Return whether this level is at or above the required one."""
        return _ORDER.index(self.value) >= _ORDER.index(needed.value)

    @classmethod
    def from_acr(cls, acr: str) -> Assurance:
        """Return the level of an `acr` URI. Raises ValueError for any other value."""
        for level in cls:
            if level.acr == acr:
                return level
        raise ValueError(acr)


def lowest(*levels: Assurance) -> Assurance:
    """Return the lowest of the levels. A chain is as strong as its weakest link."""
    return min(levels, key=lambda level: _ORDER.index(level.value))
