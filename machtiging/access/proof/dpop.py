"""Proof of possession of a key, once per request (RFC 9449): checked by itself, then used up in the transaction."""

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
    """For a statement that does several things: use a proof up if `gate` gives a row. The first CTE has a row when that
    was the first time; the other clears away two that are over, so no more is ever kept than the proofs of a few
    minutes. Values: see `to_take`.
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

    Raises ProofRefused `dpop_hergebruikt`.
    """
    if await _TAKE.one(work, to_take(proof, at)) is None:
        raise ProofRefused(SEEN_BEFORE)


def to_take(proof: Proof, at: datetime) -> dict[str, Any]:
    """What goes in with a proof, for `taking`.

    By key and `jti`, not by the text: a signature can be written in more than one way, and nobody can use up what
    another key has signed.
    """
    digest = secrets.digest(f"{proof.jkt} {proof.jti.encode('utf-8', 'surrogatepass').hex()}")
    # Longer than any of our hosts would still find it young enough.
    until = at + 2 * (PROOF_LIVES + CLOCKS_DIFFER)
    return {"proof_proof_hash": digest, "proof_expires_at": until, "now": at}


def _hash_of(token: str) -> str:
    return encode_base64url(hashlib.sha256(token.encode()).digest())
