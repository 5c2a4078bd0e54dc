"""Dynamic client registration (POST /register): by invitation, with valid metadata, then approved by an operator."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import (
    REDIRECT,
    approve_program,
    create_invitation,
    make_agency_metadata,
    make_app_metadata,
    make_bearer_header,
    make_client_keys,
    post_registration,
    register_program,
)
from tests.builders.keys import sign_jws
from tests.builders.rows import CLIENTS, INITIAL_ACCESS_TOKENS

PAIR = make_client_keys()


async def clients(oauth) -> int:
    async with unit_of_work(oauth.sessions) as session:
        return await CLIENTS.count(session)


async def uses_left(oauth) -> int:
    async with unit_of_work(oauth.sessions) as session:
        return await INITIAL_ACCESS_TOKENS.read_value(session, "uses_left")


async def test_registration_response_has_metadata_and_management_token(production_oauth) -> None:
    answer = await post_registration(
        production_oauth, await create_invitation(production_oauth), make_app_metadata(PAIR)
    )
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert len(made["client_id"]) >= 22
    assert made["client_id_issued_at"] == int(production_oauth.clock.now().timestamp())
    assert made["registration_client_uri"] == f"https://machtigen.test/register/{made['client_id']}"
    assert len(made["registration_access_token"]) >= 43
    assert made["jwks"] == PAIR.jwks
    assert (made["grant_types"], made["response_types"]) == (["authorization_code"], ["code"])
    assert "client_secret" not in made


async def test_registration_without_grant_types_defaults_to_authorization_code(production_oauth) -> None:
    metadata = make_app_metadata(PAIR)
    del metadata["grant_types"]
    answer = await post_registration(production_oauth, await create_invitation(production_oauth), metadata)
    assert (answer.status_code, answer.json()["grant_types"]) == (201, ["authorization_code"])


async def test_registration_tokens_are_stored_hashed(production_oauth) -> None:
    program = await register_program(production_oauth)
    rows = await CLIENTS.dump(production_oauth) + await INITIAL_ACCESS_TOKENS.dump(production_oauth)
    assert program.client_id in rows
    assert program.token not in rows


async def test_registered_client_is_unknown_until_approved(production_oauth) -> None:
    program = await register_program(production_oauth)
    refused = await program.app.post("/revoke", {"token": "x"})
    program.app.client_id = "bestaat-niet"
    unknown = await program.app.post("/revoke", {"token": "x"})
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert refused.status_code == 401


@pytest.mark.parametrize("path", ["/par", "/token", "/introspect", "/revoke"])
async def test_enumeration_proposed_client_looks_like_unknown_client(production_oauth, path) -> None:
    program = await register_program(production_oauth)
    forms = {"grant_type": "authorization_code", "code": "x", "token": "x", "redirect_uri": REDIRECT}
    refused = await program.app.post(path, forms)
    program.app.client_id = "bestaat-niet"
    unknown = await program.app.post(path, forms)
    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert refused.json()["error"] == "invalid_client"


async def test_proposed_public_client_is_rejected(production_oauth) -> None:
    program = await register_program(production_oauth, token_endpoint_auth_method="none", jwks=None)
    program.app.keys = None
    assert (await program.app.post("/par", {"response_type": "code"})).json()["error"] == "invalid_client"
    await approve_program(production_oauth, program.client_id)
    assert (await program.app.post("/par", {"response_type": "code"})).json()["error"] != "invalid_client"


async def test_approved_client_works_and_its_registration_is_journalled(production_oauth) -> None:
    program = await register_program(production_oauth)
    await approve_program(production_oauth, program.client_id)
    assert await program.works()
    (invited,) = await production_oauth.lines("client:uitgenodigd")
    (made,) = await production_oauth.lines("client:geregistreerd")
    (let_in,) = await production_oauth.lines("client:goedgekeurd")
    assert invited.facts == {"keren": 1, "dagen": 7}
    assert (made.reason, made.object_kind, made.object_id) == ("voorgesteld", "uitnodiging", invited.object_id)
    assert made.client_id == let_in.client_id == program.client_id


async def test_registered_client_in_practice_works_at_once(oauth) -> None:
    program = await register_program(oauth)
    assert await program.works()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        make_bearer_header("A" * 43),
        make_bearer_header(""),
        make_bearer_header("kort"),
        make_bearer_header("x\x00" + "A" * 41),
        {"Authorization": "Basic QTpC"},
        {"Authorization": "DPoP " + "A" * 43},
    ],
)
async def test_registration_without_invitation_returns_401_unparsed(production_oauth, headers) -> None:
    answers = [
        await production_oauth.connection().post("/register", json=body, headers=headers)
        for body in (make_app_metadata(PAIR), 1)
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert answers[0].json() == answers[1].json()
    assert await clients(production_oauth) == 0
    assert await production_oauth.lines("client:geweigerd") == []


async def test_invitation_in_query_or_body_is_ignored(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    http = production_oauth.connection()
    for answer in (
        await http.post("/register", params={"access_token": token}, json=make_app_metadata(PAIR)),
        await http.post("/register", json=make_app_metadata(PAIR, access_token=token)),
        await http.post("/register", json=make_app_metadata(PAIR), headers=[("Authorization", f"Bearer {token}")] * 2),
    ):
        assert answer.status_code == 401
    assert await clients(production_oauth) == 0


async def test_invitation_is_limited_in_uses_and_time(production_oauth) -> None:
    token = await create_invitation(production_oauth, uses=2, hours=1)
    assert [
        (await post_registration(production_oauth, token, make_app_metadata(PAIR))).status_code for _ in range(3)
    ] == [
        201,
        201,
        401,
    ]
    late = await create_invitation(production_oauth, hours=1)
    production_oauth.later(hours=1)
    assert (await post_registration(production_oauth, late, make_app_metadata(PAIR))).status_code == 401
    assert await clients(production_oauth) == 2


async def test_invitation_last_use_concurrently_succeeds_once(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    answers = await asyncio.gather(
        *(post_registration(production_oauth, token, make_app_metadata(PAIR)) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]
    assert await clients(production_oauth) == 1


async def test_registration_with_invalid_metadata_costs_no_use_and_is_journalled(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    assert (
        await post_registration(production_oauth, token, make_app_metadata(PAIR, client_name="<b>"))
    ).status_code == 400
    assert await uses_left(production_oauth) == 1
    (line,) = await production_oauth.lines("client:geweigerd")
    assert (line.reason, line.facts["fout"]) == ("clientgegevens_ongeldig", "invalid_client_metadata")
    assert (await post_registration(production_oauth, token, make_app_metadata(PAIR))).status_code == 201


CANNOT_BE_REGISTERED = [
    ({"redirect_uris": ["http://app.voorbeeld.example/terug"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://app.voorbeeld.example@kwaad.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": []}, "invalid_redirect_uri"),
    ({"redirect_uris": [7]}, "invalid_redirect_uri"),
    ({"redirect_uris": [], "client_name": ""}, "invalid_client_metadata"),
    ({"client_name": "Bela\u0455tingdienst"}, "invalid_client_metadata"),
    ({"client_id": "leesapp"}, "invalid_client_metadata"),
    ({"client_secret": "geheim"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "client_secret_basic"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": None}, "invalid_client_metadata"),
    ({"resource_server": True}, "invalid_client_metadata"),
    ({"resource_server": False}, "invalid_client_metadata"),
    ({"jwks": {"keys": [{"kty": []}]}}, "invalid_client_metadata"),
    ({"jwks": {"keys": [PAIR.private.as_dict(private=True)]}}, "invalid_client_metadata"),
    ({"jwks_uri": "https://app.voorbeeld.example/jwks"}, "invalid_client_metadata"),
    ({"jwks": None, "jwks_uri": "http://app.voorbeeld.example/jwks"}, "invalid_client_metadata"),
    ({"jwks": None, "jwks_uri": "https://10.0.0.1/jwks"}, "invalid_client_metadata"),
    ({"jwks": None, "jwks_uri": ["https://app.voorbeeld.example/jwks"]}, "invalid_client_metadata"),
    ({"jwks": None, "jwks_uri": None}, "invalid_client_metadata"),
    (
        {"jwks_uri": "https://a.example/", "jwks": None, "token_endpoint_auth_method": "none"},
        "invalid_client_metadata",
    ),
    ({"software_statement": "geen.jwt"}, "invalid_software_statement"),
    ({"software_statement": 1}, "invalid_software_statement"),
    (
        {"software_statement": sign_jws({"alg": "ES256"}, {"iss": "https://a.example"}, PAIR.private)},
        "unapproved_software_statement",
    ),
]


async def test_registration_error_is_that_of_rfc_7591(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    for changes, error in CANNOT_BE_REGISTERED:
        metadata = {name: value for name, value in make_app_metadata(PAIR, **changes).items() if value is not None}
        answer = await post_registration(production_oauth, token, metadata)
        assert (answer.status_code, answer.json()["error"]) == (400, error), (changes, answer.text)
        described = answer.json()["error_description"]
        assert described, changes
        assert all(" " <= letter <= "~" and letter not in '"\\' for letter in described), changes
    assert await clients(production_oauth) == 0


OTHER_GRANTS = [
    ["client_credentials"],
    ["urn:ietf:params:oauth:grant-type:token-exchange"],
    ["urn:openid:params:grant-type:ciba"],
    ["refresh_token"],
    ["authorization_code", "client_credentials"],
    [],
    "authorization_code",
    [["authorization_code"]],
]


async def test_nl_gov_3_1_3_registration_of_other_grant_types_is_rejected(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    for grant_types in OTHER_GRANTS:
        for metadata in (make_agency_metadata(PAIR), make_app_metadata(PAIR)):
            answer = await post_registration(production_oauth, token, metadata | {"grant_types": grant_types})
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), grant_types
            assert "grant_types" in answer.json()["error_description"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"{" * 5000, b"\xff", b'{"a": "' + b"x" * 70_000 + b'"}'],
)
async def test_registration_body_that_is_no_json_object_is_rejected(production_oauth, body) -> None:
    headers = make_bearer_header(await create_invitation(production_oauth)) | {"Content-Type": "application/json"}
    answer = await production_oauth.connection().post("/register", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


async def test_registration_with_other_content_type_is_rejected(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    answer = await production_oauth.connection().post(
        "/register", data={"client_name": "x"}, headers=make_bearer_header(token)
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(member=st.sampled_from([*sorted(make_app_metadata(PAIR)), "jwks_uri", "contacts", "client_uri"]), value=junk)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_registration_with_any_member_value_returns_201_or_400(production_oauth, member, value) -> None:
    answer = await post_registration(
        production_oauth, await create_invitation(production_oauth), make_app_metadata(PAIR) | {member: value}
    )
    assert answer.status_code in (201, 400), (member, value, answer.text)


async def test_discovery_metadata_names_registration_endpoint(production_oauth) -> None:
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        found = (await production_oauth.connection().get(path)).json()
        assert found["registration_endpoint"] == "https://machtigen.test/register"
