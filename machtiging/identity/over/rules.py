"""Why an operator ends somebody's sessions. Pure."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """The journal keeps the word for ever, so nothing that somebody typed goes in."""

    MISUSE = "misbruik_gemeld"
    INVESTIGATION = "onderzoek"
    ASKED = "op_verzoek"
    DEVICE_LOST = "toestel_kwijt"
