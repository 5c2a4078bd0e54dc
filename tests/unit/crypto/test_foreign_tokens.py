"""Tokens that others signed: their key set, our rules."""

import base64
import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from machtiging.crypto.jose import verify_jwt
from machtiging.kernel.errors import Fault, NotAuthenticated
from tests.builders.proof import an_rsa_key

RSA, OTHER_RSA = an_rsa_key(2048), RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
ED = OKPKey.generate_key("Ed25519")
EVERYTHING = ("RS256", "PS256", "ES256", "Ed25519")


def public(key, **members):
    return {**key.as_dict(private=False), **members}


def a_token(key=EC, alg="ES256", payload=None, **header):
    raw = json.dumps({"sub": "x"} if payload is None else payload).encode()
    return jws.serialize_compact({"alg": alg, **header}, raw, key, algorithms=[alg])


def read(token, *keys, algorithms=EVERYTHING, typ=None):
    return verify_jwt(token, {"keys": list(keys)}, algorithms=algorithms, typ=typ)


def refused(token, *keys, **options):
    with pytest.raises(NotAuthenticated, match="token_ongeldig") as refusal:
        read(token, *keys, **options)
    return refusal.value.private


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "Ed25519")])
def test_a_token_signed_by_a_key_of_the_set_is_read(key, alg):
    assert read(a_token(key, alg, kid="1"), public(key, kid="1")) == {"sub": "x"}


def test_without_kid_the_only_key_that_could_have_signed_is_taken():
    assert read(a_token(EC), public(RSA), public(EC), public(ED))


def test_two_keys_that_could_have_signed_are_one_too_many():
    assert "2 keys" in refused(a_token(RSA, "RS256"), public(RSA), public(OTHER_RSA))
    assert "2 keys" in refused(a_token(RSA, "RS256", kid="1"), public(RSA, kid="1"), public(OTHER_RSA, kid="1"))


@pytest.mark.parametrize("kid", ["2", "", "../1", "' OR 1=1", "https://evil.example"])
def test_an_unknown_kid_is_refused(kid):
    assert "0 keys" in refused(a_token(kid=kid), public(EC, kid="1"))


def test_the_key_of_another_signer_is_refused():
    assert "signature" in refused(a_token(RSA, "RS256"), public(OTHER_RSA))


@pytest.mark.parametrize("members", [{"use": "enc"}, {"alg": "PS256"}, {"kty": "EC"}, {"kty": "oct", "k": "AAAA"}])
def test_a_key_that_was_meant_for_something_else_is_refused(members):
    assert "0 keys" in refused(a_token(RSA, "RS256"), public(RSA, **members))


def test_an_algorithm_that_was_not_asked_for_is_refused():
    assert "alg" in refused(a_token(RSA, "RS256"), public(RSA), algorithms=["PS256", "ES256"])


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["ES256", "HS256"], ["RSA1_5"]])
def test_a_caller_cannot_allow_a_symmetric_algorithm_or_none(algorithms):
    with pytest.raises(Fault, match="algoritme_niet_toegestaan"):
        read(a_token(), public(EC), algorithms=algorithms)


def test_a_public_key_used_as_a_secret_is_refused():
    token = a_token(OctKey.import_key("secret" * 8), "HS256")
    refused(token, {"kty": "oct", "k": base64.urlsafe_b64encode(b"secret" * 8).decode().rstrip("=")}, public(RSA))


def forged(header, payload=b"{}"):
    parts = (json.dumps(header).encode(), payload, b"x")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize("alg", ["none", "NONE", "", None, 1, ["ES256"]])
def test_an_unsigned_token_is_refused(alg):
    refused(forged({"alg": alg}), public(EC))


def test_an_attackers_key_in_the_header_is_refused():
    mine = ECKey.generate_key("P-256")
    for name, value in (
        ("jwk", mine.as_dict(private=False)),
        ("jku", "https://evil.example"),
        ("x5u", "https://e.example"),
    ):
        assert name in refused(a_token(mine, **{name: value}), public(EC))


def test_rules_that_the_token_brings_along_are_refused():
    assert "crit" in refused(forged({"alg": "ES256", "crit": ["exp"]}), public(EC))
    assert "b64" in refused(forged({"alg": "ES256", "b64": False}), public(EC))


def test_without_a_wanted_type_only_a_plain_jwt_is_read():
    assert read(a_token(typ="JWT"), public(EC))
    assert read(a_token(), public(EC))
    refused(a_token(typ="at+jwt"), public(EC))


def test_a_wanted_type_must_be_there():
    assert read(a_token(typ="application/at+jwt"), public(EC), typ="at+jwt")
    assert read(a_token(typ="JWT"), public(EC), typ=("JWT", "client-authentication+jwt"))
    for token in (a_token(), a_token(typ="JWT")):
        refused(token, public(EC), typ="at+jwt")


def test_a_short_rsa_key_is_refused():
    short = {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xc1" * 128).decode().rstrip("=")}
    assert "2048" in refused(a_token(RSA, "RS256"), short)


def test_a_key_on_another_curve_is_refused():
    key = ECKey.generate_key("P-384")
    refused(a_token(key, "ES384"), public(key))
    refused(forged({"alg": "ES256"}), public(key))


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"kty": "EC"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": 1},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    ],
)
def test_an_unreadable_key_is_a_refusal_and_no_crash(key):
    refused(a_token(), key)


@pytest.mark.parametrize(
    "jwks", [{}, [], None, {"keys": {}}, {"keys": [None, 1, "x", []]}, {"keys": [{}] * 65}, {"keys": []}]
)
def test_a_key_set_that_is_none_is_a_refusal_and_no_crash(jwks):
    with pytest.raises(NotAuthenticated):
        verify_jwt(a_token(), jwks, algorithms=["ES256"], typ=None)


@pytest.mark.parametrize("payload", [[], None, "x", 1])
def test_claims_that_are_no_object_are_refused(payload):
    refused(forged({"alg": "ES256"}, json.dumps(payload).encode()), public(EC))
    raw = json.dumps(payload).encode()
    refused(jws.serialize_compact({"alg": "ES256"}, raw, EC, algorithms=["ES256"]), public(EC))


def test_a_token_over_sixteen_kilobytes_is_refused_unread():
    assert "long" in refused(a_token(payload={"x": "y" * 13_000}), public(EC))


def test_brackets_without_end_are_refused_unparsed():
    assert "deep" in refused(forged({"alg": "ES256", "x": "[" * 300}), public(EC))
