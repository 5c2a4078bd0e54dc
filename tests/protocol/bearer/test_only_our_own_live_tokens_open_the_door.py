"""Whoever comes with a token of ours: where it may stand, what it is worth at this instant, and which door it opens.

RFC 6750, and rows 46 (revocation race) and 48 (stale after revocation) of the attack checklist.
"""

from datetime import timedelta

import pytest

from machtiging.access.tokens import register, revoke_of_machtiging, revoke_one
from machtiging.delegation.end import give_back, revoke
from machtiging.delegation.pause import pause, resume
from machtiging.kernel.ids import MachtigingId, uuid7
from machtiging.kernel.period import Period
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import (
    DELIVER,
    OIN,
    READ,
    Doorstep,
    a_jwt,
    counting_statements,
    is_forbidden,
    is_unauthenticated,
    token_facts,
)
from tests.builders.delegation import NOON

MINUTE = timedelta(minutes=1)


async def test_a_helper_enters_for_somebody_else(doorstep):
    answer = await doorstep.ask(a_jwt(doorstep.helper))
    people = doorstep.people
    assert answer.json() == {"wie": str(people.son), "voor": str(people.mother), "als": "relative"}


async def test_the_citizen_enters_the_own_box_with_an_app_of_her_own(doorstep):
    answer = await doorstep.ask(a_jwt(doorstep.own))
    people = doorstep.people
    assert answer.json() == {"wie": str(people.mother), "voor": str(people.mother), "als": "self"}


async def test_an_agency_enters_to_deliver(doorstep):
    assert (await doorstep.ask(a_jwt(doorstep.agency), DELIVER)).json() == {"oin": OIN}


async def test_entering_costs_one_statement_besides_the_journal_line(doorstep):
    token = a_jwt(doorstep.helper)
    await doorstep.ask(token)
    async with counting_statements(doorstep.database) as statements:
        await doorstep.ask(token)
    assert [statement.split()[0] for statement in statements] == ["WITH", "INSERT"]


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
async def test_without_a_bearer_token_the_door_asks_for_one(closed_door, headers):
    token = a_jwt(closed_door.helper)
    sent = [(name, value.replace("{token}", token)) for name, value in headers]
    is_unauthenticated(await closed_door.ask(headers=sent), "token_ontbreekt")


@pytest.mark.parametrize("path", [READ, DELIVER])
async def test_a_token_in_the_address_is_no_token(closed_door, path):
    is_unauthenticated(
        await closed_door.ask(path=f"{path}?access_token={a_jwt(closed_door.helper)}"), "token_ontbreekt"
    )


async def test_a_token_in_the_address_beside_one_in_the_header_is_a_bad_request(closed_door):
    token = a_jwt(closed_door.helper)
    answer = await closed_door.ask(token, f"{READ}?access_token={token}")
    assert (answer.status_code, answer.json()["code"]) == (400, "token_in_adres")


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer a b", "Bearer {t} {t}", "Bearer {t},Bearer {t}", "Bearer\t{t}", "Bearer é"]
)
async def test_a_malformed_header_is_an_invalid_token(closed_door, value):
    sent = value.replace("{t}", a_jwt(closed_door.helper)).encode("latin-1")
    is_unauthenticated(await closed_door.ask(headers=[(b"Authorization", sent)]), "token_ongeldig")


@pytest.mark.parametrize("second", ["Bearer {t}", "Bearer x", "Basic eDp5"])
async def test_two_authorization_headers_are_refused_even_when_both_are_good(closed_door, second):
    token = a_jwt(closed_door.helper)
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", second.replace("{t}", token))]
    is_unauthenticated(await closed_door.ask(headers=headers), "token_ongeldig")


async def test_the_scheme_may_be_in_any_case(doorstep):
    assert (await doorstep.ask(headers=[("Authorization", f"bEARER {a_jwt(doorstep.helper)}")])).status_code == 200


async def test_a_jti_that_we_never_issued_is_refused(doorstep):
    is_unauthenticated(await doorstep.ask(a_jwt(doorstep.helper, jti=str(uuid7()))), "token_ongeldig")


async def test_a_good_token_before_a_closed_database_is_no_401_and_no_answer(closed_door):
    assert (await closed_door.ask(a_jwt(closed_door.helper))).status_code == 503


@pytest.mark.parametrize("client_id", ["andere-app", ..., None])
async def test_a_token_that_names_another_client_than_it_was_issued_to_is_refused(doorstep, client_id):
    is_unauthenticated(await doorstep.ask(a_jwt(doorstep.helper, client_id=client_id)), "token_ongeldig")


async def test_a_token_works_until_the_second_in_which_it_expires(doorstep, clock):
    token = a_jwt(doorstep.helper)
    clock.advance(10 * MINUTE - timedelta(seconds=1))
    assert (await doorstep.ask(token)).status_code == 200
    clock.advance(timedelta(seconds=1))
    is_unauthenticated(await doorstep.ask(token), "token_verlopen")


