"""Bearer tokens (RFC 6750). Where a token may stand, whether it is active now, and which audience it opens.

RFC 6750, and rows 46 (revocation race) and 48 (stale after revocation) of the attack checklist.
"""

from datetime import timedelta

import pytest

from machtiging.access_tokens.token_revocation import revoke_token, revoke_tokens_of_machtiging
from machtiging.access_tokens.tokens import insert_token
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.kernel.ids import MachtigingId, uuid7
from machtiging.kernel.period import Period
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import (
    DELIVER,
    OIN,
    READ,
    BearerWorld,
    assert_forbidden,
    assert_unauthenticated,
    make_token_facts,
    sign_access_token,
)
from tests.builders.keys import NOON

MINUTE = timedelta(minutes=1)


async def test_helper_token_is_accepted_for_the_vertegenwoordigde(bearer_world):
    answer = await bearer_world.ask(sign_access_token(bearer_world.helper))
    people = bearer_world.people
    assert answer.json() == {"wie": str(people.son), "voor": str(people.mother), "als": "relative"}


async def test_citizen_token_is_accepted_for_own_box(bearer_world):
    answer = await bearer_world.ask(sign_access_token(bearer_world.own))
    people = bearer_world.people
    assert answer.json() == {"wie": str(people.mother), "voor": str(people.mother), "als": "self"}


async def test_agency_token_is_accepted_for_delivery(bearer_world):
    assert (await bearer_world.ask(sign_access_token(bearer_world.agency), DELIVER)).json() == {"oin": OIN}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("Authorization", "")], id="empty"),
        pytest.param([("Authorization", "Basic dXNlcjpwYXNz")], id="basic"),
        pytest.param([("Authorization", "Hoba {token}")], id="other scheme"),
        pytest.param([("Authorization", "{token}")], id="no scheme"),
        pytest.param([("X-Access-Token", "{token}")], id="home-made header"),
        pytest.param([("Cookie", "access_token={token}")], id="cookie"),
        pytest.param([("Proxy-Authorization", "Bearer {token}")], id="proxy header"),
    ],
)
async def test_request_without_bearer_token_returns_401_with_challenge(offline_bearer_world, headers):
    token = sign_access_token(offline_bearer_world.helper)
    sent = [(name, value.replace("{token}", token)) for name, value in headers]
    assert_unauthenticated(await offline_bearer_world.ask(headers=sent), "token_ontbreekt")


@pytest.mark.parametrize("path", [READ, DELIVER])
async def test_access_token_in_query_is_ignored(offline_bearer_world, path):
    assert_unauthenticated(
        await offline_bearer_world.ask(path=f"{path}?access_token={sign_access_token(offline_bearer_world.helper)}"),
        "token_ontbreekt",
    )


async def test_access_token_in_query_and_header_returns_400(offline_bearer_world):
    token = sign_access_token(offline_bearer_world.helper)
    answer = await offline_bearer_world.ask(token, f"{READ}?access_token={token}")
    assert (answer.status_code, answer.json()["code"]) == (400, "token_in_adres")


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer a b", "Bearer {t} {t}", "Bearer {t},Bearer {t}", "Bearer\t{t}", "Bearer é"]
)
async def test_malformed_authorization_header_is_rejected(offline_bearer_world, value):
    sent = value.replace("{t}", sign_access_token(offline_bearer_world.helper)).encode("latin-1")
    assert_unauthenticated(await offline_bearer_world.ask(headers=[(b"Authorization", sent)]), "token_ongeldig")


@pytest.mark.parametrize("second", ["Bearer {t}", "Bearer x", "Basic eDp5"])
async def test_two_authorization_headers_are_rejected(offline_bearer_world, second):
    token = sign_access_token(offline_bearer_world.helper)
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", second.replace("{t}", token))]
    assert_unauthenticated(await offline_bearer_world.ask(headers=headers), "token_ongeldig")


async def test_authorization_scheme_is_case_insensitive(bearer_world):
    assert (
        await bearer_world.ask(headers=[("Authorization", f"bEARER {sign_access_token(bearer_world.helper)}")])
    ).status_code == 200


async def test_token_with_unknown_jti_is_rejected(bearer_world):
    assert_unauthenticated(
        await bearer_world.ask(sign_access_token(bearer_world.helper, jti=str(uuid7()))), "token_ongeldig"
    )


async def test_valid_token_without_database_returns_503(offline_bearer_world):
    assert (await offline_bearer_world.ask(sign_access_token(offline_bearer_world.helper))).status_code == 503


@pytest.mark.parametrize("client_id", ["andere-app", ..., None])
async def test_token_with_other_client_id_than_issued_is_rejected(bearer_world, client_id):
    assert_unauthenticated(
        await bearer_world.ask(sign_access_token(bearer_world.helper, client_id=client_id)), "token_ongeldig"
    )


async def test_token_is_accepted_until_the_second_of_expiry(bearer_world, clock):
    token = sign_access_token(bearer_world.helper)
    clock.advance(10 * MINUTE - timedelta(seconds=1))
    assert (await bearer_world.ask(token)).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert_unauthenticated(await bearer_world.ask(token), "token_verlopen")


