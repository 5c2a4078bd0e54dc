"""The stand-in broker is as strict as a real login broker."""

import base64
import hashlib
import re
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from machtiging.crypto.jose import verify_jwt
from machtiging.simulators.app import create_simulator
from machtiging.simulators.personas import PERSONAS, find_persona
from tests.builders.keys import load_keyring
from tests.builders.messages import read_query
from tests.builders.people import BROKER, CLIENT_ID, ISSUER, make_practice_settings

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = ISSUER + "/inloggen/terug"
QUESTION = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": CALLBACK,
    "scope": "openid",
    "state": "s&x=1",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture
def service_keys():
    """The published keys of the service, the only thing that the broker needs."""
    service = FastAPI()
    service.state.jwks = load_keyring().public_jwks()

    @service.get("/jwks")
    async def jwks():
        return service.state.jwks

    return service


@pytest.fixture
async def broker_client(clock, service_keys):
    app = create_simulator(make_practice_settings(), clock=clock, transport=httpx.ASGITransport(service_keys))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BROKER) as client:
        yield client


async def ask(broker_client, **changes):
    question = {name: value for name, value in (QUESTION | changes).items() if value is not None}
    return await broker_client.get("/authorize", params=question)


async def request_code(broker_client, persona="naaste", **changes) -> str:
    return read_query((await ask(broker_client, login_hint=persona, **changes)).headers["location"])["code"]


def assertion(clock, *, alg="ES256", **changes) -> str:
    now = int(clock.now().timestamp())
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": BROKER, "jti": f"j{id(changes)}-{now}", "exp": now + 60}
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return load_keyring().sign_jwt(kept, typ="JWT", alg=alg)


def redemption(clock, code, **changes) -> dict[str, str]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": changes.pop("client_assertion", None) or assertion(clock),
    }
    return form | changes


async def claims_of(broker_client, response):
    jwks = (await broker_client.get("/jwks")).json()
    return verify_jwt(response.json()["id_token"], jwks, algorithms=("ES256",), typ=None)


async def test_discovery_names_endpoints_and_public_keys(broker_client):
    told = (await broker_client.get("/.well-known/openid-configuration")).json()
    assert told["issuer"] == BROKER
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    keys = (await broker_client.get("/jwks")).json()["keys"]
    assert [key["kty"] for key in keys] == ["EC"]
    assert not any("d" in key for key in keys)


async def test_keys_are_new_at_each_start(broker_client, clock):
    other = create_simulator(make_practice_settings(), clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=BROKER) as client:
        assert (await client.get("/jwks")).json() != (await broker_client.get("/jwks")).json()


async def test_persona_page_warns_and_lists_every_persona(broker_client):
    page = await ask(broker_client)
    assert page.status_code == 200
    assert "OEFENOMGEVING: dit is geen DigiD" in page.text
    for persona in PERSONAS.values():
        assert f'name="login_hint" value="{persona.key}"' in page.text
        assert persona.bsn is None or persona.bsn not in page.text


async def test_persona_page_groups_personas_by_role(broker_client):
    page = (await ask(broker_client)).text
    citizens, helpers, work = (
        page.index(f"<h2>{label}</h2>") for label in ("Een burger", "Een helper", "Voor uw werk")
    )
    assert citizens < page.index('value="vertegenwoordigde"') < helpers
    assert helpers < page.index('value="naaste"') < work
    assert work < page.index('value="raadslid"') < page.index('value="balie"')
    assert "Goed om een machtiging te geven" in page


@pytest.mark.parametrize("way", ["ui_locales", "header"])
async def test_persona_page_follows_the_language(broker_client, way):
    if way == "header":
        broker_client.headers["Accept-Language"] = "en"
    page = await ask(broker_client, **({"ui_locales": "en"} if way == "ui_locales" else {}))
    assert page.headers["content-language"] == "en"
    assert '<html lang="en"' in page.text
    assert "Who do you want to be?" in page.text
    assert "PRACTICE ENVIRONMENT: this is not DigiD" in page.text
    assert "ui_locales=nl" in page.text
    assert "Goed om" not in page.text


