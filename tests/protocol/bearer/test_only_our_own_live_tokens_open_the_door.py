"""Tokens at the two bearer doors (RFC 6750, RFC 9068, RFC 8725): the good ones, and everything that looks like one.

Rows of the attack checklist: 23 alg none and confusion, 24 kid injection, 25 jku/x5u/jwk, 27 id token as access token,
28 wrong audience, 29 unknown crit, 30 size, 46 revocation race, 48 stale after revocation.
"""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

from machtiging.access.tokens import register, revoke_of_machtiging, revoke_one
from machtiging.delegation.end import give_back, revoke
from machtiging.delegation.pause import pause, resume
from machtiging.kernel.ids import MachtigingId, uuid7
from machtiging.kernel.period import Period
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import (
    DELIVER,
    ISSUER,
    OIN,
    READ,
    Doorstep,
    a_jwt,
    claims_of,
    counting_statements,
    token_facts,
)
from tests.builders.crypto import a_keyring
from tests.builders.delegation import NOON

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def doorstep(database, clock):
    return await Doorstep.build(database, clock)


@pytest.fixture
def closed_door(clock):
    """Who is refused here is refused by what the token is, before anything is looked up."""
    return Doorstep.without_database(clock)


def is_unauthenticated(answer, code):
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    # RFC 6750 section 3.1: no error when no credentials came at all.
    assert ('error="invalid_token"' in challenge) == (code != "token_ontbreekt")


def is_forbidden(answer, code):
    assert (answer.status_code, answer.json()["code"]) == (403, code), answer.text


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
        pytest.param([("Authorization", "DPoP {token}")], id="other scheme"),
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


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_one_changed_byte_is_enough(closed_door, part):
    segments = a_jwt(closed_door.helper).split(".")
    for place in (0, len(segments[part]) // 2, -1):
        changed = list(segments[part])
        changed[place] = "A" if changed[place] != "A" else "B"
        forged = [*segments[:part], "".join(changed), *segments[part + 1 :]]
        is_unauthenticated(await closed_door.ask(".".join(forged)), "token_ongeldig")


@pytest.mark.parametrize(
    "token",
    ["x", "a.b", "a.b.c.d", "..", "a..c", "é.b.c".encode("latin-1").decode("latin-1")[1:], "e30.e30.e30", "." * 500],
)
async def test_what_is_no_jwt_is_refused(closed_door, token):
    is_unauthenticated(await closed_door.ask(token), "token_ongeldig")


async def test_an_oversized_token_is_refused_without_looking_into_it(closed_door):
    is_unauthenticated(await closed_door.ask(a_jwt(closed_door.helper) + "A" * 100_000), "token_ongeldig")


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def our_header(token):
    segment = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def forged(doorstep, header, key):
    """A token with every claim right, signed by somebody else under this header."""
    payload = claims_of(doorstep.helper)
    header = {**our_header(a_jwt(doorstep.helper)), **header}
    # Signed by hand: a library would not write headers as odd as these.
    algorithm = JWSRegistry(algorithms=[header["alg"]]).get_alg(header["alg"])
    signing_input = f"{b64(header)}.{b64(payload)}"
    return f"{signing_input}.{b64(algorithm.sign(signing_input.encode(), key))}"


ATTACKER = RSAKey.generate_key(2048)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "x"])
async def test_alg_none_opens_nothing(closed_door, alg, signature):
    header = {**our_header(a_jwt(closed_door.helper)), "alg": alg}
    token = f"{b64(header)}.{b64(claims_of(closed_door.helper))}.{b64(signature.encode())}"
    is_unauthenticated(await closed_door.ask(token), "token_ongeldig")


@pytest.mark.parametrize("form", ["pem", "pem with a newline before it", "jwk", "modulus"])
async def test_our_public_key_is_no_hmac_secret(closed_door, form):
    kid = our_header(a_jwt(closed_door.helper))["kid"]
    (public,) = [key for key in a_keyring().public_jwks()["keys"] if key["kid"] == kid]
    pem = RSAKey.import_key(public).as_pem(private=False)
    secret = {
        "pem": pem,
        "pem with a newline before it": b"\n" + pem,
        "jwk": json.dumps(public).encode(),
        "modulus": base64.urlsafe_b64decode(public["n"] + "=="),
    }[form]
    signing_input = f"{b64({'alg': 'HS256', 'kid': kid, 'typ': 'at+jwt'})}.{b64(claims_of(closed_door.helper))}"
    token = f"{signing_input}.{b64(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"
    is_unauthenticated(await closed_door.ask(token), "token_ongeldig")


