"""The Berichtenbox routes with DPoP-bound tokens: the direct route and the delivery in two transactions."""

import asyncio

from sqlalchemy import text

from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.berichtenbox.routes import API_PREFIX
from tests.builders.applications import API_ISSUER
from tests.builders.database import seal_rows
from tests.builders.letters import UWV, build_upload_parts, make_bericht
from tests.builders.messages import read_claims
from tests.builders.rows import BERICHTEN, JOURNAL_INTAKE

WHERE, DELIVERY = f"{API_PREFIX}/berichten/", f"{API_PREFIX}/aanleveringen"


async def bound(world, key_holder, token):
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE issued_token SET jkt = :jkt"), {"jkt": key_holder.jkt})
        await seal_rows(session, SEALED_TOKEN)
    return world.keyring.sign_jwt(read_claims(token) | {"cnf": {"jkt": key_holder.jkt}}, typ="at+jwt")


async def get(world, key_holder, token, path, **changes):
    async with world.client() as client:
        return await client.get(path, headers=key_holder.headers("GET", API_ISSUER + path, token, **changes))


async def test_read_with_dpop_returns_bericht_and_nonce(world, key_holder):
    path, token = WHERE + await world.deliver_letter(), await bound(world, key_holder, await world.issue_helper_token())
    answer = await get(world, key_holder, token, path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["DPoP-Nonce"] == key_holder.nonce()


async def test_read_with_dpop_without_nonce_returns_nonce_challenge(world, key_holder):
    path, token = WHERE + await world.deliver_letter(), await bound(world, key_holder, await world.issue_helper_token())
    answer = await get(world, key_holder, token, path, nonce=None)
    assert (answer.status_code, answer.headers["DPoP-Nonce"]) == (401, key_holder.nonce())
    assert 'error="use_dpop_nonce"' in answer.headers["WWW-Authenticate"]
    assert await world.reasons("bericht:lezen") == []


async def test_read_with_plain_token_returns_no_dpop_nonce(world):
    async with world.client(await world.issue_helper_token()) as client:
        answer = await client.get(WHERE + await world.deliver_letter())
    assert (answer.status_code, "DPoP-Nonce" in answer.headers) == (200, False)


async def test_dpop_proof_for_another_bericht_is_rejected(world, key_holder):
    one, other = WHERE + await world.deliver_letter(), WHERE + await world.deliver_letter()
    token = await bound(world, key_holder, await world.issue_helper_token())
    answer = await get(world, key_holder, token, other, htu=API_ISSUER + one)
    assert (answer.status_code, answer.json()["code"]) == (401, "dpop_ander_adres")
    assert await world.reasons("bericht:lezen") == []


async def test_row_20_dpop_proof_used_concurrently_reads_once(world, key_holder):
    path, token = WHERE + await world.deliver_letter(), await bound(world, key_holder, await world.issue_helper_token())
    headers = key_holder.headers("GET", API_ISSUER + path, token)
    async with world.client() as client:
        answers = await asyncio.gather(*(client.get(path, headers=headers) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert await JOURNAL_INTAKE.count(world, act="bericht:lezen") == 1


async def test_delivery_with_dpop_consumes_its_proof_once(world, key_holder):
    token = await bound(world, key_holder, await world.issue_token(oin=UWV))
    async with world.client() as client:
        headers = key_holder.headers("POST", API_ISSUER + DELIVERY, token)
        answer = await client.post(DELIVERY, files=build_upload_parts(make_bericht()), headers=headers)
        again = await client.post(DELIVERY, files=build_upload_parts(make_bericht()), headers=headers)
    assert (answer.status_code, again.status_code) == (201, 401), answer.text
    assert again.json()["code"] == "dpop_hergebruikt"
    assert await BERICHTEN.count(world) == 1
