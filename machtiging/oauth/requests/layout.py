"""Who is who in a token, in one of two layouts and never both. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPRESENTS, ACT = "represents", "act"
LAYOUTS = (REPRESENTS, ACT)
_PARTY = ("iss", "sub", "sub_id_type")


def laid_out(people: Mapping[str, Any], layout: str) -> dict[str, Any]:
    """The claims about people as this resource server wants them.

    `represents` (OIDC-NLGOV 5.2.4): `sub` is the helper, the citizen is in `represents`. `act` (RFC 8693 4.1): `sub` is
    the citizen, the helper is in `act`. In the own box there is one person, and both layouts are the same.
    """
    claims = dict(people)
    if layout != ACT or REPRESENTS not in claims:
        return claims
    citizen = claims.pop(REPRESENTS)
    return {**claims, **citizen, ACT: {name: claims[name] for name in _PARTY}}
