"""X.509 client certificates: parsing and chain verification (RFC 5280, RFC 8705)."""

from __future__ import annotations

import hashlib
import ipaddress
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import verification as chains
from joserfc.jwk import ECKey, OKPKey, RSAKey

from machtiging.crypto.jose import encode_base64url
from machtiging.kernel.errors import Fault, InvalidInput

MAX_CERTIFICATE_BYTES = 8 * 1024
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192
_MAX_NAME_LENGTH = 1024
_PARSE_ERRORS = (
    Warning,
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_TextName: TypeAlias = type[x509.DNSName] | type[x509.UniformResourceIdentifier] | type[x509.RFC822Name]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A parsed certificate. `x5t` is the SHA-256 thumbprint in `cnf` (RFC 8705 section 3.1)."""

    parsed: x509.Certificate
    x5t: str

    def is_valid_at(self, at: datetime) -> bool:
        """Return True within its validity period."""
        return self.parsed.not_valid_before_utc <= at <= self.parsed.not_valid_after_utc

    def subject_matches(self, name: str) -> bool:
        """Compare its subject with an RFC 4514 name: same attributes, same order, same case."""
        return self.parsed.subject == _parse_distinguished_name(name)

    def key_thumbprint(self) -> str:
        """Return the RFC 7638 thumbprint of its public key."""
        key = self.parsed.public_key()
        text = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        if isinstance(key, rsa.RSAPublicKey):
            return RSAKey.import_key(text).thumbprint()
        if isinstance(key, ec.EllipticCurvePublicKey):
            return ECKey.import_key(text).thumbprint()
        return OKPKey.import_key(text).thumbprint()

    def subject_alt_names(self, name_type: str) -> frozenset[str]:
        """Return its subject alternative names of one type: dns, uri, ip or email."""
        kinds: dict[str, _TextName] = {
            "dns": x509.DNSName,
            "uri": x509.UniformResourceIdentifier,
            "email": x509.RFC822Name,
        }
        try:
            found = self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError):
            return frozenset()
        if name_type == "ip":
            return frozenset(str(one) for one in found.get_values_for_type(x509.IPAddress))
        values: list[str] = found.get_values_for_type(kinds[name_type])
        return frozenset(one.lower() if name_type == "dns" else one for one in values)


def parse_certificate(der: bytes) -> Certificate:
    """Parse a DER certificate with a strong enough key. Raises InvalidInput `certificaat_vormfout`."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise _unreadable_certificate_error("too large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # parser warnings become refusals
            parsed = x509.load_der_x509_certificate(der)
            key = parsed.public_key()
            parsed.subject, parsed.extensions  # noqa: B018 (both are parsed when asked)
    except _PARSE_ERRORS as error:
        raise _unreadable_certificate_error(type(error).__name__) from error
    if isinstance(key, rsa.RSAPublicKey):
        fit = _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        fit = key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
    else:
        fit = isinstance(key, ed25519.Ed25519PublicKey)
    if not fit:
        raise _unreadable_certificate_error("its key is too weak, or of a kind that is not taken")
    return Certificate(parsed, encode_base64url(hashlib.sha256(der).digest()))


def _unreadable_certificate_error(private: str) -> InvalidInput:
    return InvalidInput("certificaat_vormfout", message="certificaat_vormfout.unacceptable", private=private)


def _parse_distinguished_name(text: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(text)


def is_distinguished_name(text: object) -> bool:
    """Return True for an RFC 4514 distinguished name that can be compared."""
    try:
        return (
            isinstance(text, str)
            and 0 < len(text) <= _MAX_NAME_LENGTH
            and len(_parse_distinguished_name(text).rdns) > 0
        )
    except ValueError:
        return False


def is_ip_address(text: object) -> bool:
    """Return True for an IP address in canonical form."""
    try:
        return isinstance(text, str) and str(ipaddress.ip_address(text)) == text
    except ValueError:
        return False


class CertificateAuthorities:
    """The trusted certificate authorities for clients. Without any, no chain verifies."""

    def __init__(self, certificates: Sequence[x509.Certificate] = ()) -> None:
        self._store = chains.Store(list(certificates)) if certificates else None

    @classmethod
    def load(cls, file: Path | None) -> CertificateAuthorities:
        """Load the authorities from a PEM file. Raises Fault `certificaten_onleesbaar`: never a partial list."""
        if file is None:
            return cls()
        try:
            found = x509.load_pem_x509_certificates(file.read_bytes())
        except (OSError, ValueError) as error:
            raise Fault("certificaten_onleesbaar", private=f"{file}: {type(error).__name__}") from error
        return cls(found)

    def __bool__(self) -> bool:
        return self._store is not None

    def verify_chain(self, certificate: Certificate, intermediates: Sequence[Certificate], at: datetime) -> bool:
        """Verify the chain from an authority to this client certificate at this instant."""
        if self._store is None:
            return False
        any_leaf = chains.ExtensionPolicy.permit_all().may_be_present(
            x509.ExtendedKeyUsage, chains.Criticality.AGNOSTIC, _require_client_auth_usage
        )
        policy = chains.PolicyBuilder().store(self._store).time(at).max_chain_depth(4)
        policy = policy.extension_policies(ca_policy=chains.ExtensionPolicy.webpki_defaults_ca(), ee_policy=any_leaf)
        try:
            policy.build_client_verifier().verify(certificate.parsed, [one.parsed for one in intermediates])
        except (chains.VerificationError, ValueError):
            return False
        return True


def _require_client_auth_usage(_policy: object, _leaf: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    """Require extended key usage clientAuth, if the extension is present. Raises ValueError."""
    if usage is not None and x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise ValueError("not for TLS clients")


NO_AUTHORITIES = CertificateAuthorities()
