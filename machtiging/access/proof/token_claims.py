"""Hold what a token says, signed, against its row: neither the signing key nor the database alone opens a door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.access.proof.binding import cnf_of
from machtiging.access.tokens import IssuedTokenFacts


def claims_match_row(claims: Mapping[str, Any], facts: IssuedTokenFacts) -> bool:
    """Compare the signed claims (RFC 9068, RFC 7800, RFC 9396) with the row of the same `jti`.

    Who it is for is a pseudonym of the client's sector in the claims, and a person in the row: the row's MAC, which
    covers its `jti`, keeps those two together.
    """
    said = (claims.get("client_id"), claims.get("exp"), claims.get("iat"), claims.get("scope") or "", claims.get("oin"))
    times = int(facts.expires_at.timestamp()), int(facts.issued_at.timestamp())
    fits = said == (facts.client_id, *times, facts.scope, facts.oin) and (claims.get("cnf") or {}) == cnf_of(facts)
    details = claims.get("authorization_details") or []
    acts = {act for detail in details for act in detail.get("actions", ())}
    under = {detail["machtiging"] for detail in details if "machtiging" in detail}
    held = set() if facts.machtiging_id is None else {str(facts.machtiging_id)}
    return fits and acts == {act.value for act in facts.acts} and (not details or under == held)
