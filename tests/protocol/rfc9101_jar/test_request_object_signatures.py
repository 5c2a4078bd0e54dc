"""RFC 9101: request objects are verified with the registered key and an algorithm we choose."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from joserfc.jwk import ECKey

from tests.builders.client import make_app_metadata, make_client_assertion, make_client_keys
from tests.builders.flow import assert_request_object_refused, make_request_object, push_request_object
from tests.builders.keys import sign_jws
from tests.builders.messages import read_claims


async def test_request_object_signed_with_unregistered_key_is_rejected(oauth, unpushed_flow) -> None:
    assert_request_object_refused(
        await push_request_object(unpushed_flow, make_request_object(unpushed_flow, key=ECKey.generate_key("P-256")))
    )
    other = await oauth.request(await oauth.register_reading_app(client_name="Andere app"))
    about = {"iss": unpushed_flow.app.client_id, "client_id": unpushed_flow.app.client_id}
    assert_request_object_refused(await push_request_object(unpushed_flow, make_request_object(other, **about)))
    assert_request_object_refused(await push_request_object(unpushed_flow, make_request_object(other)))


async def test_request_object_signed_by_another_client_is_rejected(oauth, unpushed_flow) -> None:
    made = make_request_object(unpushed_flow)
    other = await oauth.register_reading_app(client_name="Andere app")
    response = await other.post("/par", {"request": made})
    assert_request_object_refused(response)
    assert (await push_request_object(unpushed_flow, made)).status_code == 201  # the object is not consumed by that


def sign_manually(header: dict, claims: dict, sign) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, claims)]
    text = b".".join(parts)
    return b".".join([text, base64.urlsafe_b64encode(sign(text)).rstrip(b"=")]).decode()


async def test_algorithm_confusion_request_object_is_rejected(unpushed_flow) -> None:
    claims, public = read_claims(make_request_object(unpushed_flow)), unpushed_flow.app.keys.private
    pem = public.as_pem(private=False)
    for alg, sign in (
        ("none", lambda _: b""),
        ("none", lambda _: b"x"),
        ("None", lambda _: b"x"),
        ("HS256", lambda text: hmac.new(pem, text, hashlib.sha256).digest()),
        ("HS256", lambda text: hmac.new(b"", text, hashlib.sha256).digest()),
    ):
        assert_request_object_refused(
            await push_request_object(
                unpushed_flow, sign_manually({"alg": alg, "kid": "app-1", "typ": "JWT"}, claims, sign)
            ),
            alg,
        )


async def test_request_object_with_rs256_is_rejected(oauth) -> None:
    keys = make_client_keys("PS256")
    flow = await oauth.request(await oauth.add(make_app_metadata(keys), keys))
    assert_request_object_refused(await push_request_object(flow, make_request_object(flow, header={"alg": "RS256"})))


async def test_request_object_with_other_than_registered_algorithm_is_rejected(oauth) -> None:
    keys = make_client_keys("ES256")
    metadata = make_app_metadata(keys, request_object_signing_alg="PS256")
    flow = await oauth.request(await oauth.add(metadata, keys))
    assert_request_object_refused(await push_request_object(flow, make_request_object(flow)))
    same = await oauth.request(await oauth.add(make_app_metadata(keys, request_object_signing_alg="ES256"), keys))
    assert (await push_request_object(same, make_request_object(same))).status_code == 201


async def test_request_object_with_key_or_key_url_in_header_is_rejected(unpushed_flow) -> None:
    thief = ECKey.generate_key("P-256")
    jwk = {**thief.as_dict(private=False), "alg": "ES256"}
    for header in (
        {"jwk": jwk},
        {"jku": "https://dief.example/jwks"},
        {"x5u": "https://dief.example/keten.pem"},
        {"crit": ["exp"]},
        {"kid": "../../../../dev/null"},
        {"kid": "app-1' OR '1'='1"},
        {"kid": "https://dief.example/jwks"},
    ):
        claims = read_claims(make_request_object(unpushed_flow))
        protected = {"alg": "ES256", "kid": "app-1", "typ": "JWT"} | header
        text = sign_manually(protected, claims, lambda _: b"x" * 64)
        assert_request_object_refused(await push_request_object(unpushed_flow, text), header)
        if not {"crit"} & header.keys():
            assert_request_object_refused(
                await push_request_object(unpushed_flow, sign_jws(protected, claims, thief)), header
            )


OTHER_KINDS = ["at+jwt", "client-authentication+jwt", "dpop+jwt", "secevent+jwt", "logout+jwt"]


async def test_request_object_of_other_typ_is_rejected(unpushed_flow) -> None:
    for typ in OTHER_KINDS:
        assert_request_object_refused(
            await push_request_object(unpushed_flow, make_request_object(unpushed_flow, header={"typ": typ})), typ
        )


async def test_request_object_and_client_assertion_are_not_interchangeable(unpushed_flow) -> None:
    app = unpushed_flow.app
    assert_request_object_refused(
        await push_request_object(unpushed_flow, make_client_assertion(app.keys, app.client_id, app.clock))
    )
    made = make_request_object(unpushed_flow, header={"typ": "JWT"})
    response = await app.post("/par", unpushed_flow.parameters(), client_assertion=made)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


NO_JWT = ["onzin", "a.b.c", "a.b.c.d.e", "..", "x" * 16_000, "eyJhbGciOiJFUzI1NiJ9." + "A" * 9_000 + ".AAAA"]


async def test_request_object_that_is_no_jwt_is_rejected(unpushed_flow) -> None:
    for made in NO_JWT:
        assert_request_object_refused(await push_request_object(unpushed_flow, made), made[:20])


async def test_request_object_deeply_nested_is_rejected(unpushed_flow) -> None:
    deep: list = []
    for _ in range(400):
        deep = [deep]
    assert_request_object_refused(
        await push_request_object(unpushed_flow, make_request_object(unpushed_flow, authorization_details=deep))
    )


async def test_request_object_with_duplicate_member_is_rejected(unpushed_flow) -> None:
    claims = json.dumps(read_claims(make_request_object(unpushed_flow)))
    twice = (claims[:-1] + ', "redirect_uri": "https://dief.example/terug"}').encode()
    header = {"alg": "ES256", "kid": "app-1", "typ": "JWT"}
    assert_request_object_refused(
        await push_request_object(unpushed_flow, sign_jws(header, twice, unpushed_flow.app.keys.private))
    )
