"""DPoP-bound tokens at the API (RFC 9449 section 7): accepted only with a proof of their key."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest

from machtiging.access_tokens.sender_constraint.errors import PROOF_ALGORITHMS
from machtiging.access_tokens.token_revocation import revoke_tokens_of_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import API_ISSUER
from tests.builders.bearer import DELIVER, OIN, READ, sign_access_token
from tests.builders.database import record_queries
from tests.builders.keys import KeyHolder, load_keyring, make_ed25519_holder, make_rsa_holder
from tests.builders.rows import USED_PROOFS
from tests.protocol.rfc9449_dpop.bound_tokens import READ_URL, ask, is_refused, issue_dpop_bound_token


@pytest.mark.parametrize("make", [KeyHolder, make_rsa_holder, make_ed25519_holder])
async def test_dpop_token_with_proof_of_its_key_is_accepted(bearer_world, clock, make):
    holder = make(clock)
    token = await issue_dpop_bound_token(bearer_world, holder)
    answer = await ask(bearer_world, token, holder.proof("GET", READ_URL, token=token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["wie"] == str(bearer_world.people.son)


async def test_dpop_scheme_is_case_insensitive(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    assert (
        await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token), scheme="dpop")
    ).status_code == 200


async def test_dpop_token_of_agency_is_accepted_with_proof_and_rejected_as_bearer(bearer_world, key_holder):
    changes = {"person_id": None, "machtiging_id": None, "oin": OIN, "scope": "aanleveringen:schrijven"}
    token = await issue_dpop_bound_token(bearer_world, key_holder, **changes, acts=frozenset(), client_id="afnemer")
    proof = key_holder.proof("GET", API_ISSUER + DELIVER, token=token)
    assert (await ask(bearer_world, token, proof, path=DELIVER)).json() == {"oin": OIN}
    is_refused(await ask(bearer_world, token, scheme="Bearer", path=DELIVER), "token_gebonden", "invalid_token")


async def test_row_19_dpop_token_stolen_without_proof_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    is_refused(await ask(bearer_world, token), "dpop_ontbreekt")
    is_refused(await ask(bearer_world, token, scheme="Bearer"), "token_gebonden", "invalid_token")


async def test_row_19_downgrade_dpop_token_as_bearer_beside_proof_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    proof = key_holder.proof("GET", READ_URL, token=token)
    is_refused(await ask(bearer_world, token, proof, scheme="Bearer"), "token_gebonden", "invalid_token")


async def test_row_19_dpop_token_with_proof_of_other_key_is_rejected_and_journalled(bearer_world, key_holder, clock):
    token, thief = await issue_dpop_bound_token(bearer_world, key_holder), KeyHolder(clock)
    answer = await ask(bearer_world, token, thief.proof("GET", READ_URL, token=token))
    is_refused(answer, "dpop_andere_sleutel", "invalid_token")
    (line,) = await bearer_world.journal("token:geweigerd")
    assert (line["reason"], line["machtiging_id"]) == ("dpop_andere_sleutel", bearer_world.machtiging.id)


async def test_dpop_scheme_with_unbound_token_is_rejected(bearer_world, key_holder):
    token = sign_access_token(bearer_world.helper)
    answer = await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token))
    is_refused(answer, "token_niet_gebonden", "invalid_token")


async def test_challenge_without_token_names_bearer_and_dpop(bearer_world):
    answer = await bearer_world.ask()
    challenge = answer.headers["WWW-Authenticate"]
    bearer, dpop = challenge.split(", DPoP ")
    assert bearer.startswith('Bearer realm="machtiging"')
    assert f'algs="{" ".join(PROOF_ALGORITHMS)}"' in dpop
    assert "error=" not in challenge


async def test_challenge_of_rejected_token_uses_its_scheme(bearer_world, key_holder):
    answer = await ask(bearer_world, "nep", key_holder.proof("GET", READ_URL, token="nep"))
    assert answer.headers["WWW-Authenticate"].startswith('DPoP realm="machtiging", error="invalid_token"')


async def test_dpop_binding_of_stored_row_overrides_the_cnf_claim(bearer_world, key_holder, clock):
    """The stored binding counts, even for a token signed by us with another `cnf`."""
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    thief = KeyHolder(clock)
    forged = load_keyring().sign_jwt(claims | {"cnf": {"jkt": thief.jkt}}, typ="at+jwt")
    is_refused(
        await ask(bearer_world, forged, thief.proof("GET", READ_URL, token=forged)),
        "dpop_andere_sleutel",
        "invalid_token",
    )


async def test_row_20_dpop_proof_replayed_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    proof = key_holder.proof("GET", READ_URL, token=token)
    assert (await ask(bearer_world, token, proof)).status_code == 200
    is_refused(await ask(bearer_world, token, proof), "dpop_hergebruikt")


async def test_row_20_dpop_proof_used_concurrently_is_accepted_once(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    proof = key_holder.proof("GET", READ_URL, token=token)
    answers = await asyncio.gather(*(ask(bearer_world, token, proof) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_row_20_dpop_proof_with_used_jti_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    first, second = (key_holder.proof("GET", READ_URL, token=token, jti="een") for _ in range(2))
    assert first != second  # ECDSA signatures differ each time, so the text does not reveal a replay
    assert (await ask(bearer_world, token, first)).status_code == 200
    is_refused(await ask(bearer_world, token, second), "dpop_hergebruikt")


async def test_dpop_replay_cache_is_scoped_per_key(bearer_world, key_holder, clock):
    other = KeyHolder(clock)
    theirs, ours = (
        await issue_dpop_bound_token(bearer_world, other),
        await issue_dpop_bound_token(bearer_world, key_holder),
    )
    assert (await ask(bearer_world, theirs, other.proof("GET", READ_URL, token=theirs, jti="een"))).status_code == 200
    assert (await ask(bearer_world, ours, key_holder.proof("GET", READ_URL, token=ours, jti="een"))).status_code == 200


async def test_dpop_proof_rejected_is_not_consumed(bearer_world, key_holder):
    token, other = (
        await issue_dpop_bound_token(bearer_world, key_holder),
        await issue_dpop_bound_token(bearer_world, key_holder),
    )
    proof = key_holder.proof("GET", READ_URL, token=token)
    is_refused(await ask(bearer_world, other, proof), "dpop_ander_token")
    assert (await ask(bearer_world, token, proof)).status_code == 200


ABOUT_SOMETHING_ELSE = [
    ({"htm": "POST"}, "dpop_andere_methode", "another method"),
    ({"htm": "get"}, "dpop_andere_methode", "a method in lower case is another"),
    ({"htm": None}, "dpop_andere_methode", "no method"),
    ({"htu": None}, "dpop_ander_adres", "no address"),
    ({"htu": API_ISSUER + DELIVER}, "dpop_ander_adres", "another path"),
    ({"htu": READ_URL + "/"}, "dpop_ander_adres", "a slash more"),
    ({"htu": "http://localhost:8001" + READ}, "dpop_ander_adres", "another port"),
    ({"htu": "https://localhost:8000" + READ}, "dpop_ander_adres", "another scheme"),
    ({"htu": "http://dief.example" + READ}, "dpop_ander_adres", "another host"),
    ({"htu": "http://u@localhost:8000" + READ}, "dpop_ander_adres", "a user in the address"),
    ({"htu": READ}, "dpop_ander_adres", "only a path"),
    ({"htu": [READ_URL]}, "dpop_ander_adres", "a list of addresses"),
    ({"htu": "http://localhost:99999" + READ}, "dpop_ander_adres", "a port that cannot be"),
    ({"ath": None}, "dpop_ander_token", "without ath"),
    ({"ath": "A" * 43}, "dpop_ander_token", "ath of another token"),
    ({"ath": ["x"]}, "dpop_ander_token", "ath that is no text"),
    ({"jti": None}, "dpop_vormfout", "no jti"),
    ({"jti": ""}, "dpop_vormfout", "empty jti"),
    ({"jti": "x" * 257}, "dpop_vormfout", "jti too long"),
    ({"jti": 7}, "dpop_vormfout", "jti that is no text"),
    ({"iat": None}, "dpop_tijd", "no iat"),
    ({"iat": True}, "dpop_tijd", "iat that is no number"),
    ({"iat": "1"}, "dpop_tijd", "iat that is text"),
    ({"iat": 1e300}, "dpop_tijd", "iat at the end of time"),
    ({"iat": 10**400}, "dpop_tijd", "iat of 400 digits"),
    ({"nonce": None}, "dpop_nonce_nodig", "no nonce"),
    ({"nonce": "AAAAAAAAAAAAAAAAAAAAAA"}, "dpop_nonce_nodig", "a nonce of another server"),
    ({"nonce": 5}, "dpop_nonce_nodig", "a nonce that is no text"),
    ({"nonce": "é"}, "dpop_nonce_nodig", "a nonce in other letters"),
]


async def test_dpop_proof_for_other_method_url_token_or_nonce_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    for changes, code, why in ABOUT_SOMETHING_ELSE:
        error = "use_dpop_nonce" if code == "dpop_nonce_nodig" else "invalid_dpop_proof"
        is_refused(
            await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token, **changes)), code, error, why
        )


@pytest.mark.parametrize(
    "htu",
    [
        pytest.param("HTTP://LOCALHOST:8000" + READ, id="capitals"),
        pytest.param(READ_URL + "?a=b", id="with a query"),
        pytest.param(READ_URL + "#deel", id="with a fragment"),
        pytest.param(READ_URL.replace("proef", "%70roef"), id="written in hexadecimal"),
    ],
)
async def test_dpop_htu_equivalent_spelling_is_accepted(bearer_world, key_holder, htu):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    assert (await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token, htu=htu))).status_code == 200


async def test_dpop_htu_of_forged_host_header_is_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    proof = key_holder.proof("GET", "http://dief.example" + READ, token=token)
    headers = [("Authorization", f"DPoP {token}"), ("DPoP", proof), ("Host", "dief.example")]
    is_refused(await bearer_world.ask(headers=headers), "dpop_ander_adres")


@pytest.mark.parametrize(("seconds", "taken"), [(-61, False), (-59, True), (9, True), (11, False), (60, False)])
async def test_dpop_proof_iat_outside_window_is_rejected(bearer_world, key_holder, clock, seconds, taken):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    iat = int(clock.now().timestamp()) + seconds
    answer = await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token, iat=iat))
    assert answer.status_code == (200 if taken else 401), answer.text


async def test_dpop_nonce_is_accepted_for_two_windows(bearer_world, key_holder, clock):
    token, nonce = await issue_dpop_bound_token(bearer_world, key_holder), key_holder.nonce()
    clock.advance(timedelta(minutes=2))
    assert (
        await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token, nonce=nonce))
    ).status_code == 200
    clock.advance(timedelta(minutes=2))
    stale = await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token, nonce=nonce))
    is_refused(stale, "dpop_nonce_nodig", "use_dpop_nonce")


async def test_dpop_nonce_challenge_is_not_journalled(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    is_refused(
        await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token, nonce=None)),
        "dpop_nonce_nodig",
        "use_dpop_nonce",
    )
    assert await bearer_world.journal("token:geweigerd") == []


async def test_dpop_two_proofs_are_rejected(bearer_world, key_holder):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    first, second = (key_holder.proof("GET", READ_URL, token=token) for _ in range(2))
    is_refused(await ask(bearer_world, token, first, second), "dpop_dubbel")
    is_refused(await ask(bearer_world, token, f"{first}, {second}"), "dpop_vormfout")


async def test_dpop_proof_with_revoked_token_is_rejected(bearer_world, key_holder, clock):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    async with unit_of_work(bearer_world.database.sessions) as session:
        await revoke_tokens_of_machtiging(session, bearer_world.machtiging.id, clock.now())
    answer = await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")


async def test_dpop_proof_with_invalid_token_is_not_stored(bearer_world, key_holder):
    with record_queries(bearer_world.database) as said:
        answer = await ask(bearer_world, "nep", key_holder.proof("GET", READ_URL, token="nep"))
    assert answer.status_code == 401
    assert not any("used_proof" in statement for statement in said)


async def test_dpop_replay_cache_does_not_grow(bearer_world, key_holder, clock):
    token = await issue_dpop_bound_token(bearer_world, key_holder)
    for _ in range(6):
        assert (await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token))).status_code == 200
    clock.advance(timedelta(minutes=5))
    for _ in range(3):
        assert (await ask(bearer_world, token, key_holder.proof("GET", READ_URL, token=token))).status_code == 200
    async with bearer_world.database.sessions() as session:
        assert await USED_PROOFS.count(session) == 3
