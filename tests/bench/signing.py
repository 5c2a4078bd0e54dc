"""Part 3, beside it. The signature of one access token, ES256 as our own API's tokens have it beside PS256."""

from __future__ import annotations

import time
from functools import partial
from uuid import uuid4

from machtiging.crypto.keyring import KeyRing
from machtiging.oauth.token_issuance import ACCESS_TOKEN_TYP, OWN_API_SIGNING_ALG
from tests.bench import rounds

_BESIDE = "PS256"
_TWICE = rounds.Goal(">= 2.00 x PS256", at_least=2.0)


async def _signatures_per_second(keyring: KeyRing, alg: str, count: int) -> float:
    claims = {"iss": "http://localhost:8000", "aud": "http://localhost:8000/api/v1", "jti": str(uuid4())}
    claims |= {"sub": "x" * 43, "client_id": "y" * 22, "scope": "aanleveringen:schrijven"}
    began = time.perf_counter()
    for number in range(count):
        keyring.sign_jwt(claims | {"iat": number, "exp": number + 600}, typ=ACCESS_TOKEN_TYP, alg=alg)
    return count / (time.perf_counter() - began)


async def measure(keyring: KeyRing, *, quick: bool) -> list[rounds.Row]:
    """The row about signatures."""
    count = 100 if quick else 400
    sides = [partial(_signatures_per_second, keyring, alg, count) for alg in (OWN_API_SIGNING_ALG, _BESIDE)]
    ours, theirs = await rounds.interleave(3 if quick else 11, sides)
    return [rounds.compare("sign an access token", "signatures per second", "/s", ours, _BESIDE, theirs, _TWICE)]
