"""Reasons for an operator to end sessions. Pure."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """The reason of the operator. A closed list, since the journal keeps it forever."""

    MISUSE = "misbruik_gemeld"
    INVESTIGATION = "onderzoek"
    ASKED = "op_verzoek"
    DEVICE_LOST = "toestel_kwijt"
