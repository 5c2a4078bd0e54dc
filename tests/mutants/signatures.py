"""Ways to verify a signature wrongly, for every place that verifies what clients sign."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

from tests.mutants.mutant import claims_of, header_of, swap

Verify = Callable[..., dict[str, Any]]
Broken = Callable[[Verify], Verify]


def verified_by(place: Any, broken: Broken) -> None:
    """Let the module `place` verify like this, whether it does so by the text or by the parts of a token."""

    def decoded(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    def unread(token: str) -> Any:
        head, payload, signature = map(decoded, token.split("."))
        signed = token.rpartition(".")[0].encode()
        parts = {"header": json.loads(head), "payload": payload, "signed": signed, "signature": signature}
        return SimpleNamespace(**parts, text=token)

    def by_parts(was: Any) -> Any:
        def verify(parts: Any, jwks: Any, **options: Any) -> Any:
            return broken(lambda _token, *given, **more: was(parts, *given, **more))(parts.text, jwks, **options)

        return verify

    swap(place, "parse_jws", lambda _: unread)  # it would not even look at such headers
    if hasattr(place, "verify_parsed_jws"):
        swap(place, "verify_parsed_jws", by_parts)
    else:
        swap(place, "verify_jwt", broken)


def nobodys_will_do(was: Verify) -> Verify:
    def verify(token: str, jwks: Any, **options: Any) -> dict[str, Any]:
        return claims_of(token) if header_of(token).get("alg") == "none" else was(token, jwks, **options)

    return verify


def any_will_do(_was: Verify) -> Verify:
    return lambda token, *_, **__: claims_of(token)


def the_token_chooses_the_algorithm(was: Verify) -> Verify:
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


def the_token_brings_its_key(was: Verify) -> Verify:
    def verify(token: str, jwks: Any, **options: Any) -> dict[str, Any]:
        if "jwk" not in header_of(token):
            return was(token, jwks, **options)
        key = ECKey.import_key(header_of(token)["jwk"])
        return json.loads(jws.deserialize_compact(token, key, algorithms=["ES256"]).payload)

    return verify


def rules_in_a_header_are_passed_over(was: Verify) -> Verify:
    def verify(token: str, jwks: Any, **options: Any) -> dict[str, Any]:
        return claims_of(token) if "crit" in header_of(token) else was(token, jwks, **options)

    return verify
