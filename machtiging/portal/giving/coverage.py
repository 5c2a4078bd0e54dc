"""Coverage of a machtiging: of all diensten of all agencies, what the helper could see. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from machtiging.access.listing_preview import ListingPreview
from machtiging.agencies.queries import AgencyView
from machtiging.delegation.rules import BerichtEnvelope


class Coverage(StrEnum):
    """The part of all letters that a machtiging covers. The extremes are asked again."""

    NOTHING = "niets"
    PART = "deel"
    EVERYTHING = "alles"


def find_coverage(agencies: Sequence[AgencyView], preview: ListingPreview, at: datetime) -> Coverage:
    """Compare what this helper could see with what any helper may see.

    A letter of today stands for each dienst.
    """
    envelopes = [
        BerichtEnvelope(dienst.oin, dienst.code, dienst.theme, dienst.sensitivity, at)
        for agency in agencies
        for dienst in agency.diensten
    ]
    reachable = [each for each in envelopes if (each.theme, each.sensitivity) in preview.allowed_pairs]
    covered = [each for each in reachable if preview.includes_envelope(each)]
    if not covered:
        return Coverage.NOTHING
    return Coverage.EVERYTHING if len(covered) == len(reachable) else Coverage.PART
