"""RFC 7523 client authentication under FAPI 2.0: one audience, short-lived, single use."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import warnings
from datetime import UTC, datetime

import httpx
import pytest
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey
from sqlalchemy import text
from structlog.testing import capture_logs

from machtiging.message_catalogue import ENGLISH, get_sentence
from machtiging.oauth.retention import expired_rows_sweep
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import replace_services
from tests.builders.client import make_agency_metadata, make_client_assertion, make_client_keys
from tests.builders.flow import ISSUER
from tests.builders.keys import sign_jws
from tests.builders.messages import ASSERTION_TYPE


async def token(app, proof, **changes):
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}
    merged = {name: value for name, value in (form | changes).items() if value is not None}
    return await app.http.post("/token", data=merged)


def assert_refused(response, error="invalid_client", why=""):
    assert response.json().get("error") == error, (why, response.text)
    assert response.status_code == (401 if error == "invalid_client" else 400)
    return response


def now(oauth):
    return int(oauth.clock.now().timestamp())


async def test_client_assertion_with_es256_or_ps256_is_accepted(oauth) -> None:
    for alg in ("ES256", "PS256"):
        keys = make_client_keys(alg)
        app = await oauth.register_agency()
        app = await oauth.add(make_agency_metadata(keys), keys, app.registration["oin"])
        assert (await token(app, make_client_assertion(keys, app.client_id, oauth.clock))).status_code == 200
        typed = make_client_assertion(keys, app.client_id, oauth.clock, header={"typ": "client-authentication+jwt"})
        assert (await token(app, typed)).status_code == 200
        assert (
            await token(app, make_client_assertion(keys, app.client_id, oauth.clock, header={"typ": None}))
        ).status_code == 200


async def test_row_21_client_assertion_with_wrong_claims_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    at = now(oauth)
    wrong = [
        {"iss": "ander"},
        {"sub": "ander"},
        {"iss": None},
        {"sub": None},
        {"sub": 5},
        {"sub": "\0"},
        {"sub": "\ud800"},
        {"aud": None},
        {"aud": [ISSUER, "https://kwaad.example"]},
        {"aud": [ISSUER, ISSUER]},
        {"aud": ["https://kwaad.example"]},
        {"aud": [ISSUER + "/token"]},
        {"aud": [ISSUER + "/"]},
        {"aud": [[ISSUER]]},
        {"aud": []},
        {"aud": {"0": ISSUER}},
        {"aud": ISSUER + "/token"},
        {"aud": ISSUER + "/"},
        {"aud": "https://kwaad.example"},
        {"exp": None},
        {"exp": at},
        {"exp": at - 1},
        {"exp": str(at + 60)},
        {"exp": True},
        {"exp": 10**400},
        {"iat": None},
        {"iat": None, "exp": at + 60},
        {"iat": None, "nbf": at, "exp": at + 10 * 365 * 86400},
        {"iat": at - 311, "exp": at + 10 * 365 * 86400},
        {"iat": at + 60},
        {"iat": at - 311},
        {"nbf": at + 60},
        {"nbf": "nu"},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 257},
    ]
    for change in wrong:
        assert_refused(
            await token(app, make_client_assertion(app.keys, app.client_id, oauth.clock, **change)),
            why=str(change)[:60],
        )


async def test_client_assertion_audience_list_with_issuer_only_is_accepted(oauth) -> None:
    """One audience may be a string or a list; some libraries write the list (RFC 7519 4.1.3)."""
    app = await oauth.register_agency()
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock, aud=[ISSUER])
    assert (await token(app, proof)).status_code == 200
    assert_refused(await token(app, proof))


@pytest.mark.parametrize("bound", ["dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"])
async def test_fapi_2_5_3_2_1_client_assertion_audience_of_bound_client_must_be_a_string(oauth, bound) -> None:
    app = await oauth.register_agency(**{bound: True})
    for audience, error in (([ISSUER], "invalid_client"), (ISSUER, None)):
        form = {"token": "x", "client_assertion_type": ASSERTION_TYPE}
        form["client_assertion"] = make_client_assertion(app.keys, app.client_id, oauth.clock, aud=audience)
        assert (await app.http.post("/revoke", data=form)).json().get("error") == error


async def test_client_assertion_eight_seconds_ahead_is_accepted(oauth) -> None:
    app = await oauth.register_agency()
    at = now(oauth) + 8
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock, iat=at, nbf=at)
    assert (await token(app, proof)).status_code == 200


async def test_row_21_client_assertion_replayed_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock)
    assert (await token(app, proof)).status_code == 200
    assert_refused(await token(app, proof))


async def test_row_21_client_assertion_used_concurrently_is_accepted_once(oauth) -> None:
    app = await oauth.register_agency()
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock)
    answers = await asyncio.gather(*(token(app, proof) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_client_assertion_jti_is_scoped_per_client(oauth) -> None:
    for app in (await oauth.register_agency(), await oauth.register_agency()):
        assert (
            await token(app, make_client_assertion(app.keys, app.client_id, oauth.clock, jti="zelfde"))
        ).status_code == 200


async def test_row_21_client_assertion_signed_with_other_key_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    assert_refused(await token(app, make_client_assertion(make_client_keys(), app.client_id, oauth.clock)))


def loose(header, claims, signature=b""):
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def sign_manually(header, claims, key):
    """Sign this header and payload by hand: the library refuses some of them."""
    text = loose(header, claims).rpartition(".")[0]
    r, s = decode_dss_signature(key.private_key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return text + "." + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hs256(claims, secret):
    text = loose({"alg": "HS256", "kid": "app-1"}, claims).rpartition(".")[0]
    made = hmac.digest(secret, text.encode(), "sha256")
    return text + "." + base64.urlsafe_b64encode(made).rstrip(b"=").decode()


async def test_row_23_alg_none_and_algorithm_confusion_are_rejected(oauth) -> None:
    app = await oauth.register_agency()
    keys, at = app.keys, now(oauth)
    claims = {"iss": app.client_id, "sub": app.client_id, "aud": ISSUER, "iat": at, "exp": at + 60, "jti": "j"}
    public = keys.private.as_pem(private=False)
    rsa = make_client_keys("PS256")
    forged = [
        loose({"alg": "none"}, claims),
        loose({"alg": "None"}, claims, b"x"),
        loose({"alg": "ES256", "kid": "app-1"}, claims, b"\0" * 64),
        loose({"alg": "ES256", "kid": "app-1"}, claims),
        json.dumps({"payload": loose({}, claims).split(".")[1], "signatures": []}),
        hs256(claims, public),
        hs256(claims, b"\n" + public),
        sign_jws({"alg": "RS256", "kid": "app-1"}, claims, rsa.private),
        sign_jws({"alg": "PS256", "kid": "app-1"}, claims, rsa.private),
        sign_jws({"alg": "ES256", "kid": "app-1", "typ": "at+jwt"}, claims, keys.private),
        "onzin",
        "a.b.c",
        "",
        "é.é.é",
        "." * 40,
    ]
    for proof in forged:
        assert_refused(await token(app, proof), why=proof[:60])


async def test_row_24_25_29_key_or_crit_in_header_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    evil = make_client_keys()
    at = now(oauth)
    claims = {"iss": app.client_id, "sub": app.client_id, "aud": ISSUER, "iat": at, "exp": at + 60}
    headers = [
        {"jwk": evil.private.as_dict(private=False)},
        {"jku": "https://kwaad.example/jwks"},
        {"x5u": "https://kwaad.example/x5u"},
        {"kid": "../../keys/es256-1"},
        {"kid": "' OR 1=1 --"},
        {"kid": "http://127.0.0.1/"},
    ]
    for number, extra in enumerate(headers):
        for key in (evil.private, app.keys.private):
            proof = sign_jws({"alg": "ES256", "kid": "app-1", **extra}, claims | {"jti": f"j{number}"}, key)
            assert_refused(await token(app, proof), why=str(extra)[:60])
    crit = {"alg": "ES256", "kid": "app-1", "crit": ["onbekend"], "onbekend": 1}
    assert_refused(await token(app, sign_manually(crit, claims | {"jti": "crit"}, app.keys.private)))
    assert (
        await token(app, sign_manually({"alg": "ES256"}, claims | {"jti": "goed"}, app.keys.private))
    ).status_code == 200


async def test_row_30_client_assertion_oversized_is_rejected_unparsed(oauth) -> None:
    app = await oauth.register_agency()
    at = now(oauth)
    claims = {"iss": app.client_id, "sub": app.client_id, "aud": ISSUER, "iat": at, "exp": at + 60, "jti": "j"}
    assert_refused(await token(app, make_client_assertion(app.keys, app.client_id, oauth.clock, vulling="x" * 9000)))
    assert_refused(await token(app, loose({"alg": "ES256", "kid": "x" * 7000}, claims, b"x")))
    deep = b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"
    assert_refused(await token(app, sign_jws({"alg": "ES256"}, deep, app.keys.private)))


async def test_two_client_authentication_methods_are_rejected(oauth) -> None:
    app = await oauth.register_agency()
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock)
    assert_refused(await token(app, proof, client_secret="geheim"), "invalid_request")
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}
    assert_refused(await app.http.post("/token", data=form, auth=(app.client_id, "geheim")), "invalid_request")


async def test_client_secret_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    form = {"grant_type": "client_credentials"}
    assert_refused(await app.http.post("/token", data=form, auth=(app.client_id, "geheim")))
    assert_refused(await app.http.post("/token", data={**form, "client_id": app.client_id, "client_secret": "geheim"}))
    assert_refused(await app.http.post("/token", data={**form, "client_id": app.client_id}))
    assert_refused(await app.http.post("/token", data=form))


async def test_rfc_6749_3_2_client_secret_without_value_is_ignored(oauth) -> None:
    """Section 2.3.1: an empty secret may be omitted; some libraries send the empty parameter."""
    app, nobody = await oauth.register_agency(), await oauth.register_public_app()
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock)
    assert (await token(app, proof, client_secret="")).status_code == 200
    form = {"client_id": nobody.client_id, "client_secret": "", "token": "x"}
    assert (await nobody.http.post("/revoke", data=form)).status_code == 200
    assert_refused(await nobody.http.post("/revoke", data=form | {"client_secret": " "}))
    assert_refused(await nobody.http.post("/revoke", data=form, auth=(nobody.client_id, "")))
    assert_refused(await app.http.post("/revoke", data=form | {"client_id": app.client_id}))


async def test_downgrade_confidential_client_without_assertion_is_rejected(oauth) -> None:
    flow = await oauth.request()
    form = {**flow.parameters(), "client_id": flow.app.client_id}
    assert_refused(await flow.app.http.post("/par", data=form))


async def test_public_client_with_client_assertion_is_rejected(oauth) -> None:
    app = await oauth.register_public_app()
    assert_refused(await token(app, make_client_assertion(make_client_keys(), app.client_id, oauth.clock)))


async def test_client_id_in_form_must_match_the_client_assertion(oauth) -> None:
    app, other = await oauth.register_agency(), await oauth.register_agency()
    assert_refused(
        await token(app, make_client_assertion(app.keys, app.client_id, oauth.clock), client_id=other.client_id)
    )


async def test_client_assertion_type_wrong_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock)
    for wrong in (None, "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "jwt"):
        assert_refused(await token(app, proof, client_assertion_type=wrong))
    assert_refused(await token(app, None))


async def test_client_assertion_with_far_exp_is_accepted(oauth) -> None:
    """Authlib writes an hour, others a day. The lifetime that counts is five minutes from `iat`."""
    app = await oauth.register_agency()
    for exp in (now(oauth) + 311, now(oauth) + 3600, now(oauth) + 10 * 365 * 86400):
        assert (
            await token(app, make_client_assertion(app.keys, app.client_id, oauth.clock, exp=exp))
        ).status_code == 200


@pytest.mark.parametrize("ahead", [0, 10])
@pytest.mark.parametrize("seconds", [1, 299, 310, 319, 320, 321, 3000])
async def test_client_assertion_with_far_exp_replayed_later_is_rejected(oauth, seconds, ahead) -> None:
    """The `jti` is stored while the assertion could be accepted, also if housekeeping runs."""
    app = await oauth.register_agency()
    at = now(oauth)
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock, iat=at + ahead, exp=at + 3600)
    assert (await token(app, proof)).status_code == 200
    oauth.later(seconds=seconds)
    async with unit_of_work(oauth.sessions) as session:
        await expired_rows_sweep(session, at=oauth.clock.now())
    assert_refused(await token(app, proof))


async def test_client_assertion_with_far_exp_kept_too_long_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    proof = make_client_assertion(app.keys, app.client_id, oauth.clock, exp=now(oauth) + 3600)
    oauth.later(seconds=311)
    assert "five minutes" in assert_refused(await token(app, proof)).json()["error_description"]


async def test_authlib_client_with_private_key_jwt_gets_token(oauth) -> None:
    """Authlib unmodified (`exp` an hour ahead); audience and algorithm are configured."""
    with warnings.catch_warnings():  # it warns about the installed version of httpx
        warnings.simplefilter("ignore")
        from authlib.integrations.httpx_client import AsyncOAuth2Client
    app = await oauth.register_agency()
    oauth.clock.advance(datetime.now(UTC) - oauth.clock.now())
    http = AsyncOAuth2Client(
        app.client_id,
        ECKey.import_key({**app.keys.private.as_dict(private=True), "kid": "app-1"}),
        token_endpoint_auth_method=PrivateKeyJWT(ISSUER, alg="ES256"),
        transport=httpx.ASGITransport(oauth.service),
    )
    async with http:
        for _ in range(2):
            made = await http.fetch_token(ISSUER + "/token", grant_type="client_credentials")
            assert made["access_token"]


# change of a valid assertion, reason in the log, whether the signature is valid
CAUSES = [
    ({"key": make_client_keys()}, "bewijs_ondertekening", False),
    ({"header": {"kid": "ander"}}, "bewijs_kid_onbekend", False),
    ({"header": {"typ": "at+jwt"}}, "bewijs_typ", False),
    ({"key": make_client_keys("PS256")}, "bewijs_algoritme", False),
    ({"sub": "bestaat-niet"}, "client_onbekend", False),
    ({"sub": "openbaar"}, "client_andere_methode", False),
    ({"iss": "ander"}, "bewijs_van_ander", True),
    ({"aud": ISSUER + "/token"}, "bewijs_voor_ander", True),
    ({"exp": 1}, "bewijs_verlopen", True),
    ({"iat": 1}, "bewijs_te_oud", True),
    ({"iat": None}, "bewijs_zonder_tijd", True),
    ({"nbf": 9_000_000_000}, "bewijs_uit_de_toekomst", True),
    ({"jti": None}, "bewijs_zonder_jti", True),
    ({"client_id": "ander"}, "client_id_wijkt_af", True),
    ({"used": True}, "bewijs_hergebruikt", True),
]


@pytest.mark.parametrize("practice", [True, False])
@pytest.mark.parametrize(("change", "code", "proven"), CAUSES, ids=[code for _, code, _ in CAUSES])
async def test_client_auth_failure_names_cause_in_practice_or_after_authentication_only(
    oauth, change, code, proven, practice
) -> None:
    app, public = await oauth.register_agency(), await oauth.register_public_app()
    replace_services(oauth.service, practice=practice)
    change = {name: public.client_id if value == "openbaar" else value for name, value in change.items()}
    used, named = change.pop("used", False), change.pop("client_id", None)
    proof = make_client_assertion(change.pop("key", app.keys), app.client_id, oauth.clock, **change)
    if used:
        assert (await token(app, proof)).status_code == 200
    with capture_logs() as logged:
        answer = assert_refused(await token(app, proof, client_id=named), why=code)
    described = answer.json()["error_description"]
    assert (get_sentence(f"oauth.client_authentication.{code}", ENGLISH) in described) is (practice or proven)
    if not (practice or proven):
        assert described == "Client authentication failed."
    assert code in [entry.get("code") for entry in logged] + [
        line.reason for line in await oauth.lines("token_geweigerd")
    ]


@pytest.mark.parametrize("path", ["/token", "/par", "/revoke", "/introspect", "/bc-authorize"])
async def test_client_auth_failure_in_production_is_uniform(oauth, path) -> None:
    """Unknown, suspended, public, wrong key or algorithm, no credentials: one identical response."""
    app, public = await oauth.register_agency(), await oauth.register_public_app()
    other = await oauth.register_reading_app()
    async with unit_of_work(oauth.sessions) as session:
        mine = {"id": other.client_id}
        await session.execute(text("UPDATE oauth_client SET state = 'suspended' WHERE client_id = :id"), mine)
    replace_services(oauth.service, practice=False)
    proofs = [
        make_client_assertion(make_client_keys(), app.client_id, oauth.clock),
        make_client_assertion(make_client_keys("PS256"), app.client_id, oauth.clock),
        make_client_assertion(app.keys, app.client_id, oauth.clock, header={"kid": "ander"}),
        make_client_assertion(app.keys, "bestaat-niet", oauth.clock),
        make_client_assertion(app.keys, public.client_id, oauth.clock),
        make_client_assertion(other.keys, other.client_id, oauth.clock),
        "onzin",
    ]
    form = {"grant_type": "client_credentials", "token": "x", "client_assertion_type": ASSERTION_TYPE}
    answers = [await app.http.post(path, data=form | {"client_assertion": proof}) for proof in proofs]
    secret = {"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": "geheim", "token": "x"}
    answers.append(await app.http.post(path, data=secret))
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1, [one.text for one in answers]
    assert answers[0].json() == {"error": "invalid_client", "error_description": "Client authentication failed."}


async def test_row_21_enumeration_unknown_client_looks_like_wrong_key(oauth) -> None:
    app = await oauth.register_agency()
    replace_services(oauth.service, practice=False)
    with capture_logs() as logged:
        wrong_key = assert_refused(
            await token(app, make_client_assertion(make_client_keys(), app.client_id, oauth.clock))
        )
        unknown = assert_refused(await token(app, make_client_assertion(app.keys, "bestaat-niet", oauth.clock)))
        replayed = make_client_assertion(app.keys, app.client_id, oauth.clock)
        await token(app, replayed)
        used = assert_refused(await token(app, replayed))
    assert wrong_key.content == unknown.content
    assert "used before" in used.json()["error_description"]  # the client is authenticated, so the cause is told
    reasons = [entry["code"] for entry in logged if entry["event"] == "oauth_refused"]
    assert reasons == ["bewijs_ondertekening", "client_onbekend", "bewijs_hergebruikt"]


async def test_suspended_client_is_rejected(oauth) -> None:
    app = await oauth.register_agency()
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE oauth_client SET state = 'suspended'"))
    assert_refused(await token(app, make_client_assertion(app.keys, app.client_id, oauth.clock)))
