"""What a token is going to be bound to: the key that the request proves, or the certificate it came with.

Asked when the client has proved who it is and before anything is used up, so that who must ask again with a nonce finds
his code unused (RFC 9449 section 8).
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
    """What this client's token will be bound to, with the proof that has to be used up for it (`taken`).

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
    """Use the proof up. Raises OAuthRefusal `invalid_dpop_proof`."""
    try:
        await dpop.take(work, proof, at)
    except ProofRefused as refused:
        raise ProofSeen from refused


class ProofSeen(OAuthRefusal):
    """The proof was used before."""

    def __init__(self) -> None:
        super().__init__(Wire.INVALID_DPOP_PROOF, SEEN_BEFORE)


async def key_shown(work: Work, keyring: KeyRing, request: WireRequest, at: datetime) -> str | None:
    """The key that a push proves, if it proves one. Asked before its request object is used up: who must come again
    with a nonce brings the same object. Raises OAuthRefusal `use_dpop_nonce`, `invalid_dpop_proof`."""
    if not request.shown.proofs:
        return None
    proof = _checked(keyring, request.shown, at)
    await taken(work, proof, at)
    return proof.jkt


def key_for_code(request: WireRequest, proven: str | None) -> str | None:
    """The key that a code will be bound to: named in `dpop_jkt`, proved at the push, or both (RFC 9449 section 10.1).

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
    """The certificate that the request came with. Raises OAuthRefusal `invalid_request` when it cannot be looked at."""
    try:
        return certificate_in(shown, at)
    except ProofRefused as refused:
        raise _unusable(refused) from refused


def shown_chain(shown: Shown) -> list[Certificate]:
    """What stands between that certificate and its authority. Raises OAuthRefusal `invalid_request`."""
    try:
        return chain_in(shown)
    except ProofRefused as refused:
        raise _unusable(refused) from refused


def _unusable(refused: ProofRefused) -> OAuthRefusal:
    return malformed(refused.code, "The client certificate cannot be used.")
