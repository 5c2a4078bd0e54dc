"""Proof of possession of a key, once per request (RFC 9449): checked by itself, then used up in the transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from machtiging.access.proof.errors import ALGORITHMS, NONCE_WANTED, ProofRefused
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


def _taking() -> Statement:
    """Write one down, and clear away two that are over: so no more is ever kept than the proofs of a few minutes."""
    over = select(_USED.c.proof_hash).where(_USED.c.expires_at < bindparam("now", type_=_USED.c.expires_at.type))
    old = over.limit(_CLEARED_EACH_TIME).with_for_update(skip_locked=True).cte("old")
    gone = delete(_USED).where(_USED.c.proof_hash.in_(select(old.c.proof_hash))).cte("gone")
    row = {name: bindparam(f"used_{name}", type_=_USED.c[name].type) for name in ("proof_hash", "expires_at")}
    return Statement(insert(_USED).values(row).on_conflict_do_nothing().returning(_USED.c.proof_hash).add_cte(gone))


_TAKE = _taking()


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that is good for this request, if it is the first time: see `take`."""

    jkt: str
    jti: str


def check(shown: Shown, keyring: KeyRing, at: datetime, *, token: str | None = None) -> Proof:
    """The one proof of this request. With `token` it must be made for that token (`ath`). Raises ProofRefused."""
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
    """Use the proof up. Of two at the same moment the second waits for the first to commit, and is refused.

    By key and `jti`, not by the text: a signature can be written in more than one way, and nobody can use up what
    another key has signed. Raises ProofRefused `dpop_hergebruikt`.
    """
    digest = secrets.digest(f"{proof.jkt} {proof.jti.encode('utf-8', 'surrogatepass').hex()}")
    # Longer than any of our hosts would still find it young enough.
    until = at + 2 * (PROOF_LIVES + CLOCKS_DIFFER)
    if await _TAKE.one(work, {"used_proof_hash": digest, "used_expires_at": until, "now": at}) is None:
        raise ProofRefused("dpop_hergebruikt")


def _hash_of(token: str) -> str:
    return encode_base64url(hashlib.sha256(token.encode()).digest())