async def test_persona_page_has_the_reading_aid_without_a_dead_link(broker_client):
    page = await ask(broker_client)
    inside = page.text.partition('<template id="leeshulp-knop">')[2].partition("</template>")[0]
    assert "data-aid-read" in inside
    assert "<a " not in inside
    script = re.search(r'<script src="(/static/portal[^"]*)"></script>', page.text)[1]
    assert (await broker_client.get(script)).status_code == 200


async def test_persona_page_escapes_parameters(broker_client):
    page = await ask(broker_client, state='"><script>alert(1)</script>')
    assert re.findall(r'<script(?! src="/static/)', page.text) == []
    assert "alert(1)" in page.text


async def test_login_hint_unknown_shows_the_persona_page(broker_client):
    assert (await ask(broker_client, login_hint="keizer")).status_code == 200


@pytest.mark.parametrize(
    ("hint", "name", "kvk"),
    [
        ("raadslid", "Fatima el Amrani", "90000001"),
        ("raadslid@91234567", "Fatima el Amrani", "91234567"),
        ("team-helper@91234567", "Yusuf Arslan", "91234567"),
        ("client-3", "Chantal Willems", None),
    ],
)
def test_login_hint_names_a_persona_and_perhaps_another_organisation(hint, name, kvk):
    found = find_persona(hint)
    assert found is not None
    assert (found.name, found.kvk) == (name, kvk)


@pytest.mark.parametrize(
    "hint",
    [
        *("", "niemand", "team-helper", "raadslid@", "raadslid@12345678", "naaste@91234567", "client-3@91234567"),
        *("raadslid@912345678", "raadslid@9123456a", "raadslid@91234567@91234567", "raadslid@91234567\n"),
    ],
)
def test_login_hint_without_persona_or_practice_number_names_no_persona(hint):
    assert find_persona(hint) is None


async def test_login_hint_redirects_with_code_state_and_issuer(broker_client):
    response = await ask(broker_client, login_hint="naaste")
    assert response.status_code == 303
    assert response.headers["location"].startswith(CALLBACK + "?")
    back = read_query(response.headers["location"])
    assert (back["state"], back["iss"]) == ("s&x=1", BROKER)
    assert len(back["code"]) == 43


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "ander"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://kwaad.example/inloggen/terug"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK.upper()},
    ],
)
async def test_open_redirect_with_unknown_client_or_redirect_uri_is_blocked(broker_client, changes):
    response = await ask(broker_client, login_hint="naaste", **changes)
    assert response.status_code == 400
    assert "location" not in response.headers


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        ("unsupported_response_type", {"response_type": "token"}),
        ("unsupported_response_type", {"response_type": None}),
        ("invalid_scope", {"scope": "profile"}),
        ("invalid_request", {"code_challenge": None}),
        ("invalid_request", {"code_challenge_method": "plain"}),
        ("invalid_request", {"code_challenge_method": None}),
        ("invalid_request", {"code_challenge": "kort"}),
        ("invalid_request", {"niveau": "torenhoog"}),
        ("access_denied", {"annuleren": "ja"}),
    ],
)
async def test_authorization_request_invalid_redirects_with_error(broker_client, error, changes):
    back = read_query((await ask(broker_client, login_hint="naaste", **changes)).headers["location"])
    assert (back["error"], back["iss"]) == (error, BROKER)
    assert "code" not in back


async def test_code_redeemed_issues_id_token_of_that_persona(broker_client, clock):
    response = await broker_client.post(
        "/token", data=redemption(clock, await request_code(broker_client, "vertegenwoordigde"))
    )
    claims = await claims_of(broker_client, response)
    assert (claims["bsn"], claims["nonce"], claims["aud"], claims["iss"]) == ("999990019", "n", CLIENT_ID, BROKER)
    assert claims["acr"] == "http://eidas.europa.eu/LoA/substantial"
    assert claims["auth_time"] == int(clock.now().timestamp())
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("persona", "asked", "chosen", "reached"),
    [
        ("naaste", "high", None, "high"),
        ("naaste", "low", None, "low"),
        ("naaste", "high", "laag", "low"),
        ("naaste", "low", "hoog", "high"),
        ("eu-burger", "high", None, "substantial"),
        ("eu-burger", "high", "hoog", "substantial"),
    ],
)
async def test_acr_is_the_chosen_level_capped_by_the_persona(broker_client, clock, persona, asked, chosen, reached):
    code = await request_code(broker_client, persona, acr_values=f"http://eidas.europa.eu/LoA/{asked}", niveau=chosen)
    claims = await claims_of(broker_client, await broker_client.post("/token", data=redemption(clock, code)))
    assert claims["acr"] == f"http://eidas.europa.eu/LoA/{reached}"


