"""Pure rule for the layout of subject claims: `represents` or `act`, never both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPRESENTS, ACT = "represents", "act"
LAYOUTS = (REPRESENTS, ACT)
_PARTY = ("iss", "sub", "sub_id_type")


def laid_out(people: Mapping[str, Any], layout: str) -> dict[str, Any]:
    """Arrange the subject claims in the layout of this resource server.

    `represents` (OIDC-NLGOV 5.2.4): `sub` is the helper, the citizen is in `represents`. `act` (RFC 8693 4.1): `sub` is
    the citizen, the helper is in `act`. In the own box there is one person, and both layouts are equal.
    """
    claims = dict(people)
    if layout != ACT or REPRESENTS not in claims:
        return claims
    citizen = claims.pop(REPRESENTS)
    return {**claims, **citizen, ACT: {name: claims[name] for name in _PARTY}}
