"""Key rings, keys that are proved (DPoP) and certificates that are presented (mutual TLS)."""

from __future__ import annotations

import atexit
import base64
import functools
import hashlib
import ipaddress
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from machtiging.access_tokens.sender_constraint.dpop_nonce import generate_dpop_nonce
from machtiging.crypto.keyring import KeyRing, generate_key_ring
from machtiging.kernel.clock import Clock
from tests.builders.messages import encode_base64url, sign_raw

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


@functools.cache
def generate_ring_directory() -> Path:
    """The directory that was made where there was none. To look at: whoever changes a ring takes `a_key_directory`."""
    place = Path(tempfile.mkdtemp(prefix="machtiging-keys-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    generate_key_ring(place / "deep" / "keys", MADE_AT)
    return place / "deep" / "keys"


@functools.cache
def _contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in generate_ring_directory().iterdir()}


def make_key_directory(directory: Path) -> Path:
    """A directory with a ring in it, to rotate or to damage."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    for name, content in _contents().items():
        with open(directory / name, "wb", opener=_closed_to_others) as file:
            file.write(content)
    return directory


def _closed_to_others(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


@functools.cache
def load_keyring() -> KeyRing:
    """The same ring each time it is asked for."""
    place = Path(tempfile.mkdtemp(prefix="machtiging-keys-"))
    try:
        return KeyRing.load(make_key_directory(place))
    finally:
        shutil.rmtree(place)


@dataclass(frozen=True)
class KeyHolder:
    """Somebody with a key, who can prove that he has it."""

    clock: Clock
    key: Any = field(default_factory=lambda: ECKey.generate_key("P-256"))
    alg: str = "ES256"

    @property
    def jkt(self) -> str:
        return self.key.thumbprint()

    def jwk(self) -> dict[str, Any]:
        return self.key.as_dict(private=False)

    def nonce(self) -> str:
        """The one that we would give out now."""
        return generate_dpop_nonce(load_keyring(), self.clock.now())

    def proof(self, method: str, url: str, *, token: str | None = None, **changes: Any) -> str:
        """A proof. `header` changes header members, `key` signs instead; other changes are claims. None leaves out."""
        header = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk()} | changes.pop("header", {})
        key = changes.pop("key", self.key)
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(12),
            "htm": method,
            "htu": url,
            "iat": int(self.clock.now().timestamp()),
            "nonce": self.nonce(),
        }
        if token is not None:
            claims["ath"] = encode_base64url(hashlib.sha256(token.encode()).digest())
        return sign_jws(_without(header), _without(claims | changes), key)

    def headers(self, method: str, url: str, token: str, **changes: Any) -> dict[str, str]:
        """A request with a bound token."""
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, url, token=token, **changes)}


def _without(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def sign_jws(header: Mapping[str, Any], claims: Any, key: Any) -> str:
    """A JWS with exactly this header. joserfc would refuse to sign some of those that have to be refused by us."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    alg = header.get("alg")
    if alg == "none" or key is None:
        return (
            f"{encode_base64url(json.dumps(header).encode())}.{encode_base64url(payload)}.{'' if key is None else 'AA'}"
        )
    made = jws.serialize_compact({"alg": alg}, b"x", key, algorithms=[alg])  # the key fits the algorithm
    assert made
    signing = f"{encode_base64url(json.dumps(header).encode())}.{encode_base64url(payload)}"
    return f"{signing}.{encode_base64url(sign_raw(alg, signing.encode(), key))}"


@cache
def make_rsa_key(size: int) -> RSAKey:
    """The same one each time: they take long to find."""
    return RSAKey.generate_key(size)


def make_rsa_holder(clock: Clock, size: int = 2048) -> KeyHolder:
    return KeyHolder(clock, make_rsa_key(size), "PS256")


def make_ed25519_holder(clock: Clock) -> KeyHolder:
    return KeyHolder(clock, OKPKey.generate_key("Ed25519"), "Ed25519")


@dataclass(frozen=True)
class CertifiedKey:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def x5t(self) -> str:
        return encode_base64url(hashlib.sha256(self.der).digest())

    @property
    def header(self) -> dict[str, str]:
        """As a proxy passes it on (RFC 9440)."""
        return {"Client-Cert": f":{base64.b64encode(self.der).decode()}:"}

    def jwk(self) -> dict[str, Any]:
        """As a client registers it (RFC 8705 2.2.2)."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {**ECKey.import_key(public).as_dict(private=False), "x5c": [base64.b64encode(self.der).decode()]}


def make_certificate(
    subject: str = "CN=postkamer,O=UWV,C=NL",
    *,
    by: CertifiedKey | None = None,
    authority: bool = False,
    begins: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=90),
    sans: Iterable[tuple[str, str]] = (),
    usage: Any = ExtendedKeyUsageOID.CLIENT_AUTH,
    key: Any = None,
    at: datetime = NOON,
) -> CertifiedKey:
    """A certificate signed by `by`, or by itself, that begins and ends around `at`."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string(subject)
    signer = key if by is None else by.key
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at + begins)
        .not_valid_after(at + ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if authority:
        signs = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "digital_signature"), False
        )
        usages = x509.KeyUsage(**signs, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
        made = made.add_extension(usages, critical=True)
    elif usage is not None:
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if sans := list(sans):
        made = made.add_extension(x509.SubjectAlternativeName([_san(*one) for one in sans]), critical=False)
    return CertifiedKey(made.sign(signer, hashes.SHA256()), key)


def _san(kind: str, value: str) -> x509.GeneralName:
    if kind == "ip":
        return x509.IPAddress(ipaddress.ip_address(value))
    return {"dns": x509.DNSName, "uri": x509.UniformResourceIdentifier, "email": x509.RFC822Name}[kind](value)
