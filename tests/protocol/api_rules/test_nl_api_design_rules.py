"""NL API Design Rules 2.x on the routes under /api/v1, rule by rule."""

import json

import pytest

from machtiging.berichtenbox.routes import API_PREFIX, BODY_LIMITS
from machtiging.web import openapi
from tests.builders.letters import UWV

BERICHT = "019ab0c4-7a5e-7c3e-9f1a-123456789012"
PATHS = {
    f"{API_PREFIX}/aanleveringen": {"POST"},
    f"{API_PREFIX}/berichten": {"GET"},
    f"{API_PREFIX}/berichten/{BERICHT}": {"GET", "PATCH", "DELETE"},
    f"{API_PREFIX}/berichten/{BERICHT}/bijlagen/{BERICHT}": {"GET"},
}


@pytest.fixture
async def citizen(world):
    async with world.client(await world.issue_token(world.citizen)) as client:
        yield client


@pytest.fixture
async def anonymous(world):
    async with world.client() as client:
        yield client


async def test_core_http_methods_unsupported_method_returns_405_with_allow(anonymous):
    for path, named in PATHS.items():
        methods = named | ({"HEAD"} if "GET" in named else set())
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE", "OPTIONS"} - methods:
            answer = await anonymous.request(method, path)
            assert (path, method, answer.status_code) == (path, method, 204 if method == "OPTIONS" else 405)
            assert set(answer.headers["allow"].split(", ")) == methods
            assert answer.headers["api-version"] == "0.1.0"


async def test_core_no_trailing_slash_returns_404_without_redirect(citizen):
    for path, methods in PATHS.items():
        for method in methods:
            answer = await citizen.request(method, path + "/")
            assert answer.status_code == 404
            assert "location" not in answer.headers


async def test_core_error_handling_refusal_is_a_problem_in_dutch(anonymous, citizen, world):
    async with world.client(await world.issue_token(oin=UWV)) as agency:
        answers = [
            await anonymous.get(f"{API_PREFIX}/berichten"),
            await citizen.get(f"{API_PREFIX}/berichten", params={"aantal": "x"}),
            await citizen.get(f"{API_PREFIX}/berichten/{BERICHT}"),
            await citizen.get(f"{API_PREFIX}/onbekend"),
            await citizen.put(f"{API_PREFIX}/berichten"),
            await citizen.get(f"{API_PREFIX}/berichten", headers={"Accept": "application/xml"}),
            await citizen.patch(
                f"{API_PREFIX}/berichten/{BERICHT}", content="x", headers={"Content-Type": "text/plain"}
            ),
            await citizen.patch(f"{API_PREFIX}/berichten/{BERICHT}", json={"map": "x" * 300_000}),
            await agency.get(f"{API_PREFIX}/berichten"),
        ]
    assert [answer.status_code for answer in answers] == [401, 400, 404, 404, 405, 406, 415, 413, 403]
    for answer in answers:
        body = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert body["status"] == answer.status_code
        assert {"type", "title", "detail", "code", "verzoekId"} <= set(body)
        assert answer.headers["api-version"] == "0.1.0"


async def test_transport_security_headers_are_sent_on_success_and_error(anonymous, citizen):
    for answer in (await anonymous.get(f"{API_PREFIX}/berichten"), await citizen.get(f"{API_PREFIX}/berichten")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("text/html, application/json;q=0.1", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/html", 406),
        ("application/xml", 406),
        ("application/json;q=0", 406),
        ("rommel", 406),
    ],
)
async def test_accept_header_that_cannot_be_met_returns_406(citizen, accept, status):
    assert (await citizen.get(f"{API_PREFIX}/berichten", headers={"Accept": accept})).status_code == status


async def test_date_time_with_any_offset_is_accepted_and_returned_in_utc(world, citizen):
    await world.deliver_letter(publicatietijdstip="2026-11-20T13:00:00+05:30")
    page = (await citizen.get(f"{API_PREFIX}/berichten")).json()
    assert page["berichten"][0]["publicatietijdstip"] == "2026-11-20T07:30:00Z"


async def test_publish_openapi_description_is_readable_from_any_origin(anonymous):
    answer = await anonymous.get(openapi.DOCUMENT_PATH)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["api-version"] == "0.1.0"
    document = answer.json()
    assert document["openapi"].startswith("3.")
    assert document["servers"] == [{"url": "http://localhost:8000/api/v1"}]
    assert "openapi.json" not in json.dumps(document["paths"])


async def test_openapi_schemas_name_every_returned_member(world, citizen):
    bericht_id = await world.deliver_letter()
    schemas = (await citizen.get(openapi.DOCUMENT_PATH)).json()["components"]["schemas"]
    assert set((await citizen.get(f"{API_PREFIX}/berichten/{bericht_id}")).json()) <= set(
        schemas["BerichtOut"]["properties"]
    )
    assert set((await citizen.get(f"{API_PREFIX}/berichten")).json()) <= set(schemas["BerichtenOut"]["properties"])


async def test_row_60_forged_host_header_does_not_change_the_api_address(anonymous):
    for header in ({"Host": "kwaad.example"}, {"X-Forwarded-Host": "kwaad.example"}, {"X-Forwarded-Prefix": "/kwaad"}):
        assert "kwaad" not in (await anonymous.get(openapi.DOCUMENT_PATH, headers=header)).text


async def test_access_token_in_query_returns_401(world, anonymous):
    token = await world.issue_token(world.citizen)
    answer = await anonymous.get(f"{API_PREFIX}/berichten", params={"access_token": token})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert token not in answer.text


def test_larger_request_bodies_are_allowed_for_deliveries_only():
    assert {f"{API_PREFIX}/aanleveringen": 256 * 1024 * 1024} == BODY_LIMITS


async def test_row_57_delivery_over_total_size_is_rejected_unread(world):
    async with world.client(await world.issue_token(oin=UWV)) as agency:
        told = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(256 * 1024 * 1024 + 1)}
        answer = await agency.post(f"{API_PREFIX}/aanleveringen", content=b"x", headers=told)
    assert (answer.status_code, answer.json()["code"]) == (413, "verzoek_te_groot")
