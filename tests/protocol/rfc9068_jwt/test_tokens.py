"""RFC 9068 access tokens and OpenID Connect ID tokens with the claims of NL GOV. And token confusion."""

from __future__ import annotations

import pytest

from machtiging.crypto.jose import parse_jws, verify_jwt
from machtiging.kernel.errors import NotAuthenticated
from tests.builders.client import AUDIENCE
from tests.builders.flow import ISSUER
from tests.builders.messages import read_claims


async def fetch_jwks(oauth):
    return (await oauth.connection().get("/jwks")).json()


async def test_access_token_has_required_claims_and_published_key(oauth) -> None:
    held = await oauth.grant_machtiging()
    flow = await oauth.start_flow(machtiging=held)
    token = (await flow.tokens())["access_token"]
    claims = verify_jwt(token, await fetch_jwks(oauth), algorithms=["ES256"], typ="at+jwt")
    now = int(oauth.clock.now().timestamp())
    assert {name: claims[name] for name in ("iss", "aud", "iat", "nbf", "exp", "scope", "client_id", "azp", "acr")} == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "scope": "openid",
        "client_id": flow.app.client_id,
        "azp": flow.app.client_id,
        "acr": "http://eidas.europa.eu/LoA/substantial",
    }
    assert claims["represents"].keys() == {"iss", "sub", "sub_id_type"}
    assert claims["auth_time"] <= now
    assert "amr" not in claims


