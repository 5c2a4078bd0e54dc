"""Compare a token's signed claims with its row, so that neither alone grants access.

An attacker therefore needs both the signing key and the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.access_tokens.issued_token import IssuedTokenFacts
from machtiging.access_tokens.representation import read_representation_set
from machtiging.access_tokens.sender_constraint.binding import cnf_claim


def claims_match_row(claims: Mapping[str, Any], facts: IssuedTokenFacts) -> bool:
    """Compare the signed claims with the row of the same `jti`.

    Sources: RFC 9068, RFC 7800, RFC 9396.

    `sub` is not compared: it is a pairwise pseudonym in the claims and a person in the row. The row MAC covers both
    `jti` and person.
    """
    claimed = (
        claims.get("client_id"),
        claims.get("exp"),
        claims.get("iat"),
        claims.get("scope") or "",
        claims.get("oin"),
    )
    times = int(facts.expires_at.timestamp()), int(facts.issued_at.timestamp())
    fits = claimed == (facts.client_id, *times, facts.scope, facts.oin) and (claims.get("cnf") or {}) == cnf_claim(
        facts
    )
    details = claims.get("authorization_details") or []
    acts = {act for detail in details for act in detail.get("actions", ())}
    under = {detail["machtiging"] for detail in details if "machtiging" in detail}
    machtiging_ids = set() if facts.machtiging_id is None else {str(facts.machtiging_id)}
    several = [found for detail in details if (found := read_representation_set(detail)) is not None]
    row_sets = [] if facts.representation_set is None else [facts.representation_set]
    return fits and acts == facts.acts and several == row_sets and (not details or under == machtiging_ids)
