"""Tokens of our own: one shape, one key per algorithm, one audience, and a time."""

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
from tests.builders.crypto import MADE_AT, a_key_directory, a_keyring

NOW = MADE_AT + timedelta(days=1)
SECONDS = int(NOW.timestamp())
ISSUER, AUDIENCE, TYPE = "https://machtigen.example", "https://machtigen.example/api/v1", "at+jwt"
ALPHABET = string.ascii_letters + string.digits + "-_."


def claims(**changes):
    values = {"iss": ISSUER, "aud": AUDIENCE, "iat": SECONDS, "nbf": SECONDS, "exp": SECONDS + 600, "sub": "x"}
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def a_token(ring=None, alg="ES256", typ=TYPE, **changes):
    return (ring or a_keyring()).sign_jwt(claims(**changes), typ=typ, alg=alg)


def read(token, ring=None, typ=TYPE, issuer=ISSUER, audience=AUDIENCE, at=NOW):
    return (ring or a_keyring()).verify_own_jwt(token, typ=typ, issuer=issuer, audience=audience, at=at)


def refused(token, code="token_ongeldig", **options):
    with pytest.raises(NotAuthenticated) as refusal:
        read(token, **options)
    assert refusal.value.code == code
    assert "." not in refusal.value.public.rstrip(".").replace(". ", "")
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
def test_a_token_that_we_signed_is_read_back(alg):
    token = a_token(alg=alg)
    assert read(token) == claims()
    assert header_of(token)["alg"] == alg
    assert header_of(token).keys() == {"alg", "kid", "typ"}


def test_the_claims_that_come_back_are_the_callers_own_copy():
    token = a_token()
    read(token)["sub"] = "somebody else"
    assert read(token)["sub"] == "x"


@pytest.mark.parametrize("alg", ["none", "HS256", "ps256", "", "EdDSA"])
def test_we_sign_with_nothing_but_our_own_algorithms(alg):
    with pytest.raises(Fault, match="sleutel_ontbreekt"):
        a_token(alg=alg)


@functools.cache
def the_token(alg):
    """The same one each time."""
    return a_token(alg=alg)


@given(st.data())
def test_any_changed_character_is_refused(data):
    token = the_token(data.draw(st.sampled_from(["PS256", "ES256"])))
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(ALPHABET.replace(token[place], "")))
    read(token)
    refused(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("alg", ["ES256", "PS256"])
def test_the_last_character_cannot_change_even_in_bits_that_carry_nothing(alg):
    token = a_token(alg=alg)
    for other in ALPHABET.replace(token[-1], ""):
        refused(token[:-1] + other)


@given(st.text(max_size=60))
def test_any_text_is_refused_and_breaks_nothing(text):
    refused(text)
    refused(f"{text}.{text}.{text}")


SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=5)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5), max_leaves=10))
def test_any_json_where_the_header_belongs_is_refused(value):
    refused(part(value) + "." + part(claims()) + "." + part(b"x"))


@pytest.mark.parametrize("junk", ["", ".", "..", "a.b", "a.b.c.d", " ", "\0", "é.é.é", "\ud800.a.b", "a=.b.c"])
def test_what_has_not_three_parts_is_refused(junk):
    refused(junk)


@pytest.mark.parametrize("wrapped", [" {}", "{}\n", "Bearer {}", "{}="])
def test_nothing_may_stand_around_a_token(wrapped):
    refused(wrapped.format(a_token()))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "crit", "x5c", "x5t", "b64", "cty", "zip", "nonce"])
def test_a_header_that_we_never_write_is_refused(name):
    assert "header" in refused(with_header(a_token(), **{name: "https://evil.example/keys"}))


@pytest.mark.parametrize(
    "kid",
    [..., "", "ps256-1", "../../etc/passwd", "https://evil.example/key", "' OR 1=1 --", "\0", 1, None, [], "es256-1"],
)
def test_a_kid_is_only_ever_looked_up(kid):
    refused(with_header(a_token(), kid=kid))


@pytest.mark.parametrize("alg", [..., "none", "None", "HS256", "RS256", "ES256", "PS384", "", None, 1, ["PS256"]])
def test_the_algorithm_is_that_of_the_key_whatever_the_token_says(alg):
    refused(with_header(a_token(alg="PS256"), alg=alg))


