"""Token endpoint: the number of statements of each grant type."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders.database import record_queries
from tests.builders.keys import KeyHolder
from tests.builders.people import ISSUER
from tests.builders.tokens import (
    HUIS,
    REFRESHING,
    make_exchange_chain,
    make_refresh_token_holder,
    register_refreshing_app,
    set_grant_resource,
    update_rows,
)

DELIVERING = {"grant_type": "client_credentials", "scope": "aanleveringen:schrijven"}
BARRED = ("BEGIN;", "COMMIT;", "ROLLBACK;")


async def record_token_request(database, app, form, *proofs, error=None):
    """The statements of one token request, which succeeds unless it must give this error."""
    credentials = app.credentials()
    with record_queries(database) as heard:
        headers = [("DPoP", proof) for proof in proofs]
        answer = await app.http.post("/token", data=credentials | form, headers=headers)
        await asyncio.sleep(0)  # asyncpg reports the query a moment later
    assert (answer.status_code == 200, answer.json().get("error")) == (error is None, error), answer.text
    return heard


def proofs(oauth, proven):
    return [KeyHolder(oauth.clock).proof("POST", ISSUER + "/token")] if proven else []


def redeeming(flow, code):
    where = flow.app.registration["redirect_uris"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": where}
    return form | {"code_verifier": flow.pkce.verifier}


@pytest.mark.parametrize("proven", [False, True])
async def test_client_credentials_take_two_statements(oauth, database, proven) -> None:
    agency = await oauth.register_agency()
    looked, acted = await record_token_request(database, agency, DELIVERING, *proofs(oauth, proven))
    assert "INSERT" not in looked
    assert ("INSERT INTO used_assertion" in acted, "INSERT INTO used_proof" in acted) == (True, proven)
    assert "INSERT INTO journal_intake" in acted


@pytest.mark.parametrize("proven", [False, True])
async def test_code_redemption_takes_two_statements(oauth, database, proven) -> None:
    flow = await oauth.start_flow(await register_refreshing_app(oauth))
    code = await flow.code()
    looked, acted = await record_token_request(database, flow.app, redeeming(flow, code), *proofs(oauth, proven))
    assert ("FOR UPDATE" in looked, "INSERT" in looked) == (False, False)  # an unauthenticated request takes no lock
    for table in ("used_assertion", "issued_token", "refresh_token", "journal_intake"):
        assert f"INSERT INTO {table}" in acted
    assert "UPDATE authorization_code" in acted


@pytest.mark.parametrize("proven", [False, True])
async def test_refresh_takes_two_statements(oauth, database, proven) -> None:
    holder = await make_refresh_token_holder(oauth)
    form = {"grant_type": "refresh_token", "refresh_token": holder.refresh_token}
    looked, acted = await record_token_request(database, holder.app, form, *proofs(oauth, proven))
    assert ("FOR UPDATE" in looked, "INSERT" in looked) == (False, False)
    for table in ("used_assertion", "issued_token", "refresh_token", "journal_intake"):
        assert f"INSERT INTO {table}" in acted
    assert "UPDATE refresh_token" in acted


async def test_public_client_with_dpop_takes_two_statements(oauth, database) -> None:
    app = await oauth.register_public_app(grant_types=REFRESHING)
    flow = await oauth.start_flow(app)
    code = await flow.code()
    assert len(await record_token_request(database, app, redeeming(flow, code), *proofs(oauth, True))) == 2


async def test_resource_and_name_claim_cost_one_extra_statement(oauth, database) -> None:
    await (await make_exchange_chain(oauth)).register_server()
    holder = await make_refresh_token_holder(oauth)
    await set_grant_resource(holder, HUIS)
    await update_rows(oauth, """UPDATE oauth_grant SET requested_claims = '{"id_token": ["name"]}'""")
    await update_rows(oauth, "UPDATE refresh_token SET resource = :at", at=HUIS)
    form = {"grant_type": "refresh_token", "refresh_token": holder.refresh_token}
    heard = await record_token_request(database, holder.app, form)
    assert len(heard) == 3, heard


async def test_token_request_needs_no_explicit_transaction(oauth, database) -> None:
    heard = await record_token_request(database, await oauth.register_agency(), DELIVERING)
    assert not set(heard) & set(BARRED)


@pytest.mark.parametrize("proven", [False, True])
async def test_refused_client_credentials_take_two_statements(oauth, database, proven) -> None:
    form = DELIVERING | {"scope": "openid"}
    agency = await oauth.register_agency()
    looked, acted = await record_token_request(database, agency, form, *proofs(oauth, proven), error="invalid_scope")
    assert "INSERT" not in looked
    assert ("INSERT INTO used_assertion" in acted, "INSERT INTO used_proof" in acted) == (True, proven)
    assert "INSERT INTO journal_intake" in acted


async def test_refused_code_takes_two_statements_and_is_consumed(oauth, database) -> None:
    flow = await oauth.start_flow(await register_refreshing_app(oauth))
    form = redeeming(flow, await flow.code()) | {"code_verifier": "x" * 43}
    _, acted = await record_token_request(database, flow.app, form, error="invalid_grant")
    assert "UPDATE authorization_code" in acted
    assert "INSERT INTO journal_intake" in acted
    assert "INSERT INTO issued_token" not in acted


async def test_refused_refresh_takes_two_statements_and_consumes_nothing(oauth, database) -> None:
    holder = await make_refresh_token_holder(oauth)
    form = {"grant_type": "refresh_token", "refresh_token": holder.refresh_token, "scope": "openid alles"}
    _, acted = await record_token_request(database, holder.app, form, error="invalid_scope")
    assert "INSERT INTO journal_intake" in acted
    assert "UPDATE refresh_token" not in acted


async def test_refusal_of_public_client_without_code_takes_one_statement(oauth, database) -> None:
    app = await oauth.register_public_app()
    form = {"grant_type": "authorization_code", "code": "x"}
    await record_token_request(database, app, form, error="invalid_grant")  # the driver asks for types once
    (looked,) = await record_token_request(database, app, form, error="invalid_grant")
    assert ("INSERT" in looked, "FOR UPDATE" in looked) == (False, False)
