"""Resolve the sender constraint of a new token: a DPoP key (RFC 9449) or a certificate (RFC 8705).

This runs after client authentication and before the credential is consumed. A client that must retry with a nonce can
therefore use the same code (RFC 9449 section 8).
"""

from __future__ import annotations

import re
from datetime import datetime

from machtiging.access.proof import dpop
from machtiging.access.proof.binding import UNBOUND, Binding
from machtiging.access.proof.certificate import certificate_in, chain_in
from machtiging.access.proof.errors import NONCE_WANTED, SEEN_BEFORE, ProofRefused
from machtiging.access.proof.shown import Shown
from machtiging.crypto.certificates import Certificate
from machtiging.crypto.keyring import KeyRing
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire, malformed
from machtiging.oauth.protocol.bridge import WireRequest
from machtiging.storage.statement import Work

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


def binding_for(keyring: KeyRing, client: Client, shown: Shown, at: datetime) -> tuple[Binding, dpop.Proof | None]:
    """Resolve the binding of this client's token, with the DPoP proof to consume (`consume_proof`).

    Raises OAuthRefusal `invalid_dpop_proof`, `use_dpop_nonce`, `invalid_request`.
    """
    if client.certificate_bound:
        return _to_certificate(shown, at), None
    if not shown.proofs and not client.dpop_bound:
        return UNBOUND, None
    proof = _checked(keyring, shown, at)
    return Binding(jkt=proof.jkt), proof


def _checked(keyring: KeyRing, shown: Shown, at: datetime) -> dpop.Proof:
    try:
        return dpop.check(shown, keyring, at)
    except ProofRefused as refused:
        wire = Wire.USE_DPOP_NONCE if refused.code == NONCE_WANTED else Wire.INVALID_DPOP_PROOF
        raise OAuthRefusal(wire, refused.code, private=refused.private) from refused


async def taken(work: Work, proof: dpop.Proof, at: datetime) -> None:
    """Consume the jti of the DPoP proof. Raises OAuthRefusal `invalid_dpop_proof` on replay."""
    try:
        await dpop.take(work, proof, at)
    except ProofRefused as refused:
        raise ProofSeen from refused


class ProofSeen(OAuthRefusal):
    """The DPoP proof was used before (replay)."""

    def __init__(self) -> None:
        super().__init__(Wire.INVALID_DPOP_PROOF, SEEN_BEFORE)


async def key_shown(work: Work, keyring: KeyRing, request: WireRequest, at: datetime) -> str | None:
    """Verify and consume the DPoP proof of a pushed request; return its key thumbprint.

    None without a proof. This runs before the request object is consumed, so that a retry with a nonce may send the
    same object. Raises OAuthRefusal `use_dpop_nonce`, `invalid_dpop_proof`.
    """
    if not request.shown.proofs:
        return None
    proof = _checked(keyring, request.shown, at)
    await taken(work, proof, at)
    return proof.jkt


def key_for_code(request: WireRequest, proven: str | None) -> str | None:
    """Resolve the key that the code is bound to: `dpop_jkt`, the proof, or both (RFC 9449 section 10.1).

    Raises OAuthRefusal `invalid_request` when they differ.
    """
    named = request.form.get("dpop_jkt")
    if named is not None and _THUMBPRINT.fullmatch(named) is None:
        raise malformed("dpop_jkt_vormfout", "The parameter dpop_jkt is no SHA-256 thumbprint.")
    if proven is None:
        return named
    if named not in (None, proven):
        raise malformed("dpop_jkt_wijkt_af", "The parameter dpop_jkt is not the key of the DPoP proof.")
    return proven


def _to_certificate(shown: Shown, at: datetime) -> Binding:
    if shown.proofs:
        raise malformed("twee_bindingen", "This client's tokens are bound to its certificate: send no DPoP proof.")
    certificate = shown_certificate(shown, at)
    if certificate is None:
        raise malformed("certificaat_ontbreekt", "This client's tokens are bound to its certificate: show it.")
    return Binding(x5t=certificate.x5t)


def shown_certificate(shown: Shown, at: datetime) -> Certificate | None:
    """Parse the client certificate of the request; None without one. Raises OAuthRefusal `invalid_request`."""
    try:
        return certificate_in(shown, at)
    except ProofRefused as refused:
        raise _unusable(refused) from refused


def shown_chain(shown: Shown) -> list[Certificate]:
    """Parse the intermediate certificates of the request. Raises OAuthRefusal `invalid_request`."""
    try:
        return chain_in(shown)
    except ProofRefused as refused:
        raise _unusable(refused) from refused


def _unusable(refused: ProofRefused) -> OAuthRefusal:
    return malformed(refused.code, "The client certificate cannot be used.")
