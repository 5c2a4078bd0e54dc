"""A token that is bound to a key opens the doors of the API only with a proof of that key (RFC 9449 section 7)."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.access.proof.errors import ALGORITHMS
from machtiging.access.tokens import revoke_of_machtiging
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import DELIVER, ISSUER, OIN, READ, a_jwt, counting_statements
from tests.builders.bound import HERE, a_bound_token, ask, is_refused
from tests.builders.crypto import a_keyring
from tests.builders.proof import Holder, ed25519_holder, rsa_holder


@pytest.mark.parametrize("make", [Holder, rsa_holder, ed25519_holder])
async def test_with_a_proof_of_its_key_it_opens_the_door(doorstep, clock, make):
    holder = make(clock)
    token = await a_bound_token(doorstep, holder)
    answer = await ask(doorstep, token, holder.proof("GET", HERE, token=token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["wie"] == str(doorstep.people.son)


async def test_the_scheme_has_no_case(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    assert (await ask(doorstep, token, holder.proof("GET", HERE, token=token), scheme="dpop")).status_code == 200


async def test_an_agency_can_have_a_bound_token_too(doorstep, holder):
    changes = {"person_id": None, "machtiging_id": None, "oin": OIN, "scope": "aanleveringen:schrijven"}
    token = await a_bound_token(doorstep, holder, **changes, acts=frozenset(), client_id="afnemer")
    proof = holder.proof("GET", ISSUER + DELIVER, token=token)
    assert (await ask(doorstep, token, proof, path=DELIVER)).json() == {"oin": OIN}
    is_refused(await ask(doorstep, token, scheme="Bearer", path=DELIVER), "token_gebonden", "invalid_token")


async def test_row_19_a_stolen_token_alone_opens_nothing(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    is_refused(await ask(doorstep, token), "dpop_ontbreekt")
    is_refused(await ask(doorstep, token, scheme="Bearer"), "token_gebonden", "invalid_token")


async def test_row_19_shown_as_bearer_beside_a_good_proof_it_opens_nothing_either(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    proof = holder.proof("GET", HERE, token=token)
    is_refused(await ask(doorstep, token, proof, scheme="Bearer"), "token_gebonden", "invalid_token")


async def test_row_19_with_the_thiefs_own_key_it_opens_nothing_and_leaves_a_line(doorstep, holder, clock):
    token, thief = await a_bound_token(doorstep, holder), Holder(clock)
    answer = await ask(doorstep, token, thief.proof("GET", HERE, token=token))
    is_refused(answer, "dpop_andere_sleutel", "invalid_token")
    (line,) = await doorstep.journal("token:geweigerd")
    assert (line["reason"], line["machtiging_id"]) == ("dpop_andere_sleutel", doorstep.machtiging.id)


async def test_an_unbound_token_is_not_taken_as_a_bound_one(doorstep, holder):
    token = a_jwt(doorstep.helper)
    answer = await ask(doorstep, token, holder.proof("GET", HERE, token=token))
    is_refused(answer, "token_niet_gebonden", "invalid_token")


async def test_who_brings_nothing_is_told_both_ways_to_bring_a_token(doorstep):
    answer = await doorstep.ask()
    challenge = answer.headers["WWW-Authenticate"]
    bearer, dpop = challenge.split(", DPoP ")
    assert bearer.startswith('Bearer realm="machtiging"')
    assert f'algs="{" ".join(ALGORITHMS)}"' in dpop
    assert "error=" not in challenge


async def test_a_refused_token_is_told_so_in_the_scheme_in_which_it_came(doorstep, holder):
    answer = await ask(doorstep, "nep", holder.proof("GET", HERE, token="nep"))
    assert answer.headers["WWW-Authenticate"].startswith('DPoP realm="machtiging", error="invalid_token"')


async def test_what_the_text_of_a_token_says_of_its_key_counts_for_nothing(doorstep, holder, clock):
    """The row decides: a token whose text names another key would have to be signed by us first, but even then."""
    token = await a_bound_token(doorstep, holder)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    thief = Holder(clock)
    forged = a_keyring().sign_jwt(claims | {"cnf": {"jkt": thief.jkt}}, typ="at+jwt")
    is_refused(
        await ask(doorstep, forged, thief.proof("GET", HERE, token=forged)), "dpop_andere_sleutel", "invalid_token"
    )


async def test_row_20_a_proof_opens_the_door_once(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    proof = holder.proof("GET", HERE, token=token)
    assert (await ask(doorstep, token, proof)).status_code == 200
    is_refused(await ask(doorstep, token, proof), "dpop_hergebruikt")


async def test_row_20_of_the_same_proof_five_times_at_the_same_moment_one_is_taken(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    proof = holder.proof("GET", HERE, token=token)
    answers = await asyncio.gather(*(ask(doorstep, token, proof) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_row_20_the_same_jti_in_another_proof_is_the_same_proof(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    first, second = (holder.proof("GET", HERE, token=token, jti="een") for _ in range(2))
    assert first != second  # ECDSA signs differently each time, so the text would not betray a replay
    assert (await ask(doorstep, token, first)).status_code == 200
    is_refused(await ask(doorstep, token, second), "dpop_hergebruikt")


async def test_nobody_can_use_up_the_jti_of_another_key(doorstep, holder, clock):
    other = Holder(clock)
    theirs, ours = await a_bound_token(doorstep, other), await a_bound_token(doorstep, holder)
    assert (await ask(doorstep, theirs, other.proof("GET", HERE, token=theirs, jti="een"))).status_code == 200
    assert (await ask(doorstep, ours, holder.proof("GET", HERE, token=ours, jti="een"))).status_code == 200


async def test_a_proof_that_was_refused_is_not_used_up(doorstep, holder):
    token, other = await a_bound_token(doorstep, holder), await a_bound_token(doorstep, holder)
    proof = holder.proof("GET", HERE, token=token)
    is_refused(await ask(doorstep, other, proof), "dpop_ander_token")
    assert (await ask(doorstep, token, proof)).status_code == 200


ABOUT_SOMETHING_ELSE = [
    ({"htm": "POST"}, "dpop_andere_methode", "another method"),
    ({"htm": "get"}, "dpop_andere_methode", "a method in lower case is another"),
    ({"htm": None}, "dpop_andere_methode", "no method"),
    ({"htu": None}, "dpop_ander_adres", "no address"),
    ({"htu": ISSUER + DELIVER}, "dpop_ander_adres", "another path"),
    ({"htu": HERE + "/"}, "dpop_ander_adres", "a slash more"),
    ({"htu": "http://localhost:8001" + READ}, "dpop_ander_adres", "another port"),
    ({"htu": "https://localhost:8000" + READ}, "dpop_ander_adres", "another scheme"),
    ({"htu": "http://dief.example" + READ}, "dpop_ander_adres", "another host"),
    ({"htu": "http://u@localhost:8000" + READ}, "dpop_ander_adres", "a user in the address"),
    ({"htu": READ}, "dpop_ander_adres", "only a path"),
    ({"htu": [HERE]}, "dpop_ander_adres", "a list of addresses"),
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


async def test_a_proof_that_is_about_something_else_is_refused(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    for changes, code, why in ABOUT_SOMETHING_ELSE:
        error = "use_dpop_nonce" if code == "dpop_nonce_nodig" else "invalid_dpop_proof"
        is_refused(await ask(doorstep, token, holder.proof("GET", HERE, token=token, **changes)), code, error, why)


@pytest.mark.parametrize(
    "htu",
    [
        pytest.param("HTTP://LOCALHOST:8000" + READ, id="capitals"),
        pytest.param(HERE + "?a=b", id="with a query"),
        pytest.param(HERE + "#deel", id="with a fragment"),
        pytest.param(HERE.replace("proef", "%70roef"), id="written in hexadecimal"),
    ],
)
async def test_the_same_address_spelled_otherwise_is_the_same_address(doorstep, holder, htu):
    token = await a_bound_token(doorstep, holder)
    assert (await ask(doorstep, token, holder.proof("GET", HERE, token=token, htu=htu))).status_code == 200


async def test_the_host_header_has_no_say_in_which_address_it_is(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    proof = holder.proof("GET", "http://dief.example" + READ, token=token)
    headers = [("Authorization", f"DPoP {token}"), ("DPoP", proof), ("Host", "dief.example")]
    is_refused(await doorstep.ask(headers=headers), "dpop_ander_adres")


@pytest.mark.parametrize(("seconds", "taken"), [(-61, False), (-59, True), (9, True), (11, False), (60, False)])
async def test_a_proof_is_young_and_not_of_tomorrow(doorstep, holder, clock, seconds, taken):
    token = await a_bound_token(doorstep, holder)
    iat = int(clock.now().timestamp()) + seconds
    answer = await ask(doorstep, token, holder.proof("GET", HERE, token=token, iat=iat))
    assert answer.status_code == (200 if taken else 401), answer.text


async def test_a_nonce_serves_for_two_windows_and_no_longer(doorstep, holder, clock):
    token, nonce = await a_bound_token(doorstep, holder), holder.nonce()
    clock.advance(timedelta(minutes=2))
    assert (await ask(doorstep, token, holder.proof("GET", HERE, token=token, nonce=nonce))).status_code == 200
    clock.advance(timedelta(minutes=2))
    stale = await ask(doorstep, token, holder.proof("GET", HERE, token=token, nonce=nonce))
    is_refused(stale, "dpop_nonce_nodig", "use_dpop_nonce")


async def test_who_is_only_told_the_nonce_leaves_no_line(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    is_refused(
        await ask(doorstep, token, holder.proof("GET", HERE, token=token, nonce=None)),
        "dpop_nonce_nodig",
        "use_dpop_nonce",
    )
    assert await doorstep.journal("token:geweigerd") == []


async def test_two_proofs_are_one_too_many_also_when_both_are_good(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    first, second = (holder.proof("GET", HERE, token=token) for _ in range(2))
    is_refused(await ask(doorstep, token, first, second), "dpop_dubbel")
    is_refused(await ask(doorstep, token, f"{first}, {second}"), "dpop_vormfout")


async def test_a_proof_opens_nothing_once_the_token_is_revoked(doorstep, holder, clock):
    token = await a_bound_token(doorstep, holder)
    async with unit_of_work(doorstep.database.sessions) as session:
        await revoke_of_machtiging(session, doorstep.machtiging.id, clock.now())
    answer = await ask(doorstep, token, holder.proof("GET", HERE, token=token))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")


async def test_who_brings_no_token_of_ours_writes_down_no_proof(doorstep, holder):
    async with counting_statements(doorstep.database) as said:
        answer = await ask(doorstep, "nep", holder.proof("GET", HERE, token="nep"))
    assert answer.status_code == 401
    assert not any("used_proof" in statement for statement in said)


async def test_a_bound_token_takes_one_statement_more_and_a_plain_one_none(doorstep, holder):
    token = await a_bound_token(doorstep, holder)
    async with counting_statements(doorstep.database) as plain:
        assert (await doorstep.ask(a_jwt(doorstep.helper))).status_code == 200
    async with counting_statements(doorstep.database) as bound:
        assert (await ask(doorstep, token, holder.proof("GET", HERE, token=token))).status_code == 200
    assert len(bound) == len(plain) + 1
    assert [statement for statement in bound if "used_proof" in statement] == [bound[1]]
    assert not any("used_proof" in statement for statement in plain)


async def test_what_is_kept_of_proofs_does_not_grow(doorstep, holder, clock):
    token = await a_bound_token(doorstep, holder)
    for _ in range(6):
        assert (await ask(doorstep, token, holder.proof("GET", HERE, token=token))).status_code == 200
    clock.advance(timedelta(minutes=5))
    for _ in range(3):
        assert (await ask(doorstep, token, holder.proof("GET", HERE, token=token))).status_code == 200
    async with doorstep.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM used_proof")) == 3