async def test_id_token_of_employee_has_kvk_and_no_bsn(broker_client, clock):
    claims = await claims_of(
        broker_client,
        await broker_client.post("/token", data=redemption(clock, await request_code(broker_client, "raadslid"))),
    )
    assert claims["kvk"] == "90000001"
    assert "bsn" not in claims


async def refusal(broker_client, form) -> tuple[int, str]:
    response = await broker_client.post("/token", data=form)
    return response.status_code, response.json()["error"]


async def test_code_replayed_is_rejected(broker_client, clock):
    code = await request_code(broker_client)
    assert (await broker_client.post("/token", data=redemption(clock, code))).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert await refusal(broker_client, redemption(clock, code)) == (400, "invalid_grant")


async def test_code_expires_after_one_minute(broker_client, clock):
    code = await request_code(broker_client)
    clock.advance(timedelta(seconds=60))
    assert await refusal(broker_client, redemption(clock, code)) == (400, "invalid_grant")


@pytest.mark.parametrize("verifier", ["", "w" * 43, CHALLENGE])
async def test_code_with_wrong_verifier_is_rejected_and_consumed(broker_client, clock, verifier):
    code = await request_code(broker_client)
    assert await refusal(broker_client, redemption(clock, code, code_verifier=verifier)) == (400, "invalid_grant")
    clock.advance(timedelta(seconds=1))
    assert await refusal(broker_client, redemption(clock, code)) == (400, "invalid_grant")


async def test_code_with_other_redirect_uri_is_rejected(broker_client, clock):
    code = await request_code(broker_client)
    assert await refusal(broker_client, redemption(clock, code, redirect_uri=CALLBACK + "x")) == (400, "invalid_grant")


async def test_grant_type_unsupported_is_rejected(broker_client, clock):
    form = redemption(clock, await request_code(broker_client), grant_type="password")
    assert await refusal(broker_client, form) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "ander"},
        {"sub": "ander"},
        {"aud": "https://kwaad.example"},
        {"aud": BROKER + "/token"},
        {"aud": [BROKER, "https://kwaad.example"]},
        {"exp": 1_700_000_000},
        {"exp": 4_000_000_000},
        {"exp": None},
        {"exp": "morgen"},
        {"jti": None},
    ],
)
async def test_client_assertion_with_wrong_claims_is_rejected(broker_client, clock, changes):
    form = redemption(clock, await request_code(broker_client), client_assertion=assertion(clock, **changes))
    assert await refusal(broker_client, form) == (401, "invalid_client")


@pytest.mark.parametrize("given", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_client_assertion_malformed_is_rejected(broker_client, clock, given):
    form = redemption(clock, await request_code(broker_client), client_assertion=given)
    assert await refusal(broker_client, form) == (401, "invalid_client")


async def test_client_assertion_replayed_is_rejected(broker_client, clock):
    same = assertion(clock)
    first = redemption(clock, await request_code(broker_client), client_assertion=same)
    assert (await broker_client.post("/token", data=first)).status_code == 200
    again = redemption(clock, await request_code(broker_client), client_assertion=same)
    assert await refusal(broker_client, again) == (401, "invalid_client")


async def test_client_without_assertion_is_rejected(broker_client, clock):
    form = redemption(clock, await request_code(broker_client), client_assertion_type="none")
    assert await refusal(broker_client, form) == (401, "invalid_client")


@pytest.mark.parametrize("jwks", [{"keys": []}, [], "x"])
async def test_client_without_published_keys_is_rejected(broker_client, clock, service_keys, jwks):
    service_keys.state.jwks = jwks
    assert await refusal(broker_client, redemption(clock, await request_code(broker_client))) == (401, "invalid_client")


async def test_code_is_not_consumed_by_rejected_client(broker_client, clock):
    code = await request_code(broker_client)
    await refusal(broker_client, redemption(clock, code, client_assertion="x"))
    assert (await broker_client.post("/token", data=redemption(clock, code))).status_code == 200
