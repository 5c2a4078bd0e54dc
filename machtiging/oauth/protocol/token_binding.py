"""Resolve the sender constraint of a new token: a DPoP key (RFC 9449) or a certificate (RFC 8705).

This runs after client authentication and before the credential is consumed. A client that must retry with a nonce can
therefore use the same code (RFC 9449 section 8).
"""

from __future__ import annotations

import re
from datetime import datetime

from machtiging.access_tokens.sender_constraint import dpop
from machtiging.access_tokens.sender_constraint.binding import NO_BINDING, TokenBinding
from machtiging.access_tokens.sender_constraint.client_certificate import (
    read_client_certificate,
    read_client_certificate_chain,
)
from machtiging.access_tokens.sender_constraint.errors import NONCE_REQUIRED, PROOF_REPLAYED, ProofRefused
from machtiging.access_tokens.sender_constraint.presented_credentials import PresentedCredentials
from machtiging.crypto.certificates import Certificate
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import Message
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, invalid_request_error
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.storage.statement import Executor

_JWK_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


def resolve_binding(
    keyring: KeyRing, client: Client, presented: PresentedCredentials, at: datetime
) -> tuple[TokenBinding, dpop.DpopProof | None]:
    """Resolve the binding of this client's token, with the DPoP proof to consume (`consume_proof`).

    Raises OAuthRefusal `invalid_dpop_proof`, `use_dpop_nonce`, `invalid_request`.
    """
    if client.certificate_bound_access_tokens:
        return _bind_to_certificate(presented, at), None
    if not presented.proofs and not client.dpop_bound_access_tokens:
        return NO_BINDING, None
    proof = _verify_dpop_proof(keyring, presented, at)
    return TokenBinding(jkt=proof.jkt), proof


def _verify_dpop_proof(keyring: KeyRing, presented: PresentedCredentials, at: datetime) -> dpop.DpopProof:
    try:
        return dpop.verify_dpop_proof(presented, keyring, at)
    except ProofRefused as refused:
        wire = OAuthErrorCode.USE_DPOP_NONCE if refused.code == NONCE_REQUIRED else OAuthErrorCode.INVALID_DPOP_PROOF
        raise OAuthRefusal(wire, refused.code, private=refused.private) from refused


async def consume_proof(executor: Executor, proof: dpop.DpopProof, at: datetime) -> None:
    """Consume the jti of the DPoP proof. Raises OAuthRefusal `invalid_dpop_proof` on replay."""
    try:
        await dpop.consume_jti(executor, proof, at)
    except ProofRefused as refused:
        raise DpopReplay from refused


class DpopReplay(OAuthRefusal):
    """The DPoP proof was used before (replay)."""

    def __init__(self) -> None:
        super().__init__(OAuthErrorCode.INVALID_DPOP_PROOF, PROOF_REPLAYED)


async def verify_par_proof(executor: Executor, keyring: KeyRing, request: OAuthRequest, at: datetime) -> str | None:
    """Verify and consume the DPoP proof of a pushed request; return its key thumbprint.

    None without a proof. This runs before the request object is consumed, so that a retry with a nonce may send the
    same object. Raises OAuthRefusal `use_dpop_nonce`, `invalid_dpop_proof`.
    """
    if not request.presented.proofs:
        return None
    proof = _verify_dpop_proof(keyring, request.presented, at)
    await consume_proof(executor, proof, at)
    return proof.jkt


def resolve_code_binding(request: OAuthRequest, proven_jkt: str | None) -> str | None:
    """Resolve the key that the code is bound to: `dpop_jkt`, the proof, or both (RFC 9449 section 10.1).

    Raises OAuthRefusal `invalid_request` when they differ.
    """
    named = request.form.get("dpop_jkt")
    if named is not None and _JWK_THUMBPRINT.fullmatch(named) is None:
        raise invalid_request_error("dpop_jkt_vormfout")
    if proven_jkt is None:
        return named
    if named not in (None, proven_jkt):
        raise invalid_request_error("dpop_jkt_wijkt_af")
    return proven_jkt


def _bind_to_certificate(presented: PresentedCredentials, at: datetime) -> TokenBinding:
    if presented.proofs:
        raise invalid_request_error("twee_bindingen")
    certificate = parse_request_certificate(presented, at)
    if certificate is None:
        raise invalid_request_error("certificaat_ontbreekt")
    return TokenBinding(x5t=certificate.x5t)


def parse_request_certificate(presented: PresentedCredentials, at: datetime) -> Certificate | None:
    """Parse the client certificate of the request; None without one. Raises OAuthRefusal `invalid_request`."""
    try:
        return read_client_certificate(presented, at)
    except ProofRefused as refused:
        raise _certificate_error(refused) from refused


def parse_request_chain(presented: PresentedCredentials) -> list[Certificate]:
    """Parse the intermediate certificates of the request. Raises OAuthRefusal `invalid_request`."""
    try:
        return read_client_certificate_chain(presented)
    except ProofRefused as refused:
        raise _certificate_error(refused) from refused


def _certificate_error(refused: ProofRefused) -> OAuthRefusal:
    return OAuthRefusal(OAuthErrorCode.INVALID_REQUEST, refused.code, description=Message("oauth.certificate_unusable"))
