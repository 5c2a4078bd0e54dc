"""DPoP, proof of possession by a key (RFC 9449): verify the proof, consume its `jti`.

Replay detection: a `jti` is consumed once per key while its proof could still be accepted (section 11.1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, FromClause, bindparam, delete, literal, select
from sqlalchemy.dialects.postgresql import insert

from machtiging.access_tokens.sender_constraint.dpop_claims import (
    PROOF_CLOCK_SKEW,
    PROOF_LIFETIME,
    htu_matches_request,
    is_iat_within_window,
)
from machtiging.access_tokens.sender_constraint.dpop_nonce import is_valid_dpop_nonce
from machtiging.access_tokens.sender_constraint.errors import (
    NONCE_REQUIRED,
    PROOF_ALGORITHMS,
    PROOF_REPLAYED,
    ProofRefused,
)
from machtiging.access_tokens.sender_constraint.presented_credentials import PresentedCredentials
from machtiging.access_tokens.tables import UsedProof
from machtiging.crypto import secrets
from machtiging.crypto.jose import encode_base64url
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.proof_of_possession import verify_proof_of_possession
from machtiging.kernel.errors import NotAuthenticated
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, Statement

_DPOP_TYP = "dpop+jwt"
_MAX_PROOF_LENGTH = 8 * 1024
_MAX_JTI_LENGTH = 256
_PROOF_TABLE = table_of(UsedProof)
_CLEANUP_BATCH_SIZE = 2


def build_jti_consume_cte(gate: FromClause) -> tuple[CTE, CTE]:
    """Build CTEs that consume a proof's `jti` if `gate` returns a row.

    The first CTE returns a row only if the proof is not a replay. The second deletes two expired rows, so the table
    only holds the proofs of a few minutes. Parameters: see `build_jti_params`.
    """
    over = select(_PROOF_TABLE.c.proof_hash).where(
        _PROOF_TABLE.c.expires_at < bindparam("now", type_=_PROOF_TABLE.c.expires_at.type)
    )
    old = over.limit(_CLEANUP_BATCH_SIZE).with_for_update(skip_locked=True).cte("old")
    deleted = delete(_PROOF_TABLE).where(_PROOF_TABLE.c.proof_hash.in_(select(old.c.proof_hash))).cte("gone")
    names = ("proof_hash", "expires_at")
    row = select(*(bindparam(f"proof_{name}", type_=_PROOF_TABLE.c[name].type).label(name) for name in names))
    using = insert(_PROOF_TABLE).from_select(names, row.select_from(gate)).on_conflict_do_nothing()
    return using.returning(_PROOF_TABLE.c.proof_hash).cte("proof"), deleted


def _build_consume_statement() -> Statement:
    proof, deleted = build_jti_consume_cte(select(literal(1)).cte("gate"))
    return Statement(select(proof).add_cte(deleted))


_CONSUME_JTI = _build_consume_statement()


@dataclass(frozen=True, slots=True)
class DpopProof:
    """A verified proof for this request. Call `consume_jti` to detect a replay."""

    jkt: str
    jti: str


def verify_dpop_proof(
    presented: PresentedCredentials, keyring: KeyRing, at: datetime, *, token: str | None = None
) -> DpopProof:
    """Verify the only DPoP proof of this request. Raises ProofRefused.

    With `token` the proof must be made for that token (`ath`).
    """
    if len(presented.proofs) != 1:
        raise ProofRefused("dpop_dubbel" if presented.proofs else "dpop_ontbreekt")
    try:
        proven = verify_proof_of_possession(
            presented.proofs[0], algorithms=PROOF_ALGORITHMS, typ=_DPOP_TYP, max_length=_MAX_PROOF_LENGTH
        )
    except NotAuthenticated as refusal:
        raise ProofRefused("dpop_vormfout", private=refusal.private) from refusal
    claims = proven.claims
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI_LENGTH:
        raise ProofRefused("dpop_vormfout", private="jti is missing, empty or too long")
    if claims.get("htm") != presented.method:
        raise ProofRefused("dpop_andere_methode")
    if not any(
        htu_matches_request(claims.get("htu"), address, presented.path) for address in presented.allowed_origins
    ):
        raise ProofRefused("dpop_ander_adres")
    if not is_iat_within_window(claims.get("iat"), at.timestamp()):
        raise ProofRefused("dpop_tijd")
    if token is not None and claims.get("ath") != _access_token_hash(token):
        raise ProofRefused("dpop_ander_token")
    if not is_valid_dpop_nonce(keyring, claims.get("nonce"), at):
        raise ProofRefused(NONCE_REQUIRED)
    return DpopProof(proven.jkt, jti)


async def consume_jti(executor: Executor, proof: DpopProof, at: datetime) -> None:
    """Consume the proof's `jti`. Raises ProofRefused `dpop_hergebruikt` for a replay.

    Of two concurrent uses the second waits for the first to commit, and is then refused.
    """
    if await _CONSUME_JTI.one_or_none(executor, build_jti_params(proof, at)) is None:
        raise ProofRefused(PROOF_REPLAYED)


def build_jti_params(proof: DpopProof, at: datetime) -> dict[str, Any]:
    """Return the parameters of `build_jti_consume_cte` for a proof.

    The row is keyed by key thumbprint and `jti`, not by the text of the proof. A signature has more than one encoding,
    and a key cannot consume the `jti` of another key.
    """
    digest = secrets.sha256_digest(f"{proof.jkt} {proof.jti.encode('utf-8', 'surrogatepass').hex()}")
    # Longer than any host accepts the proof, with both clocks off by the maximum.
    until = at + 2 * (PROOF_LIFETIME + PROOF_CLOCK_SKEW)
    return {"proof_proof_hash": digest, "proof_expires_at": until, "now": at}


def _access_token_hash(token: str) -> str:
    return encode_base64url(hashlib.sha256(token.encode()).digest())
