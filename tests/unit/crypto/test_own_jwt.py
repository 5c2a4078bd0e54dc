"""Our own JWTs: one form, one key per algorithm, issuer, audience and lifetime."""

import base64
import functools
import hashlib
import hmac
import json
import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws

from machtiging.crypto import key_material, own_tokens
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing, generate_key_ring
from machtiging.crypto.rotation import rotate_key
from machtiging.kernel.errors import Fault, NotAuthenticated
from machtiging.message_catalogue import describe_refusal
from tests.builders.keys import MADE_AT, load_keyring, make_key_directory

NOW = MADE_AT + timedelta(days=1)
SECONDS = int(NOW.timestamp())
ISSUER, AUDIENCE, TYPE = "https://machtigen.example", "https://machtigen.example/api/v1", "at+jwt"
ALPHABET = string.ascii_letters + string.digits + "-_."


def claims(**changes):
    values = {"iss": ISSUER, "aud": AUDIENCE, "iat": SECONDS, "nbf": SECONDS, "exp": SECONDS + 600, "sub": "x"}
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def sign_token(ring=None, alg="ES256", typ=TYPE, **changes):
    return (ring or load_keyring()).sign_jwt(claims(**changes), typ=typ, alg=alg)


def read(token, ring=None, typ=TYPE, issuer=ISSUER, audience=AUDIENCE, at=NOW):
    return (ring or load_keyring()).verify_own_jwt(token, typ=typ, issuer=issuer, audience=audience, at=at)


def assert_refused(token, code="token_ongeldig", **options):
    with pytest.raises(NotAuthenticated) as refusal:
        read(token, **options)
    assert refusal.value.code == code
    assert "." not in describe_refusal(refusal.value).rstrip(".").replace(". ", "")
    return refusal.value.private


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def header_of(token):
    raw = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))


def with_header(token, **changes):
    header = {name: value for name, value in {**header_of(token), **changes}.items() if value is not ...}
    return ".".join([part(header), *token.split(".")[1:]])


@pytest.mark.parametrize("alg", ["PS256", "RS256", "ES256"])
def test_own_jwt_is_accepted(alg):
    token = sign_token(alg=alg)
    assert read(token) == claims()
    assert header_of(token)["alg"] == alg
    assert header_of(token).keys() == {"alg", "kid", "typ"}


def test_verified_claims_are_a_copy():
    token = sign_token()
    read(token)["sub"] = "somebody else"
    assert read(token)["sub"] == "x"


@pytest.mark.parametrize("alg", ["none", "HS256", "ps256", "", "EdDSA"])
def test_signing_with_unsupported_algorithm_is_a_fault(alg):
    with pytest.raises(Fault, match="sleutel_ontbreekt"):
        sign_token(alg=alg)


@functools.cache
def sign_cached_token(alg):
    """One token per algorithm, cached."""
    return sign_token(alg=alg)


@given(st.data())
def test_jwt_with_changed_character_is_rejected(data):
    token = sign_cached_token(data.draw(st.sampled_from(["PS256", "ES256"])))
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(ALPHABET.replace(token[place], "")))
    read(token)
    assert_refused(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("alg", ["ES256", "PS256"])
def test_jwt_with_changed_padding_bits_is_rejected(alg):
    token = sign_token(alg=alg)
    for other in ALPHABET.replace(token[-1], ""):
        assert_refused(token[:-1] + other)


@given(st.text(max_size=60))
def test_arbitrary_text_is_rejected(text):
    assert_refused(text)
    assert_refused(f"{text}.{text}.{text}")


SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=5)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5), max_leaves=10))
def test_arbitrary_json_header_is_rejected(value):
    assert_refused(part(value) + "." + part(claims()) + "." + part(b"x"))


@pytest.mark.parametrize("junk", ["", ".", "..", "a.b", "a.b.c.d", " ", "\0", "é.é.é", "\ud800.a.b", "a=.b.c"])
def test_jwt_without_three_parts_is_rejected(junk):
    assert_refused(junk)


@pytest.mark.parametrize("wrapped", [" {}", "{}\n", "Bearer {}", "{}="])
def test_jwt_with_surrounding_text_is_rejected(wrapped):
    assert_refused(wrapped.format(sign_token()))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "crit", "x5c", "x5t", "b64", "cty", "zip", "nonce"])
def test_jwt_with_unknown_header_is_rejected(name):
    assert "header" in assert_refused(with_header(sign_token(), **{name: "https://evil.example/keys"}))


@pytest.mark.parametrize(
    "kid",
    [..., "", "ps256-1", "../../etc/passwd", "https://evil.example/key", "' OR 1=1 --", "\0", 1, None, [], "es256-1"],
)
def test_jwt_with_injected_kid_is_rejected(kid):
    assert_refused(with_header(sign_token(), kid=kid))