async def test_a_key_of_somebody_else_opens_nothing_even_under_our_kid(closed_door):
    is_unauthenticated(await closed_door.ask(forged(closed_door, {}, ATTACKER)), "token_ongeldig")


async def test_our_key_under_another_algorithm_than_its_own_opens_nothing(closed_door):
    is_unauthenticated(await closed_door.ask(forged(closed_door, {"alg": "RS256"}, ATTACKER)), "token_ongeldig")


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "' OR '1'='1",
        "x'; DROP TABLE issued_token; --",
        "http://localhost:1/jwks",
        "",
        "\x00",
        "a" * 5000,
        7,
        None,
        ["ps256-1"],
        {"kid": "ps256-1"},
    ],
)
async def test_a_kid_is_looked_up_and_never_followed(closed_door, kid):
    is_unauthenticated(await closed_door.ask(forged(closed_door, {"kid": kid}, ATTACKER)), "token_ongeldig")


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": ATTACKER.as_dict(private=False)},
        {"jku": "http://localhost:1/jwks"},
        {"x5u": "http://localhost:1/cert"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": ["onbekend"], "onbekend": True},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids=lambda extra: "+".join(extra),
)
async def test_a_header_that_brings_its_own_key_or_rules_is_refused(closed_door, extra):
    is_unauthenticated(await closed_door.ask(forged(closed_door, extra, ATTACKER)), "token_ongeldig")


@pytest.mark.parametrize("typ", ["JWT", "id+jwt", "jwt", "logout+jwt", "token-introspection+jwt", "at+jwt+x"])
async def test_another_kind_of_token_of_ours_is_no_access_token(closed_door, typ):
    is_unauthenticated(await closed_door.ask(a_jwt(closed_door.helper, typ=typ)), "token_ongeldig")


NO_AUDIENCE = [
    "https://elders.example/api/v1",
    ISSUER,
    f"{ISSUER}/api/v1/",
    f"{ISSUER}/api/v2",
    "leesapp",
    [],
    None,
    ...,
    7,
]


@pytest.mark.parametrize("aud", NO_AUDIENCE)
async def test_a_token_for_another_audience_is_refused(closed_door, aud):
    is_unauthenticated(await closed_door.ask(a_jwt(closed_door.helper, aud=aud)), "token_ongeldig")


@pytest.mark.parametrize(
    "iss", ["https://elders.example", f"{ISSUER}/", "HTTP://LOCALHOST:8000", "", None, ..., [ISSUER]]
)
async def test_a_token_of_another_issuer_is_refused(closed_door, iss):
    is_unauthenticated(await closed_door.ask(a_jwt(closed_door.helper, iss=iss)), "token_ongeldig")


@pytest.mark.parametrize(
    "claim", [{"exp": ...}, {"exp": "morgen"}, {"exp": True}, {"iat": ...}, {"iat": 4102444800}, {"nbf": 4102444800}]
)
async def test_a_token_with_impossible_times_is_refused(closed_door, claim):
    is_unauthenticated(await closed_door.ask(a_jwt(closed_door.helper, **claim)), "token_ongeldig")


@pytest.mark.parametrize("jti", [..., None, "", "x", 7, ["x"], "' OR 1=1 --"])
async def test_a_jti_that_is_none_of_ours_is_refused(closed_door, jti):
    is_unauthenticated(await closed_door.ask(a_jwt(closed_door.helper, jti=jti)), "token_ongeldig")


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
    # What the token itself claims does not matter: what was written down at its issue does.
    token = a_jwt(facts, scope="aanleveringen:schrijven", oin=OIN)
    is_forbidden(await doorstep.ask(token, DELIVER), "token_voor_ander_gebruik")


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


async def test_an_hmac_key_of_our_own_making_is_no_key_either(closed_door):
    is_unauthenticated(
        await closed_door.ask(forged(closed_door, {"alg": "HS256"}, OctKey.import_key(b"x" * 32))), "token_ongeldig"
    )
