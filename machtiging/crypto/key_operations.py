"""The operations on long-lived secret keys: signing a JWS and wrapping data keys.

`Signer` and `KeyWrapper` say what the key ring needs. `FileSigner` and `FileKeyWrapper` do it with the files of the key
directory. A hardware security module (HSM) gives its own signer and key wrapper: then the private bytes never enter
this process (docs/decisions, page "The key ring behind two protocols").
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from machtiging.crypto import key_material
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.jose import compute_signature
from machtiging.crypto.key_manifest import KeyEntry


class Signer(Protocol):
    """One signing key. It signs with one algorithm and shows its public half only."""

    @property
    def kid(self) -> str:
        """The `kid` in the header of its tokens, unique to this installation."""

    @property
    def alg(self) -> str:
        """Its only algorithm (RFC 7518 section 3.1)."""

    def sign(self, signing_input: bytes) -> bytes:
        """Return the JWS signature of these bytes (RFC 7515 section 5.1). Raises Fault."""

    def public_jwk(self) -> dict[str, Any]:
        """Return the public key as a JWK with `kid`, `alg` and `use` (RFC 7517)."""


class KeyWrapper(Protocol):
    """The key-encryption key (KEK) in all its versions. It wraps and unwraps data keys."""

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions that can unwrap, in ascending order."""

    def wrap(self, key: bytes, version: int, *context: str) -> bytes:
        """Wrap a data key with this version of the KEK. The context is authenticated. Raises Fault."""

    def unwrap(self, wrapped: bytes, version: int, *context: str) -> bytes:
        """Unwrap a data key. Raises Fault `versleuteling_klopt_niet` for another key, version or context."""

    def check_value(self, version: int) -> bytes:
        """Return the key check value: a public value that shows a replaced KEK."""


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A signing key from the key directory. `kid` holds part of the RFC 7638 thumbprint."""

    kid: str
    alg: str
    material: key_material.SigningMaterial = field(repr=False)

    @classmethod
    def parse(cls, content: bytes, entry: KeyEntry) -> FileSigner:
        """Parse the content of a key file. Raises Fault `sleutel_onleesbaar`."""
        material = key_material.parse_signing_key(content, entry)
        return cls(f"{entry.name}.{material.thumbprint()[:8]}", entry.kind.algorithm, material)

    def sign(self, signing_input: bytes) -> bytes:
        """Return the JWS signature of these bytes."""
        return compute_signature(signing_input, self.material, self.alg)

    def public_jwk(self) -> dict[str, Any]:
        """Return the public key as a JWK."""
        return {**self.material.as_dict(private=False), "kid": self.kid, "alg": self.alg, "use": "sig"}


class FileKeyWrapper:
    """The KEK from the key directory: AES-256-GCM with the context as associated data."""

    def __init__(self, content: Mapping[KeyEntry, bytes]) -> None:
        """Parse the content of the key files. Raises Fault `sleutel_onleesbaar`."""
        self._keys = {e.version: DataKey(key_material.parse_symmetric_key(c, e)) for e, c in content.items()}
        self._check_values = {e.version: hashlib.sha256(c.strip()).digest() for e, c in content.items()}

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions in the directory."""
        return tuple(sorted(self._keys))

    def wrap(self, key: bytes, version: int, *context: str) -> bytes:
        """Wrap a data key with this version."""
        return self._keys[version].encrypt(key, *context)

    def unwrap(self, wrapped: bytes, version: int, *context: str) -> bytes:
        """Unwrap a data key. Raises Fault `versleuteling_klopt_niet`."""
        return self._keys[version].decrypt(wrapped, *context)

    def check_value(self, version: int) -> bytes:
        """Return the SHA-256 of the key file."""
        return self._check_values[version]

    def __repr__(self) -> str:
        return "FileKeyWrapper(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a FileKeyWrapper is not to be serialised")


@dataclass(frozen=True, slots=True)
class ExternalKeys:
    """Keys outside the key directory, for example in an HSM. The manifest lists them; they have no file.

    `signers` is asked again at every reload, by the name of the key (`es256-1`).
    """

    signers: Mapping[str, Signer] = field(default_factory=dict)
    key_wrapper: KeyWrapper | None = None


NO_EXTERNAL_KEYS = ExternalKeys()