async def test_tokens_hold_no_bsn_name_or_internal_id(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens()
    people = oauth.committed.people
    for token in (tokens["access_token"], tokens["id_token"]):
        told = str(read_claims(token))
        for secret in ("999990019", "999990020", "Voorbeeld", "Bram", str(people.mother), str(people.son)):
            assert secret not in told


async def test_pseudonyms_are_stable_per_sector_and_differ_between_sectors(oauth) -> None:
    held = await oauth.grant_machtiging()
    app = await oauth.register_reading_app()
    other = await oauth.register_reading_app(redirect_uris=["https://elders.voorbeeld.example/terug"])
    first, again, elsewhere = [
        read_claims((await (await oauth.start_flow(one, held)).tokens())["access_token"]) for one in (app, app, other)
    ]
    assert first["sub"] == again["sub"] != elsewhere["sub"]
    assert first["represents"]["sub"] == again["represents"]["sub"] != elsewhere["represents"]["sub"]
    assert first["jti"] != again["jti"]


async def test_pseudonyms_on_loopback_redirect_uri_differ_per_client(oauth) -> None:
    held = await oauth.grant_machtiging()
    uris = ["http://localhost:9000/terug"]
    one, two = (
        await oauth.register_reading_app(redirect_uris=uris),
        await oauth.register_reading_app(redirect_uris=uris),
    )
    subs = {
        read_claims((await (await oauth.start_flow(app, held)).tokens())["access_token"])["sub"] for app in (one, two)
    }
    assert len(subs) == 2


async def test_access_token_expires_with_the_machtiging(oauth) -> None:
    held = await oauth.grant_machtiging()
    oauth.later(days=89, hours=23, minutes=55)
    flow = await oauth.start_flow(machtiging=held)
    assert (await flow.tokens())["expires_in"] <= 300


async def test_id_token_is_for_the_client_short_lived_and_has_the_nonce(oauth) -> None:
    for alg in ("RS256", "PS256", "ES256"):
        flow = await oauth.start_flow(await oauth.register_reading_app(id_token_signed_response_alg=alg))
        token = (await flow.tokens())["id_token"]
        claims = verify_jwt(token, await fetch_jwks(oauth), algorithms=[alg], typ=None)
        assert claims["aud"] == flow.app.client_id
        assert claims["nonce"] == flow.nonce
        assert claims["exp"] - claims["iat"] == 300
        assert claims["acr"] == "http://eidas.europa.eu/LoA/substantial"
        assert claims["represents"]["sub"] != claims["sub"]
        assert "amr" not in claims


async def test_id_token_is_not_issued_without_openid(oauth) -> None:
    flow = await oauth.start_flow()
    assert "id_token" not in await flow.tokens(scope=None, nonce=None)


async def test_row_27_token_confusion_between_kinds_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens()
    keyring, at = oauth.service.state.services.keyring, oauth.clock.now()
    for token, typ, audience in (
        (tokens["id_token"], "at+jwt", AUDIENCE),
        (tokens["id_token"], "at+jwt", flow.app.client_id),
        (tokens["access_token"], "JWT", AUDIENCE),
    ):
        with pytest.raises(NotAuthenticated):
            keyring.verify_own_jwt(token, typ=typ, issuer=ISSUER, audience=audience, at=at)
    inactive = await flow.app.post("/introspect", {"token": tokens["id_token"]})
    assert inactive.json() == {"active": False}
    headers = {"Authorization": "Bearer " + tokens["id_token"]}
    assert (await oauth.connection().get("/userinfo", headers=headers)).status_code == 401
    form = {"client_assertion": tokens["access_token"]}
    assert (await flow.app.post("/introspect", {"token": "x"}, **form)).status_code == 401


async def test_row_28_token_for_other_audience_or_issuer_is_inactive(oauth) -> None:
    flow = await oauth.start_flow()
    claims = read_claims((await flow.tokens())["access_token"])
    keyring = oauth.service.state.services.keyring
    for change in ({"aud": "https://ander.example"}, {"aud": ISSUER}, {"iss": "https://kwaad.example"}, {"jti": "x"}):
        token = keyring.sign_jwt(claims | change, typ="at+jwt")
        assert (await flow.app.post("/introspect", {"token": token})).json() == {"active": False}


async def test_userinfo_returns_subject_and_represents_only(oauth) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens()
    headers = {"Authorization": "Bearer " + tokens["access_token"]}
    told = (await oauth.connection().get("/userinfo", headers=headers)).json()
    id_claims = read_claims(tokens["id_token"])
    assert told == {name: id_claims[name] for name in ("iss", "sub", "sub_id_type", "acr", "auth_time", "represents")}
    assert (await oauth.connection().post("/userinfo", headers=headers)).json() == told


async def test_userinfo_without_token_or_openid_or_after_revocation_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    http = oauth.connection()
    assert (await http.get("/userinfo")).status_code == 401
    assert (await http.get("/userinfo", headers={"Authorization": "Bearer onzin"})).status_code == 401
    plain = (await flow.tokens(scope=None, nonce=None))["access_token"]
    assert (await http.get("/userinfo", headers={"Authorization": "Bearer " + plain})).status_code == 403
    token = (await flow.tokens())["access_token"]
    await flow.app.post("/revoke", {"token": token})
    assert (await http.get("/userinfo", headers={"Authorization": "Bearer " + token})).status_code == 401


async def test_jwks_holds_public_keys_only_with_the_signer(oauth) -> None:
    jwks = await fetch_jwks(oauth)
    assert {key["alg"] for key in jwks["keys"]} == {"PS256", "RS256", "ES256"}
    assert all({"kid", "kty", "alg", "use"} <= key.keys() for key in jwks["keys"])
    assert not any(key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"} for key in jwks["keys"])
    flow = await oauth.start_flow()
    header = parse_jws((await flow.tokens())["access_token"]).header
    assert header["kid"] in {key["kid"] for key in jwks["keys"]}


async def test_userinfo_with_token_outside_the_header_is_rejected(oauth) -> None:
    token = (await (await oauth.start_flow()).tokens(scope="openid"))["access_token"]
    http, bearer = oauth.connection(), ("Authorization", f"Bearer {token}")
    assert (await http.get("/userinfo", headers=[bearer])).status_code == 200
    assert (await http.get("/userinfo", params={"access_token": token})).status_code in (400, 401)
    assert (await http.get("/userinfo", params={"access_token": token}, headers=[bearer])).status_code == 400
    assert (await http.post("/userinfo", data={"access_token": token})).status_code == 401
    assert (await http.get("/userinfo", headers=[bearer, bearer])).status_code == 401
