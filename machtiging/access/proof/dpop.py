"""DPoP proofs of possession (RFC 9449): verify the proof, then consume its `jti`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, FromClause, Table, bindparam, delete, literal, select
from sqlalchemy.dialects.postgresql import insert

from machtiging.access.proof.errors import ALGORITHMS, NONCE_WANTED, SEEN_BEFORE, ProofRefused
from machtiging.access.proof.nonce import is_fresh
from machtiging.access.proof.rules import CLOCKS_DIFFER, PROOF_LIVES, age_fits, same_place
from machtiging.access.proof.shown import Shown
from machtiging.access.tables import UsedProof
from machtiging.crypto import secrets
from machtiging.crypto.jose import encode_base64url
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.proofs import verify_proof
from machtiging.kernel.errors import NotAuthenticated
from machtiging.storage.statement import Statement, Work

_TYP = "dpop+jwt"
_LONGEST_PROOF = 8 * 1024
_LONGEST_JTI = 256
_USED: Table = UsedProof.__table__  # type: ignore[attr-defined]
_CLEARED_EACH_TIME = 2


def taking(gate: FromClause) -> tuple[CTE, CTE]:
    """Build CTEs that consume a proof's `jti` if `gate` returns a row.

    The first CTE returns a row only if the proof is not a replay. The second deletes two expired rows, so the table
    only holds the proofs of a few minutes. Parameters: see `consume_jti_params`.
    """
    over = select(_USED.c.proof_hash).where(_USED.c.expires_at < bindparam("now", type_=_USED.c.expires_at.type))
    old = over.limit(_CLEARED_EACH_TIME).with_for_update(skip_locked=True).cte("old")
    gone = delete(_USED).where(_USED.c.proof_hash.in_(select(old.c.proof_hash))).cte("gone")
    names = ("proof_hash", "expires_at")
    row = select(*(bindparam(f"proof_{name}", type_=_USED.c[name].type).label(name) for name in names))
    using = insert(_USED).from_select(names, row.select_from(gate)).on_conflict_do_nothing()
    return using.returning(_USED.c.proof_hash).cte("proof"), gone


def _taken() -> Statement:
    proof, gone = taking(select(literal(1)).cte("gate"))
    return Statement(select(proof).add_cte(gone))


_TAKE = _taken()


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified proof for this request. Call `consume_jti` to detect a replay."""

    jkt: str
    jti: str


def check(shown: Shown, keyring: KeyRing, at: datetime, *, token: str | None = None) -> Proof:
    """Verify the only DPoP proof of this request. Raises ProofRefused.

    With `token` the proof must be made for that token (`ath`).
    """
    if len(shown.proofs) != 1:
        raise ProofRefused("dpop_dubbel" if shown.proofs else "dpop_ontbreekt")
    try:
        proven = verify_proof(shown.proofs[0], algorithms=ALGORITHMS, typ=_TYP, longest=_LONGEST_PROOF)
    except NotAuthenticated as refusal:
        raise ProofRefused("dpop_vormfout", private=refusal.private) from refusal
    claims = proven.claims
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise ProofRefused("dpop_vormfout", private="jti is missing, empty or too long")
    if claims.get("htm") != shown.method:
        raise ProofRefused("dpop_andere_methode")
    if not any(same_place(claims.get("htu"), address, shown.path) for address in shown.addresses):
        raise ProofRefused("dpop_ander_adres")
    if not age_fits(claims.get("iat"), at.timestamp()):
        raise ProofRefused("dpop_tijd")
    if token is not None and claims.get("ath") != _hash_of(token):
        raise ProofRefused("dpop_ander_token")
    if not is_fresh(keyring, claims.get("nonce"), at):
        raise ProofRefused(NONCE_WANTED)
    return Proof(proven.jkt, jti)


async def take(work: Work, proof: Proof, at: datetime) -> None:
    """Consume the proof's `jti`. Raises ProofRefused `dpop_hergebruikt` for a replay.

    Of two concurrent uses the second waits for the first to commit, and is then refused.
    """
    if await _TAKE.one(work, to_take(proof, at)) is None:
        raise ProofRefused(SEEN_BEFORE)


def to_take(proof: Proof, at: datetime) -> dict[str, Any]:
    """Return the parameters of `consume_jti_cte` for a proof.

    The row is keyed by key thumbprint and `jti`, not by the text of the proof. A signature has more than one encoding,
    and a key cannot consume the `jti` of another key.
    """
    digest = secrets.digest(f"{proof.jkt} {proof.jti.encode('utf-8', 'surrogatepass').hex()}")
    # Longer than any host accepts the proof, with both clocks off by the maximum.
    until = at + 2 * (PROOF_LIVES + CLOCKS_DIFFER)
    return {"proof_proof_hash": digest, "proof_expires_at": until, "now": at}


def _hash_of(token: str) -> str:
    return encode_base64url(hashlib.sha256(token.encode()).digest())
