"""Refusals of tokens that we issued are journalled with person, place and reason."""

from __future__ import annotations

from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from machtiging.access_tokens.issued_token import IssuedTokenFacts
from machtiging.access_tokens.tokens import insert_token
from machtiging.delegation.pause import pause_machtiging
from machtiging.kernel.ids import GrantId
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.bearer import build_token_claims, make_token_facts
from tests.builders.client import AUDIENCE
from tests.builders.flow import ISSUER
from tests.builders.keys import KeyHolder
from tests.builders.rows import JOURNAL_INTAKE
from tests.builders.tokens import make_refresh_token_holder, register_refreshing_app

CONSENTS = "/api/v1/toestemmingen"
MANAGES = "openid toestemmingen:beheren"
BOTH = "grant_management_query grant_management_revoke"
NEVER = "5d0c2f36-7a5b-4c8e-9f0a-3b1d6e2c4a71"  # the id of no consent
REFUSED, NOT_GIVEN = "token:geweigerd", "grant:geweigerd"


def sign_claims(portal_oauth, facts: IssuedTokenFacts, audience: str = AUDIENCE, **claims) -> str:
    whole = build_token_claims(facts) | {"iss": ISSUER, "aud": audience} | claims
    return portal_oauth.service.state.services.keyring.sign_jwt(whole, typ="at+jwt")


async def issued(portal_oauth, **changes) -> IssuedTokenFacts:
    """Store and return a token of the citizen with the manage scope, with these changes."""
    facts = make_token_facts(
        portal_oauth.clock.now(), **({"person_id": portal_oauth.committed.people.mother, "scope": MANAGES} | changes)
    )
    async with unit_of_work(portal_oauth.sessions) as session:
        await insert_token(session, facts)
    return facts


async def ask(portal_oauth, token: str, path: str, method: str = "GET", **headers):
    given = {"Authorization": f"Bearer {token}"} | headers
    return await portal_oauth.connection().request(method, path, headers=given)


async def count_journal_lines(portal_oauth) -> int:
    async with unit_of_work(portal_oauth.sessions) as session:
        return await JOURNAL_INTAKE.count(session)


async def read_only_line(portal_oauth, act: str = REFUSED):
    [line] = await portal_oauth.lines(act)
    assert line.outcome == "refused"
    return line


# /api/v1/toestemmingen


async def test_token_without_scope_is_journalled_with_person_and_token(portal_oauth):
    facts = await issued(portal_oauth, scope="openid")
    assert (await ask(portal_oauth, sign_claims(portal_oauth, facts), CONSENTS)).status_code == 403
    line = await read_only_line(portal_oauth)
    assert (line.reason, line.client_id) == ("token_voor_ander_gebruik", facts.client_id)
    assert (line.actor_id, line.for_person_id) == (
        portal_oauth.committed.people.mother,
        portal_oauth.committed.people.mother,
    )
    assert (line.object_kind, line.object_id) == ("token", str(facts.id))