def test_a_token_without_signature_is_refused():
    header, payload, _ = a_token().split(".")
    refused(f"{header}.{payload}.")
    refused(f"{part({**header_of(a_token()), 'alg': 'none'})}.{payload}.")


def test_the_public_key_as_an_hmac_secret_is_refused():
    kid = header_of(a_token(alg="PS256"))["kid"]
    pem = a_keyring()._tokens._keys[kid].material.as_pem(private=False)
    signing_input = part({"alg": "HS256", "kid": kid, "typ": TYPE}) + "." + part(claims())
    for secret in (pem, pem.strip(), b"\n" + pem, b"\xef\xbb\xbf" + pem):
        refused(signing_input + "." + part(hmac.digest(secret, signing_input.encode(), hashlib.sha256)))


def test_a_signature_of_another_token_is_refused():
    one, other = a_token(sub="a"), a_token(sub="b")
    refused(one.rpartition(".")[0] + "." + other.rpartition(".")[2])


@pytest.mark.parametrize("typ", ["JWT", "jwt", "", "id+jwt", "journal-head+jwt", "dpop+jwt"])
def test_a_token_of_another_type_is_refused(typ):
    assert "typ" in refused(a_token(typ=typ))


def test_the_type_is_read_without_case_and_with_or_without_application():
    assert read(a_token(typ="application/AT+JWT"))


def test_a_remembered_token_is_still_refused_as_another_type():
    token = a_token()
    read(token)
    refused(token, typ="id+jwt")


@pytest.mark.parametrize("issuer", [..., None, "", ISSUER + "/", "https://evil.example", [ISSUER], 1])
def test_another_issuer_is_refused(issuer):
    assert "iss" in refused(a_token(iss=issuer))


@pytest.mark.parametrize("audience", [..., None, "", ISSUER, AUDIENCE + "/", [], [ISSUER], {AUDIENCE: 1}, [[AUDIENCE]]])
def test_another_audience_is_refused(audience):
    assert "aud" in refused(a_token(aud=audience))


def test_one_audience_of_several_is_enough():
    assert read(a_token(aud=["x", AUDIENCE]))


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize("value", [..., None, True, "1", str(SECONDS + 600), 1e99, SECONDS + 600.5, [], {}])
def test_a_time_that_is_missing_or_no_whole_number_is_refused(name, value):
    assert name in refused(a_token(**{name: value}))


@pytest.mark.parametrize("value", [None, True, "0", 1.5])
def test_a_beginning_that_is_no_whole_number_is_refused(value):
    assert "nbf" in refused(a_token(nbf=value))


def test_a_token_ends_at_its_very_second():
    token = a_token()
    assert read(token, at=NOW + timedelta(seconds=599))
    refused(token, "token_verlopen", at=NOW + timedelta(seconds=600))
    assert read(token, at=NOW + timedelta(seconds=599))


def test_a_token_that_is_wrong_and_expired_is_called_wrong():
    refused(a_token(aud="x", exp=1))


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused_beyond_what_clocks_may_differ(name):
    assert read(a_token(**{name: SECONDS + 5}))
    refused(a_token(**{name: SECONDS + 6}))


def signed(payload, alg="ES256"):
    """Whatever bytes, properly signed by us: what a bug elsewhere could make."""
    key = a_keyring()._tokens._active_keys[alg]
    return jws.serialize_compact({"alg": alg, "kid": key.kid, "typ": TYPE}, payload, key.material, algorithms=[alg])


def test_properly_signed_claims_are_read_whoever_made_the_text():
    assert read(signed(json.dumps(claims()).encode())) == claims()


@pytest.mark.parametrize(
    "member",
    [b'"sub": "y"', b'"x": NaN', b'"x": Infinity', b'"x": ' + b"[" * 3000 + b"]" * 3000, b'"x": ' + b"9" * 5000, b""],
)
def test_good_claims_with_one_member_that_is_no_plain_json_are_refused(member):
    refused(signed(json.dumps(claims()).encode()[:-1] + b", " + member + b"}"))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b"\xff\xfe"])
def test_a_payload_that_is_no_json_object_is_refused_even_when_signed(payload):
    refused(signed(payload))


