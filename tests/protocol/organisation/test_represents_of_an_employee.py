"""`represents` of an employee: the organisation by its number, and the citizen inside it (OIDC-NLGOV 5.2.4)."""

from __future__ import annotations

import pytest

from machtiging.oauth.request_parameters.subject_claims import apply_subject_layout
from tests.builders.messages import read_claims
from tests.builders.rows import ORGANISATIONS
from tests.builders.tokens import ARCHIEF, HUIS, SERVICE_KEYS, ExchangeChain, make_exchanger_metadata
from tests.protocol.organisation.organisations import KVK, accept_professional_machtiging, request_ciba, start_flow_for

PSEUDONYM, KVK_TYPE = "urn:nl-eid-gdi:1.0:id:pseudonym", "urn:nl-eid-gdi:1.0:id:KvKnr"
SECTOR = "app.voorbeeld.example"
MEMBERS = {"iss", "sub", "sub_id_type"}


def expected_parties(oauth, sector):
    """Employee, organisation and citizen, as this sector knows them."""
    services, people = oauth.service.state.services, oauth.committed.people

    def person(one):
        return {"iss": services.issuer, "sub": services.keyring.pairwise_subject(one, sector), "sub_id_type": PSEUDONYM}

    return person(people.son), {"iss": services.issuer, "sub": KVK, "sub_id_type": KVK_TYPE}, person(people.mother)


@pytest.fixture
async def flow(oauth):
    """The code flow of an app of an employee, who holds an assignment."""
    return await start_flow_for(oauth, KVK, await accept_professional_machtiging(oauth))


async def test_represents_of_an_employee_is_nested_in_tokens_userinfo_and_introspection(oauth, flow) -> None:
    tokens = await flow.tokens()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    told = [read_claims(tokens["access_token"]), read_claims(tokens["id_token"])]
    told.append((await oauth.connection().get("/userinfo", headers=bearer)).json())
    told.append((await flow.app.post("/introspect", {"token": tokens["access_token"]})).json())
    employee, organisation, citizen = expected_parties(oauth, SECTOR)
    for claims in told:
        assert {name: claims[name] for name in MEMBERS} == employee
        assert claims["represents"] == {**organisation, "represents": citizen}


async def test_represents_of_a_relative_has_no_organisation(oauth) -> None:
    flow = await start_flow_for(oauth, None, await accept_professional_machtiging(oauth, None))
    claims = read_claims((await flow.tokens())["access_token"])
    assert claims["represents"].keys() == MEMBERS
    assert claims["represents"]["sub_id_type"] == PSEUDONYM


@pytest.mark.parametrize("layout", ["represents", "act"])
async def test_exchange_for_an_employee_keeps_the_organisation_between(oauth, flow, layout) -> None:
    chain = ExchangeChain(oauth, flow.app, None)
    service = await oauth.add(make_exchanger_metadata(), SERVICE_KEYS)
    archief = await chain.register_server(client_name="Archief", resource=ARCHIEF, subject_layout=layout)
    subject_token = (await flow.tokens(resource=HUIS))["access_token"]
    token = await chain.exchanged(service, subject_token)
    employee, organisation, citizen = expected_parties(oauth, archief.client_id)
    expected = {**employee, "represents": {**organisation, "represents": citizen}}
    if layout == "act":
        expected = {**citizen, "act": {**employee, "act": organisation}}
    told = (await archief.post("/introspect", {"token": token})).json()
    for claims in (read_claims(token), told):
        assert {name: claims[name] for name in expected} == expected
        assert ("act" in claims) is not ("represents" in claims)


def test_act_layout_of_a_relative_is_as_without_organisations() -> None:
    helper, citizen = {"iss": "i", "sub": "zoon", "sub_id_type": "p"}, {"iss": "i", "sub": "moeder", "sub_id_type": "p"}
    claims = {**helper, "acr": "a", "represents": citizen}
    assert apply_subject_layout(claims, "act") == {**citizen, "acr": "a", "act": helper}
    assert apply_subject_layout(claims, "represents") == claims


async def test_lines_of_a_revoked_token_of_an_employee_name_the_organisation(oauth) -> None:
    flow = await start_flow_for(oauth, KVK, await accept_professional_machtiging(oauth))
    organisation_id = await ORGANISATIONS.read_value(oauth, "id")
    for kind in ("access_token", "refresh_token"):
        tokens = (await flow.redeem(await flow.code())).json()
        assert (await flow.app.post("/revoke", {"token": tokens[kind]})).status_code == 200
    lines = await oauth.lines("token:ingetrokken")
    assert len(lines) == 2
    assert {line.on_behalf_of for line in lines} == {organisation_id}


async def test_line_of_a_counter_request_for_an_employee_names_the_organisation(ciba_desk) -> None:
    machtiging = await accept_professional_machtiging(ciba_desk.oauth)
    await request_ciba(ciba_desk, KVK, machtiging)
    [line] = await ciba_desk.oauth.lines("verzoek:gedaan")
    assert line.on_behalf_of == await ORGANISATIONS.read_value(ciba_desk.oauth, "id")
