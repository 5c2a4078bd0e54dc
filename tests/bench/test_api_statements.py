"""Statements of the API: token check, permit, and reading a bericht."""

import asyncio
import ipaddress

import httpx
from sqlalchemy import text

from machtiging.access.actor import Actor
from machtiging.access.guard import issue_listing_permit, issue_permit
from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.access_tokens.tokens import insert_token
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import TokenId, uuid7
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import API_ISSUER, replace_services
from tests.builders.bearer import POLICY, READ, make_letter_target, make_token_facts, sign_access_token
from tests.builders.database import record_queries, seal_rows
from tests.builders.keys import NOON, KeyHolder, make_certificate
from tests.builders.machtiging import grant_machtiging, make_authority
from tests.builders.messages import read_claims
from tests.builders.people import add_mother_and_son
from tests.protocol.rfc9449_dpop.bound_tokens import READ_URL, ask, issue_dpop_bound_token

BERICHTEN = f"{API_PREFIX}/berichten/"
PROXY = "10.20.0.5"


async def test_token_check_costs_one_statement_besides_the_journal_line(bearer_world):
    token = sign_access_token(bearer_world.helper)
    await bearer_world.ask(token)
    with record_queries(bearer_world.database) as statements:
        await bearer_world.ask(token)
    assert [statement.split()[0] for statement in statements] == ["WITH", "BEGIN;", "INSERT", "COMMIT;"]


async def test_dpop_bound_token_costs_one_extra_statement(bearer_world, clock):
    holder = KeyHolder(clock)
    token = await issue_dpop_bound_token(bearer_world, holder)
    with record_queries(bearer_world.database) as plain:
        assert (await bearer_world.ask(sign_access_token(bearer_world.helper))).status_code == 200
    with record_queries(bearer_world.database) as bound:
        assert (await ask(bearer_world, token, holder.proof("GET", READ_URL, token=token))).status_code == 200
    assert len(bound) == len(plain) + 1
    assert [statement for statement in bound if "used_proof" in statement] == [bound[2]]
    assert not any("used_proof" in statement for statement in plain)


async def test_certificate_bound_token_costs_no_extra_statement(bearer_world):
    replace_services(bearer_world.app, trusted_proxies=(ipaddress.ip_network(f"{PROXY}/32"),))
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    with record_queries(bearer_world.database) as plain:
        assert (await ask_through_proxy(bearer_world, sign_access_token(bearer_world.helper))).status_code == 200
    with record_queries(bearer_world.database) as bound:
        assert (await ask_through_proxy(bearer_world, token, certificate)).status_code == 200
    assert len(bound) == len(plain)


async def issue_certificate_bound_token(bearer_world, certificate):
    facts = make_token_facts(
        person_id=bearer_world.people.son, machtiging_id=bearer_world.machtiging.id, x5t=certificate.x5t
    )
    async with unit_of_work(bearer_world.database.sessions) as session:
        await insert_token(session, facts)
    return sign_access_token(facts, cnf={"x5t#S256": certificate.x5t})


async def ask_through_proxy(bearer_world, token, *certificates):
    headers = [("Authorization", f"Bearer {token}")]
    headers += [("Client-Cert", certificate.header["Client-Cert"]) for certificate in certificates]
    transport = httpx.ASGITransport(bearer_world.app, raise_app_exceptions=False, client=(PROXY, 40000))
    async with httpx.AsyncClient(transport=transport, base_url=API_ISSUER) as client:
        return await client.get(READ, headers=headers)


async def test_permit_costs_one_statement(rollback_database, session):
    people = await add_mother_and_son(session)
    machtiging = await grant_machtiging(session, people)
    actor = Actor(
        person_id=machtiging.gemachtigde_id,
        authority=make_authority(machtiging),
        assurance=Assurance.SUBSTANTIAL,
        acts=frozenset(Act),
        client_id="leesapp",
        token_id=TokenId(uuid7()),
    )
    with record_queries(rollback_database) as statements:
        await issue_permit(session, POLICY, actor, Act.READ, make_letter_target(people.mother), at=NOON)
        await issue_listing_permit(session, POLICY, actor, at=NOON)
    assert [statement.split()[:3] for statement in statements] == [["INSERT", "INTO", "journal_intake"]] * 2


async def test_direct_route_reads_and_journals_in_one_statement(world, database):
    bericht_id, token = await world.deliver_letter(), await world.issue_helper_token()
    async with world.client(token) as client:
        assert (await client.get(BERICHTEN + bericht_id)).status_code == 200  # the first read also inserts the mark
        with record_queries(database) as said:
            assert (await client.get(BERICHTEN + bericht_id)).status_code == 200
            await asyncio.sleep(0)  # asyncpg reports the query a moment later
    looked, fetched = said  # autocommit: no transaction around them
    assert ("FOR SHARE" in looked, "FOR SHARE" in fetched) == (False, True)
    assert "INSERT INTO journal_intake" in fetched
    assert "inhoud_sealed" in fetched
    assert "inhoud_sealed" not in looked


async def test_read_with_dpop_costs_one_extra_statement(world, clock, database):
    holder = KeyHolder(clock)
    path, token = BERICHTEN + await world.deliver_letter(), await bind_helper_token(world, holder)
    await read_with_proof(world, holder, token, path)  # the first use of a statement also queries its types
    with record_queries(database) as said:
        await read_with_proof(world, holder, token, path)
        await asyncio.sleep(0)  # asyncpg reports the query a moment later
    looked, proved, acted = said
    assert ("used_proof" in looked, "used_proof" in proved, "used_proof" in acted) == (False, True, False)


async def bind_helper_token(world, holder):
    token = await world.issue_helper_token()
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE issued_token SET jkt = :jkt"), {"jkt": holder.jkt})
        await seal_rows(session, SEALED_TOKEN)
    return world.keyring.sign_jwt(read_claims(token) | {"cnf": {"jkt": holder.jkt}}, typ="at+jwt")


async def read_with_proof(world, holder, token, path):
    async with world.client() as client:
        return await client.get(path, headers=holder.headers("GET", API_ISSUER + path, token))
