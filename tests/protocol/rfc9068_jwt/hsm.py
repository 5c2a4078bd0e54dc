"""A hardware security module for tests. It takes keys in, uses them, and never gives a private byte out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey, RSAKey

from machtiging.crypto import key_material
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.key_operations import ExternalKeys
from machtiging.crypto.rotation import read_key_entries
from machtiging.kernel.errors import Fault
from tests.builders.messages import sign_raw


@dataclass
class HsmSigner:
    """A handle on a key pair in the module: the closure holds the private half."""

    kid: str
    alg: str
    _public: dict[str, Any]
    _sign: Callable[[bytes], bytes] = field(repr=False)
    signatures: int = 0

    @classmethod
    def take_in(cls, pem: bytes, alg: str) -> HsmSigner:
        key = (ECKey if alg == "ES256" else RSAKey).import_key(pem)
        kid = f"hsm-{alg.lower()}"
        public = {**key.as_dict(private=False), "kid": kid, "alg": alg, "use": "sig"}
        return cls(kid, alg, public, lambda signing_input: sign_raw(alg, signing_input, key))

    def sign(self, signing_input: bytes) -> bytes:
        self.signatures += 1
        return self._sign(signing_input)

    def public_jwk(self) -> dict[str, Any]:
        return dict(self._public)


class HsmKeyWrapper:
    """The key-encryption key in the module. Its wrapped keys are in the format of the file-based one."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        self.versions = tuple(sorted(keys))
        self.unwrapped = 0
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._check_values = {version: sha256(key).digest()[:3] for version, key in keys.items()}

    def wrap(self, key: bytes, version: int, *context: str) -> bytes:
        nonce = os.urandom(12)
        return b"\x01" + nonce + self._ciphers[version].encrypt(nonce, key, self._associated(context))

    def unwrap(self, wrapped: bytes, version: int, *context: str) -> bytes:
        self.unwrapped += 1
        try:
            return self._ciphers[version].decrypt(wrapped[1:13], wrapped[13:], self._associated(context))
        except InvalidTag:
            raise Fault("versleuteling_klopt_niet", private="the module refused") from None

    def check_value(self, version: int) -> bytes:
        return self._check_values[version]

    @staticmethod
    def _associated(context: tuple[str, ...]) -> bytes:
        return ("v1|" + "|".join(context)).encode()


def move_keys_into_hsm(directory: Path) -> ExternalKeys:
    """Take every signing key and KEK out of the directory. After this the module alone can use them."""
    signers, wrapping = {}, {}
    for entry in read_key_entries(directory):
        file = directory / f"{entry.name}.key"
        if entry.kind.is_signing_kind:
            signer = HsmSigner.take_in(file.read_bytes(), entry.kind.algorithm)
            signer.kid += f"-{entry.version}"
            signer._public["kid"] = signer.kid
            signers[entry.name] = signer
        elif entry.kind is KeyKind.KEK:
            wrapping[entry.version] = key_material.parse_symmetric_key(file.read_bytes(), entry)
        else:
            continue
        file.unlink()
    return ExternalKeys(signers, HsmKeyWrapper(wrapping))
