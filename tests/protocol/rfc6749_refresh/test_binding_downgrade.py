"""Sender constraint at refresh (RFC 9449 section 5): a confidential client may change its key, not drop the binding."""

from __future__ import annotations

import ipaddress
import json

import pytest
from sqlalchemy import text

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import replace_services
from tests.builders.database import seal_rows
from tests.builders.keys import KeyHolder, make_certificate
from tests.builders.messages import read_claims
from tests.builders.people import ISSUER
from tests.builders.rows import REFRESH_TOKENS
from tests.builders.tokens import make_refresh_token_holder, register_refreshing_app

TOKEN = ISSUER + "/token"
BOUND = "tls_client_certificate_bound_access_tokens"


@pytest.fixture
def key_holder(clock):
    return KeyHolder(clock)


def proof_of(key_holder: KeyHolder) -> dict[str, str]:
    return {"DPoP": key_holder.proof("POST", TOKEN)}


async def redeem_first_tokens(oauth, app, headers: dict[str, str]) -> dict:
    """Redeem a code with these headers; returns the token response."""
    flow = await oauth.start_flow(app)
    form = {
        "grant_type": "authorization_code",
        "code": await flow.code(),
        "redirect_uri": app.registration["redirect_uris"][0],
        "code_verifier": flow.pkce.verifier,
    }
    answer = await app.http.post("/token", data={**app.credentials(), **form}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refresh(app, token: str, headers: dict[str, str] | None = None):
    form = {**app.credentials(), "grant_type": "refresh_token", "refresh_token": token}
    return await app.http.post("/token", data=form, headers=headers)


def is_refused(answer, error: str) -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert "access_token" not in answer.json()


async def count_unused_tokens(oauth) -> int:
    return await REFRESH_TOKENS.count(oauth, used_at=None)


async def test_downgrade_refresh_of_dpop_bound_token_without_proof_is_rejected(oauth, key_holder):
    app = await register_refreshing_app(oauth)
    tokens = await redeem_first_tokens(oauth, app, proof_of(key_holder))
    assert tokens["token_type"] == "DPoP"
    is_refused(await refresh(app, tokens["refresh_token"]), "invalid_dpop_proof")
    [line] = await oauth.lines("token:geweigerd")
    assert (line.reason, line.client_id) == ("verversing_zonder_bewijs", app.client_id)
    assert line.facts == {"fout": "invalid_dpop_proof", "adres": "/token"}


async def test_downgrade_refused_does_not_consume_the_refresh_token(oauth, key_holder):
    app = await register_refreshing_app(oauth)
    tokens = await redeem_first_tokens(oauth, app, proof_of(key_holder))
    for _ in range(2):
        is_refused(await refresh(app, tokens["refresh_token"]), "invalid_dpop_proof")
    assert await count_unused_tokens(oauth) == 1
    answer = await refresh(app, tokens["refresh_token"], proof_of(key_holder))
    assert answer.json()["token_type"] == "DPoP"
    assert read_claims(answer.json()["access_token"])["cnf"] == {"jkt": key_holder.jkt}


async def test_refresh_of_bound_token_with_another_key_stays_bound(oauth, key_holder, clock):
    holder = await make_refresh_token_holder(oauth, bound=TokenBinding(jkt=key_holder.jkt))
    token = holder.refresh_token
    for other in (KeyHolder(clock), KeyHolder(clock)):
        is_refused(await refresh(holder.app, token), "invalid_dpop_proof")
        answer = await refresh(holder.app, token, proof_of(other))
        assert read_claims(answer.json()["access_token"])["cnf"] == {"jkt": other.jkt}
        token = answer.json()["refresh_token"]


async def test_plain_consent_refreshed_with_dpop_stays_bound(oauth, key_holder):
    holder = await make_refresh_token_holder(oauth)
    plain = await holder.refreshed()
    assert plain["token_type"] == "Bearer"
    bound = await refresh(holder.app, plain["refresh_token"], proof_of(key_holder))
    assert bound.json()["token_type"] == "DPoP"
    is_refused(await refresh(holder.app, bound.json()["refresh_token"]), "invalid_dpop_proof")


async def test_refresh_token_reuse_without_key_ends_the_family(oauth, key_holder):
    holder = await make_refresh_token_holder(oauth, bound=TokenBinding(jkt=key_holder.jkt))
    assert (await refresh(holder.app, holder.refresh_token, proof_of(key_holder))).status_code == 200
    is_refused(await refresh(holder.app, holder.refresh_token), "invalid_grant")
    assert await holder.ended() == "verversing_hergebruikt"


async def test_refresh_with_invalid_dpop_proof_is_rejected(oauth, key_holder):
    holder = await make_refresh_token_holder(oauth, bound=TokenBinding(jkt=key_holder.jkt))
    for changes in ({"htu": ISSUER + "/par"}, {"htm": "GET"}, {"iat": 1}):
        bad = {"DPoP": key_holder.proof("POST", TOKEN, **changes)}
        is_refused(await refresh(holder.app, holder.refresh_token, bad), "invalid_dpop_proof")
    assert await count_unused_tokens(oauth) == 1


async def test_enumeration_binding_of_refresh_token_is_hidden_from_another_client(oauth, key_holder):
    holder, thief = (
        await make_refresh_token_holder(oauth, bound=TokenBinding(jkt=key_holder.jkt)),
        await register_refreshing_app(oauth),
    )
    is_refused(await refresh(thief, holder.refresh_token), "invalid_grant")
    is_refused(await refresh(thief, holder.refresh_token, proof_of(key_holder)), "invalid_grant")


# Certificates (RFC 8705)


@pytest.fixture
def oauth_behind_proxy(oauth):
    """The service behind a trusted proxy on 127.0.0.1 that forwards certificates."""
    replace_services(oauth.service, trusted_proxies=(ipaddress.ip_network("127.0.0.1"),))
    return oauth


async def change_registration(oauth, app, **changes) -> None:
    """Change the registration of the client; None removes a member."""
    members = {name: value for name, value in (app.registration | changes).items() if value is not None}
    async with unit_of_work(oauth.sessions) as session:
        change = text("UPDATE oauth_client SET registration = :members WHERE client_id = :app")
        await session.execute(change, {"members": json.dumps(members), "app": app.client_id})
        await seal_rows(session)


async def test_refresh_with_renewed_certificate_is_accepted_and_without_rejected(oauth_behind_proxy):
    app = await register_refreshing_app(oauth_behind_proxy, **{BOUND: True})
    tokens = await redeem_first_tokens(oauth_behind_proxy, app, make_certificate().header)
    is_refused(await refresh(app, tokens["refresh_token"]), "invalid_request")
    renewed = make_certificate()
    answer = await refresh(app, tokens["refresh_token"], renewed.header)
    assert read_claims(answer.json()["access_token"])["cnf"] == {"x5t#S256": renewed.x5t}


async def test_downgrade_refresh_after_registration_drops_binding_is_rejected(oauth_behind_proxy, key_holder):
    app = await register_refreshing_app(oauth_behind_proxy, **{BOUND: True})
    certificate = make_certificate()
    tokens = await redeem_first_tokens(oauth_behind_proxy, app, certificate.header)
    await change_registration(oauth_behind_proxy, app, **{BOUND: None})
    for headers in ({}, certificate.header, proof_of(key_holder)):
        is_refused(await refresh(app, tokens["refresh_token"], headers), "invalid_grant")
    lines = await oauth_behind_proxy.lines("token:geweigerd")
    assert [line.reason for line in lines] == ["verversing_anders_gebonden"] * 3
    assert await count_unused_tokens(oauth_behind_proxy) == 1


async def test_refresh_of_dpop_bound_token_with_certificate_is_rejected(oauth_behind_proxy, key_holder):
    app = await register_refreshing_app(oauth_behind_proxy)
    tokens = await redeem_first_tokens(oauth_behind_proxy, app, proof_of(key_holder))
    await change_registration(oauth_behind_proxy, app, **{BOUND: True})
    is_refused(await refresh(app, tokens["refresh_token"], make_certificate().header), "invalid_grant")
    await change_registration(oauth_behind_proxy, app, **{BOUND: None})
    assert (await refresh(app, tokens["refresh_token"], proof_of(key_holder))).status_code == 200
