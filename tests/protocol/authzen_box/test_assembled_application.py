"""AuthZEN in the application that `create_app` joins: metadata, the letters of the box, and a folder of tenants."""

import pytest

from machtiging.access_tokens.tokens import insert_token
from machtiging.app import create_app
from machtiging.crypto.jose import parse_jws
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings
from tests.builders.applications import API_ISSUER, POLICIES
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.keys import make_key_directory
from tests.builders.server import make_full_application_world
from tests.protocol.authzen.conftest import TENANTS, question
from tests.protocol.authzen_box.conftest import BELASTINGDIENST, TAX, about_letter

WELL_KNOWN = "/.well-known/authzen-configuration"


@pytest.fixture
async def whole(database, clock, tmp_path):
    """The whole application, with the tenants of the tests."""
    return await make_full_application_world(database.url, clock, tmp_path, authzen_tenants_dir=TENANTS)


async def issue_token(whole):
    facts = make_token_facts(
        whole.clock.now(), oin=BELASTINGDIENST, client_id="pep", acts=frozenset(), scope="verificaties:vragen"
    )
    async with whole.sessions.begin() as session:
        await insert_token(session, facts)
    return sign_access_token(facts, keyring=whole.keyring, nbf=int(facts.issued_at.timestamp()))


async def test_assembled_application_decides_about_a_letter_for_an_agency(whole):
    letter = await whole.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    await whole.grant_machtiging()
    fields = {"X-Request-ID": "vraag-1", "Origin": "https://anders.test"}
    async with whole.client(await issue_token(whole)) as client:
        answer = await client.post("/access/v1/evaluation", json=about_letter(letter), headers=fields)
    assert (answer.status_code, answer.json()["decision"]) == (200, True)
    assert answer.headers["x-request-id"] == "vraag-1"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("api", ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"])
async def test_assembled_application_without_a_token_is_unauthorized_at_every_endpoint(whole, api):
    async with whole.client() as client:
        answer = await client.post(f"/access/v1/{api}", json=question(), headers={"X-Request-ID": "vraag-2"})
    assert (answer.status_code, type(answer.json())) == (401, str)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert answer.headers["x-request-id"] == "vraag-2"


async def test_assembled_application_serves_a_tenant_of_its_folder(whole):
    async with whole.client() as client:
        answer = await client.post("/authzen/proef/access/v1/evaluation", json=question())
    assert answer.json() == {"decision": True}


@pytest.mark.parametrize("tenant", ["", "/authzen/proef"])
async def test_metadata_of_each_decision_point_names_the_url_that_it_is_found_by(whole, tenant):
    async with whole.client() as client:
        document = (await client.get(WELL_KNOWN + tenant)).json()
        keys = (await client.get("/jwks")).json()["keys"]
    assert document["policy_decision_point"] == API_ISSUER + tenant
    assert document["access_evaluation_endpoint"] == f"{API_ISSUER}{tenant}/access/v1/evaluation"
    header = parse_jws(document["signed_metadata"]).header
    assert header["kid"] in [key["kid"] for key in keys]
    claims = whole.keyring.verify_own_statement(document.pop("signed_metadata"), typ="JWT")
    assert {name: claims[name] for name in document} == document
    assert claims.keys() - document.keys() == {"iss", "iat"}


def test_application_with_a_broken_tenant_does_not_start(database, tmp_path):
    (tmp_path / "tenants" / "leeg").mkdir(parents=True)
    settings = Settings(
        env=Environment.TEST,
        issuer=API_ISSUER,
        database_url=database.url,
        keys_dir=make_key_directory(tmp_path / "keys"),
        policies_dir=POLICIES,
        authzen_tenants_dir=tmp_path / "tenants",
    )
    with pytest.raises(Fault) as refused:
        create_app(settings)
    assert refused.value.code == "authzen_tenant_onleesbaar"