async def test_token_claiming_longer_lifetime_than_stored_is_rejected_and_journalled(bearer_world, clock):
    clock.advance(11 * MINUTE)
    token = sign_access_token(bearer_world.helper, exp=int((NOON + 60 * MINUTE).timestamp()))
    assert_unauthenticated(await bearer_world.ask(token), "token_verlopen")
    (line,) = await bearer_world.journal("token:geweigerd")
    assert (line["reason"], line["actor_id"]) == ("token_verlopen", bearer_world.people.son)


async def test_revoked_token_is_rejected_and_journalled_with_its_person(bearer_world):
    token = sign_access_token(bearer_world.helper)
    assert (await bearer_world.ask(token)).status_code == 200
    async with unit_of_work(bearer_world.database.sessions) as session:
        await revoke_token(session, bearer_world.helper.id, NOON)
    assert_unauthenticated(await bearer_world.ask(token), "token_ingetrokken")
    (line,) = await bearer_world.journal("token:geweigerd")
    assert (line["outcome"], line["reason"], line["object_id"]) == (
        "refused",
        "token_ingetrokken",
        str(bearer_world.helper.id),
    )
    assert (line["actor_id"], line["for_person_id"]) == (bearer_world.people.son, bearer_world.people.mother)
    assert line["machtiging_id"] == bearer_world.machtiging.id


@pytest.mark.parametrize(("facts", "path"), [("agency", READ), ("helper", DELIVER), ("own", DELIVER)])
async def test_token_for_other_audience_returns_403_and_is_journalled(bearer_world, facts, path):
    assert_forbidden(
        await bearer_world.ask(sign_access_token(getattr(bearer_world, facts)), path), "token_voor_ander_gebruik"
    )
    (line,) = await bearer_world.journal("token:geweigerd")
    assert line["reason"] == "token_voor_ander_gebruik"


@pytest.mark.parametrize(
    "scope", ["", "openid", "aanleveringen:lezen", "aanleveringen:schrijvenx", "AANLEVERINGEN:SCHRIJVEN"]
)
async def test_agency_token_without_scope_is_rejected_at_delivery(bearer_world, scope):
    facts = make_token_facts(oin=OIN, acts=frozenset(), scope=scope)
    async with unit_of_work(bearer_world.database.sessions) as session:
        await insert_token(session, facts)
    assert_forbidden(await bearer_world.ask(sign_access_token(facts), DELIVER), "token_voor_ander_gebruik")
    # The stored expiry counts, not the claim.
    token = sign_access_token(facts, scope="aanleveringen:schrijven", oin=OIN)
    assert_unauthenticated(await bearer_world.ask(token, DELIVER), "token_ongeldig")


async def change(bearer_world, verb, who):
    async with unit_of_work(bearer_world.database.sessions) as session:
        await verb(session, bearer_world.machtiging.id, who, at=NOON)


async def test_token_of_paused_machtiging_returns_403_until_resumed(bearer_world):
    token, mother = sign_access_token(bearer_world.helper), bearer_world.people.mother
    await change(bearer_world, pause_machtiging, mother)
    assert_forbidden(await bearer_world.ask(token), "machtiging_gepauzeerd")
    await change(bearer_world, resume_machtiging, mother)
    assert (await bearer_world.ask(token)).status_code == 200


@pytest.mark.parametrize(("verb", "who"), [(revoke_machtiging, "mother"), (give_back_machtiging, "son")])
@pytest.mark.parametrize("tokens_closed", [False, True])
async def test_token_of_ended_machtiging_returns_403_with_reason(bearer_world, verb, who, tokens_closed):
    token = sign_access_token(bearer_world.helper)
    assert (await bearer_world.ask(token)).status_code == 200
    await change(bearer_world, verb, getattr(bearer_world.people, who))
    if tokens_closed:
        async with unit_of_work(bearer_world.database.sessions) as session:
            assert await revoke_tokens_of_machtiging(session, MachtigingId(bearer_world.machtiging.id), NOON) == 1
    assert_forbidden(await bearer_world.ask(token), "machtiging_beeindigd")
    allowed, refused = await bearer_world.journal("bericht:lezen")
    assert (allowed["outcome"], refused["outcome"], refused["reason"]) == ("allowed", "refused", "machtiging_beeindigd")


async def test_token_of_machtiging_not_yet_begun_is_rejected_until_its_start(database, clock):
    period = Period(NOON + 5 * MINUTE, NOON + timedelta(days=30))
    bearer_world = await BearerWorld.build(database, clock, period=period)
    token = sign_access_token(bearer_world.helper)
    assert_forbidden(await bearer_world.ask(token), "machtiging_niet_begonnen")
    clock.advance(5 * MINUTE)
    assert (await bearer_world.ask(token)).status_code == 200


async def test_token_of_machtiging_is_rejected_from_the_second_of_its_end(database, clock):
    bearer_world = await BearerWorld.build(database, clock, period=Period(NOON, NOON + 5 * MINUTE))
    token = sign_access_token(bearer_world.helper)
    clock.advance(5 * MINUTE - timedelta(seconds=1))
    assert (await bearer_world.ask(token)).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert_forbidden(await bearer_world.ask(token), "machtiging_verlopen")
