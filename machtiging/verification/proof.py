"""The signed answer (JWS, RFC 7515) that stands as proof for as long as its journal line does."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from machtiging.crypto.jose import encode_base64url
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.capacity_terms import CAPACITY_TERMS
from machtiging.verification.parties import compute_pseudonym
from machtiging.verification.rules import VerificationAnswer

PROOF_TYPE = "machtiging-verificatie+jwt"
# EdDSA is not in our profile; ES256 signs a bulk of a thousand in a fraction of what PS256 takes.
_PROOF_ALGORITHM = "ES256"


def compute_question_digest(salt: str, question: dict[str, Any]) -> str:
    """Compute the digest that binds an answer to the question as it was sent.

    SHA-256 over the salt, a NUL byte and the question as JSON with sorted names and no spaces, in base64url. Without
    the salt nobody can find a BSN by trying.
    """
    text = json.dumps(question, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(salt.encode() + b"\0" + text.encode("utf-8", "surrogatepass")).digest()
    return encode_base64url(digest)


def sign_answer(
    keyring: KeyRing, issuer: str, oin: str, answer: VerificationAnswer, *, entitlements_digest: str
) -> str:
    """Sign the answer as a compact JWS. `jti` is the decision id and the id of the journal line."""
    question = answer.question
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": f"urn:nld:oin:{oin}",
        "jti": str(answer.id),
        "iat": int(answer.answered_at.timestamp()),
        "op": answer.as_of.isoformat(),
        "vraag": {"dienst": f"{oin}/{question.dienst}", "doel": question.purpose.value, "digest": question.digest},
        "antwoord": answer.is_yes,
        "beleid": answer.policy_digest,
        "bevoegdheden": entitlements_digest,
    }
    return keyring.sign_jwt(claims | describe_yes(keyring, oin, answer), typ=PROOF_TYPE, alg=_PROOF_ALGORITHM)


def describe_yes(keyring: KeyRing, oin: str, answer: VerificationAnswer) -> dict[str, Any]:
    """Describe what is allowed; empty of a "no". People appear by the pseudonym of this agency."""
    authority = answer.authority
    if authority is None:
        return {}
    described: dict[str, Any] = {
        "machtigingId": str(authority.machtiging_id),
        "vertegenwoordigde": compute_pseudonym(keyring, oin, authority.vertegenwoordigde_id),
        "hoedanigheid": CAPACITY_TERMS[authority.capacity],
        "grond": authority.root.legal_ground,
        "geldigTot": authority.ends_at.isoformat(),
        "handelingen": [{"handeling": act.value, "niveau": level.value} for act, level in answer.levels.items()],
    }
    if answer.holder_id is not None:
        described["gemachtigde"] = compute_pseudonym(keyring, oin, answer.holder_id)
    if authority.organisation is not None:
        names = {"naam": authority.organisation_name, "kvkNummer": authority.organisation_kvk}
        described["organisatie"] = {name: value for name, value in names.items() if value is not None}
    return described
