"""Binding of tokens at issuance by DPoP (RFC 9449 sections 5, 8 and 10)."""

import asyncio

import pytest

from machtiging.access_tokens.sender_constraint.dpop_nonce import generate_dpop_nonce
from machtiging.access_tokens.sender_constraint.errors import PROOF_ALGORITHMS
from tests.builders.client import make_authorization_details, make_client_assertion
from tests.builders.keys import KeyHolder, load_keyring
from tests.builders.messages import ASSERTION_TYPE, read_claims
from tests.builders.people import ISSUER
from tests.builders.rows import ISSUED_TOKENS, PUSHED_REQUESTS, USED_PROOFS

TOKEN, PAR, USERINFO = ISSUER + "/token", ISSUER + "/par", ISSUER + "/userinfo"
DELIVERING = {"grant_type": "client_credentials", "scope": "aanleveringen:schrijven"}


async def post(app, path, form, *proofs, **changes):
    merged = {**app.credentials(), **form, **changes}
    data = {name: value for name, value in merged.items() if value is not None}
    return await app.http.post(path, data=data, headers=[("DPoP", proof) for proof in proofs])


def redeeming(flow, code):
    where = flow.app.registration["redirect_uris"][0]
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": where,
        "code_verifier": flow.pkce.verifier,
    }


async def own_box(oauth, **changes):
    """A code flow of a public client for the own box."""
    flow = await oauth.request(await oauth.register_public_app(**changes))
    flow.browser, flow.asks = await oauth.logged_in(), make_authorization_details()
    return flow


def is_refused(answer, error):
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_token_request_with_dpop_proof_issues_bound_token(oauth, key_holder):
    agency = await oauth.register_agency()
    answer = await post(agency, "/token", DELIVERING, key_holder.proof("POST", TOKEN))
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    assert read_claims(answer.json()["access_token"])["cnf"] == {"jkt": key_holder.jkt}
    async with oauth.sessions() as session:
        assert await ISSUED_TOKENS.read_one(session, "jkt", "x5t") == (key_holder.jkt, None)


async def test_token_request_without_dpop_proof_issues_plain_token(oauth):
    answer = await post(await oauth.register_agency(), "/token", DELIVERING)
    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")
    assert "cnf" not in read_claims(answer.json()["access_token"])


async def test_introspection_of_dpop_token_returns_cnf_and_type(oauth, key_holder):
    agency = await oauth.register_agency()
    given = (await post(agency, "/token", DELIVERING, key_holder.proof("POST", TOKEN))).json()["access_token"]
    told = (await agency.post("/introspect", {"token": given})).json()
    assert (told["active"], told["token_type"], told["cnf"]) == (True, "DPoP", {"jkt": key_holder.jkt})


async def test_token_request_of_dpop_client_without_proof_is_rejected(oauth, key_holder):
    agency = await oauth.register_agency(dpop_bound_access_tokens=True)
    is_refused(await post(agency, "/token", DELIVERING), "invalid_dpop_proof")
    assert (await post(agency, "/token", DELIVERING, key_holder.proof("POST", TOKEN))).json()["token_type"] == "DPoP"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"htm": "GET"}, "dpop_andere_methode"),
        ({"htu": PAR}, "dpop_ander_adres"),
        ({"htu": "https://dief.test/token"}, "dpop_ander_adres"),
        ({"iat": 0}, "dpop_tijd"),
        ({"jti": None}, "dpop_vormfout"),
        ({"header": {"typ": "JWT"}}, "dpop_vormfout"),
        ({"header": {"jku": "https://dief.test/"}}, "dpop_vormfout"),
    ],
)
async def test_dpop_proof_for_other_request_is_rejected_and_journalled(oauth, key_holder, changes, reason):
    agency = await oauth.register_agency()
    is_refused(
        await post(agency, "/token", DELIVERING, key_holder.proof("POST", TOKEN, **changes)), "invalid_dpop_proof"
    )
    assert [line.reason for line in await oauth.lines("token:geweigerd")] == [reason]


