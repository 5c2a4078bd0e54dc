"""Broken verifications of a signature, for every module that verifies JWTs of clients."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

from machtiging.crypto.jose import UnverifiedJws
from tests.mutants.mutant import claims_of, header_of, swap

Verify = Callable[..., dict[str, Any]]
Broken = Callable[[Verify], Verify]


def break_verification(module: Any, build_replacement: Broken) -> None:
    """Replace the verification in a module that verifies the text of a token."""
    swap(module, module.parse_jws, lambda _: _parse_leniently)
    swap(module, module.verify_jwt, build_replacement)


def break_parsed_verification(module: Any, build_replacement: Broken) -> None:
    """Replace the verification in a module that verifies a parsed token."""

    def by_parts(was: Any) -> Any:
        def verify(parts: Any, jwks: Any, **options: Any) -> Any:
            return build_replacement(lambda _token, *given, **more: was(parts, *given, **more))(
                parts.text, jwks, **options
            )

        return verify

    swap(module, module.parse_jws, lambda _: _parse_leniently)
    swap(module, module.verify_parsed_jws, by_parts)


def _parse_leniently(token: str, **_options: Any) -> Any:
    """Parse without the checks of the header. They reject such tokens before their signature is verified."""
    header, payload, signature = map(_decode, token.split("."))
    signing_input = token.rpartition(".")[0].encode()
    return _TextJws(json.loads(header), payload, signing_input, signature, text=token)


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@dataclass(frozen=True)
class _TextJws(UnverifiedJws):
    text: str


def accept_alg_none(was: Verify) -> Verify:
    def verify(token: str, jwks: Any, **options: Any) -> dict[str, Any]:
        return claims_of(token) if header_of(token).get("alg") == "none" else was(token, jwks, **options)

    return verify


def accept_any_signature(_was: Verify) -> Verify:
    return lambda token, *_, **__: claims_of(token)


def accept_public_key_as_hmac_secret(was: Verify) -> Verify:
    def verify(token: str, jwks: Any, **options: Any) -> dict[str, Any]:
        if header_of(token).get("alg") != "HS256":
            return was(token, jwks, **options)
        text, _, signature = token.rpartition(".")
        secrets = [key["x"].encode() for key in jwks["keys"] if "x" in key]
        made = [base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")) for secret in secrets]
        if signature not in [one.rstrip(b"=").decode() for one in made]:
            return was(token, jwks, **options)
        return claims_of(token)

    return verify


def accept_key_in_header(was: Verify) -> Verify:
    def verify(token: str, jwks: Any, **options: Any) -> dict[str, Any]:
        if "jwk" not in header_of(token):
            return was(token, jwks, **options)
        key = ECKey.import_key(header_of(token)["jwk"])
        return json.loads(jws.deserialize_compact(token, key, algorithms=["ES256"]).payload)

    return verify


def ignore_crit(was: Verify) -> Verify:
    def verify(token: str, jwks: Any, **options: Any) -> dict[str, Any]:
        return claims_of(token) if "crit" in header_of(token) else was(token, jwks, **options)

    return verify