def test_a_token_over_sixteen_kilobytes_is_neither_made_nor_read():
    with pytest.raises(Fault, match="token_te_groot"):
        a_token(sub="x" * 13_000)
    assert "long" in refused("a." * 9000)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_claims_that_are_not_json_are_not_signed(value):
    with pytest.raises(ValueError):
        a_token(exp=value)


@pytest.fixture
def keys(tmp_path):
    return a_key_directory(tmp_path / "keys")


def test_a_new_key_can_be_read_before_it_signs_and_the_old_one_after(keys):
    old_worker, old = KeyRing.load(keys), a_token(KeyRing.load(keys), "ES256")
    rotate_key(keys, KeyKind.ES256, NOW)
    new_worker = KeyRing.load(keys)
    new = a_token(new_worker, "ES256")
    assert header_of(old)["kid"] != header_of(new)["kid"]
    assert read(new, old_worker)
    assert read(old, new_worker)


def test_a_retired_key_stops_reading_when_its_last_token_has_long_expired(keys):
    token = a_token(KeyRing.load(keys), "ES256", exp=SECONDS + 10**7)
    rotate_key(keys, KeyKind.ES256, NOW)
    ring = KeyRing.load(keys)
    end = NOW + own_tokens.RETIRED_KEY_LIFETIME
    kid = header_of(token)["kid"]
    assert read(token, ring, at=end - timedelta(seconds=1))
    assert kid in {key["kid"] for key in ring.public_jwks(end - timedelta(seconds=1))["keys"]}
    assert "retired" in refused(token, ring=ring, at=end)
    assert kid not in {key["kid"] for key in ring.public_jwks(end)["keys"]}


def test_a_statement_stays_readable_long_after_its_key_retired(keys):
    statement = KeyRing.load(keys).sign_jwt({"seq": 1}, typ="journal-head+jwt", alg="ES256")
    rotate_key(keys, KeyKind.ES256, NOW)
    ring = KeyRing.load(keys)
    assert ring.verify_own_statement(statement, typ="journal-head+jwt") == {"seq": 1}
    refused(statement, ring=ring)
    with pytest.raises(NotAuthenticated):
        ring.verify_own_statement(a_token(ring), typ="journal-head+jwt")


def test_another_installations_token_is_refused(keys):
    (keys / "keys.json").unlink()
    for path in keys.glob("es256-*.key"):
        path.unlink()
    generate_key_ring(keys, MADE_AT)
    refused(a_token(KeyRing.load(keys), "ES256"))


def test_a_reload_forgets_what_was_remembered(keys):
    ring = KeyRing.load(keys)
    token = a_token(ring, "ES256")
    read(token, ring)
    rotate_key(keys, KeyKind.ES256, NOW)
    document = json.loads((keys / "keys.json").read_text())
    document["keys"] = [row for row in document["keys"] if row["name"] != "es256-1"]
    (keys / "keys.json").write_text(json.dumps(document))
    ring.reload()
    refused(token, ring=ring)


def test_a_reload_that_fails_leaves_the_ring_as_it_was(keys):
    ring = KeyRing.load(keys)
    token = a_token(ring)
    (keys / "keys.json").write_text("{")
    with pytest.raises(Fault):
        ring.reload()
    assert read(token, ring)


def test_only_a_good_signature_is_remembered_and_never_more_than_the_limit(monkeypatch):
    ring = a_keyring()
    memo = ring._tokens._signature_cache
    before = len(memo)
    refused(a_token()[:-4] + "AAAA")
    assert len(memo) == before
    monkeypatch.setattr(own_tokens, "_SIGNATURE_CACHE_SIZE", 3)
    memo.clear()
    tokens = [a_token(alg="ES256", sub=str(number)) for number in range(5)]
    assert [read(token)["sub"] for token in tokens + tokens] == list("0123401234")
    assert len(memo) == 3


def test_the_jwks_shows_no_private_member_and_one_key_per_algorithm_in_waiting():
    published = a_keyring().public_jwks()["keys"]
    assert sorted(key["alg"] for key in published) == ["ES256", "ES256", "PS256", "PS256", "RS256", "RS256"]
    assert len({key["kid"] for key in published}) == 6
    for key in published:
        assert key.keys() <= {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"}
        assert key["use"] == "sig"
        if key["kty"] == "RSA":
            assert len(base64.urlsafe_b64decode(key["n"] + "==")) * 8 == key_material.RSA_BITS