@pytest.mark.parametrize("alg", [..., "none", "None", "HS256", "RS256", "ES256", "PS384", "", None, 1, ["PS256"]])
def test_jwt_alg_that_differs_from_the_key_is_rejected(alg):
    assert_refused(with_header(sign_token(alg="PS256"), alg=alg))


def test_jwt_without_signature_is_rejected():
    header, payload, _ = sign_token().split(".")
    assert_refused(f"{header}.{payload}.")
    assert_refused(f"{part({**header_of(sign_token()), 'alg': 'none'})}.{payload}.")


def test_jwt_algorithm_confusion_with_public_key_as_hmac_secret_is_rejected():
    kid = header_of(sign_token(alg="PS256"))["kid"]
    pem = load_keyring()._tokens._keys[kid].signer.material.as_pem(private=False)
    signing_input = part({"alg": "HS256", "kid": kid, "typ": TYPE}) + "." + part(claims())
    for secret in (pem, pem.strip(), b"\n" + pem, b"\xef\xbb\xbf" + pem):
        assert_refused(signing_input + "." + part(hmac.digest(secret, signing_input.encode(), hashlib.sha256)))


def test_jwt_with_signature_of_another_jwt_is_rejected():
    one, other = sign_token(sub="a"), sign_token(sub="b")
    assert_refused(one.rpartition(".")[0] + "." + other.rpartition(".")[2])


@pytest.mark.parametrize("typ", ["JWT", "jwt", "", "id+jwt", "journal-head+jwt", "dpop+jwt"])
def test_jwt_of_another_typ_is_rejected(typ):
    assert "typ" in assert_refused(sign_token(typ=typ))


def test_typ_is_case_insensitive_with_optional_application_prefix():
    assert read(sign_token(typ="application/AT+JWT"))


def test_cached_jwt_of_another_typ_is_rejected():
    token = sign_token()
    read(token)
    assert_refused(token, typ="id+jwt")


@pytest.mark.parametrize("issuer", [..., None, "", ISSUER + "/", "https://evil.example", [ISSUER], 1])
def test_jwt_of_another_issuer_is_rejected(issuer):
    assert "iss" in assert_refused(sign_token(iss=issuer))


@pytest.mark.parametrize("audience", [..., None, "", ISSUER, AUDIENCE + "/", [], [ISSUER], {AUDIENCE: 1}, [[AUDIENCE]]])
def test_jwt_for_another_audience_is_rejected(audience):
    assert "aud" in assert_refused(sign_token(aud=audience))


def test_jwt_with_one_matching_audience_is_accepted():
    assert read(sign_token(aud=["x", AUDIENCE]))


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize("value", [..., None, True, "1", str(SECONDS + 600), 1e99, SECONDS + 600.5, [], {}])
def test_jwt_with_invalid_exp_or_iat_is_rejected(name, value):
    assert name in assert_refused(sign_token(**{name: value}))


@pytest.mark.parametrize("value", [None, True, "0", 1.5])
def test_jwt_with_invalid_nbf_is_rejected(value):
    assert "nbf" in assert_refused(sign_token(nbf=value))


def test_jwt_expires_at_its_exp():
    token = sign_token()
    assert read(token, at=NOW + timedelta(seconds=599))
    assert_refused(token, "token_verlopen", at=NOW + timedelta(seconds=600))
    assert read(token, at=NOW + timedelta(seconds=599))


def test_invalid_and_expired_jwt_is_reported_as_invalid():
    assert_refused(sign_token(aud="x", exp=1))


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_jwt_from_the_future_beyond_clock_skew_is_rejected(name):
    assert read(sign_token(**{name: SECONDS + 5}))
    assert_refused(sign_token(**{name: SECONDS + 6}))


def sign_bytes(payload, alg="ES256"):
    """Sign arbitrary bytes with our key, as a bug elsewhere could do."""
    key = load_keyring()._tokens._active_keys[alg]
    return jws.serialize_compact(
        {"alg": alg, "kid": key.kid, "typ": TYPE}, payload, key.signer.material, algorithms=[alg]
    )


def test_signed_payload_in_any_json_formatting_is_accepted():
    assert read(sign_bytes(json.dumps(claims()).encode())) == claims()


@pytest.mark.parametrize(
    "member",
    [b'"sub": "y"', b'"x": NaN', b'"x": Infinity', b'"x": ' + b"[" * 3000 + b"]" * 3000, b'"x": ' + b"9" * 5000, b""],
)
def test_signed_payload_with_duplicate_or_invalid_json_member_is_rejected(member):
    assert_refused(sign_bytes(json.dumps(claims()).encode()[:-1] + b", " + member + b"}"))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b"\xff\xfe"])
