"""The callers of a tenant: the agencies that it names. The properties that they send decide nothing by default."""

import pytest

from tests.builders.letters import SVB

OPEN = {"subject": {"type": "robot", "id": "r1"}, "action": {"name": "open"}, "resource": {"type": "deur", "id": "d1"}}
BLUE = OPEN | {"subject": {"type": "robot", "id": "r2"}}


@pytest.fixture
def closed(pep):
    return pep.at_tenant("besloten")


async def ask(closed, members, token):
    return await closed.post("evaluation", members, Authorization=f"Bearer {token}")


async def test_tenant_for_an_agency_answers_that_agency(closed):
    token = await closed.issue_token()
    assert (await ask(closed, OPEN, token)).json() == {"decision": True}
    assert (await ask(closed, BLUE, token)).json() == {"decision": False}


async def test_tenant_for_an_agency_without_a_token_is_unauthorized_with_a_challenge(closed):
    answer = await closed.post("evaluation", OPEN)
    assert (answer.status_code, type(answer.json())) == (401, str)
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")


async def test_tenant_for_an_agency_with_a_changed_token_is_unauthorized(closed):
    answer = await ask(closed, OPEN, (await closed.issue_token())[:-4] + "AAAA")
    assert (answer.status_code, type(answer.json())) == (401, str)


async def test_tenant_for_another_agency_is_forbidden(closed):
    answer = await ask(closed, OPEN, await closed.issue_token(SVB))
    assert answer.status_code == 403
    assert "authzen_tenant_gesloten" in answer.json()


async def test_tenant_with_a_token_for_another_scope_is_forbidden(closed):
    token = await closed.issue_token(scope="registergebeurtenissen:schrijven")
    assert (await ask(closed, OPEN, token)).status_code == 403


async def test_unauthorized_batch_is_refused_before_its_body_is_read(closed):
    assert (await closed.post_bytes("evaluations", b"{")).status_code == 401


async def test_properties_of_a_caller_that_the_tenant_ignores_decide_nothing(closed):
    token = await closed.issue_token()
    painted = {"properties": {"team": "rood"}}
    assert (await ask(closed, BLUE | {"subject": BLUE["subject"] | painted}, token)).json() == {"decision": False}
    repainted = OPEN["resource"] | {"properties": {"team": "blauw"}}
    assert (await ask(closed, BLUE | {"resource": repainted}, token)).json() == {"decision": False}


async def test_unknown_entities_of_a_tenant_are_denied_even_when_their_attributes_agree(closed):
    token = await closed.issue_token()
    unknown = {"subject": {"type": "robot", "id": "r9"}, "resource": {"type": "deur", "id": "d9"}}
    assert (await ask(closed, OPEN | unknown, token)).json() == {"decision": False}


async def test_metadata_of_a_tenant_needs_no_token(closed):
    path = "/.well-known/authzen-configuration/authzen/besloten"
    assert (await closed.send("GET", path)).status_code == 200


async def test_metadata_of_an_unknown_tenant_is_not_found(closed):
    assert (await closed.send("GET", "/.well-known/authzen-configuration/authzen/x")).status_code == 404
