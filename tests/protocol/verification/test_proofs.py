"""The signed answer: its claims, its key and its place in the journal."""

from datetime import timedelta

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from machtiging.audit.seal import seal_intake
from machtiging.kernel.errors import NotAuthenticated
from machtiging.verification.proof import PROOF_TYPE, compute_question_digest
from machtiging.verification.routes import PROOF_KEYS_PATH
from tests.builders.letters import SVB
from tests.protocol.verification.conftest import BELASTINGDIENST, PATH, make_question, read_claims


async def test_proof_says_question_answer_time_policy_and_ground(agency):
    machtiging_id = await agency.world.grant_machtiging()
    result = await agency.ask()
    claims = read_claims(result["bewijs"])
    assert claims["aud"] == f"urn:nld:oin:{BELASTINGDIENST}"
    assert (claims["jti"], claims["antwoord"]) == (result["verificatieId"], True)
    assert (claims["machtigingId"], claims["grond"]) == (str(machtiging_id), "Awb 2:1")
    assert claims["vraag"]["dienst"] == f"{BELASTINGDIENST}/inkomstenbelasting"
    assert claims["beleid"] == agency.world.policy.digest
    assert len(claims["bevoegdheden"]) == 64
    assert claims["iat"] == int(agency.world.clock.now().timestamp())
    assert claims["handelingen"] == result["handelingen"]


async def test_proof_of_a_no_says_nothing_about_people(agency):
    claims = read_claims((await agency.ask())["bewijs"])
    assert claims["antwoord"] is False
    assert claims.keys() == {"iss", "aud", "jti", "iat", "op", "vraag", "antwoord", "beleid", "bevoegdheden"}


async def test_proof_is_bound_to_the_question_by_a_salted_digest(agency):
    question = make_question(kenmerk="zaak 9")
    result = (await agency.post(question)).json()["resultaten"][0]
    digest = read_claims(result["bewijs"])["vraag"]["digest"]
    assert digest == compute_question_digest(result["zout"], question)
    assert digest != compute_question_digest(result["zout"], question | {"doel": "balie"})
    again = (await agency.post(question)).json()["resultaten"][0]
    assert read_claims(again["bewijs"])["vraag"]["digest"] != digest


async def test_published_key_verifies_the_proof_and_rejects_a_changed_one(agency):
    result = await agency.ask()
    published = (await agency.get(PROOF_KEYS_PATH)).json()["keys"]
    header = jws.extract_compact(result["bewijs"].encode()).headers()
    (key,) = [ECKey.import_key(one) for one in published if one["kid"] == header["kid"]]
    assert jws.deserialize_compact(result["bewijs"], key, algorithms=["ES256"]).headers()["typ"] == PROOF_TYPE
    head, payload, signature = result["bewijs"].split(".")
    with pytest.raises(Exception, match="bad_signature"):
        jws.deserialize_compact(f"{head}.{payload[:-2]}AA.{signature}", key, algorithms=["ES256"])


async def test_proof_is_no_access_token_and_no_id_token(agency):
    proof = (await agency.ask())["bewijs"]
    for typ in ("at+jwt", "JWT", "logout+jwt"):
        with pytest.raises(NotAuthenticated):
            agency.world.keyring.verify_own_statement(proof, typ=typ)
    assert agency.world.keyring.verify_own_statement(proof, typ=PROOF_TYPE)["antwoord"] is False


async def test_published_keys_say_from_when_and_have_no_private_part(agency):
    keys = (await agency.get(PROOF_KEYS_PATH)).json()["keys"]
    assert keys
    assert all("van" in key and key["alg"] == "ES256" and "d" not in key for key in keys)


async def test_answer_has_its_place_in_the_sealed_journal(agency, database, clock):
    result = await agency.ask()
    path = f"{PATH}/{result['verificatieId']}"
    before = (await agency.get(path)).json()
    assert (before["antwoord"], "nummer" in before) == (False, False)
    clock.advance(timedelta(seconds=5))
    await seal_intake(database.sealer, agency.world.keyring, clock)
    sealed = (await agency.get(path)).json()
    assert sealed["nummer"] >= 1
    assert len(sealed["hash"]) == 64
    head = agency.world.keyring.verify_own_statement(sealed["ondertekend"], typ="journal-head+jwt")
    assert head["seq"] >= sealed["nummer"]


async def test_place_of_an_answer_to_another_agency_or_of_a_refusal_is_unknown(agency):
    result = await agency.ask()
    await agency.ask(doel="x")
    refused = (await agency.read_lines())[-1]
    for path, oin in (
        (result["verificatieId"], SVB),
        (str(refused.id), BELASTINGDIENST),
        ("01890000-0000-7000-8000-000000000000", BELASTINGDIENST),
    ):
        answer = await agency.get(f"{PATH}/{path}", oin=oin)
        assert (answer.status_code, answer.json()["code"]) == (404, "verificatie_onbekend")
    assert (await agency.get(f"{PATH}/geen-nummer")).status_code in (400, 404)