def test_signed_payload_that_is_no_json_object_is_rejected(payload):
    assert_refused(sign_bytes(payload))


def test_jwt_over_16_kib_is_neither_signed_nor_accepted():
    with pytest.raises(Fault, match="token_te_groot"):
        sign_token(sub="x" * 13_000)
    assert "long" in assert_refused("a." * 9000)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_signing_non_finite_numbers_is_rejected(value):
    with pytest.raises(ValueError):
        sign_token(exp=value)


@pytest.fixture
def keys(tmp_path):
    return make_key_directory(tmp_path / "keys")


def test_rotated_keys_verify_in_old_and_new_workers(keys):
    old_worker, old = KeyRing.load(keys), sign_token(KeyRing.load(keys), "ES256")
    rotate_key(keys, KeyKind.ES256, NOW)
    new_worker = KeyRing.load(keys)
    new = sign_token(new_worker, "ES256")
    assert header_of(old)["kid"] != header_of(new)["kid"]
    assert read(new, old_worker)
    assert read(old, new_worker)


def test_retired_key_stops_verifying_after_its_period(keys):
    token = sign_token(KeyRing.load(keys), "ES256", exp=SECONDS + 10**7)
    rotate_key(keys, KeyKind.ES256, NOW)
    ring = KeyRing.load(keys)
    end = NOW + own_tokens.RETIRED_KEY_LIFETIME
    kid = header_of(token)["kid"]
    assert read(token, ring, at=end - timedelta(seconds=1))
    assert kid in {key["kid"] for key in ring.public_jwks(end - timedelta(seconds=1))["keys"]}
    assert "retired" in assert_refused(token, ring=ring, at=end)
    assert kid not in {key["kid"] for key in ring.public_jwks(end)["keys"]}


def test_signed_statement_verifies_after_key_retirement(keys):
    statement = KeyRing.load(keys).sign_jwt({"seq": 1}, typ="journal-head+jwt", alg="ES256")
    rotate_key(keys, KeyKind.ES256, NOW)
    ring = KeyRing.load(keys)
    assert ring.verify_own_statement(statement, typ="journal-head+jwt") == {"seq": 1}
    assert_refused(statement, ring=ring)
    with pytest.raises(NotAuthenticated):
        ring.verify_own_statement(sign_token(ring), typ="journal-head+jwt")


def test_jwt_of_another_installation_is_rejected(keys):
    (keys / "keys.json").unlink()
    for path in keys.glob("es256-*.key"):
        path.unlink()
    generate_key_ring(keys, MADE_AT)
    assert_refused(sign_token(KeyRing.load(keys), "ES256"))


def test_reload_clears_the_verification_cache(keys):
    ring = KeyRing.load(keys)
    token = sign_token(ring, "ES256")
    read(token, ring)
    rotate_key(keys, KeyKind.ES256, NOW)
    document = json.loads((keys / "keys.json").read_text())
    document["keys"] = [row for row in document["keys"] if row["name"] != "es256-1"]
    (keys / "keys.json").write_text(json.dumps(document))
    ring.reload()
    assert_refused(token, ring=ring)


def test_failed_reload_keeps_the_key_ring(keys):
    ring = KeyRing.load(keys)
    token = sign_token(ring)
    (keys / "keys.json").write_text("{")
    with pytest.raises(Fault):
        ring.reload()
    assert read(token, ring)


def test_verification_cache_holds_valid_signatures_up_to_its_limit(monkeypatch):
    ring = load_keyring()
    memo = ring._tokens._signature_cache
    before = len(memo)
    assert_refused(sign_token()[:-4] + "AAAA")
    assert len(memo) == before
    monkeypatch.setattr(own_tokens, "_SIGNATURE_CACHE_SIZE", 3)
    memo.clear()
    tokens = [sign_token(alg="ES256", sub=str(number)) for number in range(5)]
    assert [read(token)["sub"] for token in tokens + tokens] == list("0123401234")
    assert len(memo) == 3


def test_jwks_holds_public_members_and_one_next_key_per_algorithm():
    published = load_keyring().public_jwks()["keys"]
    assert sorted(key["alg"] for key in published) == ["ES256", "ES256", "PS256", "PS256", "RS256", "RS256"]
    assert len({key["kid"] for key in published}) == 6
    for key in published:
        assert key.keys() <= {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"}
        assert key["use"] == "sig"
        if key["kty"] == "RSA":
            assert len(base64.urlsafe_b64decode(key["n"] + "==")) * 8 == key_material.RSA_BITS