async def test_a_token_that_says_it_lives_longer_than_was_written_down_has_expired_and_is_journalled(doorstep, clock):
    clock.advance(11 * MINUTE)
    token = a_jwt(doorstep.helper, exp=int((NOON + 60 * MINUTE).timestamp()))
    is_unauthenticated(await doorstep.ask(token), "token_verlopen")
    (line,) = await doorstep.journal("token:geweigerd")
    assert (line["reason"], line["actor_id"]) == ("token_verlopen", doorstep.people.son)


async def test_a_revoked_token_is_refused_at_once_and_the_journal_says_whose_it_was(doorstep):
    token = a_jwt(doorstep.helper)
    assert (await doorstep.ask(token)).status_code == 200
    async with unit_of_work(doorstep.database.sessions) as session:
        await revoke_one(session, doorstep.helper.id, NOON)
    is_unauthenticated(await doorstep.ask(token), "token_ingetrokken")
    (line,) = await doorstep.journal("token:geweigerd")
    assert (line["outcome"], line["reason"], line["object_id"]) == (
        "refused",
        "token_ingetrokken",
        str(doorstep.helper.id),
    )
    assert (line["actor_id"], line["for_person_id"]) == (doorstep.people.son, doorstep.people.mother)
    assert line["machtiging_id"] == doorstep.machtiging.id


@pytest.mark.parametrize(("facts", "path"), [("agency", READ), ("helper", DELIVER), ("own", DELIVER)])
async def test_a_token_for_the_other_door_is_refused_openly_and_journalled(doorstep, facts, path):
    is_forbidden(await doorstep.ask(a_jwt(getattr(doorstep, facts)), path), "token_voor_ander_gebruik")
    (line,) = await doorstep.journal("token:geweigerd")
    assert line["reason"] == "token_voor_ander_gebruik"


@pytest.mark.parametrize(
    "scope", ["", "openid", "aanleveringen:lezen", "aanleveringen:schrijvenx", "AANLEVERINGEN:SCHRIJVEN"]
)
async def test_an_agency_without_the_scope_does_not_deliver(doorstep, scope):
    facts = token_facts(oin=OIN, acts=frozenset(), scope=scope)
    async with unit_of_work(doorstep.database.sessions) as session:
        await register(session, facts)
    is_forbidden(await doorstep.ask(a_jwt(facts), DELIVER), "token_voor_ander_gebruik")
    # A token that claims more than was written down at its issue is no token.
    token = a_jwt(facts, scope="aanleveringen:schrijven", oin=OIN)
    is_unauthenticated(await doorstep.ask(token, DELIVER), "token_ongeldig")


async def change(doorstep, verb, who):
    async with unit_of_work(doorstep.database.sessions) as session:
        await verb(session, doorstep.machtiging.id, who, at=NOON)


async def test_a_paused_machtiging_closes_the_box_at_once_and_a_resumed_one_opens_it(doorstep):
    token, mother = a_jwt(doorstep.helper), doorstep.people.mother
    await change(doorstep, pause, mother)
    is_forbidden(await doorstep.ask(token), "machtiging_gepauzeerd")
    await change(doorstep, resume, mother)
    assert (await doorstep.ask(token)).status_code == 200


@pytest.mark.parametrize(("verb", "who"), [(revoke, "mother"), (give_back, "son")])
@pytest.mark.parametrize("tokens_closed", [False, True])
async def test_an_ended_machtiging_is_told_openly_also_when_its_tokens_were_closed(doorstep, verb, who, tokens_closed):
    token = a_jwt(doorstep.helper)
    assert (await doorstep.ask(token)).status_code == 200
    await change(doorstep, verb, getattr(doorstep.people, who))
    if tokens_closed:
        async with unit_of_work(doorstep.database.sessions) as session:
            assert await revoke_of_machtiging(session, MachtigingId(doorstep.machtiging.id), NOON) == 1
    is_forbidden(await doorstep.ask(token), "machtiging_beeindigd")
    allowed, refused = await doorstep.journal("bericht:lezen")
    assert (allowed["outcome"], refused["outcome"], refused["reason"]) == ("allowed", "refused", "machtiging_beeindigd")


async def test_a_machtiging_that_has_not_begun_opens_nothing_yet(database, clock):
    period = Period(NOON + 5 * MINUTE, NOON + timedelta(days=30))
    doorstep = await Doorstep.build(database, clock, period=period)
    token = a_jwt(doorstep.helper)
    is_forbidden(await doorstep.ask(token), "machtiging_niet_begonnen")
    clock.advance(5 * MINUTE)
    assert (await doorstep.ask(token)).status_code == 200


async def test_a_machtiging_that_runs_out_closes_the_box_in_that_second(database, clock):
    doorstep = await Doorstep.build(database, clock, period=Period(NOON, NOON + 5 * MINUTE))
    token = a_jwt(doorstep.helper)
    clock.advance(5 * MINUTE - timedelta(seconds=1))
    assert (await doorstep.ask(token)).status_code == 200
    clock.advance(timedelta(seconds=1))
    is_forbidden(await doorstep.ask(token), "machtiging_verlopen")
