"""JWTs of third parties, verified with their JWKS."""

import base64
import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from machtiging.crypto.jose import verify_jwt
from machtiging.kernel.errors import Fault, NotAuthenticated
from tests.builders.keys import make_rsa_key

RSA, OTHER_RSA = make_rsa_key(2048), RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
ED = OKPKey.generate_key("Ed25519")
EVERYTHING = ("RS256", "PS256", "ES256", "Ed25519")


def public(key, **members):
    return {**key.as_dict(private=False), **members}


def sign_token(key=EC, alg="ES256", payload=None, **header):
    raw = json.dumps({"sub": "x"} if payload is None else payload).encode()
    return jws.serialize_compact({"alg": alg, **header}, raw, key, algorithms=[alg])


def read(token, *keys, algorithms=EVERYTHING, typ=None):
    return verify_jwt(token, {"keys": list(keys)}, algorithms=algorithms, typ=typ)


def read_refusal(token, *keys, **options):
    with pytest.raises(NotAuthenticated, match="token_ongeldig") as refusal:
        read(token, *keys, **options)
    return refusal.value.private


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "Ed25519")])
def test_jwt_signed_by_key_in_jwks_is_accepted(key, alg):
    assert read(sign_token(key, alg, kid="1"), public(key, kid="1")) == {"sub": "x"}


def test_jwt_without_kid_uses_the_only_matching_key():
    assert read(sign_token(EC), public(RSA), public(EC), public(ED))


def test_jwt_matching_two_keys_is_rejected():
    assert "2 keys" in read_refusal(sign_token(RSA, "RS256"), public(RSA), public(OTHER_RSA))
    assert "2 keys" in read_refusal(sign_token(RSA, "RS256", kid="1"), public(RSA, kid="1"), public(OTHER_RSA, kid="1"))


@pytest.mark.parametrize("kid", ["2", "", "../1", "' OR 1=1", "https://evil.example"])
def test_jwt_with_unknown_kid_is_rejected(kid):
    assert "0 keys" in read_refusal(sign_token(kid=kid), public(EC, kid="1"))


def test_jwt_signed_by_another_key_is_rejected():
    assert "signature" in read_refusal(sign_token(RSA, "RS256"), public(OTHER_RSA))


@pytest.mark.parametrize("members", [{"use": "enc"}, {"alg": "PS256"}, {"kty": "EC"}, {"kty": "oct", "k": "AAAA"}])
def test_jwk_with_wrong_use_alg_or_kty_is_rejected(members):
    assert "0 keys" in read_refusal(sign_token(RSA, "RS256"), public(RSA, **members))


def test_jwt_with_disallowed_algorithm_is_rejected():
    assert "alg" in read_refusal(sign_token(RSA, "RS256"), public(RSA), algorithms=["PS256", "ES256"])


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["ES256", "HS256"], ["RSA1_5"]])
def test_allowing_symmetric_algorithm_or_none_is_a_fault(algorithms):
    with pytest.raises(Fault, match="algoritme_niet_toegestaan"):
        read(sign_token(), public(EC), algorithms=algorithms)


def test_jwt_algorithm_confusion_with_symmetric_key_is_rejected():
    token = sign_token(OctKey.import_key("secret" * 8), "HS256")
    read_refusal(token, {"kty": "oct", "k": base64.urlsafe_b64encode(b"secret" * 8).decode().rstrip("=")}, public(RSA))


def forge_token(header, payload=b"{}"):
    parts = (json.dumps(header).encode(), payload, b"x")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize("alg", ["none", "NONE", "", None, 1, ["ES256"]])
def test_jwt_with_alg_none_is_rejected(alg):
    read_refusal(forge_token({"alg": alg}), public(EC))


def test_jwt_with_key_in_header_is_rejected():
    mine = ECKey.generate_key("P-256")
    for name, value in (
        ("jwk", mine.as_dict(private=False)),
        ("jku", "https://evil.example"),
        ("x5u", "https://e.example"),
    ):
        assert name in read_refusal(sign_token(mine, **{name: value}), public(EC))


def test_jwt_with_crit_or_b64_header_is_rejected():
    assert "crit" in read_refusal(forge_token({"alg": "ES256", "crit": ["exp"]}), public(EC))
    assert "b64" in read_refusal(forge_token({"alg": "ES256", "b64": False}), public(EC))


def test_jwt_with_unexpected_typ_is_rejected():
    assert read(sign_token(typ="JWT"), public(EC))
    assert read(sign_token(), public(EC))
    read_refusal(sign_token(typ="at+jwt"), public(EC))


def test_jwt_without_required_typ_is_rejected():
    assert read(sign_token(typ="application/at+jwt"), public(EC), typ="at+jwt")
    assert read(sign_token(typ="JWT"), public(EC), typ=("JWT", "client-authentication+jwt"))
    for token in (sign_token(), sign_token(typ="JWT")):
        read_refusal(token, public(EC), typ="at+jwt")


def test_rsa_jwk_under_2048_bits_is_rejected():
    short = {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xc1" * 128).decode().rstrip("=")}
    assert "2048" in read_refusal(sign_token(RSA, "RS256"), short)


def test_jwk_on_unsupported_curve_is_rejected():
    key = ECKey.generate_key("P-384")
    read_refusal(sign_token(key, "ES384"), public(key))
    read_refusal(forge_token({"alg": "ES256"}), public(key))


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"kty": "EC"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": 1},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    ],
)
def test_malformed_jwk_is_rejected(key):
    read_refusal(sign_token(), key)


@pytest.mark.parametrize(
    "jwks", [{}, [], None, {"keys": {}}, {"keys": [None, 1, "x", []]}, {"keys": [{}] * 65}, {"keys": []}]
)
def test_malformed_jwks_is_rejected(jwks):
    with pytest.raises(NotAuthenticated):
        verify_jwt(sign_token(), jwks, algorithms=["ES256"], typ=None)


@pytest.mark.parametrize("payload", [[], None, "x", 1])
def test_jwt_payload_that_is_no_object_is_rejected(payload):
    read_refusal(forge_token({"alg": "ES256"}, json.dumps(payload).encode()), public(EC))
    raw = json.dumps(payload).encode()
    read_refusal(jws.serialize_compact({"alg": "ES256"}, raw, EC, algorithms=["ES256"]), public(EC))


def test_jwt_over_16_kib_is_rejected():
    assert "long" in read_refusal(sign_token(payload={"x": "y" * 13_000}), public(EC))


def test_jwt_with_deeply_nested_json_is_rejected():
    assert "deep" in read_refusal(forge_token({"alg": "ES256", "x": "[" * 300}), public(EC))
