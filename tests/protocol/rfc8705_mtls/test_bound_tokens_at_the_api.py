"""Certificate-bound tokens at the API (RFC 8705, RFC 9440): accepted only with their certificate."""

import base64
import ipaddress
from datetime import timedelta

import httpx
import pytest

from machtiging.access_tokens.tokens import insert_token
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import API_ISSUER, replace_services
from tests.builders.bearer import READ, BearerWorld, make_token_facts, sign_access_token
from tests.builders.keys import KeyHolder, make_certificate
from tests.builders.server import serve_application

PROXY = "10.20.0.5"


@pytest.fixture
async def bearer_world(database, clock):
    built = await BearerWorld.build(database, clock)
    replace_services(built.app, trusted_proxies=(ipaddress.ip_network("10.20.0.0/24"),))
    return built


async def issue_certificate_bound_token(bearer_world, certificate):
    person, machtiging = bearer_world.people.son, bearer_world.machtiging.id
    facts = make_token_facts(person_id=person, machtiging_id=machtiging, x5t=certificate.x5t)
    async with unit_of_work(bearer_world.database.sessions) as session:
        await insert_token(session, facts)
    return sign_access_token(facts, cnf={"x5t#S256": certificate.x5t})


async def ask(bearer_world, token, *fields, peer=PROXY, scheme="Bearer", more=()):
    headers = [("Authorization", f"{scheme} {token}"), *(("Client-Cert", field) for field in fields), *more]
    transport = httpx.ASGITransport(bearer_world.app, raise_app_exceptions=False, client=(peer, 40000))
    async with httpx.AsyncClient(transport=transport, base_url=API_ISSUER) as client:
        return await client.get(READ, headers=headers)


def field_of(certificate):
    return certificate.header["Client-Cert"]


def is_refused(answer, code, why=""):
    assert (answer.status_code, answer.json()["code"]) == (401, code), (why, answer.text)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="machtiging", error="invalid_token"')


async def test_certificate_bound_token_with_its_certificate_is_accepted(bearer_world):
    certificate = make_certificate()
    answer = await ask(
        bearer_world, await issue_certificate_bound_token(bearer_world, certificate), field_of(certificate)
    )
    assert answer.status_code == 200, answer.text


async def test_row_19_certificate_bound_token_stolen_without_certificate_is_rejected_and_journalled(bearer_world):
    token = await issue_certificate_bound_token(bearer_world, make_certificate())
    is_refused(await ask(bearer_world, token), "certificaat_ontbreekt")
    (line,) = await bearer_world.journal("token:geweigerd")
    assert line["reason"] == "certificaat_ontbreekt"


async def test_row_19_certificate_bound_token_with_other_certificate_is_rejected(bearer_world):
    token = await issue_certificate_bound_token(bearer_world, make_certificate())
    is_refused(await ask(bearer_world, token, field_of(make_certificate())), "certificaat_anders")


async def test_certificate_bound_token_with_dpop_proof_is_rejected(bearer_world, clock):
    token, holder = await issue_certificate_bound_token(bearer_world, make_certificate()), KeyHolder(clock)
    proof = [("DPoP", holder.proof("GET", API_ISSUER + READ, token=token))]
    answer = await ask(bearer_world, token, scheme="DPoP", more=proof)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_niet_gebonden")


NO_PROXIES = ["10.20.1.5", "127.0.0.1", "203.0.113.7", "::1", "unix", ""]


async def test_certificate_header_from_untrusted_peer_is_rejected(bearer_world):
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    for peer in NO_PROXIES:
        is_refused(await ask(bearer_world, token, field_of(certificate), peer=peer), "certificaat_niet_van_proxy", peer)


async def test_certificate_header_with_forged_forwarded_headers_is_rejected(bearer_world):
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    said = [("X-Forwarded-For", PROXY), ("Forwarded", f"for={PROXY}"), ("X-Real-IP", PROXY)]
    answer = await ask(bearer_world, token, field_of(certificate), peer="203.0.113.7", more=said)
    is_refused(answer, "certificaat_niet_van_proxy")


async def test_certificate_header_from_ipv4_mapped_proxy_is_accepted(bearer_world):
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    assert (await ask(bearer_world, token, field_of(certificate), peer=f"::ffff:{PROXY}")).status_code == 200


async def test_certificate_header_without_trusted_proxies_is_rejected(bearer_world):
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    replace_services(bearer_world.app, trusted_proxies=())
    is_refused(await ask(bearer_world, token, field_of(certificate)), "certificaat_niet_van_proxy")


NO_CERTIFICATE = [
    (lambda field: field[1:-1], "without colons"),
    (lambda field: field[:-1], "one colon"),
    (lambda field: "::", "empty"),
    (lambda field: ":", "only a colon"),
    (lambda field: ":AAAA:", "no certificate"),
    (lambda field: ":?:", "no base64"),
    (lambda field: field + ";a=1", "with a parameter"),
    (lambda field: f"{field}, {field}", "two in one"),
    (lambda field: field[:-9] + ":", "cut off"),
    (lambda field: ":" + field[1:-1] + base64.b64encode(b"meer").decode() + ":", "with more behind"),
    (lambda field: ":" + base64.b64encode(b"0" * 9000).decode() + ":", "too large"),
    (lambda field: "-----BEGIN CERTIFICATE-----", "PEM"),
]


async def test_certificate_header_malformed_is_rejected(bearer_world):
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    for spoil, why in NO_CERTIFICATE:
        is_refused(await ask(bearer_world, token, spoil(field_of(certificate))), "certificaat_vormfout", why)


async def test_certificate_header_twice_is_rejected(bearer_world):
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    is_refused(await ask(bearer_world, token, field_of(certificate), field_of(certificate)), "certificaat_vormfout")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ends": timedelta(seconds=-1)}, id="expired"),
        pytest.param({"begins": timedelta(hours=1)}, id="not yet valid"),
    ],
)
async def test_certificate_expired_or_not_yet_valid_is_rejected(bearer_world, changes):
    certificate = make_certificate(**changes)
    token = await issue_certificate_bound_token(bearer_world, certificate)
    is_refused(await ask(bearer_world, token, field_of(certificate)), "certificaat_niet_geldig")


async def test_plain_token_ignores_the_certificate(bearer_world):
    token = sign_access_token(bearer_world.helper)
    assert (await ask(bearer_world, token)).status_code == 200
    assert (await ask(bearer_world, token, field_of(make_certificate()))).status_code == 200


@pytest.mark.whole
@pytest.mark.parametrize(("proxies", "status"), [("127.0.0.1", 200), ("127.0.0.2", 401)])
async def test_certificate_header_over_tcp_is_trusted_by_peer_address(bearer_world, proxies, status):
    replace_services(bearer_world.app, trusted_proxies=(ipaddress.ip_network(proxies),))
    certificate = make_certificate()
    token = await issue_certificate_bound_token(bearer_world, certificate)
    async with serve_application(bearer_world.app) as server, server.client(token) as client:
        answer = await client.get(READ, headers={**certificate.header, "X-Forwarded-For": "127.0.0.2"})
    assert answer.status_code == status, answer.text
