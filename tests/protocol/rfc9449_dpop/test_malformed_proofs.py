"""Malformed DPoP proofs are rejected (RFC 9449 section 4.3)."""

import base64
import json

import pytest
from joserfc.jwk import ECKey, OctKey

from tests.builders.keys import KeyHolder, make_ed25519_holder, make_rsa_holder, sign_jws
from tests.builders.messages import encode_base64url, sign_raw
from tests.protocol.rfc9449_dpop.bound_tokens import READ_URL, ask, is_refused, issue_dpop_bound_token

NOT_OF_A_PROOF = [
    ({"typ": None}, "no typ"),
    ({"typ": "JWT"}, "another typ"),
    ({"typ": "at+jwt"}, "typ of a token"),
    ({"jwk": None}, "no key"),
    ({"jwk": None, "kid": "app-1"}, "a name instead of a key"),
    ({"jwk": "sleutel"}, "a key that is no object"),
    ({"jwk": [{}]}, "a list of keys"),
    ({"jku": "https://dief.example/jwks"}, "jku"),
    ({"x5u": "https://dief.example/x5u"}, "x5u"),
    ({"x5c": ["AAAA"]}, "x5c"),
    ({"crit": ["exp"]}, "crit"),
    ({"b64": False}, "b64"),
    ({"zip": "DEF"}, "zip"),
    ({"kid": ["a"]}, "kid that is no text"),
    ({"alg": "none"}, "alg none"),
    ({"alg": None}, "no alg"),
    ({"alg": "nOnE"}, "alg none in disguise"),
]


async def test_dpop_proof_with_wrong_header_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    for change, why in NOT_OF_A_PROOF:
        good = key_holder.proof("GET", READ_URL, token=token).split(".")
        made = json.loads(base64.urlsafe_b64decode(good[0] + "==")) | change
        header = json.dumps({name: value for name, value in made.items() if value is not None})
        # signed again over the changed header, so that the header is the only fault
        signing = f"{encode_base64url(header.encode())}.{good[1]}"
        signature = encode_base64url(sign_raw("ES256", signing.encode(), key_holder.key))
        is_refused(await ask(bearer_world, token, f"{signing}.{signature}"), "dpop_vormfout", why=why)


async def test_dpop_proof_kid_is_ignored(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    proof = key_holder.proof("GET", READ_URL, token=token, header={"kid": "../../keys/ps256"})
    assert (await ask(bearer_world, token, proof)).status_code == 200


@pytest.mark.parametrize("alg", ["HS256", "HS512"])
async def test_algorithm_confusion_dpop_proof_with_hmac_is_rejected(bearer_world, key_holder, alg):
    """The public key is used as the HMAC secret."""
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    secret = OctKey.import_key(json.dumps(key_holder.jwk(), separators=(",", ":")))
    proof = key_holder.proof("GET", READ_URL, token=token, header={"alg": alg}, key=secret)
    is_refused(await ask(bearer_world, token, proof), "dpop_vormfout")
    octet = {"alg": alg, "jwk": {"kty": "oct", "k": encode_base64url(b"geheim" * 8)}}
    oct_proof = key_holder.proof("GET", READ_URL, token=token, header=octet, key=OctKey.import_key(b"geheim" * 8))
    is_refused(await ask(bearer_world, token, oct_proof), "dpop_vormfout")


@pytest.mark.parametrize("alg", ["RS256", "PS512", "ES256"])
async def test_dpop_proof_with_unlisted_algorithm_is_rejected(bearer_world, clock, alg):
    holder = make_rsa_holder(clock)
    token = await issue_dpop_bound_token(bearer_world, holder)
    key = holder.key if alg != "ES256" else KeyHolder(clock).key
    is_refused(
        await ask(bearer_world, token, holder.proof("GET", READ_URL, token=token, header={"alg": alg}, key=key)),
        "dpop_vormfout",
    )


async def test_dpop_proof_with_private_key_in_header_is_rejected(bearer_world, clock):
    for holder in (KeyHolder(clock), make_rsa_holder(clock), make_ed25519_holder(clock)):
        token = await issue_dpop_bound_token(bearer_world, holder)
        private = {"jwk": holder.key.as_dict(private=True)}
        is_refused(
            await ask(bearer_world, token, holder.proof("GET", READ_URL, token=token, header=private)), "dpop_vormfout"
        )


@pytest.mark.filterwarnings("ignore:Key size should be")
async def test_dpop_proof_with_weak_key_or_other_curve_is_rejected(bearer_world, clock):
    for holder, alg in [
        (make_rsa_holder(clock, 1024), "PS256"),
        (KeyHolder(clock, ECKey.generate_key("P-384")), "ES384"),
    ]:
        token = await issue_dpop_bound_token(bearer_world, holder)
        proof = holder.proof("GET", READ_URL, token=token, header={"alg": alg})
        is_refused(await ask(bearer_world, token, proof), "dpop_vormfout")


KEYS_THAT_CANNOT_BE = [
    ({"use": "enc"}, "for encryption"),
    ({"alg": "ES384"}, "for another algorithm"),
    ({"crv": "P-384"}, "of another curve"),
    ({"x": "AAAA"}, "a coordinate too short"),
    ({"x": "A" * 43}, "a point that is not on the curve"),
    ({"y": 5}, "a coordinate that is no text"),
    ({"kty": "RSA"}, "of another kind"),
]


async def test_dpop_proof_with_invalid_key_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    for change, why in KEYS_THAT_CANNOT_BE:
        proof = key_holder.proof("GET", READ_URL, token=token, header={"jwk": key_holder.jwk() | change})
        is_refused(await ask(bearer_world, token, proof), "dpop_vormfout", why=why)


async def test_dpop_proof_signed_with_other_key_is_rejected(bearer_world, key_holder, clock):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    proof = key_holder.proof("GET", READ_URL, token=token, key=KeyHolder(clock).key)
    is_refused(await ask(bearer_world, token, proof), "dpop_vormfout")


async def test_dpop_proof_tampered_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    header, payload, signature = key_holder.proof("GET", READ_URL, token=token).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"jti": "anders"}
    is_refused(
        await ask(bearer_world, token, f"{header}.{encode_base64url(json.dumps(claims).encode())}.{signature}"),
        "dpop_vormfout",
    )
    is_refused(await ask(bearer_world, token, f"{header}.{payload}.{signature[:-8]}AAAAAAAA"), "dpop_vormfout")


NO_JWT = ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "e30.e30.", "e30.e30.AA"]


async def test_dpop_proof_that_is_no_jwt_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    for proof in NO_JWT:
        is_refused(await ask(bearer_world, token, proof.encode()), "dpop_vormfout", why=proof)


async def test_dpop_proof_oversized_or_deeply_nested_is_rejected_before_verification(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    is_refused(
        await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token, ballast="x" * 9000)),
        "dpop_vormfout",
    )
    nested = b'{"a":' * 300 + b"1" + b"}" * 300
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key_holder.jwk()}
    is_refused(await ask(bearer_world, token, sign_jws(header, nested, key_holder.key)), "dpop_vormfout")
    doubled = b'{"htm":"GET","htm":"GET"}'
    is_refused(await ask(bearer_world, token, sign_jws(header, doubled, key_holder.key)), "dpop_vormfout")