async def test_helper_token_without_scope_is_journalled_with_citizen_and_machtiging(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    facts = await issued(portal_oauth, person_id=portal_oauth.committed.people.son, machtiging_id=holder.machtiging.id)
    assert (
        await ask(portal_oauth, sign_claims(portal_oauth, facts), f"{CONSENTS}/{holder.grant_id}", "DELETE")
    ).status_code == 403
    line = await read_only_line(portal_oauth)
    assert (line.actor_id, line.for_person_id) == (
        portal_oauth.committed.people.son,
        portal_oauth.committed.people.mother,
    )
    assert (line.reason, line.machtiging_id) == ("token_voor_ander_gebruik", holder.machtiging.id)
    assert line.capacity == "relative"


async def test_idor_consent_of_another_is_distinguished_in_the_journal_only(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth, own=True)
    facts = await issued(portal_oauth, person_id=portal_oauth.committed.people.son)
    other = uuid4()
    answers = [
        await ask(portal_oauth, sign_claims(portal_oauth, facts), f"{CONSENTS}/{it}", "DELETE")
        for it in (holder.grant_id, other)
    ]
    assert [answer.json()["code"] for answer in answers] == ["toestemming_onbekend"] * 2
    lines = await portal_oauth.lines(NOT_GIVEN)
    assert [(line.reason, line.object_id) for line in lines] == [
        ("toestemming_van_ander", str(holder.grant_id)),
        ("toestemming_onbekend", None),
    ]
    assert {(line.actor_id, line.client_id, line.for_person_id) for line in lines} == {
        (portal_oauth.committed.people.son, facts.client_id, None)
    }


# /userinfo


async def test_userinfo_with_token_without_openid_is_journalled(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    facts = await issued(
        portal_oauth,
        person_id=portal_oauth.committed.people.son,
        client_id=holder.app.client_id,
        grant_id=holder.grant_id,
        machtiging_id=holder.machtiging.id,
        scope="toestemmingen:beheren",
    )
    answer = await ask(portal_oauth, sign_claims(portal_oauth, facts), "/userinfo")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_ontbreekt")
    line = await read_only_line(portal_oauth)
    assert (line.reason, line.client_id, line.object_id) == ("scope_ontbreekt", holder.app.client_id, str(facts.id))
    assert (line.actor_id, line.for_person_id) == (
        portal_oauth.committed.people.son,
        portal_oauth.committed.people.mother,
    )


async def test_userinfo_with_revoked_token_is_journalled(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    async with unit_of_work(portal_oauth.sessions) as session:
        await end_grant(session, BOX_HANDLER, holder.grant_id, GrantEnding("proef"), at=portal_oauth.clock.now())
    for _ in range(2):
        answer = await ask(portal_oauth, holder.access, "/userinfo")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_ongeldig")
    assert [line.reason for line in await portal_oauth.lines(REFUSED)] == ["token_ingetrokken"] * 2


async def test_userinfo_with_token_of_paused_machtiging_is_journalled(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    await holder.change(pause_machtiging)
    assert (await ask(portal_oauth, holder.access, "/userinfo")).json()["code"] == "token_ongeldig"
    line = await read_only_line(portal_oauth)
    assert (line.reason, line.machtiging_id) == ("machtiging_geldt_niet", holder.machtiging.id)


async def test_userinfo_with_token_of_suspended_client_is_journalled(portal_oauth):
    holder = await make_refresh_token_holder(portal_oauth)
    async with unit_of_work(portal_oauth.sessions) as session:
        await suspend_client(session, holder.app.client_id, at=portal_oauth.clock.now())
    assert (await ask(portal_oauth, holder.access, "/userinfo")).status_code == 401
    assert (await read_only_line(portal_oauth)).reason == "token_ingetrokken"


async def test_userinfo_with_agency_token_is_journalled(portal_oauth):
    facts = await issued(portal_oauth, person_id=None, oin="00000099000000001000", acts=frozenset(), scope="x")
    assert (await ask(portal_oauth, sign_claims(portal_oauth, facts), "/userinfo")).status_code == 401
    line = await read_only_line(portal_oauth)
    assert (line.reason, line.client_id, line.actor_id) == ("token_voor_ander_gebruik", facts.client_id, None)


async def test_userinfo_with_stolen_bound_token_is_journalled_and_missing_nonce_is_not(portal_oauth):
    key = KeyHolder(portal_oauth.clock)
    holder = await make_refresh_token_holder(portal_oauth)
    facts = await issued(
        portal_oauth,
        person_id=portal_oauth.committed.people.son,
        client_id=holder.app.client_id,
        grant_id=holder.grant_id,
        machtiging_id=holder.machtiging.id,
        jkt=key.jkt,
    )
    token, place = sign_claims(portal_oauth, facts), ISSUER + "/userinfo"
    asked = await ask(portal_oauth, token, "/userinfo", **key.headers("GET", place, token, nonce=None))
    assert asked.json()["code"] == "dpop_nonce_nodig"
    assert await portal_oauth.lines(REFUSED) == []
    assert (await ask(portal_oauth, token, "/userinfo")).status_code == 401
    assert (await read_only_line(portal_oauth)).reason == "token_gebonden"


# /grants


async def management(portal_oauth, scope: str = BOTH):
    """A client with a grant, and its management token."""
    app = await register_refreshing_app(portal_oauth, scope=f"openid {BOTH}")
    holder = await make_refresh_token_holder(portal_oauth, app)
    made = await app.post("/token", {"grant_type": "client_credentials", "scope": scope})
    return holder, made.json()["access_token"]


@pytest.mark.parametrize(("scope", "method"), [(BOTH.split()[0], "DELETE"), (BOTH.split()[1], "GET")])
async def test_grants_with_token_without_scope_are_journalled(portal_oauth, scope, method):
    holder, token = await management(portal_oauth, scope)
    assert (await ask(portal_oauth, token, f"/grants/{holder.grant_id}", method)).status_code == 403
    line = await read_only_line(portal_oauth)
    assert (line.reason, line.client_id, line.actor_id) == ("scope_ontbreekt", holder.app.client_id, None)
    assert line.object_kind == "token"


async def test_grants_with_revoked_token_are_journalled(portal_oauth):
    holder, token = await management(portal_oauth)
    await holder.app.post("/revoke", {"token": token})
    assert (await ask(portal_oauth, token, f"/grants/{holder.grant_id}")).status_code == 401
    line = await read_only_line(portal_oauth)
    assert (line.reason, line.client_id) == ("token_ingetrokken", holder.app.client_id)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_grants_refusal_is_journalled_with_its_exact_reason(portal_oauth, method):
    holder, token = await management(portal_oauth)
    theirs, gone = (
        await make_refresh_token_holder(portal_oauth),
        await make_refresh_token_holder(portal_oauth, holder.app),
    )
    async with unit_of_work(portal_oauth.sessions) as session:
        await end_grant(session, BOX_HANDLER, gone.grant_id, GrantEnding("proef"), at=portal_oauth.clock.now())
    never = GrantId(uuid4())
    for grant_id in (theirs.grant_id, never, "geen-nummer", gone.grant_id):
        answer = await ask(portal_oauth, token, f"/grants/{grant_id}", method)
        assert (answer.status_code, answer.json()["code"]) == (404, "toestemming_onbekend")
    lines = await portal_oauth.lines(NOT_GIVEN)
    assert [(line.reason, line.object_id) for line in lines] == [
        ("toestemming_van_ander", str(theirs.grant_id)),
        ("toestemming_onbekend", None),  # an id that we did not issue is caller input
        ("toestemming_onbekend", None),
        ("toestemming_zonder_toegang" if method == "GET" else "grant_beeindigd", str(gone.grant_id)),
    ]
    assert {line.client_id for line in lines} == {holder.app.client_id}
    assert {(line.actor_id, line.for_person_id) for line in lines} == {(None, None)}


async def test_grants_list_not_offered_is_journalled(portal_oauth):
    _, token = await management(portal_oauth)
    assert (await ask(portal_oauth, token, "/grants")).status_code == 404
    assert (await read_only_line(portal_oauth, NOT_GIVEN)).reason == "toestemming_onbekend"


# unauthenticated


@pytest.mark.parametrize("path", [CONSENTS, f"{CONSENTS}/{NEVER}", "/userinfo", "/grants", f"/grants/{NEVER}"])
async def test_refusal_without_issued_token_is_not_journalled(portal_oauth, path):
    method = "DELETE" if path.startswith(CONSENTS + "/") else "GET"
    never_issued = make_token_facts(
        portal_oauth.clock.now(), person_id=portal_oauth.committed.people.mother, scope=MANAGES
    )
    audiences = (AUDIENCE, ISSUER + "/grants")
    forged = [sign_claims(portal_oauth, never_issued, audience) for audience in audiences]
    expired = [sign_claims(portal_oauth, never_issued, audience, exp=1) for audience in audiences]
    spoiled = [token[:-8] + "AAAAAAAA" for token in forged]
    before = await count_journal_lines(portal_oauth)
    with capture_logs():
        for token in ("x", "a.b.c", *forged, *expired, *spoiled):
            assert (await ask(portal_oauth, token, path, method)).status_code == 401, token[:20]
        assert (await portal_oauth.connection().request(method, path)).status_code == 401
    assert await count_journal_lines(portal_oauth) == before
