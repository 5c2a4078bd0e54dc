"""Token binding and its verification.

Sources: RFC 7800 (`cnf`), RFC 9449 section 7, RFC 8705 section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from machtiging.access_tokens.sender_constraint import dpop
from machtiging.access_tokens.sender_constraint.client_certificate import read_client_certificate
from machtiging.access_tokens.sender_constraint.errors import ProofRefused
from machtiging.access_tokens.sender_constraint.presented_credentials import PresentedCredentials
from machtiging.crypto.keyring import KeyRing
from machtiging.storage.statement import Executor

BEARER, DPOP = "Bearer", "DPoP"


class BoundToken(Protocol):
    """An object with the thumbprints of a token binding, such as IssuedTokenFacts."""

    @property
    def jkt(self) -> str | None:
        """The RFC 7638 thumbprint of a key."""

    @property
    def x5t(self) -> str | None:
        """The SHA-256 thumbprint of a certificate."""


@dataclass(frozen=True, slots=True)
class TokenBinding:
    """A binding to a key, to a certificate, or to nothing."""

    jkt: str | None = None
    x5t: str | None = None


NO_BINDING = TokenBinding()


def is_sender_constrained(bound: BoundToken) -> bool:
    """Return True for a token that is bound to a key or certificate."""
    return bound.jkt is not None or bound.x5t is not None


def cnf_claim(bound: BoundToken) -> dict[str, str]:
    """Return the members of the `cnf` claim; empty without a binding."""
    if bound.jkt is not None:
        return {"jkt": bound.jkt}
    return {} if bound.x5t is None else {"x5t#S256": bound.x5t}


def token_type(bound: BoundToken) -> str:
    """Return the `token_type`. A certificate-bound token is also Bearer (RFC 8705 section 3)."""
    return BEARER if bound.jkt is None else DPOP


async def verify_token_binding(
    executor: Executor,
    bound: BoundToken,
    presented: PresentedCredentials,
    keyring: KeyRing,
    at: datetime,
    *,
    token: str,
    scheme: str,
) -> None:
    """Verify the binding of a token, and consume its DPoP proof. A plain token needs nothing.

    Raises ProofRefused.
    """
    if bound.jkt is None:
        if scheme == DPOP:
            raise ProofRefused("token_niet_gebonden")
        if bound.x5t is not None:
            _verify_certificate_binding(bound.x5t, presented, at)
        return
    if scheme != DPOP:
        raise ProofRefused("token_gebonden")
    proof = dpop.verify_dpop_proof(presented, keyring, at, token=token)
    if proof.jkt != bound.jkt:
        raise ProofRefused("dpop_andere_sleutel")
    await dpop.consume_jti(executor, proof, at)


def _verify_certificate_binding(x5t: str, presented: PresentedCredentials, at: datetime) -> None:
    certificate = read_client_certificate(presented, at)
    if certificate is None:
        raise ProofRefused("certificaat_ontbreekt")
    if certificate.x5t != x5t:
        raise ProofRefused("certificaat_anders")
