"""Parsing and generation of key material: 32 bytes in base64, or a PEM (RSA, P-256)."""

from __future__ import annotations

import base64
import binascii
import os
from hashlib import sha256
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from machtiging.crypto.envelope import KEY_BYTES
from machtiging.crypto.manifest import Entry, Kind, State
from machtiging.kernel.errors import Fault

SigningMaterial: TypeAlias = RSAKey | ECKey
RSA_BITS = 3072
_PEM = b"-----BEGIN"
# Digests of key pairs that passed the trial signature, so that a reload does not repeat it.
_TRIED: set[bytes] = set()


def fresh(kind: Kind) -> bytes:
    """Generate key material of this kind, in the format of its file."""
    if not kind.signs:
        return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n"
    key = ECKey.generate_key("P-256") if kind is Kind.ES256 else RSAKey.generate_key(RSA_BITS)
    return key.as_pem(private=True)


def public_half(content: bytes, entry: Entry) -> bytes:
    """Return the public half of a retired signing key as PEM."""
    return signing(content, entry).as_pem(private=False)


def symmetric(content: bytes, entry: Entry) -> bytes:
    """Parse a symmetric key of 32 bytes. Raises Fault `sleutel_onleesbaar`."""
    try:
        key = _base64(content)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise Fault("sleutel_onleesbaar", private=f"{entry.name}: want 32 bytes in base64")
    return key


def signing(content: bytes, entry: Entry) -> SigningMaterial:
    """Parse a signing key and check its kind. Raises Fault `sleutel_onleesbaar` if it does not fit."""
    pem = content.strip()
    try:
        key = _import(pem if pem.startswith(_PEM) else _base64(pem))
        fits = _fits(key, entry.kind)
        if key.is_private:
            _try_out(key, entry.kind.algorithm, sha256(content).digest())
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, binascii.Error):
        # No cause: a parser's message may quote the key material.
        raise Fault("sleutel_onleesbaar", private=f"{entry.name}: not a key of kind {entry.kind}") from None
    if not fits:
        raise Fault("sleutel_onleesbaar", private=f"{entry.name}: want RSA of {RSA_BITS} bits or more, or P-256")
    if entry.state is not State.RETIRED and not key.is_private:
        raise Fault("sleutel_onleesbaar", private=f"{entry.name}: only the public half, while it has yet to sign")
    return key


def _import(pem: bytes) -> SigningMaterial:
    if b"PRIVATE KEY" not in pem:
        public = load_pem_public_key(pem)
        return RSAKey.import_key(public) if isinstance(public, RSAPublicKey) else ECKey.import_key(pem)
    # The primality check takes 150 ms per key. These are our own files, and a trial signature detects a damaged
    # file as well.
    private = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    return RSAKey.import_key(private) if isinstance(private, RSAPrivateKey) else ECKey.import_key(pem)


def _fits(key: SigningMaterial, kind: Kind) -> bool:
    if isinstance(key, ECKey):
        return kind is Kind.ES256 and key.curve_name == "P-256"
    return kind is not Kind.ES256 and key.public_key.key_size >= RSA_BITS


def _try_out(key: SigningMaterial, algorithm: str, digest: bytes) -> None:
    """Verify with a trial signature that both halves of a key fit. Raises JoseError."""
    if digest in _TRIED:
        return
    trial = jws.serialize_compact({"alg": algorithm}, b"trial", key, algorithms=[algorithm])
    jws.deserialize_compact(trial, key, algorithms=[algorithm])
    _TRIED.add(digest)


def _base64(content: bytes) -> bytes:
    text = content.strip().replace(b"-", b"+").replace(b"_", b"/")
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