async def test_row_20_dpop_proof_issues_one_token(oauth, key_holder):
    agency = await oauth.register_agency()
    proof = key_holder.proof("POST", TOKEN)
    answers = await asyncio.gather(*(post(agency, "/token", DELIVERING, proof) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
    is_refused(await post(agency, "/token", DELIVERING, proof), "invalid_dpop_proof")


async def test_token_request_with_two_dpop_proofs_is_rejected(oauth, key_holder):
    proofs = [key_holder.proof("POST", TOKEN) for _ in range(2)]
    is_refused(await post(await oauth.register_agency(), "/token", DELIVERING, *proofs), "invalid_dpop_proof")


async def test_dpop_proof_without_nonce_returns_nonce_challenge(oauth, key_holder, clock):
    agency = await oauth.register_agency()
    first = await post(agency, "/token", DELIVERING, key_holder.proof("POST", TOKEN, nonce=None))
    is_refused(first, "use_dpop_nonce")
    nonce = first.headers["DPoP-Nonce"]
    assert nonce == generate_dpop_nonce(load_keyring(), clock.now())
    again = await post(agency, "/token", DELIVERING, key_holder.proof("POST", TOKEN, nonce=nonce))
    assert again.status_code == 200
    assert again.headers["DPoP-Nonce"] == nonce
    assert await oauth.lines("token:geweigerd") == []


async def test_dpop_nonce_stale_is_replaced(oauth, key_holder):
    agency, nonce = await oauth.register_agency(), key_holder.nonce()
    oauth.later(minutes=4)
    stale = await post(agency, "/token", DELIVERING, key_holder.proof("POST", TOKEN, nonce=nonce))
    is_refused(stale, "use_dpop_nonce")
    assert stale.headers["DPoP-Nonce"] == key_holder.nonce() != nonce


async def test_par_response_has_dpop_nonce(oauth, key_holder):
    flow = await oauth.request(await oauth.register_public_app())
    assert (await flow.push()).headers["DPoP-Nonce"] == key_holder.nonce()


async def test_dpop_nonce_challenge_does_not_consume_the_code(oauth, key_holder):
    flow = await own_box(oauth)
    form = redeeming(flow, await flow.code())
    is_refused(await post(flow.app, "/token", form, key_holder.proof("POST", TOKEN, nonce=None)), "use_dpop_nonce")
    is_refused(await post(flow.app, "/token", form, key_holder.proof("POST", TOKEN, htm="GET")), "invalid_dpop_proof")
    assert (await post(flow.app, "/token", form, key_holder.proof("POST", TOKEN))).json()["token_type"] == "DPoP"


async def test_dpop_proof_of_unauthenticated_client_is_neither_stored_nor_journalled(oauth, key_holder):
    agency, other = await oauth.register_agency(), await oauth.register_agency(client_name="Andere postkamer")
    forged = make_client_assertion(other.keys, agency.client_id, oauth.clock)
    credentials = {"client_id": agency.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": forged}
    answer = await post(agency, "/token", DELIVERING | credentials, key_holder.proof("POST", TOKEN))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    async with oauth.sessions() as session:
        assert await USED_PROOFS.count(session) == 0
    assert await oauth.lines("token:geweigerd") == []


async def test_userinfo_with_dpop_token_requires_a_proof(oauth, key_holder):
    flow = await own_box(oauth)
    form = redeeming(flow, await flow.code())
    token = (await post(flow.app, "/token", form, key_holder.proof("POST", TOKEN))).json()["access_token"]
    for verb in ("GET", "POST"):
        told = await flow.app.http.request(verb, "/userinfo", headers=key_holder.headers(verb, USERINFO, token))
        assert told.status_code == 200, told.text
        assert told.json()["sub"] == read_claims(token)["sub"]
        assert told.headers["DPoP-Nonce"] == key_holder.nonce()
    downgraded = await flow.app.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert (downgraded.status_code, downgraded.json()["code"]) == (401, "token_gebonden")
    thief = KeyHolder(oauth.clock)
    stolen = await flow.app.http.get("/userinfo", headers=thief.headers("GET", USERINFO, token))
    assert (stolen.status_code, stolen.json()["code"]) == (401, "dpop_andere_sleutel")
    foreign = await flow.app.http.get("/userinfo", headers=key_holder.headers("GET", TOKEN, token))
    assert (foreign.status_code, foreign.json()["code"]) == (401, "dpop_ander_adres")
    asked = await flow.app.http.get("/userinfo", headers=key_holder.headers("GET", USERINFO, token, nonce=None))
    assert (asked.status_code, asked.headers["DPoP-Nonce"]) == (401, key_holder.nonce())
    assert 'error="use_dpop_nonce"' in asked.headers["WWW-Authenticate"]


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_userinfo_refusal_repeats_the_challenge_error_in_body(oauth, key_holder, verb) -> None:
    """Some clients read `use_dpop_nonce` from the body, as at the token endpoint."""
    flow = await own_box(oauth)
    form = redeeming(flow, await flow.code())
    token = (await post(flow.app, "/token", form, key_holder.proof("POST", TOKEN))).json()["access_token"]
    thief = KeyHolder(oauth.clock)
    for headers, error in (
        (key_holder.headers(verb, USERINFO, token, nonce=None), "use_dpop_nonce"),
        (key_holder.headers(verb, USERINFO, token, nonce="onzin"), "use_dpop_nonce"),
        (key_holder.headers(verb, TOKEN, token), "invalid_dpop_proof"),
        ({"Authorization": f"DPoP {token}"}, "invalid_dpop_proof"),
        (thief.headers(verb, USERINFO, token), "invalid_token"),
        ({"Authorization": f"Bearer {token}"}, "invalid_token"),
        ({"Authorization": "Bearer onzin"}, "invalid_token"),
        ({}, None),
    ):
        answer = await flow.app.http.request(verb, "/userinfo", headers=headers)
        assert (answer.status_code, answer.json().get("error")) == (401, error), headers
        challenge = answer.headers["WWW-Authenticate"]
        assert f'error="{error}"' in challenge if error else "error=" not in challenge


async def test_code_injection_with_other_dpop_key_is_rejected(oauth, key_holder, clock):
    """A stolen code in the attacker's session meets another key (RFC 9449 section 10)."""
    flow, thief = await own_box(oauth), KeyHolder(clock)
    code = await flow.code(dpop_jkt=key_holder.jkt)
    is_refused(await post(flow.app, "/token", redeeming(flow, code), thief.proof("POST", TOKEN)), "invalid_grant")
    (line,) = await oauth.lines("token:geweigerd")
    assert line.reason == "code_voor_andere_sleutel"


async def test_code_bound_by_dpop_jkt_without_proof_is_rejected(oauth, key_holder):
    flow = await own_box(oauth)
    code = await flow.code(dpop_jkt=key_holder.jkt)
    is_refused(await post(flow.app, "/token", redeeming(flow, code)), "invalid_grant")


async def test_code_bound_by_dpop_jkt_with_its_key_issues_token(oauth, key_holder):
    flow = await own_box(oauth)
    code = await flow.code(dpop_jkt=key_holder.jkt)
    answer = await post(flow.app, "/token", redeeming(flow, code), key_holder.proof("POST", TOKEN))
    assert read_claims(answer.json()["access_token"])["cnf"] == {"jkt": key_holder.jkt}


async def test_par_with_dpop_proof_binds_the_code(oauth, key_holder):
    flow = await oauth.request(await oauth.register_public_app())
    answer = await post(flow.app, "/par", flow.parameters(), key_holder.proof("POST", PAR))
    assert answer.status_code == 201, answer.text
    assert (await PUSHED_REQUESTS.read_one(oauth)).params["dpop_jkt"] == key_holder.jkt


async def test_par_with_dpop_proof_and_other_dpop_jkt_is_rejected(oauth, key_holder, clock):
    flow = await oauth.request(await oauth.register_public_app())
    other, proof = KeyHolder(clock), key_holder.proof("POST", PAR)
    is_refused(await post(flow.app, "/par", flow.parameters(dpop_jkt=other.jkt), proof), "invalid_request")
    agreed = await post(flow.app, "/par", flow.parameters(dpop_jkt=key_holder.jkt), key_holder.proof("POST", PAR))
    assert agreed.status_code == 201


@pytest.mark.parametrize("jkt", ["x", "A" * 42, "A" * 44, "A" * 42 + "B", "é" * 43, "A" * 42 + "="])
async def test_par_with_malformed_dpop_jkt_is_rejected(oauth, jkt):
    flow = await oauth.request(await oauth.register_public_app())
    is_refused(await flow.push(dpop_jkt=jkt), "invalid_request")


async def test_dpop_proof_for_token_endpoint_is_rejected_at_par(oauth, key_holder):
    flow = await oauth.request(await oauth.register_public_app())
    is_refused(await post(flow.app, "/par", flow.parameters(), key_holder.proof("POST", TOKEN)), "invalid_dpop_proof")
    pushed = key_holder.proof("POST", PAR)
    assert (await post(flow.app, "/par", flow.parameters(), pushed)).status_code == 201
    is_refused(await post(flow.app, "/par", flow.parameters(), pushed), "invalid_dpop_proof")


async def test_discovery_metadata_names_dpop_algorithms(oauth):
    for place in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        told = (await oauth.connection().get(place)).json()
        assert told["dpop_signing_alg_values_supported"] == list(PROOF_ALGORITHMS)


async def test_dpop_token_of_suspended_client_is_rejected(oauth, key_holder):
    flow = await own_box(oauth)
    form = redeeming(flow, await flow.code())
    token = (await post(flow.app, "/token", form, key_holder.proof("POST", TOKEN))).json()["access_token"]
    assert (await flow.app.post("/revoke", {"token": token})).status_code == 200
    answer = await flow.app.http.get("/userinfo", headers=key_holder.headers("GET", USERINFO, token))
    assert answer.status_code == 401
