"""Signatures of DPoP proofs: the examples of the RFCs and the allowed algorithms."""

import pytest

from machtiging.crypto.proof_of_possession import jwk_thumbprint, verify_proof_of_possession
from machtiging.kernel.errors import NotAuthenticated
from tests.builders.keys import KeyHolder, make_ed25519_holder, make_rsa_holder
from tests.builders.messages import encode_base64url

EC_KEY = {
    "kty": "EC",
    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    "crv": "P-256",
}
RSA_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
    "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"
    "MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
    "nqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
# RFC 9449 section 4.2.
PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRj"
    "QyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGk"
    "iOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyM"
    "jYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
ALL = ("ES256", "PS256", "Ed25519")


def verify(proof, algorithms=ALL):
    return verify_proof_of_possession(proof, algorithms=algorithms, typ="dpop+jwt", max_length=8192)


def test_jwk_thumbprint_matches_rfc_examples():
    assert jwk_thumbprint(RSA_KEY) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # RFC 7638 section 3.1
    assert jwk_thumbprint(EC_KEY) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"  # RFC 9449 section 6.1


def test_dpop_proof_of_rfc_9449_is_accepted():
    proven = verify(PROOF)
    assert proven.jkt == jwk_thumbprint(EC_KEY)
    assert proven.claims["htu"] == "https://server.example.com/token"


def test_jwk_thumbprint_ignores_optional_members():
    assert jwk_thumbprint({**EC_KEY, "kid": "een", "use": "sig"}) == jwk_thumbprint(EC_KEY)


@pytest.mark.parametrize("key", [{}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-256"}, {"kty": ["EC"]}])
def test_jwk_thumbprint_of_invalid_key_is_rejected(key):
    with pytest.raises(NotAuthenticated, match="token_ongeldig"):
        jwk_thumbprint(key)


@pytest.mark.parametrize("make", [KeyHolder, make_rsa_holder, make_ed25519_holder])
def test_dpop_proof_with_disallowed_algorithm_is_rejected(clock, make):
    holder = make(clock)
    proof = holder.proof("GET", "https://machtigen.test/")
    assert verify(proof, (holder.alg,)).jkt == holder.jkt
    with pytest.raises(NotAuthenticated, match="token_ongeldig"):
        verify(proof, tuple(alg for alg in ALL if alg != holder.alg))


def test_dpop_proof_with_oversized_rsa_key_is_rejected(clock):
    holder = make_rsa_holder(clock)
    for size, reason in [(512, "signature"), (513, "too large")]:
        jwk = holder.jwk() | {"n": encode_base64url(b"\xff" * size)}
        with pytest.raises(NotAuthenticated) as refused:
            verify(holder.proof("GET", "https://machtigen.test/", header={"jwk": jwk}))
        assert reason in refused.value.private
