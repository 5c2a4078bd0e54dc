"""API: the number of statements of a token check, a permit and the read of a bericht."""

import asyncio
import ipaddress

import httpx
from sqlalchemy import text

from machtiging.access.actor import Actor
from machtiging.access.guard import issue_listing_permit, issue_permit
from machtiging.access.tables import SEALED_TOKEN
from machtiging.access.tokens import insert_token
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import TokenId, uuid7
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders import berichtenbox
from tests.builders.applications import replace_services
from tests.builders.bearer import ISSUER, POLICY, READ, a_jwt, counting_statements, the_letter, token_facts
from tests.builders.black_box import claims_of
from tests.builders.delegation import NOON, an_accepted_machtiging, mother_and_son
from tests.builders.proof import KeyHolder, a_certificate
from tests.builders.query_log import record_queries
from tests.builders.sealing import seal_rows
from tests.protocol.rfc9449_dpop.bound_tokens import HERE, a_bound_token, ask

BERICHTEN = f"{API_PREFIX}/berichten/"
PROXY = "10.20.0.5"


async def test_token_check_costs_one_statement_besides_the_journal_line(doorstep):
    token = a_jwt(doorstep.helper)
    await doorstep.ask(token)
    async with counting_statements(doorstep.database) as statements:
        await doorstep.ask(token)
    assert [statement.split()[0] for statement in statements] == ["WITH", "INSERT"]


async def test_dpop_bound_token_costs_one_extra_statement(doorstep, clock):
    holder = KeyHolder(clock)
    token = await a_bound_token(doorstep, holder)
    async with counting_statements(doorstep.database) as plain:
        assert (await doorstep.ask(a_jwt(doorstep.helper))).status_code == 200
    async with counting_statements(doorstep.database) as bound:
        assert (await ask(doorstep, token, holder.proof("GET", HERE, token=token))).status_code == 200
    assert len(bound) == len(plain) + 1
    assert [statement for statement in bound if "used_proof" in statement] == [bound[1]]
    assert not any("used_proof" in statement for statement in plain)


async def test_certificate_bound_token_costs_no_extra_statement(doorstep):
    replace_services(doorstep.app, trusted_proxies=(ipaddress.ip_network(f"{PROXY}/32"),))
    certificate = a_certificate()
    token = await a_certificate_bound_token(doorstep, certificate)
    async with counting_statements(doorstep.database) as plain:
        assert (await ask_through_proxy(doorstep, a_jwt(doorstep.helper))).status_code == 200
    async with counting_statements(doorstep.database) as bound:
        assert (await ask_through_proxy(doorstep, token, certificate)).status_code == 200
    assert len(bound) == len(plain)


async def a_certificate_bound_token(doorstep, certificate):
    facts = token_facts(person_id=doorstep.people.son, machtiging_id=doorstep.machtiging.id, x5t=certificate.x5t)
    async with unit_of_work(doorstep.database.sessions) as session:
        await insert_token(session, facts)
    return a_jwt(facts, cnf={"x5t#S256": certificate.x5t})


async def ask_through_proxy(doorstep, token, *certificates):
    headers = [("Authorization", f"Bearer {token}")]
    headers += [("Client-Cert", certificate.header["Client-Cert"]) for certificate in certificates]
    transport = httpx.ASGITransport(doorstep.app, raise_app_exceptions=False, client=(PROXY, 40000))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        return await client.get(READ, headers=headers)


async def test_permit_costs_one_statement(rollback_database, session):
    people = await mother_and_son(session)
    machtiging = await an_accepted_machtiging(session, people)
    actor = Actor(
        person_id=machtiging.gemachtigde_id,
        machtiging=machtiging,
        assurance=Assurance.SUBSTANTIAL,
        acts=frozenset(Act),
        client_id="leesapp",
        token_id=TokenId(uuid7()),
    )
    async with counting_statements(rollback_database) as statements:
        await issue_permit(session, POLICY, actor, Act.READ, the_letter(people.mother), at=NOON)
        await issue_listing_permit(session, POLICY, actor, at=NOON)
    assert [statement.split()[:3] for statement in statements] == [["INSERT", "INTO", "journal_intake"]] * 2


async def test_direct_route_reads_and_journals_in_one_statement(world, database):
    bericht_id, token = await world.letter(), await world.helper_token()
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
    path, token = BERICHTEN + await world.letter(), await bind_helper_token(world, holder)
    await read_with_proof(world, holder, token, path)  # the first use of a statement also queries its types
    with record_queries(database) as said:
        await read_with_proof(world, holder, token, path)
        await asyncio.sleep(0)  # asyncpg reports the query a moment later
    looked, proved, acted = said
    assert ("used_proof" in looked, "used_proof" in proved, "used_proof" in acted) == (False, True, False)


async def bind_helper_token(world, holder):
    token = await world.helper_token()
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE issued_token SET jkt = :jkt"), {"jkt": holder.jkt})
        await seal_rows(session, SEALED_TOKEN)
    return world.keyring.sign_jwt(claims_of(token) | {"cnf": {"jkt": holder.jkt}}, typ="at+jwt")


async def read_with_proof(world, holder, token, path):
    async with world.client() as client:
        return await client.get(path, headers=holder.headers("GET", berichtenbox.ISSUER + path, token))
