"""Signing keys and key-encryption key in an HSM. The service works with `Signer` and `KeyWrapper` alone."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from machtiging.crypto.jose import verify_jwt
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import rotate_key
from machtiging.kernel.errors import Fault
from tests.builders.applications import replace_services
from tests.builders.keys import make_key_directory
from tests.builders.letters import make_api_world
from tests.builders.messages import read_header
from tests.protocol.rfc9068_jwt.hsm import move_keys_into_hsm

PERSON = UUID(int=1)


@pytest.fixture
def keys(tmp_path):
    return make_key_directory(tmp_path / "keys")


async def test_token_signed_by_hsm_verifies_with_the_published_jwks(oauth, keys) -> None:
    flow, hsm = await oauth.start_flow(), move_keys_into_hsm(keys)
    replace_services(oauth.service, keyring=KeyRing.load(keys, external=hsm))
    token = (await flow.tokens())["access_token"]
    assert read_header(token)["kid"] == "hsm-es256-1"
    assert hsm.signers["es256-1"].signatures > 0
    jwks = (await oauth.connection().get("/jwks")).json()
    assert verify_jwt(token, jwks, algorithms=["ES256"], typ="at+jwt")["iss"]
    assert {key["kid"] for key in jwks["keys"]} == {signer.kid for signer in hsm.signers.values()}


async def test_bericht_is_read_with_data_key_unwrapped_by_hsm(database, clock, keys) -> None:
    world = await make_api_world(database, clock)
    bericht_id = await world.deliver_letter(inhoud="Beste mevrouw")
    hsm = move_keys_into_hsm(keys)
    ring = KeyRing.load(keys, external=hsm)
    replace_services(world.app, keyring=ring)
    async with world.client(await replace(world, keyring=ring).issue_helper_token()) as client:
        answer = await client.get(f"/api/v1/berichten/{bericht_id}")
    assert answer.json()["inhoud"] == "Beste mevrouw"
    assert hsm.key_wrapper.unwrapped > 0


def test_data_key_of_another_person_is_not_unwrapped_by_hsm(keys) -> None:
    ring = KeyRing.load(keys, external=move_keys_into_hsm(keys))
    made = ring.create_data_key(PERSON)
    assert ring.unwrap_data_key(made.wrapped, made.kek_version, PERSON)
    with pytest.raises(Fault, match="versleuteling_klopt_niet"):
        ring.unwrap_data_key(made.wrapped, made.kek_version, UUID(int=2))


def test_kek_in_the_manifest_but_not_in_hsm_is_a_fault(keys, clock) -> None:
    rotate_key(keys, KeyKind.KEK, clock.now())
    hsm = move_keys_into_hsm(keys)
    hsm.key_wrapper.versions = (1,)
    with pytest.raises(Fault, match="sleutel_ontbreekt"):
        KeyRing.load(keys, external=hsm)


def test_kek_replaced_in_hsm_is_a_fault_at_reload(keys) -> None:
    hsm = move_keys_into_hsm(keys)
    ring = KeyRing.load(keys, external=hsm)
    hsm.key_wrapper._check_values[1] = b"abc"
    with pytest.raises(Fault, match="sleutelbos_wijkt_af"):
        ring.reload()


@pytest.mark.parametrize("change", [{"alg": "RS256"}, {"_public": {"kty": "EC"}}, {"_public": "private"}])
def test_signer_with_another_algorithm_or_unfit_jwk_is_a_fault(keys, change) -> None:
    hsm = move_keys_into_hsm(keys)
    signer = hsm.signers["es256-1"]
    if change == {"_public": "private"}:
        change = {"_public": {**signer.public_jwk(), "d": "AAAA"}}
    hsm.signers["es256-1"] = replace(signer, **change)
    with pytest.raises(Fault, match="sleutel_onleesbaar"):
        KeyRing.load(keys, external=hsm)
