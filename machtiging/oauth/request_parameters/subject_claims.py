"""Pure rule for the layout of subject claims: `represents` or `act`, never both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPRESENTS, ACT = "represents", "act"
_SUBJECT_MEMBERS = ("iss", "sub", "sub_id_type")


def apply_subject_layout(subject_claims: Mapping[str, Any], layout: str) -> dict[str, Any]:
    """Arrange the subject claims in the layout of this resource server.

    `represents` (OIDC-NLGOV 5.2.4): `sub` is the helper, the citizen is in `represents`. `act` (RFC 8693 4.1): `sub` is
    the citizen, the helper is in `act`. An organisation between them is inside the outer claim, in either layout. In
    the own box there is one person, and both layouts are equal.
    """
    claims = dict(subject_claims)
    if layout != ACT or REPRESENTS not in claims:
        return claims
    represented = claims.pop(REPRESENTS)
    # The outermost actor is the current one; those inside it came before (RFC 8693 section 4.1).
    actors = [{name: claims[name] for name in _SUBJECT_MEMBERS}]
    while REPRESENTS in represented:
        actors.append({name: represented[name] for name in _SUBJECT_MEMBERS})
        represented = represented[REPRESENTS]
    actor: dict[str, Any] = {}
    for outer in reversed(actors):
        actor = outer | ({ACT: actor} if actor else {})
    return {**claims, **represented, ACT: actor}
